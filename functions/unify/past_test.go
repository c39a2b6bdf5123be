package unify

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loophub/functions/unify/unifytest"
)

// TestRebuild: fragments that are computed afresh from the facts are those of the
// plain computation, whatever the order of the facts.
func TestRebuild(t *testing.T) {
	for h := range uint64(300) {
		r := rand.New(rand.NewPCG(h, 7))
		rules, facts := unifytest.Rules(), unifytest.History(r, unifytest.Anything)
		rules.Limits.Recent = math.MaxInt32
		want := unifytest.Batch(rules, facts)
		r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		got, identities := rules.Rebuild(facts)
		for id, f := range want.Fragments {
			if diff := cmp.Diff(written(t, f.State), written(t, got[id].State)); diff != "" {
				t.Fatalf("history %d, fragment %s: %s", h, id, diff)
			}
		}
		for id, i := range want.Identities {
			if diff := cmp.Diff(i.Stops, identities[id].Stops, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("history %d, identity %s: %s", h, id, diff)
			}
		}
	}
}

func written(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
