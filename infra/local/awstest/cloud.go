// Package awstest is what the tests of adapters and stages stand on: the real SDK
// before the local DynamoDB and SES and small stand-ins for parameters, queue and
// bucket, with faults at any call. Only tests import it.
package awstest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/dynamodb"
	"loophub/infra/local/ses"
	"loophub/infra/local/work"
)

// Names of what the cloud holds.
const (
	Inbox    = "Inbox"
	Hub      = "Hub"
	Queue    = "https://sqs.us-east-1.amazonaws.com/000000000000/spill"
	Bucket   = "overflow"
	Prefix   = "/loophub"
	Mails    = "loophub" // configuration set
	endpoint = "http://aws.test"
)

// Fault is what goes wrong with one call.
type Fault struct {
	Status int    // of the error reply
	Code   string // of the error reply
	Hang   bool   // no reply: the caller's context must end the call
	After  bool   // the call takes effect first
}

// Cloud is the state. Fault, when set, is asked at each call with its name, such
// as "dynamodb.PutItem".
type Cloud struct {
	Fault func(call string) *Fault

	mu         sync.Mutex
	now        time.Time
	db         *dynamodb.Service
	ses        *ses.Service
	calls      map[string]int
	parameters map[string]string
	messages   []*message
	objects    map[string][]byte
}

type message struct {
	body, receipt string
	hidden        bool
}

// New makes an empty cloud with the stack's tables.
func New(t testing.TB) *Cloud {
	c := &Cloud{
		now:        time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC),
		calls:      map[string]int{},
		parameters: map[string]string{},
		objects:    map[string][]byte{},
	}
	keys := []dynamodb.Key{{Name: "pk", Type: "S"}, {Name: "sk", Type: "S"}}
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/"
	var err error
	c.db, err = dynamodb.New(c.Now, []dynamodb.TableSpec{
		{Name: Inbox, ARN: arn + Inbox, Keys: keys, TTLAttribute: "x", StreamView: "NEW_IMAGE", StreamARN: arn + Inbox + "/stream/1",
			Indexes: []dynamodb.IndexSpec{{Name: "parked", Keys: []dynamodb.Key{{Name: "pw", Type: "S"}, {Name: "pt", Type: "N"}},
				Projection: "INCLUDE", Include: []string{"why", "r", "c", "x", "f"}}}},
		{Name: Hub, ARN: arn + Hub, Keys: keys, TTLAttribute: "x", StreamView: "NEW_AND_OLD_IMAGES", StreamARN: arn + Hub + "/stream/1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.ses, err = ses.New(ses.Config{Region: "us-east-1", Account: "000000000000", Clock: c, Tracker: &work.Tracker{}, Sets: []ses.Set{{Name: Mails}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.ses.Stop)
	return c
}

// Now is the cloud's clock, which only Advance moves.
func (c *Cloud) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Cloud) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Calls is how often a call came in, whatever became of it.
func (c *Cloud) Calls(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[name]
}

// Messages are the bodies in the queue.
func (c *Cloud) Messages() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, m := range c.messages {
		out = append(out, m.body)
	}
	return out
}

// Push puts a message into the queue.
func (c *Cloud) Push(body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, &message{body: body, receipt: fmt.Sprint("receipt-", len(c.messages), body)})
}

// Reappear ends the visibility time-out of what was received and not deleted.
func (c *Cloud) Reappear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.messages {
		m.hidden = false
	}
}

// Table is one of the tables, with what was consumed of it.
func (c *Cloud) Table(name string) *dynamodb.Table { return c.db.Table(name) }

// Outbox are the mails that SES took, oldest first.
func (c *Cloud) Outbox() []ses.Mail { return c.ses.Mails() }

// Objects are the objects of the bucket by name.
func (c *Cloud) Objects() map[string][]byte { return c.objects }

// Parameters are the parameters by name.
func (c *Cloud) Parameters() map[string]string { return c.parameters }

// Config is for the SDK's clients: no retries, no network.
func (c *Cloud) Config() aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDTEST", "test", ""),
		HTTPClient:   c,
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		BaseEndpoint: aws.String(endpoint),
	}
}

// Do serves a request of the SDK.
func (c *Cloud) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	name := operation(r)
	c.mu.Lock()
	c.calls[name]++
	c.mu.Unlock()
	var f *Fault
	if c.Fault != nil {
		f = c.Fault(name)
	}
	if f != nil && !f.After {
		return fail(r, f)
	}
	reply, err := c.serve(r, name, body)
	if f != nil {
		return fail(r, f)
	}
	return reply, err
}

func operation(r *http.Request) string {
	service, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case !ok && r.URL.Path == "/v2/email/outbound-emails":
		return "ses.SendEmail"
	case !ok:
		return "s3." + r.Method
	case strings.HasPrefix(service, "DynamoDB"):
		return "dynamodb." + op
	case service == "AmazonSSM":
		return "ssm." + op
	}
	return "sqs." + op
}

