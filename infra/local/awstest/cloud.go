// Package awstest is what the tests of adapters and stages stand on: the real SDK before the local cloud's tables, queue,
// parameters, bucket and mail, with faults at any call. Only tests import it.
package awstest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb"
	"loophub/infra/local/eventbridge"
	"loophub/infra/local/s3"
	"loophub/infra/local/ses"
	"loophub/infra/local/sqs"
	"loophub/infra/local/ssm"
	"loophub/infra/local/work"
)

// Names of what the cloud holds.
const (
	Inbox  = "Inbox"
	Hub    = "Hub"
	Queue  = "https://sqs.us-east-1.amazonaws.com/000000000000/spill"
	Bucket = "overflow"
	Prefix = "/loophub"
	Mails  = "loophub" // configuration set
	Bus    = "loophub"
)

const (
	region   = "us-east-1"
	account  = "000000000000"
	queueARN = "arn:aws:sqs:us-east-1:000000000000:spill"
	// visibility is how long a received message hides.
	visibility = 5 * time.Minute
)

// Fault is what goes wrong with one call.
type Fault struct {
	Status  int    // of the error reply
	Code    string // of the error reply
	Hang    bool   // no reply: the caller's context must end the call
	After   bool   // the call takes effect first
	Partial bool   // no error: a part of the batch's entries fails, from the middle on
}

// Cloud is the state. Fault, when set, is asked at each call with its name, such
// as "dynamodb.PutItem".
type Cloud struct {
	Fault func(call string) *Fault

	clock      *clock.Offset
	db         *dynamodb.Service
	mails      *ses.Service
	queue      *sqs.Service
	parameters *ssm.Service
	objects    *s3.Service
	bus        *eventbridge.Service
	tracker    *work.Tracker
	door       aws.HTTPClient

	mu     sync.Mutex
	calls  map[string]int
	events []string
}

// New makes an empty cloud with the stack's tables.
func New(t testing.TB) *Cloud {
	c := &Cloud{clock: clock.Stopped(time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC)), calls: map[string]int{}, tracker: &work.Tracker{}}
	var err error
	if c.db, err = dynamodb.New(c.Now, tables()); err != nil {
		t.Fatal(err)
	}
	if c.mails, err = ses.New(ses.Config{Region: region, Account: account, Clock: c.clock, Tracker: c.tracker,
		Sets: []ses.Set{{Name: Mails}}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.mails.Stop)
	if c.queue, err = sqs.New(c.clock, []sqs.Queue{{Name: "spill", ARN: queueARN, URL: Queue, Visibility: visibility,
		Retention: 14 * 24 * time.Hour, MaxBytes: sqs.MaxBytes}}); err != nil {
		t.Fatal(err)
	}
	c.parameters = ssm.New(c.clock, region, account)
	c.objects = s3.New(c.clock, func(string, dispatch.Need) bool { return true }, []s3.Bucket{{Name: Bucket}})
	if c.bus, err = eventbridge.New(eventbridge.Config{Region: region, Account: account, Timers: c.clock, Tracker: c.tracker,
		Buses: []eventbridge.Bus{{Name: Bus}}, Seen: c.saw}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.bus.Stop)
	c.serve()
	return c
}

// serve opens the door to all of it.
func (c *Cloud) serve() {
	d := dispatch.New(anything{})
	for name, s := range map[string]dispatch.Service{"dynamodb": c.db, "ses": c.mails, "sqs": c.queue, "ssm": c.parameters, "s3": c.objects,
		"events": c.bus} {
		d.Register(name, s)
	}
	d.Guard(gate{c})
	c.door = d.Client("")
}

// anything is allowed here: permissions are the business of infra/local.
type anything struct{}

func (anything) Authorise(string, dispatch.Need) error { return nil }

