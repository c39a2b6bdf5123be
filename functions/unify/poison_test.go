package unify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// stuckHub is a table whose every answer stays out until the caller gives up.
type stuckHub struct{ Hub }

func (stuckHub) Known(ctx context.Context, _ events.Fact) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

// brokenHub breaks down over one record and holds nothing else yet.
type brokenHub struct{ Hub }

func (brokenHub) Known(_ context.Context, f events.Fact) (bool, error) {
	if f.Record == "poison" {
		panic("a bug")
	}
	return true, nil
}
func (brokenHub) Fragment(_ context.Context, id profile.ID) (profile.Fragment, error) {
	return profile.Fragment{ID: id}, nil
}
func (brokenHub) Commit(context.Context, profile.Fragment, []profile.Move, []profile.Change, ...events.Occurrence) error {
	return nil
}

// desk is all that a stage stands on but the Hub; like AWS it refuses a caller
// whose time is over.
type desk struct{ sent, parked []string }

func (*desk) Load(context.Context, string) (workspace.Workspace, error) {
	return workspace.Workspace{ID: "w", Connections: map[string]workspace.Connection{"shop": {Name: "shop", Connector: "plain"}}}, nil
}
func (*desk) IdentityKey(context.Context, string) ([]byte, error) { return []byte("key"), nil }

func (*desk) FromStreamImage(_ context.Context, image map[string]lambdaevents.DynamoDBAttributeValue) (delivery.Delivery, error) {
	return arrived(delivery.Key{Workspace: "w", Connection: "shop", Object: "o", Delivery: image["sk"].String()}), nil
}

func (*desk) Get(_ context.Context, k delivery.Key, _ time.Time) (delivery.Delivery, error) {
	return arrived(k), nil
}

func arrived(k delivery.Key) delivery.Delivery {
	return delivery.Delivery{Key: k, Request: connector.Request{Rest: k.Delivery, ReceivedAt: time.Now()}}
}

func (d *desk) Park(ctx context.Context, k delivery.Key, _ []delivery.Fault, _ bool, _ time.Time) error {
	d.parked = append(d.parked, k.Delivery)
	return ctx.Err()
}

func (d *desk) Send(ctx context.Context, message string) error {
	k, err := parseMessage(message)
	d.sent = append(d.sent, k.Delivery)
	return errors.Join(err, ctx.Err())
}

// plainSource reads one customer out of every delivery.
type plainSource struct{ connector.Source }

func (plainSource) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	return []events.Fact{{Kind: events.Customer, Record: r.Rest, Version: 1, Fields: events.Fields{"first_name": events.Text("Lan")}}}, nil
}

// invoke runs the stage on a Hub, under Lambda's deadline.
func invoke(t *testing.T, d *desk, h Hub, event any) (failures int) {
	t.Helper()
	s := New(Config{
		Connectors: []connector.Connector{{Manifest: connector.Manifest{Name: "plain"},
			Source: func(connector.Settings) (connector.Source, error) { return plainSource{}, nil }}},
		Definitions: d, Deliveries: d, Retry: d, Hub: func(string) Hub { return h },
		Log: telemetry.New(io.Discard, "unify"), Now: time.Now,
	})
	payload, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := s.Invoke(ctx, payload)
	if err != nil || ctx.Err() != nil {
		t.Fatalf("%v, deadline: %v", err, ctx.Err())
	}
	var reply lambdaevents.DynamoDBEventResponse
	if err := json.Unmarshal(out, &reply); err != nil {
		t.Fatal(err)
	}
	return len(reply.BatchItemFailures)
}

// TestConnectionNotKnownYet: ingest may know a new connection up to a minute before
// this worker does. What it accepted waits for that, and is parked only at the end.
func TestConnectionNotKnownYet(t *testing.T) {
	early := delivery.Key{Workspace: "w", Connection: "new", Object: "o", Delivery: "early"}
	for receive, c := range map[string]struct{ failures, parked int }{"1": {1, 0}, "4": {1, 0}, "5": {0, 1}} {
		var d desk
		failures := invoke(t, &d, brokenHub{}, lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{MessageId: "1", EventSource: "aws:sqs",
			Attributes: map[string]string{"ApproximateReceiveCount": receive}, Body: message(early)}}})
		if failures != c.failures || len(d.parked) != c.parked {
			t.Errorf("receive %s: %d failures, parked %v", receive, failures, d.parked)
		}
	}
}

func stream(ids ...string) (e lambdaevents.DynamoDBEvent) {
	for _, id := range ids {
		e.Records = append(e.Records, lambdaevents.DynamoDBEventRecord{EventSource: "aws:dynamodb", Change: lambdaevents.DynamoDBStreamRecord{
			SequenceNumber: id, NewImage: map[string]lambdaevents.DynamoDBAttributeValue{"sk": lambdaevents.NewStringAttribute(id)}}})
	}
	return e
}

// TestPoisonStandsAlone: a delivery over which unify breaks down goes to the retry
// queue alone; what came with it is taken in.
func TestPoisonStandsAlone(t *testing.T) {
	var d desk
	if failures := invoke(t, &d, brokenHub{}, stream("before", "poison", "after")); failures != 0 || !slices.Equal(d.sent, []string{"poison"}) {
		t.Errorf("sent to the retry queue: %v; %d failures", d.sent, failures)
	}
}

// TestTimeRunsOut: what can't be taken in within the function's time goes to the
// retry queue, and at the end is parked, while there is time left for it: a batch
// that dies as a whole would be given up with all that lies beside it.
func TestTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d desk
		failures := invoke(t, &d, stuckHub{}, stream("slow"))
		if failures != 0 || !slices.Equal(d.sent, []string{"slow"}) {
			t.Errorf("sent to the retry queue: %v; %d failures", d.sent, failures)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var d desk
		last := lambdaevents.SQSMessage{MessageId: "1", EventSource: "aws:sqs", Attributes: map[string]string{"ApproximateReceiveCount": "5"},
			Body: message(delivery.Key{Workspace: "w", Connection: "shop", Object: "o", Delivery: "slow"})}
		failures := invoke(t, &d, stuckHub{}, lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{last}})
		if failures != 0 || !slices.Equal(d.parked, []string{"slow"}) {
			t.Errorf("parked: %v; %d failures", d.parked, failures)
		}
	})
}
