// Package journey takes customers through journeys: it lets them in, waits, and
// asks for messages, vouchers, tags and tasks. Whatever comes twice, late or out of
// order changes nothing: every step is one conditional transaction.
package journey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Name of the stage, under which it arms and holds.
const Name = "journey"

// Config is what the stage stands on.
type Config struct {
	Definitions Definitions
	Hub         func(workspace string) Hub
	Tags        Tagger
	Pause       func(ctx context.Context, attempt int) error // before a lost race is run again
	Log         *telemetry.Log
	Now         func() time.Time
}

// Stage is journey.
type Stage struct {
	Config
	mu       sync.Mutex
	compiled map[string]journey.Journey // by workspace, journey and version: they never change
	kept     map[string]bool            // versions that are known to be kept
}

// New makes the stage.
func New(c Config) *Stage {
	return &Stage{Config: c, compiled: map[string]journey.Journey{}, kept: map[string]bool{}}
}

// Limits of what a worker does.
const (
	attempts = 8     // of a race that is lost
	rounds   = 8     // of an entry that can go on at once
	maxCache = 1_000 // journeys
)

// Outcomes, as the log names them.
const (
	handled telemetry.Outcome = "handled"
	dropped telemetry.Outcome = "dropped" // nothing can ever come of it
	failed  telemetry.Outcome = "failed"  // the queue gives it again
)

// Invoke makes Stage a lambda.Handler for its queue.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e lambdaevents.SQSEvent
	if json.Unmarshal(payload, &e) != nil { // the error's text may quote the payload
		return nil, errors.New("decoding event: it is not a queue's")
	}
	r := lambdaevents.SQSEventResponse{BatchItemFailures: []lambdaevents.SQSBatchItemFailure{}}
	for _, m := range e.Records {
		if !s.message(ctx, m.Body) {
			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return json.Marshal(r)
}

// message handles one message. ok tells that the queue may forget it.
func (s *Stage) message(ctx context.Context, body string) (ok bool) {
	start := s.Now()
	w := &work{Stage: s, now: start.UTC().Truncate(time.Millisecond)}
	err := w.guarded(ctx, body)
	line := telemetry.Line{Outcome: handled, Err: err, Where: w.where, Workspace: w.workspace.ID, Items: w.steps, Duration: s.Now().Sub(start), Counts: w.counts()}
	ok = err == nil
	switch {
	case errors.Is(err, errMeaningless):
		line.Outcome, ok = dropped, true
	case err != nil:
		line.Outcome = failed
		line.Counts = append(line.Counts, telemetry.Count{Metric: telemetry.Failures, N: 1})
	}
	s.Log.Write(ctx, start, line)
	return ok
}

// errMeaningless is about what no later attempt can understand.
var errMeaningless = fault.New(fault.Permanent, "this says nothing to journeys")

// work is one message on its way.
type work struct {
	*Stage
	now       time.Time
	told      time.Time // when the bus was given the message
	workspace workspace.Workspace
	hub       Hub
	where     string // source line of a panic

	steps, entered, requested, empty, held int
}

func (w *work) counts() []telemetry.Count {
	return []telemetry.Count{{Metric: telemetry.Begun, N: w.entered}, {Metric: telemetry.Requested, N: w.requested},
		{Metric: telemetry.PoolEmpty, N: w.empty}, {Metric: telemetry.Held, N: w.held}}
}

// guarded keeps a panic from taking the batch down.
func (w *work) guarded(ctx context.Context, body string) (err error) {
	defer func() {
		if recover() != nil {
			w.where = telemetry.Where()
			err = fault.New(fault.Permanent, "handling a message broke down at %s", w.where)
		}
	}()
	e, err := events.FromQueue(body)
	if err != nil {
		return errMeaningless
	}
	w.workspace, err = w.Definitions.Load(ctx, e.Workspace)
	if errors.Is(err, workspace.ErrUnknown) {
		return errMeaningless
	}
	if err != nil {
		return fmt.Errorf("loading the definition: %w", err)
	}
	w.hub, w.told = w.Hub(e.Workspace), e.Time
	return w.event(ctx, e)
}

// event handles what the message tells.
func (w *work) event(ctx context.Context, e events.Envelope) error {
	switch e.Type {
	case events.SegmentEntered, events.SegmentLeft:
		var m events.Membership
		if json.Unmarshal(e.Data, &m) != nil {
			return errMeaningless
		}
		return w.turned(ctx, e.Type, m)
	case events.ProfileChanged:
		var l events.ProfileChanges
		if json.Unmarshal(e.Data, &l) != nil {
			return errMeaningless
		}
		var errs []error
		for _, c := range l.Changes { // one that fails keeps no other customer waiting
			errs = append(errs, w.changed(ctx, c))
		}
		return errors.Join(errs...)
	case events.EntryRequested:
		var r events.EntryRequest
		if json.Unmarshal(e.Data, &r) != nil {
			return errMeaningless
		}
		return w.asked(ctx, r)
	case events.DueReached:
		var d events.Due
		if json.Unmarshal(e.Data, &d) != nil {
			return errMeaningless
		}
		return w.due(ctx, d.What)
	}
	return errMeaningless
}

// current compiles the definition of a journey that counts now, and keeps it. ok is
// false where there is no such journey.
func (w *work) current(ctx context.Context, name string) (j journey.Journey, ok bool, err error) {
	d, ok := journey.Of(w.workspace, name)
	if !ok {
		return j, false, nil
	}
	version, err := d.Version()
	if err != nil {
		return j, false, err
	}
	if j, ok = w.known(name, version); ok {
		return j, true, nil
	}
	if j, err = journey.Compile(d); err != nil {
		return j, false, err
	}
	w.remember(j)
	return j, true, nil
}

// keep sees to it that a definition is there for as long as somebody may be inside.
func (w *work) keep(ctx context.Context, j journey.Journey) error {
	id := w.workspace.ID + "/" + j.Name + "/" + j.Version
	w.mu.Lock()
	known := w.kept[id]
	w.mu.Unlock()
	if known {
		return nil
	}
	d, _ := journey.Of(w.workspace, j.Name)
	if err := w.hub.KeepJourney(ctx, j.Version, d); err != nil {
		return fmt.Errorf("keeping journey %s: %w", j.Name, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) >= maxCache {
		clear(w.kept)
	}
	w.kept[id] = true
	return nil
}

// version compiles the definition by which an entry goes on.
func (w *work) version(ctx context.Context, name, version string) (journey.Journey, error) {
	if j, ok := w.known(name, version); ok {
		return j, nil
	}
	d, err := w.hub.KeptJourney(ctx, name, version)
	if err != nil {
		return journey.Journey{}, fmt.Errorf("reading journey %s: %w", name, err)
	}
	j, err := journey.Compile(d)
	if err != nil {
		return j, err
	}
	w.remember(j)
	return j, nil
}

func (w *work) known(name, version string) (journey.Journey, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j, ok := w.compiled[w.workspace.ID+"/"+name+"/"+version]
	return j, ok
}

func (w *work) remember(j journey.Journey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.compiled) >= maxCache {
		clear(w.compiled)
	}
	w.compiled[w.workspace.ID+"/"+j.Name+"/"+j.Version] = j
}