func tables() []dynamodb.TableSpec {
	keys := []dynamodb.Key{{Name: "pk", Type: "S"}, {Name: "sk", Type: "S"}}
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/"
	return []dynamodb.TableSpec{
		{Name: Inbox, ARN: arn + Inbox, Keys: keys, TTLAttribute: "x", StreamView: "NEW_IMAGE", StreamARN: arn + Inbox + "/stream/1",
			Indexes: []dynamodb.IndexSpec{{Name: "parked", Keys: []dynamodb.Key{{Name: "pw", Type: "S"}, {Name: "pt", Type: "N"}},
				Projection: "INCLUDE", Include: []string{"why", "r", "c", "x", "f"}}}},
		{Name: Hub, ARN: arn + Hub, Keys: keys, TTLAttribute: "x", StreamView: "NEW_AND_OLD_IMAGES", StreamARN: arn + Hub + "/stream/1"},
	}
}

// Now is the cloud's clock, which only Advance moves.
func (c *Cloud) Now() time.Time { return c.clock.Now() }

// Advance moves the clock.
func (c *Cloud) Advance(d time.Duration) { c.clock.AdvanceTo(c.clock.Now().Add(d)) }

// Calls is how often a call came in, whatever became of it.
func (c *Cloud) Calls(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[name]
}

// Messages are the bodies in the queue, oldest first, those in flight among them.
func (c *Cloud) Messages() []string { return c.queue.Bodies(queueARN) }

// Push puts a message into the queue.
func (c *Cloud) Push(body string) {
	if err := c.queue.Send(queueARN, body, nil); err != nil {
		panic(err) // a test wants what SQS would not take
	}
}

// Reappear lets the visibility time-out of what was received and not deleted pass.
func (c *Cloud) Reappear() { c.Advance(visibility) }

// Table is one of the tables, with what was consumed of it.
func (c *Cloud) Table(name string) *dynamodb.Table { return c.db.Table(name) }

// Outbox are the mails that SES took, oldest first.
func (c *Cloud) Outbox() []ses.Mail { return c.mails.Mails() }

func (c *Cloud) saw(_ string, event []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, string(event))
}

// Events are what the bus has taken, oldest first.
func (c *Cloud) Events(t testing.TB) []string {
	if err := c.tracker.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// Objects are the objects of the bucket by name.
func (c *Cloud) Objects() map[string][]byte { return c.objects.Objects(Bucket) }

// SetParameter sets a secret parameter past the stages.
func (c *Cloud) SetParameter(name, value string) {
	if _, _, err := c.parameters.Put(name, "SecureString", value, "", true); err != nil {
		panic(err) // a test wants what the Parameter Store would not take
	}
}

// Config is for the SDK's clients: no retries, no network.
func (c *Cloud) Config() aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "test", ""),
		HTTPClient:  c,
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// Do serves a request of the SDK.
func (c *Cloud) Do(r *http.Request) (*http.Response, error) { return c.door.Do(r) }

// gate counts calls and lets go wrong what shall.
type gate struct{ *Cloud }

func (c gate) Pass(ctx context.Context, call dispatch.Call, serve func(dispatch.Call) dispatch.Reply,
	refuse func(*dispatch.Error) dispatch.Reply) (dispatch.Reply, error) {
	name := call.Service + "." + call.Operation
	c.mu.Lock()
	c.calls[name]++
	c.mu.Unlock()
	if name == "sqs.ReceiveMessage" {
		call.Body = impatient(call.Body)
	}
	var f *Fault
	if c.Fault != nil {
		f = c.Fault(name)
	}
	switch {
	case f == nil:
		return serve(call), nil
	case f.Partial:
		call.Partial = true
		return serve(call), nil
	case f.After:
		serve(call)
	}
	if f.Hang {
		<-ctx.Done()
		return dispatch.Reply{}, ctx.Err()
	}
	return refuse(&dispatch.Error{Status: f.Status, Code: f.Code, Message: f.Code}), nil
}

// impatient is a receive that does not wait: the clock stands, so whoever waited for a message would wait for ever.
func impatient(body []byte) []byte {
	var in map[string]json.RawMessage
	if json.Unmarshal(body, &in) != nil {
		return body // the queue says what is wrong with it
	}
	delete(in, "WaitTimeSeconds")
	out, err := json.Marshal(in)
	if err != nil { // what was read can be written
		panic(err)
	}
	return out
}
