package unify

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"loophub/events"
	"loophub/shared/profile"
)

// profiles is what the fragments say and who belongs together, without the
// decisions that led to it.
func (t *table) profiles(rules profile.Rules) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(t.fragments)) {
		f := t.fragment(id)
		if dump(f.State) == "{}" && len(f.Members) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s %s %v\n  %s\n", id, dump(f.State), f.Profile(), dump(t.view(rules, id)))
	}
	return b.String()
}

func decision(op string, a, b profile.ID, version int64) events.Fact {
	return said(events.Fact{Workspace: "w", Connection: "operator", Kind: events.Decision, Record: string(a + "+" + b), Version: version,
		At: version, Fields: events.Fields{}}, "op", op, "fragment_a", string(a), "fragment_b", string(b))
}

// histories without decisions of their own, with their fragments.
func undecided(h uint64) (*rand.Rand, profile.Rules, []events.Fact, *table) {
	r, rules := rand.New(rand.NewPCG(*seed+1, h)), testRules()
	facts := slices.DeleteFunc(generator{r, rules}.history(anything), func(f events.Fact) bool { return f.Kind == events.Decision })
	return r, rules, facts, batch(rules, facts)
}

// TestUnmergeIsExact: two profiles that are merged and unmerged again are what
// they would be had nobody merged them.
func TestUnmergeIsExact(t *testing.T) {
	merged := 0
	for h := range uint64(300) {
		r, rules, facts, base := undecided(h)
		ids := slices.Sorted(maps.Keys(base.fragments))
		if len(ids) < 2 {
			continue
		}
		a, b := base.fragment(ids[r.IntN(len(ids))]), base.fragment(ids[r.IntN(len(ids))])
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
		if got, want := run(r, rules, deliveries(r, facts), 3, .02, "").profiles(rules), base.profiles(rules); got != want {
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
		for _, id := range slices.Sorted(maps.Keys(base.fragments)) {
			members := base.fragment(id).Profile()
			if len(members) < 2 {
				continue
			}
			cut++
			for _, other := range members {
				if other != id {
					facts = append(facts, decision("split", id, other, 101))
				}
			}
			got := run(r, rules, deliveries(r, facts), 3, .02, "")
			if alone := got.fragment(id).Profile(); len(alone) != 1 {
				t.Fatalf("history %d: %s was cut off and is still with %v", h, id, alone)
			}
			for x := range base.fragments {
				if a, b := dump(base.fragment(x).State), dump(got.fragment(x).State); a != b {
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
