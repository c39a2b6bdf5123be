package sweep

import (
	"context"
	"slices"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Stops are one workspace's controls, and what waits for them.
type Stops interface {
	Controls(ctx context.Context) (workspace.Controls, error)
	// Holding lists the controls for which something waits or once waited.
	Holding(ctx context.Context) ([]string, error)
	// Held lists what waits for a control, at most so many, after one of them (the
	// zero value = from the first).
	Held(ctx context.Context, control string, after workspace.Held, limit int) ([]workspace.Held, error)
	// Release forgets what was held, unless it was held once more since it was listed.
	Release(ctx context.Context, h workspace.Held) error
}

// Parked are deliveries that were set aside.
type Parked interface {
	// Unpark puts what a connection has parked for a class of faults back into the queue.
	Unpark(ctx context.Context, workspace, connection string, class connector.FaultClass, now time.Time) (n int, err error)
}

const (
	heldPage = 100
	// lagging is for how long after a connection goes on its deliveries may still be
	// parked for its pause: unify learns of it some seconds late, and retries what
	// failed for some minutes.
	lagging = 30 * time.Minute
)

// held lets go on what waited while something was stopped, once it is not. What
// fails stays held for the next run, and holds up nothing else.
func (s *Stage) held(ctx, working context.Context, l []Workspace) report {
	r := report{outcome: released}
	failures := 0
	for _, w := range l {
		g := letting{Stage: s, workspace: w.ID, hub: s.Hub(w.ID), now: s.Now()}
		g.run(ctx, working)
		r.items += g.n
		switch {
		case g.err == nil:
		case working.Err() != nil:
			r.outcome = stopped
		default:
			r.outcome, r.err = failed, g.err
			failures++
		}
	}
	r.idle = r.outcome == released && r.items == 0
	r.counts = []telemetry.Count{{Metric: telemetry.Released, N: r.items}, {Metric: telemetry.Failures, N: failures}}
	return r
}

// letting lets go on what waits in one workspace.
type letting struct {
	*Stage
	workspace string
	hub       Hub
	now       time.Time
	n         int
	err       error // the last
}

func (g *letting) run(ctx, working context.Context) {
	holding, err := g.hub.Holding(working)
	if err != nil || len(holding) == 0 {
		g.err = err
		return
	}
	controls, err := g.hub.Controls(working)
	if err != nil {
		g.err = err
		return
	}
	for _, name := range holding {
		if !controls.Stops(name) {
			g.control(ctx, working, name, time.UnixMilli(controls.Turns[name].At))
		}
	}
}

// control lets go on what waited for one control, which went on at a moment.
func (g *letting) control(ctx, working context.Context, name string, since time.Time) {
	var after workspace.Held
	for {
		page, err := g.hub.Held(working, name, after, heldPage)
		if err != nil {
			g.err = err
			return
		}
		for _, stage := range heldBy(page) {
			mine := slices.DeleteFunc(slices.Clone(page), func(h workspace.Held) bool { return h.Stage != stage })
			if stage == workspace.HeldDeliveries {
				g.deliveries(working, mine, since)
				continue
			}
			for some := range slices.Chunk(mine, perSend) {
				g.send(ctx, stage, some)
			}
		}
		if len(page) < heldPage {
			return
		}
		if g.err = working.Err(); g.err != nil {
			return
		}
		after = page[len(page)-1]
	}
}

func heldBy(l []workspace.Held) []string {
	var stages []string
	for _, h := range l {
		stages = append(stages, h.Stage)
	}
	slices.Sort(stages)
	return slices.Compact(stages)
}

// send sends up to ten to a stage, as moments that have come, and forgets those
// that it took: only now, for what is sent twice is found done.
func (g *letting) send(ctx context.Context, stage string, l []workspace.Held) {
	queue, there := g.Stages[stage]
	if !there {
		g.err = fault.New(fault.Permanent, "the queue of stage %s is not known", stage)
		return
	}
	moments := make([]events.Envelope, len(l))
	for n, h := range l {
		var err error
		if moments[n], err = envelope(g.workspace, h.What, g.now.UnixMilli()); err != nil {
			g.err = err
			return
		}
	}
	refused, err := queue.Send(ctx, moments)
	if err != nil {
		g.err = err
		return
	}
	for n, h := range l {
		if slices.Contains(refused, n) {
			g.err = fault.New(fault.Transient, "a queue refused what was held")
			continue
		}
		g.n++
		if err := g.hub.Release(ctx, h); err != nil {
			g.err = err
		}
	}
}

// deliveries puts what connections received while they were paused back into the
// Inbox's queue, and looks again each minute for as long as some may still come.
func (g *letting) deliveries(working context.Context, l []workspace.Held, since time.Time) {
	for _, h := range l {
		n, err := g.Parked.Unpark(working, g.workspace, h.What, connector.Paused, g.now)
		g.n += n
		if err == nil && g.now.Sub(since) >= lagging {
			err = g.hub.Release(working, h)
		}
		if err != nil {
			g.err = err
		}
	}
}
