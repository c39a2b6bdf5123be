package unify

import (
	"fmt"
	"strconv"
	"testing"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/profile"
)

// guestOrder is an order that a clerk entered under one address for everybody.
func guestOrder(n int) events.Fact {
	return said(events.Fact{Workspace: "w", Connection: "shop", Kind: events.Order, Record: strconv.Itoa(n), Version: 1, At: 1, Fields: events.Fields{}},
		"customer", "", "email", "counter@x.vn", "phone", fmt.Sprintf("+84%d", n), "ordered_at", strconv.Itoa(n), "total", "100", "currency", "VND")
}

// took counts the calls that a fact takes. A worker that never comes to rest would
// take all that there are: it fails after most.
func took(t *testing.T, rules profile.Rules, at *table, f events.Fact, most int) (calls int) {
	t.Helper()
	w := start("", rules, process([]events.Fact{f}))
	defer w.stop()
	for ; !w.done; calls++ {
		if w.step(at); calls > most {
			t.Fatalf("%s: still at work after %d calls", f.RecordKey(), calls)
		}
	}
	if w.err != nil {
		t.Fatalf("%s: %v", f.RecordKey(), w.err)
	}
	return calls
}

// settled takes facts in, one after the other.
func settled(t *testing.T, rules profile.Rules, at *table, facts ...events.Fact) {
	t.Helper()
	for _, f := range facts {
		took(t, rules, at, f, 1_000)
	}
}

// TestOrdersOfAnOverfullFragment: an order whose number is one too many for its
// fragment, and is not kept, is counted and comes to rest like any other.
func TestOrdersOfAnOverfullFragment(t *testing.T) {
	rules, at := unifytest.Rules(), newTable()
	var facts []events.Fact
	for n := range 12 {
		facts = append(facts, guestOrder(1+n))
	}
	settled(t, rules, at, facts...)
	if got, want := at.rest().Print(rules), unifytest.Batch(rules, facts).Print(rules); got != want {
		t.Errorf("--- want\n%s\n--- got\n%s", want, got)
	}
}

// TestAddressDeniedLater: once a workspace denies an address, its orders leave the
// fragment that they made, when they are amended or replayed, and count once.
func TestAddressDeniedLater(t *testing.T) {
	rules, at := unifytest.Rules(), newTable()
	paid := guestOrder(1)
	settled(t, rules, at, paid)
	denying := unifytest.Rules()
	denying.Denied[profile.Identifier{Kind: profile.Email, Value: "counter@x.vn"}] = true
	settled(t, denying, at, paid)
	var counted []profile.ID
	for id := range at.fragments {
		if at.fragment(id).State.Orders > 0 {
			counted = append(counted, id)
		}
	}
	byPhone := rules.Key.Fragment(profile.Anchor{Class: profile.GuestClass, Connection: "shop", Value: "phone/+841"})
	if len(counted) != 1 || counted[0] != byPhone {
		t.Errorf("the order counts for %v; want %s alone", counted, byPhone)
	}
}

// TestLinkingALargeProfile: what a link costs grows with the profile, not with its
// square: 32 fragments by one number are walked a few times, not once for each.
func TestLinkingALargeProfile(t *testing.T) {
	rules, at := unifytest.Rules(), newTable()
	rules.Limits = profile.DefaultLimits
	for n := range 32 {
		f := said(events.Fact{Workspace: "w", Connection: "web", Kind: events.Form, Record: strconv.Itoa(n), Version: 1, At: 1, Fields: events.Fields{}},
			"email", fmt.Sprintf("guest%d@x.vn", n), "phone", "+84903117428")
		took(t, rules, at, f, 20*(n+2))
	}
}
