// Package unify turns deliveries into facts and facts into profiles. What is at
// rest is a function of the set of facts; no outside system is called.
package unify

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Definitions says which connections there are.
type Definitions interface {
	// Load gives a workspace, or workspace.ErrUnknown.
	Load(ctx context.Context, id string) (workspace.Workspace, error)
	IdentityKey(ctx context.Context, id string) ([]byte, error)
}

// Deliveries is the Inbox.
type Deliveries interface {
	// FromStreamImage reads a delivery off the Inbox's stream; whatever the error,
	// the key is right if the image holds one.
	FromStreamImage(ctx context.Context, image map[string]lambdaevents.DynamoDBAttributeValue) (delivery.Delivery, error)
	Get(ctx context.Context, k delivery.Key, now time.Time) (delivery.Delivery, error)
	// Park sets a delivery aside; one that expires is kept no longer for it.
	Park(ctx context.Context, k delivery.Key, faults []delivery.Fault, expires bool, now time.Time) error
}

// Queue is the retry queue.
type Queue interface {
	Send(ctx context.Context, message string) error
}

// Echo knows what we ourselves wrote to the systems that deliveries come from.
type Echo interface {
	// Own takes off a fact the fields that only say what we wrote to the system
	// ourselves; ok is false where nothing is left to say.
	Own(ctx context.Context, workspace, connection string, f events.Fact) (rest events.Fact, ok bool, err error)
}

// Config is what the stage stands on.
type Config struct {
	Connectors  []connector.Connector
	Definitions Definitions
	Deliveries  Deliveries
	Retry       Queue
	Hub         func(workspace string) Hub
	Echo        Echo // nil = nothing is written to any source
	Pause       func(ctx context.Context, attempt int) error
	// Paused tells whether a connection is paused; nil = none ever is. It may be some
	// seconds behind.
	Paused func(ctx context.Context, workspace, connection string) (bool, error)
	Log    *telemetry.Log
	Now    func() time.Time
}

// Stage is unify.
type Stage struct {
	Config
	connectors map[string]connector.Connector
}

// New makes the stage.
func New(c Config) *Stage {
	s := &Stage{Config: c, connectors: map[string]connector.Connector{}}
	for _, one := range c.Connectors {
		s.connectors[one.Manifest.Name] = one
	}
	return s
}

// receives is how often a delivery may come out of the retry queue before it is
// parked; the queue's own limit is the same.
const receives = 5

// Invoke makes Stage a lambda.Handler for both of its event sources.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var probe struct {
		Records []struct {
			EventSource string `json:"eventSource"`
		}
	}
	// The error's text may quote the payload, and Lambda logs what is returned.
	if json.Unmarshal(payload, &probe) != nil || len(probe.Records) == 0 {
		return nil, errors.New("decoding event: neither a stream's nor a queue's")
	}
	var reply any
	var err error
	if probe.Records[0].EventSource == "aws:sqs" {
		var e lambdaevents.SQSEvent
		err = json.Unmarshal(payload, &e)
		reply = s.again(ctx, e)
	} else {
		var e lambdaevents.DynamoDBEvent
		err = json.Unmarshal(payload, &e)
		reply = s.stream(ctx, e)
	}
	if err != nil {
		return nil, errors.New("decoding event: a record is malformed")
	}
	return json.Marshal(reply)
}

// stream takes a batch off the Inbox's stream. What fails goes to the retry
// queue by its key, and the batch goes on.
func (s *Stage) stream(ctx context.Context, e lambdaevents.DynamoDBEvent) (r lambdaevents.DynamoDBEventResponse) {
	r.BatchItemFailures = []lambdaevents.DynamoDBBatchItemFailure{}
	items := make([]*item, len(e.Records))
	for n, rec := range e.Records {
		d, err := s.Deliveries.FromStreamImage(ctx, rec.Change.NewImage)
		items[n] = &item{delivery: d, err: err, start: s.Now()}
	}
	s.take(ctx, items)
	for n, i := range items {
		if i.err != nil {
			i.count(telemetry.Retried, 1)
			if err := s.Retry.Send(ctx, message(i.delivery.Key)); err != nil {
				// First of the two: why the delivery failed is told again when it comes again.
				i.err = errors.Join(err, i.err)
				i.count(telemetry.Failures, 1)
				r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.DynamoDBBatchItemFailure{ItemIdentifier: e.Records[n].Change.SequenceNumber})
			}
		}
		s.log(ctx, i)
	}
	return r
}

// again takes deliveries that failed before. After the last receive they are parked.
func (s *Stage) again(ctx context.Context, e lambdaevents.SQSEvent) (r lambdaevents.SQSEventResponse) {
	r.BatchItemFailures = []lambdaevents.SQSBatchItemFailure{}
	items := make([]*item, len(e.Records))
	for n, m := range e.Records {
		i := &item{start: s.Now(), last: received(m) >= receives}
		var k delivery.Key
		if k, i.err = parseMessage(m.Body); i.err == nil {
			i.delivery, i.err = s.Deliveries.Get(ctx, k, s.Now())
		}
		i.delivery.Key = k
		if errors.Is(i.err, delivery.ErrAbsent) { // expired meanwhile: nothing is left to do
			i.err, i.gone = nil, true
		}
		items[n] = i
	}
	s.take(ctx, items)
	for n, i := range items {
		if i.err != nil {
			i.count(telemetry.Failures, 1)
			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: e.Records[n].MessageId})
		}
		s.log(ctx, i)
	}
	return r
}

func message(k delivery.Key) string {
	return k.Workspace + " " + k.String()
}
