// Package work counts what is in flight in the local cloud, so that a test can wait for rest without sleeping.
package work

import (
	"context"
	"sync"
)

// Tracker counts tasks. Whatever causes a task begins it before it returns to its own caller; so a count of zero means
// that nothing follows any more from what was asked.
type Tracker struct {
	mu    sync.Mutex
	count int
	rest  chan struct{} // closed when count falls to zero; nil while nobody waits
}

// Begin counts a task in; the returned function counts it out, once.
func (t *Tracker) Begin() (end func()) {
	t.mu.Lock()
	t.count++
	t.mu.Unlock()
	return sync.OnceFunc(t.end)
}

// Go runs f on a counted goroutine.
func (t *Tracker) Go(f func()) {
	end := t.Begin()
	go func() {
		defer end()
		f()
	}()
}

func (t *Tracker) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count--
	if t.count == 0 && t.rest != nil {
		close(t.rest)
		t.rest = nil
	}
}

// Idle waits until nothing is in flight, or for ctx.
func (t *Tracker) Idle(ctx context.Context) error {
	for {
		t.mu.Lock()
		if t.count == 0 {
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
