package sqs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/sqs"
)

// kept is queues whose messages random calls send, receive, hide and delete.
type kept struct {
	*testing.T
	*rand.Rand
	clock    *clock.Offset
	service  *sqs.Service
	receipts []string
	task     string // the newest that moves messages
}

func newKept(t *testing.T, r *rand.Rand) *kept {
	k := &kept{T: t, Rand: r, clock: clock.Stopped(noon)}
	k.service = k.fresh()
	return k
}

func (k *kept) fresh() *sqs.Service {
	s, err := sqs.New(k.clock, []sqs.Queue{
		{Name: "work", ARN: "arn:work", URL: base + "work", Visibility: time.Minute, Retention: time.Hour, MaxBytes: 1024, DeadLetter: "arn:dead", MaxReceive: 2},
		{Name: "dead", ARN: "arn:dead", URL: base + "dead", Visibility: time.Minute, Retention: 3 * time.Hour, Delay: 5 * time.Second, MaxBytes: 1024},
	})
	if err != nil {
		k.Fatal(err)
	}
	return s
}

func (k *kept) call(operation string, in map[string]any) (out struct {
	Messages   []sqs.Message
	TaskHandle string
	Failed     []struct{ Message string }
}, err error) {
	if !strings.Contains(operation, "Task") {
		in["QueueUrl"] = base + []string{"work", "work", "dead"}[k.IntN(3)]
	}
	body, err := json.Marshal(in)
	if err != nil {
		k.Fatal(err)
	}
	reply, err := k.service.Serve(context.Background(), dispatch.Call{Operation: operation, Body: body, Principal: "arn:role/r"})
	if err == nil {
		err = json.Unmarshal(reply.Body, &out)
	}
	if err == nil && len(out.Failed) > 0 && strings.Contains(out.Failed[0].Message, journaltest.ErrFull.Error()) {
		err = journaltest.ErrFull
	}
	return out, err
}

// receipt is one of the newest; some are of messages that are gone.
func (k *kept) receipt() string {
	if len(k.receipts) == 0 {
		return "bm9uZSMx"
	}
	return k.receipts[max(0, len(k.receipts)-1-k.IntN(8))]
}

func (k *kept) message(id int) map[string]any {
	m := map[string]any{"Id": fmt.Sprint("m", id), "MessageBody": "<body> é\t" + strings.Repeat("x", k.IntN(50))}
	if k.IntN(2) == 0 {
		m["DelaySeconds"] = k.IntN(100)
	}
	if k.IntN(3) == 0 {
		m["MessageAttributes"] = map[string]any{"a": map[string]any{"DataType": "String", "StringValue": ""},
			"b": map[string]any{"DataType": "Binary", "BinaryValue": []byte{0, 255}}}
		m["MessageSystemAttributes"] = map[string]any{"AWSTraceHeader": map[string]any{"DataType": "String", "StringValue": "Root=1"}}
	}
	return m
}

// step makes one call, or lets time pass.
func (k *kept) step() error {
	switch k.IntN(11) {
	case 9:
		out, err := k.call("StartMessageMoveTask", map[string]any{"SourceArn": "arn:dead", "MaxNumberOfMessagesPerSecond": 1 + k.IntN(3)})
		if err == nil {
			k.task = out.TaskHandle
		}
		return err
	case 10:
		if k.IntN(4) > 0 {
			return nil
		}
		_, err := k.call("CancelMessageMoveTask", map[string]any{"TaskHandle": k.task})
		return err
	case 0:
		k.clock.AdvanceTo(k.clock.Now().Add(time.Duration(k.IntN(600)) * time.Second)) // tasks work meanwhile
		return nil
	case 1, 2:
		m := k.message(0)
		delete(m, "Id")
		_, err := k.call("SendMessage", m)
		return err
	case 3:
		_, err := k.call("SendMessageBatch", map[string]any{"Entries": []any{k.message(0), k.message(1)}})
		return err
	case 4:
		_, err := k.call("DeleteMessageBatch", map[string]any{"Entries": []any{
			map[string]any{"Id": "a", "ReceiptHandle": k.receipt()}, map[string]any{"Id": "b", "ReceiptHandle": k.receipt()}}})
		return err
	case 5:
		_, err := k.call("ChangeMessageVisibility", map[string]any{"ReceiptHandle": k.receipt(), "VisibilityTimeout": k.IntN(200)})
		return err
	case 6:
		return k.service.Send("arn:work", "from a service", map[string]sqs.Attribute{})
	}
	out, err := k.call("ReceiveMessage", map[string]any{"MaxNumberOfMessages": 1 + k.IntN(4)})
	for _, m := range out.Messages {
		k.receipts = append(k.receipts, m.ReceiptHandle)
	}
	return err
}

