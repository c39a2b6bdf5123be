// Package sim drives the local cloud by a seed. A world runs in a testing/synctest bubble, where time stands still while
// anything runs: every call of a function, every poll and every delivery is parked, and one at a time goes on, chosen by
// the seed. So a world takes the same course each time, in any process, and can be told what shall go wrong.
package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"loophub/infra/local"
	"loophub/infra/local/clock"
)

// Config is what a world begins with.
type Config struct {
	Seed     uint64
	Start    time.Time     // what the world's clock shows at first
	Template []byte        // synthesized
	Options  local.Options // the handlers above all; clock and driver are the world's own
	// Plan says what goes wrong at a point; nil: nothing.
	Plan func(Point) Fault
	// Outside are systems outside of AWS, by host. Requests to other hosts fail.
	Outside map[string]http.Handler
	// Wake, if not nil, says when the schedules have something to do; their runs before that are left out. It is asked
	// whenever all is at rest.
	Wake func() (time.Time, bool)
	// Record keeps a canonical trace, which costs about as much as the calls themselves.
	Record bool
	// Unplaced leaves out from where in the code calls are made, which saves a tenth of the time: Site and Caller of points
	// are empty.
	Unplaced bool
	// Steps ends a world that does not come to rest; 0 is 200,000.
	Steps int
	// Patience is how long the world may take on the machine's own clock before its stacks are printed and the process
	// ends; 0 is a minute.
	Patience time.Duration
}

// World is a cloud that goes on step by step. Its methods are for the goroutine of Run's function alone, unless they say
// otherwise.
type World struct {
	Cloud *local.Cloud

	t     testing.TB
	cfg   Config
	clock *clock.Offset
	front http.Handler

	mu      sync.Mutex
	chance  *rand.Rand
	parked  []*parked     // by name
	arrived chan struct{} // holds one element when something has been parked
	points  []Point
	nth     map[Point]int
	steps   int
	calm    bool
	over    bool
	trace   []Step
}

// parked is somebody who waits for a turn.
type parked struct {
	name   string    // unique among those who wait
	from   time.Time // not before
	chosen chan struct{}
}

// Run lets one world live. When live returns, the world ends with whatever still runs in it.
func Run(t *testing.T, c Config, live func(w *World)) {
	t.Helper()
	if c.Steps == 0 {
		c.Steps = 200_000
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	// The watchdog lives outside of the bubble, on the machine's own time.
	watchdog := time.AfterFunc(c.Patience, func() {
		stacks := make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		fmt.Fprintf(os.Stderr, "%s\n\nThe world of seed %d hangs: nothing but a lock or a system call can hold it up. Its stacks are above.\n",
			stacks, c.Seed)
		os.Exit(2)
	})
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		w := &World{t: t, cfg: c, chance: rand.New(rand.NewPCG(c.Seed, 0x100b)), arrived: make(chan struct{}, 1), nth: map[Point]int{},
			clock: clock.WallFrom(c.Start)}
		o := c.Options
		o.Clock, o.Driver = w.clock, driver{w}
		var err error
		if w.Cloud, err = local.New(c.Template, o); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer w.end(cancel)
		if err := w.Cloud.Start(ctx); err != nil {
			t.Fatal(err)
		}
		w.front = w.Cloud.FrontDoor()
		if c.Wake != nil {
			w.Cloud.Schedules().Suspend()
		}
		live(w)
	})
}

// end lets everybody go: what still runs fails at its next call.
func (w *World) end(cancel context.CancelFunc) {
	w.mu.Lock()
	w.over = true
	for _, p := range w.parked {
		close(p.chosen)
	}
	w.parked = nil
	w.mu.Unlock()
	cancel()
	synctest.Wait()
}

// Context is the world's own; one from outside of the world can't be waited for within.
func (w *World) Context() context.Context { return w.t.Context() }

// Now is the world's time. Any goroutine may ask.
func (w *World) Now() time.Time { return w.clock.Now() }

// Go starts a script of its own beside the world's: a vendor that sends and tries again, a reader of mails. Its name must be
// unique. It may call Send, Sleep and Now.
func (w *World) Go(name string, f func()) {
	go func() {
		if w.park("script "+name, time.Time{}, nil) {
			f()
		}
	}()
}

// Sleep lets a script wait. Any goroutine but that of Run's function may call it.
func (w *World) Sleep(d time.Duration) { time.Sleep(d) }

// Send brings a request to the front door, from a script.
func (w *World) Send(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	w.front.ServeHTTP(rec, r)
	return rec.Result()
}

// Calm lets nothing go wrong any more.
func (w *World) Calm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm = true
}

// Points are the points so far, in order.
func (w *World) Points() []Point {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Point(nil), w.points...)
}

// Rest lets the world go on until only time could bring anything more.
func (w *World) Rest() {
	w.t.Helper()
	w.drive(w.Now(), true)
}

// Pass lets d pass, with all that happens meanwhile.
func (w *World) Pass(d time.Duration) {
	w.t.Helper()
	w.drive(w.Now().Add(d), false)
}

// drive gives one turn after the other until a moment, or until all is at rest. A world may be a few steps late: who is
// waiting then goes first.
func (w *World) drive(until time.Time, rest bool) {
	w.t.Helper()
	for {
		synctest.Wait()
		if p := w.choose(); p != nil {
			if w.steps++; w.steps > w.cfg.Steps {
				w.t.Fatalf("the world of seed %d does not come to rest: %d steps, and then %s", w.cfg.Seed, w.steps, p.name)
			}
			close(p.chosen)
			synctest.Wait()
			// A call takes time. That it is never the same keeps any two things from happening at the same moment.
			time.Sleep(time.Duration(200_000 + w.roll(1_800_000)))
			continue
		}
		left := until.Sub(w.Now())
		if rest && !w.waiting() || !rest && left <= 0 {
			return
		}
		w.wake()
		w.idle(left, rest)
	}
}

// idle lets time pass until somebody arrives who may go on.
func (w *World) idle(left time.Duration, rest bool) {
	if next, ok := w.next(); ok && (rest || next < left) {
		left = next
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-w.arrived:
	case <-timer.C:
	}
}

// wake tells the schedules when they have something to do.
func (w *World) wake() {
	if w.cfg.Wake == nil {
		return
	}
	if t, ok := w.cfg.Wake(); ok {
		w.Cloud.Schedules().Wake(t)
	}
}

var errOver = errors.New("the world has ended")

// park waits for a turn. It is false when the world has ended, or ctx, instead.
func (w *World) park(name string, from time.Time, ctx context.Context) bool {
	p := &parked{name: name, from: from, chosen: make(chan struct{})}
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return false
	}
	w.insert(p)
	w.mu.Unlock()
	select {
	case w.arrived <- struct{}{}:
	default:
	}
	var gone <-chan struct{}
	if ctx != nil {
		gone = ctx.Done()
	}
	select {
	case <-p.chosen:
	case <-gone:
		w.leave(p)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.over
}
