package sim_test

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"loophub/infra/local/sim"
)

// trouble names the trouble that a child process shall get into.
const trouble = "LOOPHUB_SIM_TROUBLE"

// A world that hangs says where; one that never rests says what it was about to do.
func TestWorldsInTrouble(t *testing.T) {
	switch os.Getenv(trouble) {
	case "hang":
		runSmall(t, sim.Config{Seed: 4711, Patience: 50 * time.Millisecond}, func(s *small) {
			var mu sync.Mutex
			mu.Lock()
			s.Go("one who waits for a lock", func() { mu.Lock() })
			s.Rest()
		})
		return
	case "restless":
		runSmall(t, sim.Config{Seed: 4712, Steps: 100, Plan: func(p sim.Point) sim.Fault {
			if p.End() && p.Function == "unify" {
				return sim.Fault{Kind: sim.Redeliver}
			}
			return sim.Fault{}
		}}, func(s *small) {
			for _, body := range strings.Fields("a b c d e f g h i j") {
				s.post(body)
			}
		})
		return
	}
	for kind, wants := range map[string][]string{
		"hang":     {"hang_test.go", "seed 4711 hangs"},
		"restless": {"the world of seed 4712 does not come to rest: 101 steps, and then "},
	} {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), trouble+"="+kind)
		out, err := c.CombinedOutput()
		if err == nil {
			t.Errorf("%s: the process ended well", kind)
		}
		for _, want := range wants {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q is not in\n%s", kind, want, out)
			}
		}
	}
}
