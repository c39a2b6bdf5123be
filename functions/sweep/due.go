package sweep

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
)

// Moments are what stages wait for.
type Moments interface {
	// Cursor is up to where moments were told, Unix ms; 0 = nobody has begun.
	Cursor(ctx context.Context) (int64, error)
	// MoveCursor moves it, or gives profile.ErrLost where it does not stand at from.
	MoveCursor(ctx context.Context, from, to int64) error
	// Dues reads the moments from one on up to another: page after page, empty ones
	// too, none of which holds anything from before its From that came with no page before.
	Dues(ctx context.Context, from, to int64) iter.Seq2[Dues, error]
	Disarm(ctx context.Context, l []Due) error
}

// Due is a moment that a stage waits for.
type Due struct {
	Stage, What string
	At          int64 // Unix ms
}

// Dues is a page of them.
type Dues struct {
	From int64 // Unix ms
	List []Due
}

const (
	// overlap is how late a moment may be armed: it is looked for again so long.
	overlap = 3 * time.Minute
	// lag is how far the cursor may stay behind: an idle minute writes nothing.
	lag = 5 * time.Minute
	// kept is how long a moment waits to be told before the table drops it.
	kept = 7 * 24 * time.Hour
)

// dues tells stages of the moments that have come. A moment is deleted after it was
// sent: a death in between tells it twice. The cursor never passes what was not
// sent; so an outage, or a stage that is not there, costs time and loses nothing.
func (s *Stage) dues(ctx, working context.Context, l []Workspace) report {
	r := report{outcome: told}
	sent, failures := 0, 0
	for _, w := range l {
		t := telling{Stage: s, workspace: w.ID, hub: s.Hub(w.ID)}
		t.run(ctx, working)
		sent += t.sent
		switch {
		case t.err == nil:
		case working.Err() != nil:
			r.outcome = stopped
		default:
			r.outcome, r.err = failed, t.err
			failures++
		}
	}
	r.items, r.idle = sent, r.outcome == told && sent == 0
	r.counts = []telemetry.Count{{Metric: telemetry.Told, N: sent}, {Metric: telemetry.Failures, N: failures}}
	return r
}

// telling is the telling of one workspace's moments.
type telling struct {
	*Stage
	workspace string
	hub       Hub
	sent      int
	waits     int64 // the earliest moment that could not be told, Unix ms; 0 = none
	err       error // the last
}

func (t *telling) run(ctx, working context.Context) {
	cursor, err := t.hub.Cursor(working)
	if err != nil {
		t.err = err
		return
	}
	now := t.Now().UnixMilli()
	reached := max(cursor-overlap.Milliseconds(), now-kept.Milliseconds())
	whole := true
	for page, err := range t.hub.Dues(working, reached, now) {
		if err == nil {
			reached = page.From
			t.tell(ctx, page.List)
			err = working.Err()
		}
		if err != nil {
			t.err, whole = err, false
			break
		}
	}
	if whole {
		reached = now
	}
	if t.waits != 0 {
		reached = min(reached, t.waits)
	}
	if cursor != 0 && reached-cursor < lag.Milliseconds() {
		return
	}
	// Of two runs at once one has moved it: what lies between is told twice.
	if err := t.hub.MoveCursor(ctx, cursor, reached); err != nil && !errors.Is(err, profile.ErrLost) {
		t.err = err
	}
}

// tell sends a page to the queues of its stages, and deletes what they took. What
// can't be told holds up nothing but the cursor.
func (t *telling) tell(ctx context.Context, l []Due) {
	var done []Due
	for _, stage := range stagesOf(l) {
		var mine []Due
		for _, d := range l {
			if d.Stage == stage {
				mine = append(mine, d)
			}
		}
		for some := range slices.Chunk(mine, perSend) {
			done = append(done, t.send(ctx, stage, some)...)
		}
	}
	if len(done) == 0 {
		return
	}
	t.sent += len(done)
	if err := t.hub.Disarm(ctx, done); err != nil {
		t.wait(err, done...) // they are told again
	}
}

func stagesOf(l []Due) []string {
	var stages []string
	for _, d := range l {
		stages = append(stages, d.Stage)
	}
	slices.Sort(stages)
	return slices.Compact(stages)
}

// send sends up to ten moments to one stage and gives those that it took.
func (t *telling) send(ctx context.Context, stage string, l []Due) (taken []Due) {
	queue, there := t.Stages[stage]
	if !there {
		t.wait(fault.New(fault.Permanent, "the queue of stage %s is not known", stage), l...)
		return nil
	}
	events := make([]events.Envelope, len(l))
	for n, d := range l {
		var err error
		if events[n], err = envelope(t.workspace, d.What, d.At); err != nil {
			t.wait(err, l...)
			return nil
		}
	}
	failed, err := queue.Send(ctx, events)
	if err != nil {
		t.wait(err, l...)
		return nil
	}
	for n, d := range l {
		if slices.Contains(failed, n) {
			t.wait(fault.New(fault.Transient, "a queue refused a moment"), d)
		} else {
			taken = append(taken, d)
		}
	}
	return taken
}

// wait notes moments that are not told, or not deleted.
func (t *telling) wait(err error, l ...Due) {
	t.err = err
	for _, d := range l {
		if t.waits == 0 || d.At < t.waits {
			t.waits = d.At
		}
	}
}

func envelope(workspace, what string, at int64) (events.Envelope, error) {
	return events.NewEnvelope(workspace, events.DueReached, time.UnixMilli(at), events.Due{What: what, At: at})
}
