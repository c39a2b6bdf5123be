// Package clock is the time of the local cloud. Nothing below infra/local reads another clock.
package clock

import (
	"container/heap"
	"sync"
	"time"

	"loophub/infra/local/journal"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Timers is a clock that can also be asked to call back.
type Timers interface {
	Clock
	// At calls do once, when the clock shows t or later, on a goroutine that holds no lock of the clock. The
	// returned function withdraws the request; it does nothing when do has been called already.
	At(t time.Time, do func()) (withdraw func())
}

// Offset is a base clock plus an offset that, from the start, only grows. With the wall as its base, timers fire by themselves; a
// stopped one moves, and fires, only by AdvanceTo.
type Offset struct {
	// Journal, if not nil, gets each jump. Set it before the first.
	Journal journal.Journal

	base func() time.Time // nil: stopped

	mu      sync.Mutex
	at      time.Time     // what a stopped clock shows
	offset  time.Duration // what a running clock adds
	pending queue
	order   uint64
	alarm   *time.Timer
}

// Wall returns a clock that follows the wall.
func Wall() *Offset { return &Offset{base: time.Now} }

// WallFrom returns a clock that shows t now and goes as fast as the wall: behind it, for a story of the past.
func WallFrom(t time.Time) *Offset {
	o := Wall()
	o.offset = t.Sub(o.now())
	return o
}

// Stopped returns a clock that shows t until it is advanced.
func Stopped(t time.Time) *Offset { return &Offset{at: t.UTC()} }

// Now is the present time in UTC, without a monotonic reading: stored times must compare alike after a restart.
func (o *Offset) Now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now()
}

func (o *Offset) now() time.Time {
	if o.base == nil {
		return o.at
	}
	return o.base().Add(o.offset).Round(0).UTC()
}

// At implements Timers.
func (o *Offset) At(t time.Time, do func()) func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.order++
	e := &entry{due: t, order: o.order, do: do}
	heap.Push(&o.pending, e)
	o.arm()
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if e.index >= 0 {
			heap.Remove(&o.pending, e.index)
			o.arm()
		}
	}
}

// Next is the moment of the earliest timer.
func (o *Offset) Next() (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) == 0 {
		return time.Time{}, false
	}
	return o.pending[0].due, true
}

// AdvanceTo moves the clock forward to t, if it is not there yet, and fires what is then due, in order of time.
func (o *Offset) AdvanceTo(t time.Time) {
	o.mu.Lock()
	if gap := t.Sub(o.now()); gap > 0 {
		// A journal that fails takes nothing that happens after the jump either, so nothing will seem to come too early.
		_ = journal.Keep(o.Journal, jump{o.offset + gap, t})
		o.offset += gap
		o.at = t.UTC()
	}
	o.mu.Unlock()
	o.fire()
}

// fire calls what is due, one after the other, without the lock.
func (o *Offset) fire() {
	for {
		o.mu.Lock()
		if len(o.pending) == 0 || o.pending[0].due.After(o.now()) {
			o.arm()
			o.mu.Unlock()
			return
		}
		e := heap.Pop(&o.pending).(*entry)
		o.mu.Unlock()
		e.do()
	}
}

// arm sets the one real timer of a running clock to the earliest entry. The caller holds the lock.
func (o *Offset) arm() {
	if o.base == nil {
		return
	}
	if o.alarm != nil {
		o.alarm.Stop()
		o.alarm = nil
	}
	if len(o.pending) > 0 {
		o.alarm = time.AfterFunc(o.pending[0].due.Sub(o.now()), o.fire)
	}
}

// Stop drops every timer.
func (o *Offset) Stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.pending {
		e.index = -1
	}
	o.pending = nil
	o.arm()
}

type entry struct {
	due   time.Time
	order uint64 // equal times fire in the order in which they were asked for
	do    func()
	index int // position in the queue, -1 when out of it
}

type queue []*entry

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].order < q[j].order
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	e.index = -1
	return e
}
