// Package publish announces what the Hub table committed: the table is the
// outbox, so what is committed is announced, at least once.
package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/telemetry"
)

// Bus carries events. failed are the positions of those that it did not take;
// err says that it took none.
type Bus interface {
	Put(ctx context.Context, l []events.Envelope) (failed []int, err error)
}

// Config is what the stage stands on.
type Config struct {
	Bus   Bus
	Pause func(ctx context.Context, attempt int) error // before trying again
	Log   *telemetry.Log
	Now   func() time.Time
}

// Stage is publish.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage { return &Stage{c} }

const tries = 3

// Invoke makes Stage a lambda.Handler for the Hub's stream.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e lambdaevents.DynamoDBEvent
	if json.Unmarshal(payload, &e) != nil { // the error's text may quote the payload
		return nil, errors.New("decoding event: it is not a table's stream")
	}
	start := s.Now()
	b := read(e)
	failed, announced, err := s.publish(ctx, b)
	line := telemetry.Line{Outcome: "published", Err: err, Items: announced, Duration: s.Now().Sub(start),
		Counts: []telemetry.Count{{Metric: telemetry.Announced, N: announced}}}
	r := lambdaevents.DynamoDBEventResponse{BatchItemFailures: []lambdaevents.DynamoDBBatchItemFailure{}}
	if failed != "" {
		line.Outcome = "retried"
		line.Counts = append(line.Counts, telemetry.Count{Metric: telemetry.Failures, N: 1})
		r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.DynamoDBBatchItemFailure{ItemIdentifier: failed})
	}
	s.Log.Write(ctx, start, line)
	if b.unreadable > 0 {
		// The stream would give them again in vain, and all that comes after would wait.
		s.Log.Write(ctx, start, telemetry.Line{Outcome: "unreadable", Items: b.unreadable, Err: fault.New(fault.Permanent, "an item's announcements can't be read"),
			Counts: []telemetry.Count{{Metric: telemetry.Failures, N: b.unreadable}}})
	}
	return json.Marshal(r)
}

// publish announces a batch. failed is the sequence number from which the stream
// has to give it again, "" when all is announced.
func (s *Stage) publish(ctx context.Context, b batch) (failed string, announced int, err error) {
	rest := b.parcels()
	if len(rest) == 0 {
		return "", 0, nil
	}
	for attempt := 1; ; attempt++ {
		var left []parcel
		left, err = s.send(ctx, rest)
		announced += count(rest) - count(left)
		if rest = left; len(rest) == 0 {
			return "", announced, nil
		}
		if attempt == tries {
			break
		}
		if waited := s.Pause(ctx, attempt); waited != nil {
			err = waited
			break
		}
	}
	if err == nil {
		err = fmt.Errorf("the bus refused %d events", len(rest))
	}
	first := slices.MinFunc(rest, func(a, b parcel) int { return cmp.Compare(a.order, b.order) })
	return first.sequence, announced, err
}

func count(l []parcel) (n int) {
	for _, p := range l {
		n += max(1, len(p.changes))
	}
	return n
}

// send puts parcels on the bus and gives those that it did not take.
func (s *Stage) send(ctx context.Context, parcels []parcel) (left []parcel, err error) {
	envelopes := make([]events.Envelope, len(parcels))
	for n, p := range parcels {
		if envelopes[n], err = p.envelope(); err != nil {
			return parcels, err
		}
	}
	failed, err := s.Bus.Put(ctx, envelopes)
	if err != nil {
		return parcels, fmt.Errorf("putting events: %w", err)
	}
	for _, n := range failed {
		left = append(left, parcels[n])
	}
	return left, nil
}
