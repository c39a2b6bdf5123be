package unify

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/profile"
)

// undivided is what is at rest without the decisions that led to it.
func undivided(r unifytest.Rest, rules profile.Rules) string {
	for id, f := range r.Fragments {
		f.Ties = nil
		r.Fragments[id] = f
	}
	r.Index = nil // a decision is indexed too
	return r.Print(rules)
}

func decision(op string, a, b profile.ID, version int64) events.Fact {
	return said(events.Fact{Workspace: "w", Connection: "operator", Kind: events.Decision, Record: string(a + "+" + b), Version: version,
		At: version, Fields: events.Fields{}}, "op", op, "fragment_a", string(a), "fragment_b", string(b))
}

// undecided is a history without decisions of its own, and what it leads to.
func undecided(h uint64) (*rand.Rand, profile.Rules, []events.Fact, unifytest.Rest) {
	r, rules := rand.New(rand.NewPCG(*seed+1, h)), unifytest.Rules()
	facts := slices.DeleteFunc(unifytest.History(r, unifytest.Anything), func(f events.Fact) bool { return f.Kind == events.Decision })
	return r, rules, facts, unifytest.Batch(rules, facts)
}

// TestUnmergeIsExact: two profiles that are merged and unmerged again are what
// they would be had nobody merged them.
func TestUnmergeIsExact(t *testing.T) {
	merged := 0
	for h := range uint64(300) {
		r, rules, facts, base := undecided(h)
		ids := slices.Sorted(maps.Keys(base.Fragments))
		if len(ids) < 2 {
			continue
		}
		a, b := base.Fragments[ids[r.IntN(len(ids))]], base.Fragments[ids[r.IntN(len(ids))]]
		if a.Profile()[0] == b.Profile()[0] {
			continue
		}
		merged++
		facts = append(facts, decision("tie", a.ID, b.ID, 100))
		for _, x := range a.Profile() {
			for _, y := range b.Profile() {
				facts = append(facts, decision("split", x, y, 101))
			}
		}
		got := run(r, rules, unifytest.Deliveries(r, facts), 3, .02, 0, "").rest()
		if got, want := undivided(got, rules), undivided(base, rules); got != want {
			t.Fatalf("history %d\n--- never merged\n%s\n--- merged and unmerged\n%s", h, want, got)
		}
	}
	if merged < 100 {
		t.Errorf("only %d histories had two profiles to merge", merged)
	}
}

// TestCutIsExact: cutting a fragment off leaves it alone and changes no state.
func TestCutIsExact(t *testing.T) {
	cut := 0
	for h := range uint64(600) {
		r, rules, facts, base := undecided(h)
		for _, id := range slices.Sorted(maps.Keys(base.Fragments)) {
			members := base.Fragments[id].Profile()
			if len(members) < 2 {
				continue
			}
			cut++
			for _, other := range members {
				if other != id {
					facts = append(facts, decision("split", id, other, 101))
				}
			}
			got := run(r, rules, unifytest.Deliveries(r, facts), 3, .02, 0, "").rest()
			if f := got.Fragments[id]; len(f.Profile()) != 1 {
				t.Fatalf("history %d: %s was cut off and is still with %v", h, id, f.Profile())
			}
			for x := range base.Fragments {
				if a, b := dump(base.Fragments[x].State), dump(got.Fragments[x].State); a != b {
					t.Fatalf("history %d: the cut changed %s\n%s\n%s", h, x, a, b)
				}
			}
			break
		}
	}
	if cut < 100 {
		t.Errorf("only %d histories had a profile to cut", cut)
	}
}
