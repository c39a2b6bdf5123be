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
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// stuckHub is a table whose every answer stays out until the caller gives up.
type stuckHub struct{ Hub }

func (stuckHub) Known(ctx context.Context, _ events.Fact) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
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
	return delivery.Delivery{Key: k, Request: connector.Request{ReceivedAt: time.Now()}}
}

func (d *desk) Park(ctx context.Context, k delivery.Key, _ []delivery.Fault, _ time.Time) error {
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

func (plainSource) Decode(connector.Request) ([]events.Fact, []connector.Fault) {
	return []events.Fact{{Kind: events.Customer, Record: "1", Version: 1, Fields: events.Fields{"first_name": events.Text("Lan")}}}, nil
}

// invokeStuck runs the stage under Lambda's deadline with a Hub that never answers.
func invokeStuck(t *testing.T, d *desk, event any) (failures int) {
	t.Helper()
	s := New(Config{
		Connectors: []connector.Connector{{Manifest: connector.Manifest{Name: "plain"},
			Source: func(connector.Settings) (connector.Source, error) { return plainSource{}, nil }}},
		Definitions: d, Deliveries: d, Retry: d, Hub: func(string) Hub { return stuckHub{} },
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

// TestTimeRunsOut: what can't be taken in within the function's time goes to the
// retry queue, and at the end is parked, while there is time left for it: a batch
// that dies as a whole would be given up with all that lies beside it.
func TestTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d desk
		record := lambdaevents.DynamoDBEventRecord{EventSource: "aws:dynamodb", Change: lambdaevents.DynamoDBStreamRecord{SequenceNumber: "1",
			NewImage: map[string]lambdaevents.DynamoDBAttributeValue{"sk": lambdaevents.NewStringAttribute("slow")}}}
		failures := invokeStuck(t, &d, lambdaevents.DynamoDBEvent{Records: []lambdaevents.DynamoDBEventRecord{record}})
		if failures != 0 || !slices.Equal(d.sent, []string{"slow"}) {
			t.Errorf("sent to the retry queue: %v; %d failures", d.sent, failures)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var d desk
		last := lambdaevents.SQSMessage{MessageId: "1", EventSource: "aws:sqs", Attributes: map[string]string{"ApproximateReceiveCount": "5"},
			Body: message(delivery.Key{Workspace: "w", Connection: "shop", Object: "o", Delivery: "slow"})}
		failures := invokeStuck(t, &d, lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{last}})
		if failures != 0 || !slices.Equal(d.parked, []string{"slow"}) {
			t.Errorf("parked: %v; %d failures", d.parked, failures)
		}
	})
}