func fail(r *http.Request, f *Fault) (*http.Response, error) {
	if f.Hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return awsError(r, f.Status, f.Code, nil), nil
}

func (c *Cloud) serve(r *http.Request, name string, body []byte) (*http.Response, error) {
	service, op, _ := strings.Cut(name, ".")
	switch service {
	case "dynamodb":
		return local(r, c.db, dispatch.Call{Service: service, Operation: op, Body: body, Request: r})
	case "ses":
		return local(r, c.ses, dispatch.Call{Service: service, Operation: op, Body: body, Request: r})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch service {
	case "s3":
		return c.object(r, body), nil
	case "ssm":
		return c.parameter(r, op, body)
	}
	return c.queue(r, op, body)
}

// local serves a call by a service of the local cloud.
func local(r *http.Request, s dispatch.Service, call dispatch.Call) (*http.Response, error) {
	reply, err := s.Serve(context.WithoutCancel(r.Context()), call)
	var e *dispatch.Error
	if errors.As(err, &e) {
		return awsError(r, e.Status, e.Code, e.Extra), nil
	}
	return response(r, reply.Status, reply.Body), err
}

func (c *Cloud) object(r *http.Request, body []byte) *http.Response {
	name := strings.TrimPrefix(r.URL.Path, "/"+Bucket+"/")
	if r.Method == http.MethodPut {
		c.objects[name] = body
		return response(r, http.StatusOK, nil)
	}
	if b, there := c.objects[name]; there {
		return response(r, http.StatusOK, b)
	}
	return response(r, http.StatusNotFound, []byte(`<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>`))
}

func (c *Cloud) parameter(r *http.Request, op string, body []byte) (*http.Response, error) {
	var in struct {
		Name, Value, Type         string
		Overwrite, WithDecryption bool
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	v, there := c.parameters[in.Name]
	switch {
	case op == "PutParameter" && there && !in.Overwrite:
		return awsError(r, http.StatusBadRequest, "ParameterAlreadyExists", nil), nil
	case op == "PutParameter" && in.Type == "SecureString":
		c.parameters[in.Name] = in.Value
		return jsonReply(r, map[string]any{"Version": 1}), nil
	case op == "GetParameter" && there && in.WithDecryption:
		return jsonReply(r, map[string]any{"Parameter": map[string]any{"Name": in.Name, "Value": v}}), nil
	case op == "GetParameter" && !there:
		return awsError(r, http.StatusBadRequest, "ParameterNotFound", nil), nil
	}
	return nil, fmt.Errorf("awstest: %s is not such a call: %s", op, body)
}

func (c *Cloud) queue(r *http.Request, op string, body []byte) (*http.Response, error) {
	var in struct {
		MessageBody         string
		MaxNumberOfMessages int
		Entries             []struct{ Id, ReceiptHandle string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	switch op {
	case "SendMessage":
		c.messages = append(c.messages, &message{body: in.MessageBody, receipt: fmt.Sprint("receipt-", c.calls["sqs.SendMessage"])})
		return jsonReply(r, map[string]any{"MessageId": "m", "MD5OfMessageBody": sum(in.MessageBody)}), nil
	case "ReceiveMessage":
		var out []map[string]string
		for _, m := range c.messages {
			if !m.hidden && len(out) < in.MaxNumberOfMessages {
				m.hidden = true
				out = append(out, map[string]string{"MessageId": "m", "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": sum(m.body)})
			}
		}
		return jsonReply(r, map[string]any{"Messages": out}), nil
	case "DeleteMessageBatch":
		done := []map[string]string{}
		for _, e := range in.Entries {
			for i, m := range c.messages {
				if m.receipt == e.ReceiptHandle {
					c.messages = append(c.messages[:i:i], c.messages[i+1:]...)
					break
				}
			}
			done = append(done, map[string]string{"Id": e.Id})
		}
		return jsonReply(r, map[string]any{"Successful": done, "Failed": []string{}}), nil
	}
	return nil, fmt.Errorf("awstest: no call %s", op)
}

func sum(s string) string {
	d := md5.Sum([]byte(s))
	return hex.EncodeToString(d[:])
}

func jsonReply(r *http.Request, v any) *http.Response {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts always encode
	}
	return response(r, http.StatusOK, body)
}

func awsError(r *http.Request, status int, code string, extra map[string]any) *http.Response {
	m := map[string]any{"__type": code, "message": code}
	for k, v := range extra {
		m[k] = v
	}
	reply := jsonReply(r, m)
	reply.StatusCode = status
	return reply
}

func response(r *http.Request, status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Request: r, ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(body))}
}
