package unify

import (
	"context"
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

// settled runs facts one after the other and fails if one takes more calls than any
// fact should: a worker that never comes to rest would take all of them.
func settled(t *testing.T, rules profile.Rules, at *table, facts ...events.Fact) {
	t.Helper()
	for n, f := range facts {
		w := start(at, "", func(u Unifier) error { return u.Process(context.Background(), []events.Fact{f})[0] }, rules, false)
		calls := 0
		for more := true; more; calls++ {
			if _, more = w.next(); calls > 1_000 {
				w.stop()
				t.Fatalf("fact %d: still at work after %d calls", n, calls)
			}
		}
		if w.err != nil {
			t.Fatalf("fact %d: %v", n, w.err)
		}
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
		w := start(at, "", func(u Unifier) error { return u.Process(context.Background(), []events.Fact{f})[0] }, rules, false)
		calls := 0
		for more := true; more; calls++ {
			_, more = w.next()
		}
		if limit := 20 * (n + 2); calls > limit || w.err != nil {
			t.Fatalf("fragment %d: %d calls, at most %d are due; %v", n+1, calls, limit, w.err)
		}
	}
}
