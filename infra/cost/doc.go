// Package cost prices the whole hub: the stages as they are deployed, on the local cloud, under orders of 6 KB. All of it
// are tests; see the README.
package cost
