package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	connector "loophub/connectors"
	"loophub/shared/workspace"
)

// Controls are one workspace's controls, and what waits for them.
type Controls interface {
	Controls(ctx context.Context) (workspace.Controls, error)
	// Holding lists the controls for which something waits or once waited.
	Holding(ctx context.Context) ([]string, error)
	Held(ctx context.Context, control string, limit int) ([]workspace.Held, error)
	// Release forgets what was held, unless it was held once more since it was listed.
	Release(ctx context.Context, h workspace.Held) error
}

// Parked are deliveries that were set aside.
type Parked interface {
	// Unpark puts what a connection has parked for a class of faults back into the queue.
	Unpark(ctx context.Context, workspace, connection string, class connector.FaultClass, now time.Time) (n int, err error)
}

// Release lets go on what waited while something was stopped, once it is not.
type Release struct {
	Controls func(workspace string) Controls
	Parked   Parked
	// Send puts it into the stage's queue, as a moment that has come.
	Send func(ctx context.Context, workspace, stage, what string, at time.Time) error
}

const (
	heldPage = 100
	// lagging is for how long after a connection goes on its deliveries may still be
	// parked for its pause: unify learns of it some seconds late, and retries what
	// failed for some minutes.
	lagging = 30 * time.Minute
)

// Run goes through the workspaces and tells how much it let go on. What fails stays
// held for the next run, and holds up nothing else.
func (r Release) Run(ctx context.Context, workspaces []string, now time.Time) (n int, err error) {
	var failures []error
	for _, id := range workspaces {
		if ctx.Err() != nil {
			break
		}
		done, err := r.workspace(ctx, id, now)
		n += done
		if err != nil {
			failures = append(failures, fmt.Errorf("letting go on in %s: %w", id, err))
		}
	}
	return n, errors.Join(failures...)
}

func (r Release) workspace(ctx context.Context, id string, now time.Time) (n int, err error) {
	w := r.Controls(id)
	holding, err := w.Holding(ctx)
	if err != nil || len(holding) == 0 {
		return 0, err
	}
	controls, err := w.Controls(ctx)
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, name := range holding {
		if controls.Stops(name) {
			continue
		}
		done, err := r.control(ctx, id, w, controls.Turns[name], name, now)
		n += done
		failures = append(failures, err)
	}
	return n, errors.Join(failures...)
}

// control lets go on what waited for one control.
func (r Release) control(ctx context.Context, id string, w Controls, turn workspace.Turn, name string, now time.Time) (n int, err error) {
	var first workspace.Held
	for ctx.Err() == nil {
		page, err := w.Held(ctx, name, heldPage)
		if err != nil || len(page) == 0 || page[0] == first {
			return n, err // the same again: it can't be let go on, or not yet
		}
		first = page[0]
		for _, h := range page {
			done, err := r.one(ctx, id, w, turn, h, now)
			n += done
			if err != nil {
				return n, err
			}
		}
		if len(page) < heldPage {
			return n, nil
		}
	}
	return n, ctx.Err()
}

func (r Release) one(ctx context.Context, id string, w Controls, turn workspace.Turn, h workspace.Held, now time.Time) (n int, err error) {
	if h.Stage != workspace.HeldDeliveries {
		if err := r.Send(ctx, id, h.Stage, h.What, now); err != nil {
			return 0, err
		}
		return 1, w.Release(ctx, h) // only now: what is sent twice is found done
	}
	if n, err = r.Parked.Unpark(ctx, id, h.What, connector.Paused, now); err != nil {
		return n, err
	}
	if now.Sub(time.UnixMilli(turn.At)) < lagging {
		return n, nil // and look again next minute
	}
	return n, w.Release(ctx, h)
}
