package simulation

import (
	"testing"

	"loophub/infra/local/sim"
)

// TestSame: a world takes the same course whenever its seed is given, call by call and byte by byte, and also when it is
// watched more closely. Else no failure could be seen again.
func TestSame(t *testing.T) {
	for _, seed := range []uint64{1, 3} {
		var digests []string
		var traces [][]sim.Step
		for _, unplaced := range []bool{true, true, false} {
			w, _ := live(t, seed, func(c *sim.Config) { c.Record, c.Unplaced = true, unplaced })
			digests, traces = append(digests, w.digest), append(traces, w.Trace())
		}
		if digests[0] != digests[1] {
			t.Errorf("seed %d: another course the second time: %s", seed, difference(traces[0], traces[1]))
		}
		if len(traces[0]) != len(traces[2]) {
			t.Errorf("seed %d: another course when it is watched: %s", seed, difference(traces[0], traces[2]))
		}
	}
}

func difference(a, b []sim.Step) string {
	for n := range min(len(a), len(b)) {
		x, y := a[n], b[n]
		x.Site, x.Caller, y.Site, y.Caller = "", "", "", ""
		if x.String() != y.String() {
			return "\n  " + a[n].String() + "\n  " + b[n].String()
		}
	}
	return "one goes on longer than the other"
}
