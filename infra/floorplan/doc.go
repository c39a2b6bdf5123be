// Package floorplan holds, as tests, who may import whom: the floors of the house, from the vocabulary on the ground to
// the mains under the roof. A package imports lower floors only; what stands side by side knows nothing of each other.
// Each floor and each rule carries its reason, which a failing test prints.
//
// A new package needs a place in the table of floors_test.go. That is meant to be a decision.
package floorplan
