package sweep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	connector "loophub/connectors"
	"loophub/functions/sweep"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/spill"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
)

func none(context.Context) ([]sweep.Workspace, error) { return nil, nil }

type world struct {
	*awstest.Cloud
	t     testing.TB
	log   bytes.Buffer
	spill *spill.Spill
	inbox *inbox.Inbox
	stage *sweep.Stage
}

func newWorld(t testing.TB) *world {
	w := &world{Cloud: awstest.New(t), t: t}
	w.spill = spill.New(sqs.NewFromConfig(w.Config()), awstest.Queue, nil)
	w.inbox = inbox.New(dynamodb.NewFromConfig(w.Config()), awstest.Inbox, nil)
	w.stage = sweep.New(sweep.Config{Workspaces: none, Queue: w.spill, Inbox: w.inbox, Log: telemetry.New(&w.log, "sweep"), Now: w.Now})
	return w
}

func (w *world) delivery(n int) delivery.Delivery {
	return delivery.Delivery{
		Key:     delivery.Key{Workspace: "saigon", Connection: "shop", Object: fmt.Sprint("order-", n), Delivery: "d"},
		Request: connector.Request{Method: "POST", Body: fmt.Appendf(nil, "MARKER %d", n), ReceivedAt: w.Now()},
	}
}

func (w *world) fill(n int) {
	w.t.Helper()
	for i := range n {
		if err := w.spill.Send(w.t.Context(), delivery.Seal(w.delivery(i))); err != nil {
			w.t.Fatal(err)
		}
	}
}

// stored counts which of the first n deliveries lie in the Inbox as they were sent.
func (w *world) stored(n int) (count int) {
	for i := range n {
		d, err := w.inbox.Get(w.t.Context(), w.delivery(i).Key, w.Now())
		if err == nil && string(d.Request.Body) == fmt.Sprint("MARKER ", i) {
			count++
		}
	}
	return count
}

// run runs the stage once and gives its log line, nil where there is none.
func (w *world) run(ctx context.Context) map[string]any {
	w.t.Helper()
	w.log.Reset()
	if err := w.stage.Handle(ctx); err != nil {
		w.t.Fatal(err)
	}
	if strings.Contains(w.log.String(), "MARKER") {
		w.t.Error("a body is in the log")
	}
	if w.log.Len() == 0 {
		return nil
	}
	var line map[string]any
	if err := json.Unmarshal(w.log.Bytes(), &line); err != nil {
		w.t.Fatal(err)
	}
	return line
}

func TestDrains(t *testing.T) {
	w := newWorld(t)
	w.fill(23)
	if l := w.run(t.Context()); l["msg"] != "drained" || l["deliveries"] != 23.0 {
		t.Error(l)
	}
	if w.stored(23) != 23 || len(w.Messages()) != 0 {
		t.Error(w.stored(23), len(w.Messages()))
	}
	if l := w.run(t.Context()); l != nil {
		t.Error("an idle minute is logged", l)
	}
	// The same again, as after a lost delete: nothing changes.
	w.fill(23)
	if l := w.run(t.Context()); l["duplicates"] != 23.0 || len(w.Messages()) != 0 {
		t.Error(l)
	}
}

var throttled = &awstest.Fault{Status: 400, Code: "ProvisionedThroughputExceededException"}

// failing makes one kind of call fail.
func failing(call string, f *awstest.Fault) func(string) *awstest.Fault {
	return func(name string) *awstest.Fault {
		if name == call {
			return f
		}
		return nil
	}
}

func TestSomePutsFail(t *testing.T) {
	w := newWorld(t)
	w.fill(10)
	puts := 0
	w.Fault = func(call string) *awstest.Fault {
		if call == "dynamodb.PutItem" {
			if puts++; puts%3 == 0 {
				return throttled
			}
		}
		return nil
	}
	if l := w.run(t.Context()); l["msg"] != "failed" || l["failures"] != 3.0 || l["deliveries"] != 7.0 ||
		l["code"] != "ProvisionedThroughputExceededException" {
		t.Error(l)
	}
	if len(w.Messages()) != 3 || w.stored(10) != 7 {
		t.Error(len(w.Messages()), w.stored(10))
	}
	w.Fault = nil
	w.Reappear()
	w.run(t.Context())
	if len(w.Messages()) != 0 || w.stored(10) != 10 {
		t.Error(len(w.Messages()), w.stored(10))
	}
}

func TestAllPutsFail(t *testing.T) {
	w := newWorld(t)
	w.fill(30)
	w.Fault = failing("dynamodb.PutItem", throttled)
	w.run(t.Context())
	if n := w.Calls("sqs.ReceiveMessage"); n != 1 || len(w.Messages()) != 30 {
		t.Errorf("%d receives used up while the Inbox takes nothing", n)
	}
}

