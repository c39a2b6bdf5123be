package unify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/profile"
)

var (
	histories = flag.Int("histories", 2000, "random histories of TestHistories")
	seed      = flag.Uint64("seed", 1, "seed of the random histories")
)

// run delivers batches of facts, in any order and with copies, to several
// workers at once; a killed worker's batch is delivered again. A share of them is quiet.
func run(r *rand.Rand, rules profile.Rules, batches [][]events.Fact, workers int, kill, quiet float64, b bug) *table {
	t := newTable()
	kills := len(batches)
	// A worker stays on for a while, so that another sleeps through much of it: most
	// mistakes show only then.
	stay, n := []float64{0, .5, .9, .97}[r.IntN(4)], 0
	type job struct {
		*worker
		facts []events.Fact
	}
	var busy []*job
	for len(batches) > 0 || len(busy) > 0 {
		for len(busy) < workers && len(batches) > 0 {
			busy = append(busy, &job{start(b, rules, inLane(batches[0], r.Float64() < quiet)), batches[0]})
			batches = batches[1:]
		}
		if n >= len(busy) || r.Float64() >= stay {
			n = r.IntN(len(busy))
		}
		j := busy[n]
		killed := kills > 0 && r.Float64() < kill
		if killed {
			kills--
			j.stop()
		} else if !j.done {
			j.step(t)
			continue
		}
		busy = slices.Delete(busy, n, n+1)
		if killed || j.err != nil { // redelivered, some time later
			batches = slices.Insert(batches, r.IntN(len(batches)+1), j.facts)
		}
	}
	return t
}

// tryHistory runs history h twice, in other orders, and compares with the batch.
func tryHistory(h uint64, on unifytest.Focus, b bug) (string, []events.Fact) {
	r := rand.New(rand.NewPCG(*seed, h))
	rules := unifytest.Rules()
	facts := unifytest.History(r, on)
	want := unifytest.Batch(rules, facts).Print(rules)
	for range 2 {
		quiet := []float64{0, .5, 1}[r.IntN(3)]
		t := run(r, rules, unifytest.Deliveries(r, facts), 1+r.IntN(4), []float64{0, .01, .05}[r.IntN(3)], quiet, b)
		if got := t.rest().Print(rules); got != want {
			return fmt.Sprintf("--- from the set of facts\n%s\n--- through the protocol\n%s", want, got), facts
		}
		if diff := untold(t, quiet); diff != "" && b == "" {
			return diff, facts
		}
	}
	return "", facts
}

// untold says what happened and was not told, or told although it was no news.
func untold(t *table, quiet float64) string {
	for id := range t.fragments {
		f := t.fragment(id)
		if quiet == 0 && f.Quiet != 0 || f.Quiet > f.Version {
			return fmt.Sprintf("%s: quiet at version %d of %d", id, f.Quiet, f.Version)
		}
		for name, l := range f.State.Events {
			for _, e := range l {
				if quiet == 0 && t.told[occurrence{id, name, e.Record}] == 0 {
					return fmt.Sprintf("%s: %s of %s was not told", id, name, e.Record)
				}
			}
		}
	}
	if quiet == 1 && len(t.told) > 0 {
		return fmt.Sprint("nothing came live, and this is told: ", t.told)
	}
	return ""
}

// TestHistories: whatever the order, copies, workers and deaths, what is at rest
// is what a plain computation over the set of facts gives.
func TestHistories(t *testing.T) {
	const parts = 4
	for part := range uint64(parts) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for h := part; h < uint64(*histories); h += parts {
				on := []unifytest.Focus{unifytest.Anything, unifytest.Anything, unifytest.OnOrders, unifytest.OnLinks}[h/parts%4]
				if diff, facts := tryHistory(h, on, ""); diff != "" {
					t.Fatalf("history %d (%s), %d facts; run again with -seed %d\n%s", h, on, len(facts), *seed, diff)
				}
			}
		})
	}
}

// TestHistoriesCatchMistakes: planted mistakes are found. Those of linking need an
// edge and a cut at one moment, which TestLinkSchedulesCatchMistakes sets up.
func TestHistoriesCatchMistakes(t *testing.T) {
	for b, on := range map[bug]unifytest.Focus{noSecondLook: unifytest.OnOrders, noVersion: unifytest.OnOrders, logAfterState: unifytest.OnOrders} {
		t.Run(string(b), func(t *testing.T) {
			for h := range uint64(5_000) {
				if diff, _ := tryHistory(h, on, b); diff != "" {
					t.Logf("caught by history %d", h)
					return
				}
			}
			t.Error("no history shows the mistake")
		})
	}
}
