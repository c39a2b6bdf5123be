// Package year lets a shop of two thousand customers live for a year against
// the pure core, in seconds, and checks all that came of it by code of its own.
// There is nothing here but tests.
package year