func TestPutTookEffect(t *testing.T) {
	w := newWorld(t)
	w.fill(2)
	w.Fault = failing("dynamodb.PutItem", &awstest.Fault{Status: 500, Code: "InternalServerError", After: true})
	w.run(t.Context())
	w.Fault = nil
	w.Reappear()
	if l := w.run(t.Context()); l["duplicates"] != 2.0 || len(w.Messages()) != 0 || w.stored(2) != 2 {
		t.Error(l)
	}
}

func TestQueueFails(t *testing.T) {
	for _, call := range []string{"sqs.ReceiveMessage", "sqs.DeleteMessageBatch"} {
		w := newWorld(t)
		w.fill(2)
		w.Fault = failing(call, &awstest.Fault{Status: 500, Code: "InternalError"})
		if l := w.run(t.Context()); l["msg"] != "failed" || l["level"] != "ERROR" || len(w.Messages()) != 2 {
			t.Error(call, l)
		}
		w.Fault = nil
		w.Reappear()
		w.run(t.Context())
		if w.stored(2) != 2 || len(w.Messages()) != 0 {
			t.Error(call, w.stored(2))
		}
	}
}

// TestPartOfTheDeletionsFails: what stays in the queue comes again and is stored already.
func TestPartOfTheDeletionsFails(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	w.Fault = failing("sqs.DeleteMessageBatch", &awstest.Fault{Partial: true})
	if l := w.run(t.Context()); l["msg"] != "failed" || l["level"] != "ERROR" || len(w.Messages()) != 2 {
		t.Error(l, len(w.Messages()))
	}
	w.Fault = nil
	w.Reappear()
	if l := w.run(t.Context()); l["duplicates"] != 2.0 || len(w.Messages()) != 0 || w.stored(3) != 3 {
		t.Error(l, len(w.Messages()))
	}
}

func TestMessagesThatCantBeRead(t *testing.T) {
	w := newWorld(t)
	for range 12 {
		w.Push(`{"v":1,"note":"MARKER"}`)
	}
	w.fill(3)
	if l := w.run(t.Context()); l["msg"] != "failed" || l["failures"] != 12.0 || l["class"] != "permanent" {
		t.Error(l)
	}
	if len(w.Messages()) != 12 || w.stored(3) != 3 {
		t.Error("they hold up the others, or are gone:", len(w.Messages()), w.stored(3))
	}
}

// slow is a queue that never ends, and an Inbox that takes a second for each put.
type slow struct{ received, deleted int }

func (s *slow) Receive(ctx context.Context) ([]delivery.Spilled, error) {
	s.received++
	return make([]delivery.Spilled, 10), ctx.Err()
}

func (s *slow) Delete(ctx context.Context, receipts []string) error {
	if ctx.Err() == nil {
		s.deleted += len(receipts)
	}
	return ctx.Err()
}

func (s *slow) Put(ctx context.Context, d delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	select {
	case <-time.After(time.Second):
		return d.Key, delivery.Stored, nil
	case <-ctx.Done():
		return d.Key, "", ctx.Err()
	}
}

// A run ends in time, and what it stored is deleted.
func TestTimeRunsOut(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"deadline": 29500 * time.Millisecond, "none": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, log := &slow{}, &bytes.Buffer{}
				ctx, want := t.Context(), 50*time.Second
				if deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, deadline)
					defer cancel()
					want = deadline - 5*time.Second
				}
				start := time.Now()
				stage := sweep.New(sweep.Config{Workspaces: none, Queue: s, Inbox: s, Log: telemetry.New(log, "sweep"), Now: time.Now})
				if err := stage.Handle(ctx); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != want {
					t.Errorf("took %v, not %v", took, want)
				}
				if stored := int(want / time.Second); s.deleted != stored {
					t.Errorf("stored %d, deleted %d", stored, s.deleted)
				}
			})
		})
	}
}

func TestErrorsOfTheQueueAreNotReturned(t *testing.T) {
	log := &bytes.Buffer{}
	stage := sweep.New(sweep.Config{Workspaces: none, Queue: broken{}, Log: telemetry.New(log, "sweep"), Now: time.Now})
	for range 2 {
		if err := stage.Handle(t.Context()); err != nil || !strings.Contains(log.String(), `"failures":1`) {
			t.Error(err, log)
		}
	}
}

type broken struct{}

func (broken) Receive(context.Context) ([]delivery.Spilled, error) { return nil, errors.New("down") }
func (broken) Delete(context.Context, []string) error              { return errors.New("down") }
