// Package sweep runs each minute and brings what waits to where it belongs: moments
// that have come to the stages that wait for them, what was held while something was
// paused to where it goes on, profiles to the segments that became others, and the
// spill queue into the Inbox.
package sweep

import (
	"context"
	"time"

	"loophub/events"
	"loophub/shared/telemetry"
)

// Stages are the queues of stages, by the stage's name.
type Stages map[string]Sender

// Sender is the queue of one stage.
type Sender interface {
	// Send sends up to ten events. failed are the positions of those that were not
	// taken; err says that none was.
	Send(ctx context.Context, l []events.Envelope) (failed []int, err error)
}

// Config is what the stage stands on.
type Config struct {
	Queue  Queue
	Inbox  Inbox
	Parked Parked
	// Workspaces lists those that there are.
	Workspaces func(ctx context.Context) ([]Workspace, error)
	Hub        func(workspace string) Hub
	Stages     Stages // what waits for a stage that is not among them goes on waiting
	Log        *telemetry.Log
	Now        func() time.Time
}

// Workspace is one that there is.
type Workspace struct {
	ID       string
	Segments string // digest of its segments; "" = it has none
}

// Hub is one workspace's part of the Hub.
type Hub interface {
	Moments
	Reviews
	Stops
}

const (
	reserve = 5 * time.Second  // left of the function's time for deleting and logging
	longest = 50 * time.Second // a run, where the context has no deadline
	perSend = 10               // events that Send takes
)

// Outcomes of a task.
const (
	drained  telemetry.Outcome = "drained"  // the spill queue is empty
	told     telemetry.Outcome = "told"     // all moments that have come are told
	released telemetry.Outcome = "released" // what was held and may go on does
	reviewed telemetry.Outcome = "reviewed" // so many more profiles are to be looked at
	stopped  telemetry.Outcome = "stopped"  // time ran out; the next run goes on
	failed   telemetry.Outcome = "failed"   // something goes on waiting
)

// Stage is sweep.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage { return &Stage{c} }

// task is one thing that sweep does, in a file of its own. It works until its time
// is up, and finishes what it began with the whole of ctx.
type task struct {
	most time.Duration // that it may take of the run; 0 = all that is left
	run  func(s *Stage, ctx, working context.Context, l []Workspace) report
}

// tasks take their turns: who waits for a moment first.
var tasks = []task{{20 * time.Second, (*Stage).dues}, {10 * time.Second, (*Stage).held}, {10 * time.Second, (*Stage).reviews}, {0, (*Stage).spill}}

// report is what a task did.
type report struct {
	outcome telemetry.Outcome
	err     error // the last
	items   int
	idle    bool // nothing was to be done: not worth a line
	counts  []telemetry.Count
}

// Handle runs all tasks for as long as the function may run. The error is always
// nil: what is wrong stands in the log and its metrics, and the next minute tries
// again.
func (s *Stage) Handle(ctx context.Context) error {
	whole, cancel := budget(ctx)
	defer cancel()
	start := s.Now()
	l, err := s.Workspaces(whole)
	if err != nil { // the spill queue can be drained all the same
		s.write(ctx, start, report{outcome: failed, err: err, counts: []telemetry.Count{{Metric: telemetry.Failures, N: 1}}})
	}
	for _, t := range tasks {
		s.turn(ctx, whole, t, l)
	}
	return nil
}

func (s *Stage) turn(ctx, whole context.Context, t task, l []Workspace) {
	start := s.Now()
	working := whole
	if t.most > 0 {
		var cancel context.CancelFunc
		working, cancel = context.WithTimeout(whole, t.most)
		defer cancel()
	}
	if r := t.run(s, ctx, working, l); !r.idle {
		s.write(ctx, start, r)
	}
}

func (s *Stage) write(ctx context.Context, start time.Time, r report) {
	s.Log.Write(ctx, start, telemetry.Line{Outcome: r.outcome, Err: r.err, Items: r.items, Duration: s.Now().Sub(start), Counts: r.counts})
}

// budget is the time for working.
func budget(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	return context.WithTimeout(ctx, longest)
}
