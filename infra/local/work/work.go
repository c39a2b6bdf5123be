// Package work counts what is in flight in the local cloud, so that a test can wait for rest without sleeping.
package work

import (
	"context"
	"sync"
)

// Tracker counts tasks. Whatever causes a task begins it before it returns to its own caller; so a count of zero means
// that nothing follows any more from what was asked.
type Tracker struct {
	// Turn, if not nil, is asked by name before each piece of work that nobody waits for, and returns when that piece may
	// go on. Set it before the first.
	Turn func(name string)

	mu    sync.Mutex
	count int           // below zero for a moment when a task ends while its parked call has yet to notice
	rest  chan struct{} // closed when count falls to zero; nil while nobody waits
}

// Begin counts a task in; the returned function counts it out, once.
func (t *Tracker) Begin() (end func()) {
	t.begin()
	return sync.OnceFunc(t.end)
}

func (t *Tracker) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count++
}

// Go runs f on a counted goroutine, when it is its turn.
func (t *Tracker) Go(name string, f func()) {
	t.spawn(func() {
		t.turn(name)
		f()
	})
}

func (t *Tracker) spawn(f func()) {
	end := t.Begin()
	go func() {
		defer end()
		f()
	}()
}

func (t *Tracker) turn(name string) {
	if t.Turn != nil {
		t.Turn(name)
	}
}

func (t *Tracker) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count--
	if t.count <= 0 && t.rest != nil {
		close(t.rest)
		t.rest = nil
	}
}

// Idle waits until nothing is in flight, or for ctx.
func (t *Tracker) Idle(ctx context.Context) error {
	for {
		t.mu.Lock()
		if t.count <= 0 {
			t.mu.Unlock()
			return nil
		}
		if t.rest == nil {
			t.rest = make(chan struct{})
		}
		rest := t.rest
		t.mu.Unlock()
		select {
		case <-rest:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

type key struct{}

// With returns a context for the calls that a counted task makes, so that they can park it.
func (t *Tracker) With(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, t) }

// Park counts the task of ctx out while it waits for the clock: at rest means that nothing happens before time passes.
// Whoever ends the wait calls resume first, before it lets go of what it holds; calling it again does nothing.
func Park(ctx context.Context) (resume func()) {
	t, ok := ctx.Value(key{}).(*Tracker)
	if !ok { // a caller from outside was never counted
		return func() {}
	}
	t.end()
	return sync.OnceFunc(t.begin)
}

// Loop does a kind of work on one goroutine at a time, and on none while there is nothing to do.
type Loop struct {
	tracker *Tracker
	name    string
	step    func() bool // does one piece; false when it found none

	mu             sync.Mutex
	running, again bool
	stopped        bool
}

// NewLoop returns a loop at rest. Its name says whose work it does, in few words.
func NewLoop(t *Tracker, name string, step func() bool) *Loop {
	return &Loop{tracker: t, name: name, step: step}
}

// Wake says that there may be work. When it returns, that work counts as in flight.
func (l *Loop) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		l.again = true
	}
	if l.running || l.stopped {
		return
	}
	l.running = true
	l.tracker.spawn(l.run)
}

// Stop lets the loop end after the piece at hand. It does not wait.
func (l *Loop) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
}

func (l *Loop) run() {
	for {
		for l.turn() && l.step() {
		}
		if !l.more() {
			return
		}
	}
}

// turn waits until the next piece may be done; it is false when none may any more.
func (l *Loop) turn() bool {
	if l.ended() {
		return false
	}
	l.tracker.turn(l.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again = false // the step at hand sees whatever there is by now
	return !l.stopped
}

func (l *Loop) more() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = l.again && !l.stopped
	return l.running
}

func (l *Loop) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}
