// Package simulation lets whole worlds live: the whole of Loophub with a shop on a cloud in one process, whose customers buy,
// consent and click, whose systems send everything late, twice and out of order, and where calls fail and functions die. Then
// it checks, by code of its own, that what DESIGN section 4 promises held. There is nothing here but tests.
package simulation