// TestEverythingSurvives: messages with their age, their receives and the time when they come back.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 500, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		k := newKept(t, r)
		return journaltest.Subject{Live: k.service, Journal: &k.service.Journal, Reopen: func() journal.Part { return k.fresh() },
			Step: func(bool) error { return k.step() }, Now: k.clock.Now}
	})
}

// TestReceiptsSurvive: who received a message before a restart may delete it afterwards; what nobody deletes comes back
// when its time is over, and rouses who watches the queue.
func TestReceiptsSurvive(t *testing.T) {
	k, log := newKept(t, nil), &journaltest.Log{}
	k.service.Journal = log
	for range 2 {
		if err := k.service.Send("arn:work", "body", nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := k.service.Receive("arn:work", 2)
	if err != nil || len(got) != 2 {
		t.Fatal(len(got), err)
	}
	again := k.fresh()
	journaltest.Load(t, again, log.Records)
	woken := 0
	if err := again.Watch("arn:work", func() { woken++ }); err != nil {
		t.Fatal(err)
	}
	again.Resume()
	if err := again.Delete("arn:work", got[0].ReceiptHandle); err != nil {
		t.Fatal(err)
	}
	if visible, inFlight, _ := again.Depth("arn:work"); visible != 0 || inFlight != 1 || woken != 0 {
		t.Errorf("%d visible, %d in flight, woken %d times", visible, inFlight, woken)
	}
	k.clock.AdvanceTo(noon.Add(time.Minute))
	back, err := again.Receive("arn:work", 2)
	if err != nil || len(back) != 1 || woken != 1 || back[0].MessageID != got[1].MessageID || back[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Errorf("%+v %v, woken %d times", back, err, woken)
	}
	if err := again.Send("arn:work", "new", nil); err != nil {
		t.Fatal(err)
	}
	if fresh, err := again.Receive("arn:work", 1); err != nil || len(fresh) != 1 || fresh[0].MessageID <= got[1].MessageID {
		t.Errorf("an id is given out twice: %+v %v", fresh, err)
	}
}

// TestTasksGoOn: a task that was moving messages goes on after a restart, and moves each of them once.
func TestTasksGoOn(t *testing.T) {
	k, log := newKept(t, nil), &journaltest.Log{}
	k.service.Journal = log
	for n := range 5 {
		if err := k.service.Send("arn:work", fmt.Sprint("m", n), nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // the third receive buries them
		if _, err := k.service.Receive("arn:work", 5); err != nil {
			t.Fatal(err)
		}
		k.clock.AdvanceTo(k.clock.Now().Add(time.Minute))
	}
	if _, err := k.call("StartMessageMoveTask", map[string]any{"SourceArn": "arn:dead", "MaxNumberOfMessagesPerSecond": 2}); err != nil {
		t.Fatal(err)
	}
	k.clock.AdvanceTo(k.clock.Now().Add(time.Second))
	if n := len(k.service.Bodies("arn:work")); n != 2 {
		t.Fatalf("%d moved in the first second", n)
	}
	k.service.Journal = nil
	again := k.fresh()
	journaltest.Load(t, again, log.Records)
	again.Resume()
	for range 4 {
		k.clock.AdvanceTo(k.clock.Now().Add(time.Second))
	}
	if got := strings.Join(again.Bodies("arn:work"), " "); got != "m0 m1 m2 m3 m4" || len(again.Bodies("arn:dead")) != 0 {
		t.Errorf("moved %s, left %v", got, again.Bodies("arn:dead"))
	}
}

// TestAnotherTemplateIsRefused: messages of a queue that is gone are not dropped in silence; an empty queue may go.
func TestAnotherTemplateIsRefused(t *testing.T) {
	k, log := newKept(t, nil), &journaltest.Log{}
	empty := journaltest.Dump(t, k.service)
	k.service.Journal = log
	if err := k.service.Send("arn:work", "body", nil); err != nil {
		t.Fatal(err)
	}
	s, err := sqs.New(k.clock, nil)
	if err != nil {
		t.Fatal(err)
	}
	journaltest.Load(t, s, empty)
	if err := s.Load(log.Records[0]); err == nil || !strings.Contains(err.Error(), "the template has no queue arn:work") {
		t.Errorf("got %v", err)
	}
}
