package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/infra/local/awstest"
	"loophub/shared/delivery"
)

// published is when the notifications of these tests were, just before the
// stage's own now.
var published = time.Date(2026, 11, 20, 2, 14, 31, 0, time.UTC)

func notification(id, message string, at time.Time) events.SNSEventRecord {
	return events.SNSEventRecord{EventSource: "aws:sns", EventVersion: "1.0",
		EventSubscriptionArn: "arn:aws:sns:us-east-1:123456789012:mail:1",
		SNS:                  events.SNSEntity{Type: "Notification", MessageID: id, Message: message, Timestamp: at}}
}

// notify invokes the stage as SNS does.
func (w *world) notify(t testing.TB, records ...events.SNSEventRecord) error {
	t.Helper()
	payload, err := json.Marshal(events.SNSEvent{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.stage.Invoke(t.Context(), payload)
	if len(out) > 0 {
		t.Errorf("a notification is answered: %s", out)
	}
	return err
}

const toMail = "for saigon/mail body-MARKER"

var mailKey = delivery.Key{Workspace: "saigon", Connection: "mail", Object: "mail", Delivery: "n1"}

func TestNotificationIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	for _, outcome := range []string{"stored", "duplicate"} {
		if err := w.notify(t, notification("n1", toMail, published)); err != nil {
			t.Fatal(err)
		}
		if l := w.line(t); l["msg"] != outcome || l["workspace"] != "saigon" || l["connection"] != "mail" || l["delivery"] != mailKey.String() {
			t.Error(l)
		}
	}
	if len(w.stored) != 1 {
		t.Fatalf("%d deliveries", len(w.stored))
	}
	d, err := w.stored[mailKey].Open()
	if err != nil || string(d.Request.Body) != toMail || d.Request.Header.Get(connector.PlatformID) != "n1" ||
		!d.Request.ReceivedAt.Equal(time.Date(2026, 11, 20, 2, 14, 32, 123_000_000, time.UTC)) {
		t.Errorf("%+v %v", d, err)
	}
	if strings.Contains(w.log.String(), "MARKER") {
		t.Error("the log tells what the notification says", w.log)
	}
}

// TestStrayNotifications: what nothing can come of is dropped and counted; what a
// fresher definition may know is tried again first.
func TestStrayNotifications(t *testing.T) {
	old := published.Add(-3 * time.Minute)
	for message, again := range map[string]bool{
		"Successfully validated SNS topic for Amazon SES event publishing.": false, // SES greets a new destination
		"": false, "for SAIGON/mail ": false, "for saigon/../x ": false, "for /mail ": false,
		"for hanoi/mail ": true, "for saigon/letters ": true, "for saigon/shop ": true, "for saigon/clerk ": true,
	} {
		w := newWorld(t)
		if err := w.notify(t, notification("n1", message, published)); (err != nil) != again {
			t.Errorf("%q: %v", message, err)
		}
		if again && (w.line(t)["msg"] != "failed" || w.line(t)["failures"] != 1.0) {
			t.Errorf("%q: %v", message, w.line(t))
		}
		if err := w.notify(t, notification("n1", message, old)); err != nil {
			t.Errorf("%q at the last attempt: %v", message, err)
		}
		if l := w.line(t); l["msg"] != "stray" || l["strayed"] != 1.0 || len(w.stored) != 0 {
			t.Errorf("%q: %v, %d stored", message, l, len(w.stored))
		}
	}
}

func TestNotificationThatCannotBeStored(t *testing.T) {
	down := func(context.Context) error { return errors.New("body-MARKER") }
	for name, tt := range map[string]struct {
		prepare func(*world)
		message string
		fails   bool
		msg     string
	}{
		"inbox down once":    {func(w *world) { w.inbox = []func(context.Context) error{down} }, toMail, false, "stored"},
		"inbox down":         {func(w *world) { w.inbox = []func(context.Context) error{down, down} }, toMail, false, "spilled"},
		"spill queue too":    {func(w *world) { w.inbox = []func(context.Context) error{down, down}; w.spill = errors.New("down") }, toMail, true, "failed"},
		"definitions down":   {func(w *world) { w.loading = errors.New("down") }, toMail, true, "failed"},
		"settings refused":   {func(*world) {}, "for saigon/torn ", true, "failed"},
		"connector panicked": {func(*world) {}, "panic-MARKER", true, "failed"},
	} {
		w := newWorld(t)
		tt.prepare(w)
		err := w.notify(t, notification("n1", tt.message, published))
		if (err != nil) != tt.fails || w.line(t)["msg"] != tt.msg {
			t.Errorf("%s: %v, %v", name, err, w.line(t))
		}
		if err != nil && strings.Contains(err.Error(), "MARKER") || strings.Contains(w.log.String(), "MARKER") {
			t.Errorf("%s: the text of a stranger comes out: %v %s", name, err, w.log)
		}
		if name == "connector panicked" && !strings.HasPrefix(w.line(t)["where"].(string), "fakes_test.go:") {
			t.Error(w.line(t))
		}
		// Once all is well again, Lambda's next attempt stores it.
		w.inbox, w.spill, w.loading = nil, nil, nil
		if !strings.Contains(tt.message, "/mail") {
			continue
		}
		if err := w.notify(t, notification("n1", tt.message, published)); err != nil || len(w.stored) != 1 {
			t.Errorf("%s: again: %v, %d stored", name, err, len(w.stored))
		}
	}
}

// TestOneOfSeveralFails: the others are stored, and Lambda brings all again.
func TestOneOfSeveralFails(t *testing.T) {
	w := newWorld(t)
	records := []events.SNSEventRecord{notification("n1", "for hanoi/mail ", published), notification("n2", toMail, published)}
	if err := w.notify(t, records...); err == nil || len(w.stored) != 1 {
		t.Errorf("%v, %d stored", err, len(w.stored))
	}
}

// TestNobodyPostsForTheAccount: what a stranger posts is never a notification, and
// a connection of the platform has no URL.
func TestNobodyPostsForTheAccount(t *testing.T) {
	w := newWorld(t)
	if r := w.send(t, event("/hooks/saigon/mail", toMail)); r.StatusCode != 404 {
		t.Error(r)
	}
	inner, err := json.Marshal(events.SNSEvent{Records: []events.SNSEventRecord{notification("n1", toMail, published)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/hooks/saigon/mail", "/hooks/saigon/shop"} {
		e := event(path, string(inner))
		e.Headers["x-till-signature"] = ""
		if r := w.send(t, e); r.StatusCode < 400 {
			t.Error(path, r)
		}
	}
	for _, payload := range []string{`{"Records":[]}`, `{"Records":[{"EventSource":"aws:sqs"}]}`, `{"Records":[{"EventSource":"aws:sns"},{"EventSource":"aws:s3"}]}`} {
		out, err := w.stage.Invoke(t.Context(), []byte(payload))
		if err != nil || !strings.Contains(string(out), `"statusCode":404`) {
			t.Errorf("%s: %s %v", payload, out, err)
		}
	}
	if len(w.stored) != 0 {
		t.Errorf("%d deliveries", len(w.stored))
	}
}

// TestNotificationThroughTheSDK: with the adapters, a put that is throttled twice
// goes to the spill queue, and one that is nowhere fails the invocation.
func TestNotificationThroughTheSDK(t *testing.T) {
	w := newReal(t)
	message := "for saigon/mail "
	w.Fault = func(call string) *awstest.Fault {
		if call == "dynamodb.PutItem" {
			return &awstest.Fault{Status: 400, Code: "ProvisionedThroughputExceededException"}
		}
		return nil
	}
	if err := w.notify(t, notification("n1", message, w.Now())); err != nil || len(w.Messages()) != 1 || w.line(t)["msg"] != "spilled" {
		t.Error(err, len(w.Messages()), w.line(t))
	}
	w.Fault = func(call string) *awstest.Fault {
		if call == "dynamodb.PutItem" || call == "sqs.SendMessage" {
			return &awstest.Fault{Status: 400, Code: "ThrottlingException"}
		}
		return nil
	}
	if err := w.notify(t, notification("n1", message, w.Now())); err == nil || w.line(t)["msg"] != "failed" {
		t.Error(err, w.line(t))
	}
	w.Fault = nil
	if err := w.notify(t, notification("n1", message, w.Now())); err != nil {
		t.Error(err)
	}
	got, err := w.inbox.Get(t.Context(), mailKey, w.Now())
	if err != nil || string(got.Request.Body) != message {
		t.Errorf("%+v %v", got, err)
	}
}
