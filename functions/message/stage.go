// Package message decides about each message that somebody wants sent, and sends
// it: now, at the end of quiet hours, or never. It says why, and never sends twice.
package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	lambda "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
)

// Name is the stage's, under which its moments are armed.
const Name = "message"

// Config is what the stage stands on.
type Config struct {
	Definitions Definitions
	Hub         func(workspace string) Hub
	Mailer      Mailer
	Links       string                                       // address of the links stage: https://…
	Pause       func(ctx context.Context, attempt int) error // before trying again
	Log         *telemetry.Log
	Now         func() time.Time
}

// Stage is the message stage.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage { return &Stage{c} }

// Outcomes, as the log names them.
const (
	sent    telemetry.Outcome = "sent"
	dropped telemetry.Outcome = "dropped"
	delayed telemetry.Outcome = "delayed"
	held    telemetry.Outcome = "held"
	refused telemetry.Outcome = "refused" // by the channel, for good
	unknown telemetry.Outcome = "unknown" // whether it was sent
	ignored telemetry.Outcome = "ignored" // it is decided already, or there is none
	retried telemetry.Outcome = "retried"
)

var metrics = map[telemetry.Outcome]telemetry.Metric{sent: telemetry.Sent, dropped: telemetry.Dropped, delayed: telemetry.Delayed,
	held: telemetry.Held, refused: telemetry.Dropped, unknown: telemetry.Uncertain, retried: telemetry.Failures}

// Handle takes a batch of the stage's queue. What could not be done comes again.
func (s *Stage) Handle(ctx context.Context, e lambda.SQSEvent) (lambda.SQSEventResponse, error) {
	failures := []lambda.SQSBatchItemFailure{}
	for _, m := range e.Records {
		if !s.take(ctx, m.Body) {
			failures = append(failures, lambda.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return lambda.SQSEventResponse{BatchItemFailures: failures}, nil
}

// take handles one message of the queue and tells whether it is done with.
func (s *Stage) take(ctx context.Context, body string) (done bool) {
	start := s.Now()
	line := telemetry.Line{Outcome: retried}
	defer func() {
		if recover() != nil {
			done, line.Outcome, line.Where, line.Err = false, retried, telemetry.Where(), fault.New(fault.Permanent, "panic")
		}
		line.Duration = s.Now().Sub(start)
		if metric, counted := metrics[line.Outcome]; counted {
			line.Counts = []telemetry.Count{{Metric: metric, N: 1}}
		}
		s.Log.Write(ctx, start, line)
	}()
	envelope, named, err := read(body)
	if err != nil { // nobody can read it: the dead-letter queue keeps it for a person
		line.Err = err
		return false
	}
	if named == (events.Message{}) {
		line.Outcome = ignored
		return true
	}
	line.Workspace, line.Message = envelope.Workspace, named.Message
	w := &work{Stage: s, hub: s.Hub(envelope.Workspace), workspace: envelope.Workspace, fragment: profile.ID(named.Fragment), id: named.Message}
	line.Outcome, line.Err = w.do(ctx)
	line.Reason, line.Connection = string(w.reason), w.connection
	return line.Outcome != retried
}

// read finds out which message an event is about; none where it is not the stage's.
func read(body string) (e events.Envelope, m events.Message, err error) {
	if e, err = events.FromQueue(body); err != nil {
		return e, m, fault.As(fault.Permanent, err)
	}
	switch e.Type {
	case events.MessageRequested:
		err = json.Unmarshal(e.Data, &m)
	case events.DueReached:
		var d events.Due
		err = json.Unmarshal(e.Data, &d)
		m.Fragment, m.Message, _ = strings.Cut(d.What, "|")
	default:
		return e, m, nil
	}
	if _, ok := profile.ParseID(m.Fragment); err != nil || !ok || m.Message == "" {
		return e, m, fault.New(fault.Permanent, "reading %s: it names no message", e.Type)
	}
	return e, m, nil
}

// work is one message on its way.
type work struct {
	*Stage
	hub        Hub
	workspace  string
	fragment   profile.ID
	id         string
	reason     message.Reason
	connection string
}

// what names the message to the due index.
func (w *work) what() string { return string(w.fragment) + "|" + w.id }

// attempts are how often a lost race is read again.
const attempts = 8

// do brings the message as far as it goes now. A lost race begins anew: whoever
// was faster may have changed what there is to do.
func (w *work) do(ctx context.Context) (telemetry.Outcome, error) {
	for attempt := 0; ; attempt++ {
		outcome, err := w.once(ctx)
		if !errors.Is(err, profile.ErrLost) {
			return outcome, err
		}
		if attempt == attempts {
			return retried, fmt.Errorf("deciding message %s: %w", w.id, err)
		}
		if err := w.Pause(ctx, attempt); err != nil {
			return retried, err
		}
	}
}

func (w *work) once(ctx context.Context) (telemetry.Outcome, error) {
	m, err := w.hub.Message(ctx, w.fragment, w.id)
	if err != nil {
		return retried, fmt.Errorf("reading the message: %w", err)
	}
	w.connection = m.Connection
	switch {
	case m.Stored == 0: // it was erased, or its time is over
		return ignored, nil
	case m.Open():
		return w.decide(ctx, m)
	case m.Uncertain():
		return w.reconcile(ctx, m)
	}
	w.reason = m.Reason
	return ignored, nil
}

// reconcile is for a message that somebody claimed and did not settle. He may be
// sending it at this moment; later, only what the channel tells says whether it
// was sent. It is not sent again.
func (w *work) reconcile(ctx context.Context, m message.Message) (telemetry.Outcome, error) {
	facts, err := w.hub.MessageFacts(ctx, m)
	if err != nil {
		return retried, fmt.Errorf("reading what the channel told: %w", err)
	}
	now := w.Now()
	if settled, told := m.Reconcile(facts, now); told {
		return w.commit(ctx, settled)
	}
	if m.Is(message.Unknown) {
		w.reason = m.Reason
		return ignored, nil
	}
	if now.Sub(time.UnixMilli(m.Claimed)) < message.Grace {
		return retried, fault.New(fault.Transient, "message %s is being sent", m.ID)
	}
	lost, err := m.Lose(now)
	if err != nil {
		return retried, fault.As(fault.Permanent, err)
	}
	return w.commit(ctx, lost)
}

// outcomes of what a message can become.
var outcomes = map[message.Status]telemetry.Outcome{message.Sent: sent, message.Dropped: dropped, message.Waiting: delayed,
	message.Failed: refused, message.Unknown: unknown}

func (w *work) commit(ctx context.Context, m message.Message) (telemetry.Outcome, error) {
	if err := w.hub.CommitMessage(ctx, m); err != nil {
		return retried, fmt.Errorf("storing the message: %w", err)
	}
	w.reason = m.Reason
	return outcomes[m.Status], nil
}
