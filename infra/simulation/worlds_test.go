package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

var (
	worlds = flag.Int("worlds", 8, "how many worlds live")
	seed   = flag.Uint64("seed", 1, "of the first of them")
)

// TestMain lets garbage wait: worlds are short, and a tenth of their time would go into collecting it.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

func TestWorlds(t *testing.T) {
	shards := runtime.GOMAXPROCS(0)
	for shard := range shards {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			for n := shard; n < *worlds; n += shards {
				s := *seed + uint64(n)
				t.Run(fmt.Sprint("seed ", s), func(t *testing.T) {
					w, problems := live(t, s)
					for _, p := range problems {
						t.Error(p)
					}
					sent := 0
					for _, town := range w.towns {
						for _, d := range town.sent {
							sent += d.times
						}
					}
					by := map[string]int{}
					for _, p := range w.Points() {
						by[p.Function]++
					}
					t.Log(w.kind.name, sent, "sent", len(w.Points()), "points", len(w.trouble.happened), "faults", w.trouble.deaths(), "deaths", len(w.Cloud.Outbox().Mails()), "mails", by)
				})
			}
		})
	}
}
