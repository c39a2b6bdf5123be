package sweep

import (
	"context"

	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

// Queue is the spill queue.
type Queue interface {
	// Receive takes up to ten deliveries; none means that the queue is empty.
	Receive(ctx context.Context) ([]delivery.Spilled, error)
	Delete(ctx context.Context, receipts []string) error
}

// Inbox stores deliveries. Storing one again is harmless.
type Inbox interface {
	Put(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error)
}

// spill drains the spill queue. What can't be stored stays in the queue, comes back
// after its visibility time-out, and goes to the dead-letter queue when the queue's
// receives, about a day of them, run out.
func (s *Stage) spill(ctx, working context.Context, _ []Workspace) report {
	r := s.drain(ctx, working)
	return report{outcome: r.outcome, err: r.err, items: r.stored + r.failures, idle: r.outcome == drained && r.stored+r.failures == 0,
		counts: []telemetry.Count{{Metric: telemetry.Deliveries, N: r.stored}, {Metric: telemetry.Failures, N: r.failures},
			{Metric: telemetry.Duplicates, N: r.duplicates}, {Metric: telemetry.Clashes, N: r.clashes}}}
}

// run is what a run did.
type run struct {
	outcome                               telemetry.Outcome
	err                                   error // the last
	stored, duplicates, clashes, failures int
}

func (s *Stage) drain(ctx, working context.Context) run {
	var r run
	for working.Err() == nil {
		batch, err := s.Queue.Receive(working)
		if err != nil {
			r.fail(err)
			return r
		}
		if len(batch) == 0 {
			if r.outcome == "" {
				r.outcome = drained
			}
			return r
		}
		stored, works := s.store(working, batch, &r)
		if len(stored) > 0 {
			// Beyond the working time too: what was stored should not come back.
			if err := s.Queue.Delete(ctx, stored); err != nil {
				r.fail(err) // it will come back, and be found stored
			}
		}
		if !works {
			return r // the Inbox takes nothing: don't use up the receives of the rest
		}
	}
	if r.outcome == "" {
		r.outcome = stopped
	}
	return r
}

// store puts a batch into the Inbox and gives the receipts of what lies there now;
// works is false when the Inbox took none of what it was given.
func (s *Stage) store(ctx context.Context, batch []delivery.Spilled, r *run) (receipts []string, works bool) {
	tried := 0
	for _, d := range batch {
		if d.Err != nil {
			r.fail(d.Err)
			continue
		}
		tried++
		_, outcome, err := s.Inbox.Put(ctx, d.Sealed)
		if err != nil {
			r.fail(err)
			continue
		}
		switch outcome {
		case delivery.Duplicate:
			r.duplicates++
		case delivery.Clash:
			r.clashes++
		}
		r.stored++
		receipts = append(receipts, d.Receipt)
	}
	return receipts, tried == 0 || len(receipts) > 0
}

func (r *run) fail(err error) {
	r.outcome, r.err = failed, err
	r.failures++
}
