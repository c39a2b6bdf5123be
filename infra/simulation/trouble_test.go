package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/sim"
)

// trouble is what goes wrong in a world, drawn from its seed: faults one by one and in rows, and deaths.
type trouble struct {
	mu       sync.Mutex
	r        *rand.Rand
	gap      int       // points until something goes wrong next
	row      sim.Point // where a row of faults goes on,
	kind     sim.Kind  // of this kind,
	left     int       // so many times,
	until    time.Time // and no longer
	happened []mishap
	seen     map[string]int // how often, by function and operation
}

// mishap is something that went wrong.
type mishap struct {
	sim.Point
	Kind sim.Kind
}

func newTrouble(seed uint64) *trouble {
	t := &trouble{r: rand.New(rand.NewPCG(seed, 0xbad)), seen: map[string]int{}}
	t.gap = 5 + t.r.IntN(40)
	return t
}

// plan is asked at each point what goes wrong there.
func (t *trouble) plan(p sim.Point) sim.Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.worn(p) {
		return sim.Fault{}
	}
	same := p.Function == t.row.Function && p.Service == t.row.Service && p.Operation == t.row.Operation
	if t.left > 0 && same && p.Time.Before(t.until) {
		t.left--
		return t.goesWrong(p, t.kind)
	}
	t.seen[p.Function+p.Operation]++
	t.gap--
	if t.gap > 0 && (!outside(p) || t.r.IntN(5) > 0) || t.common(p) && t.r.IntN(5) > 0 {
		return t.delay(p)
	}
	kinds := t.kinds(p)
	if len(kinds) == 0 {
		return sim.Fault{}
	}
	kind := kinds[t.r.IntN(len(kinds))]
	if t.gap = 16 + t.r.IntN(32); len(t.happened) > leastFaults {
		t.gap *= 3 // each costs calls: what fails is done again
	}
	if slices.Contains([]sim.Kind{sim.Throttle, sim.Unavailable, sim.LostBefore, sim.Partial}, kind) && t.r.IntN(2) == 0 {
		t.row, t.kind, t.left, t.until = p, kind, 2+t.r.IntN(4), p.Time.Add(2*time.Minute) // the SDK does not get over it
		if p.Function == "sweep" {
			t.left, t.until = t.left*(1+t.r.IntN(8)), p.Time.Add(9*time.Minute) // nor the next runs
		}
	}
	return t.goesWrong(p, kind)
}

// delay holds some writes up a little, so that others come in between. That is nothing wrong yet.
func (t *trouble) delay(p sim.Point) sim.Fault {
	writes := strings.Contains(p.Operation, "Put") || p.Operation == "TransactWriteItems"
	if !writes || p.Function == "ingest" || t.r.IntN(8) > 0 {
		return sim.Fault{}
	}
	return sim.Fault{Kind: sim.Slow, For: time.Duration(5+t.r.IntN(400)) * time.Millisecond}
}

const (
	bearable = 3                // invocations in which something goes wrong,
	spell    = 40 * time.Minute // within which a queue gives a message five times
)

// worn tells whether a function that a queue feeds has had enough for a while: what fails at every receive is given up, by
// right, and nobody could tell it from what is lost.
func (t *trouble) worn(p sim.Point) bool {
	if !slices.Contains(polled, p.Function) {
		return false
	}
	hit := map[string]bool{}
	for n := len(t.happened) - 1; n >= 0 && t.happened[n].Time.After(p.Time.Add(-spell)); n-- {
		if m := t.happened[n]; m.Function == p.Function {
			hit[m.Invocation] = true
		}
	}
	return len(hit) >= bearable && !hit[p.Invocation]
}

func (t *trouble) goesWrong(p sim.Point, k sim.Kind) sim.Fault {
	t.happened = append(t.happened, mishap{p, k})
	return sim.Fault{Kind: k}
}

// common tells whether the call only reads, or has been made often: what is rare is worth more.
func (t *trouble) common(p sim.Point) bool {
	return strings.HasPrefix(p.Operation, "Get") || strings.HasPrefix(p.Operation, "BatchGet") || p.Operation == "Query" ||
		t.seen[p.Function+p.Operation] > 20
}

// outside tells whether the call has its effect where we can't look: what went wrong with it is hardest to tell.
func outside(p sim.Point) bool { return p.Service == "ses" || strings.Contains(p.Service, ".") }

// batches are the operations of which a part may fail.
var batches = []string{"BatchGetItem", "PutEvents", "SendMessageBatch", "DeleteMessageBatch"}

// polled are the functions that are given batches.
var polled = []string{"unify", "publish", "segment", "journey", "message", "attribution", "writeback"}

// kinds are those that fit a point; the first that comes after a while is a death.
func (t *trouble) kinds(p sim.Point) []sim.Kind {
	if p.End() {
		if slices.Contains(polled, p.Function) {
			return []sim.Kind{sim.Redeliver, sim.PartlyFailed}
		}
		return []sim.Kind{sim.Redeliver}
	}
	if t.deaths() == 0 && len(t.happened) > 1 {
		return []sim.Kind{sim.DieBefore, sim.DieAfter}
	}
	l := []sim.Kind{sim.Throttle, sim.Unavailable, sim.LostBefore, sim.LostAfter, sim.LostAfter, sim.Slow,
		sim.DieBefore, sim.DieAfter, sim.DieAfter}
	if slices.Contains(batches, p.Operation) {
		l = append(l, sim.Partial, sim.Partial, sim.Partial)
	}
	// What a network repeats at a system that does not recognise it is nothing that its caller could help.
	if !outside(p) {
		l = append(l, sim.Twice, sim.Twice)
	}
	return l
}

// deaths are those of functions.
func (t *trouble) deaths() (n int) {
	for _, m := range t.happened {
		if m.Kind == sim.DieBefore || m.Kind == sim.DieAfter {
			n++
		}
	}
	return n
}

func (t *trouble) String() string {
	var b strings.Builder
	for _, m := range t.happened {
		fmt.Fprintf(&b, "  %s %s %s:%s %s: %s\n", clock(m.Time), m.Function, m.Service, m.Operation, m.Site, m.Kind)
	}
	return b.String()
}
