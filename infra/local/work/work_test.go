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
	tr.Go(func() {
		tr.Go(func() {
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
