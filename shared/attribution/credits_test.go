package attribution

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loophub/shared/profile"
)

// TestPlan: steps end at what should be, write no more than they may, and leave
// after each of them the counters equal to what is kept.
func TestPlan(t *testing.T) {
	split := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		n := 1 + r.IntN(4)
		stored, kept := make([]Credits, n), make([]Credits, n)
		counters := Counts{}
		for i := range n {
			stored[i].Fragment = lan[:24] + profile.ID("abcd"[i])
			kept[i].Fragment = stored[i].Fragment
			if r.IntN(2) == 0 { // linked lately: each was counted by itself
				stored[i].Counts, stored[i].Outcome = Count(history(r), windows)
				stored[i].Version = 1 + r.Int64N(5)
				counters.Merge(stored[i].Counts)
			}
		}
		p := history(r)
		want, outcome := Count(p, windows)
		limit := n + 1 + r.IntN(30)
		steps, announced := 0, 0
		for {
			s := Plan(stored, kept, want, outcome, limit, false)
			if s.Empty() {
				break
			}
			if len(s.Members)+len(s.Add) > limit || steps > 200 {
				t.Fatalf("%d members and %d counters in a write of %d", len(s.Members), len(s.Add), limit)
			}
			if s.Announced {
				announced++
			}
			steps++
			counters.Merge(s.Add)
			sum := Counts{}
			for i, m := range s.Members {
				sum.Merge(m.Counts)
				if s.Changed[i] {
					m.Version++
				} else if !m.Equal(stored[i]) {
					t.Fatal("a change is not written")
				}
				stored[i] = m
			}
			if diff := cmp.Diff(sum, counters); diff != "" {
				t.Fatal("a step breaks the sum", diff)
			}
		}
		if steps > 1 {
			split++
		}
		if diff := cmp.Diff(want, stored[0].Counts, cmpopts.EquateEmpty()); diff != "" || !stored[0].Outcome.Equal(outcome) || announced > 1 {
			t.Fatal(announced, diff)
		}
		if slices.ContainsFunc(stored[1:], func(c Credits) bool { return !c.Empty() }) {
			t.Fatal("a member is counted apart from the least")
		}
	}
	if split < 20 {
		t.Error(split)
	}
}

// TestTouch: what is stored is written even if nothing is new, and nothing else is.
func TestTouch(t *testing.T) {
	p := history(rand.New(rand.NewPCG(5, 4)))
	c, outcome := Count(p, windows)
	stored := []Credits{{Fragment: lan, Version: 3, Counts: c, Outcome: outcome}, {Fragment: lan[:24] + "b"}, {Fragment: lan[:24] + "c", Version: 1}}
	if s := Plan(stored, stored, c, outcome, 100, false); !s.Empty() {
		t.Error("nothing is new, and written", s)
	}
	s := Plan(stored, stored, c, outcome, 100, true)
	if diff := cmp.Diff([]bool{true, false, true}, s.Changed); diff != "" || len(s.Add) != 0 || s.Announced {
		t.Error(s, diff)
	}
}

func TestCreditsAreStored(t *testing.T) {
	p := history(rand.New(rand.NewPCG(5, 4)))
	c := Credits{Fragment: lan}.Remember(p.Messages, p.Entries)
	c.Counts, c.Outcome = Count(p, windows)
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var got Credits
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	got.Fragment = lan
	if got = got.Named(); !got.Equal(c) || len(c.Messages) == 0 || len(c.Counts) == 0 {
		t.Error(cmp.Diff(c, got))
	}
}

// TestRememberKeeps: what is no longer read stays, what is read again is joined,
// and the oldest of too many go.
func TestRememberKeeps(t *testing.T) {
	old, late := sent("1", "a", "ten", 10, "", 12), sent("2", "a", "ten", 20, "")
	c := Credits{Fragment: lan}.Remember([]Message{old}, []Entry{{ID: "1", Journey: "back", At: 5}})
	bare := old
	bare.Engagement = Engagement{}
	c = c.Remember([]Message{late, bare}, []Entry{{ID: "1", Journey: "back", At: 5, Variant: "a", Goal: 9}})
	if len(c.Messages) != 2 || c.Messages[0].Engagement.Clicked != 12 || len(c.Entries) != 1 || c.Entries[0].Variant != "a" || c.Entries[0].Goal != 9 {
		t.Errorf("%+v", c)
	}
	again := c.Remember(nil, []Entry{{ID: "1", Journey: "back", At: 5}})
	if !again.Equal(c) {
		t.Error("reading less makes less of it")
	}
	var many []Message
	for n := range int64(maxMessages + 10) {
		m := late
		m.ID, m.At = string(rune('a'+n%26))+string(rune('a'+n/26%26))+string(rune('a'+n/676)), n
		many = append(many, m)
	}
	if c := (Credits{Fragment: lan}).Remember(many, nil); len(c.Messages) != maxMessages || c.Messages[0].At != 10 {
		t.Error(len(c.Messages))
	}
}
