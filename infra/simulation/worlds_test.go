package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"loophub/infra/local/sim"
)

var (
	worlds = flag.Int("worlds", 200, "how many worlds live")
	seed   = flag.Uint64("seed", 1, "of the first of them")
	first  = flag.Bool("first", false, "whether to end with the first world that finds something")
)

// TestMain lets garbage wait: worlds are short, and a tenth of their time would go into collecting it.
func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestWorlds lets worlds live, one after the other on each processor.
func TestWorlds(t *testing.T) {
	n := *worlds
	if testing.Short() {
		n = min(n, 16)
	}
	shards := runtime.GOMAXPROCS(0)
	var found atomic.Bool
	for shard := range shards {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			for n := range n {
				if n%shards != shard || *first && found.Load() {
					continue
				}
				s := *seed + uint64(n)
				if !t.Run(fmt.Sprint("seed ", s), func(t *testing.T) { one(t, s) }) {
					found.Store(true)
				}
			}
		})
	}
}

// What a world has at the least.
const (
	leastDeliveries = 50
	leastPeople     = 5
	leastFaults     = 10
	leastDeaths     = 1
)

// one lets one world live, and says how to see it again if anything is wrong.
func one(t *testing.T, seed uint64) {
	defer func() {
		if t.Failed() {
			t.Logf("again by: make simulate WORLDS=1 SEED=%d", seed)
		}
	}()
	w, problems := live(t, seed, nil)
	for _, p := range problems {
		t.Error(p)
	}
	sent, people := 0, 0
	for _, town := range w.towns {
		people += len(town.people)
		for _, d := range town.sent {
			sent += d.times
		}
	}
	faults, deaths := len(w.trouble.happened), w.trouble.deaths()
	if sent < leastDeliveries || people < leastPeople || faults < leastFaults || deaths < leastDeaths {
		t.Errorf("the world is too quiet: %d deliveries, %d people, %d faults, %d deaths", sent, people, faults, deaths)
	}
	t.Logf("%s: %d deliveries, %d people, %d calls, %d faults, %d deaths, %d mails", w.kind.name, sent, people, len(w.Points()),
		faults, deaths, len(w.Cloud.Outbox().Mails()))
	if t.Failed() { // once more, to see from where in the code the calls came that went wrong
		again, _ := live(t, seed, func(c *sim.Config) { c.Unplaced = false })
		t.Logf("what went wrong in it:\n%s", again.trouble)
	}
}
