// Package simulation lets whole worlds live: the whole of Loophub with a shop on a cloud in one process, whose customers buy,
// consent and click, whose systems send everything late, twice and out of order, and where calls fail and functions die. Then
// it checks, by code of its own, what Loophub promises:
//
//  1. Nothing is lost: what was acknowledged ends in facts, or parked with a reason.
//  2. Nothing is counted twice: duplicates, retries and deaths change nothing.
//  3. Order does not matter: at rest all hangs on the set of facts alone.
//  4. One effect: a message, a voucher, a write into the CRM is done once, or shown as unknown.
//  5. No loop: what we wrote ourselves does not come back as news.
//  6. Isolation: what is dead, poisonous or noisy stops nobody else.
//
// There is nothing here but tests.
package simulation
