package work

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestIdleWaitsForATaskThatATaskBegan(t *testing.T) {
	var tr Tracker
	var done atomic.Int32
	release := make(chan struct{})
	tr.Go("a task", func() {
		tr.Go("a task", func() {
			<-release
			done.Add(1)
		})
		done.Add(1)
	})
	close(release)
	if err := tr.Idle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if done.Load() != 2 {
		t.Errorf("idle after %d of 2 tasks", done.Load())
	}
}

func TestIdleGivesUpWithItsContext(t *testing.T) {
	var tr Tracker
	end := tr.Begin()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Idle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Idle with a task in flight: %v", err)
	}
	end()
	end() // the second is without effect
	if err := tr.Idle(ctx); err != nil {
		t.Errorf("Idle at rest: %v", err)
	}
	tr.Begin()
	if err := tr.Idle(ctx); err == nil {
		t.Error("ending a task twice counted out another")
	}
}

func TestLoopDoesAllWorkOneAtATime(t *testing.T) {
	var tr Tracker
	var todo, done, running atomic.Int32
	l := NewLoop(&tr, "a loop", func() bool {
		if running.Add(1) != 1 {
			t.Error("two steps at a time")
		}
		defer running.Add(-1)
		if todo.Load() == 0 {
			return false
		}
		todo.Add(-1)
		done.Add(1)
		return true
	})
	for range 1000 {
		todo.Add(1)
		l.Wake()
	}
	if err := tr.Idle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if done.Load() != 1000 {
		t.Errorf("%d of 1000 pieces done", done.Load())
	}
	l.Stop()
	todo.Add(1)
	l.Wake()
	if err := tr.Idle(context.Background()); err != nil || done.Load() != 1000 {
		t.Errorf("after Stop: %v, %d pieces done", err, done.Load())
	}
}

func TestAParkedTaskIsAtRestUntilItIsResumed(t *testing.T) {
	var tr Tracker
	resumed, finish := make(chan func(), 1), make(chan struct{})
	tr.Go("a task", func() {
		resumed <- Park(tr.With(context.Background()))
		<-finish
	})
	resume := <-resumed
	if err := tr.Idle(context.Background()); err != nil {
		t.Fatal(err)
	}
	resume()
	resume()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Idle(ctx); err == nil {
		t.Error("a resumed task does not count")
	}
	close(finish)
	if err := tr.Idle(context.Background()); err != nil {
		t.Fatal(err)
	}
	Park(context.Background())() // from outside: without effect
	if err := tr.Idle(ctx); err != nil {
		t.Error("parking a task that was never counted counted it")
	}
}
