package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/sqs"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// bench is a work queue with a dead-letter queue, a clock and a client.
type bench struct {
	*client.Client
	t       *testing.T
	clock   *clock.Offset
	service *sqs.Service
	url     *string
	dead    *string
	fail    func() // a part of the next batch's entries
}

const base = "https://sqs.us-east-1.amazonaws.com/000000000000/"

func run(t *testing.T, test func(b *bench)) {
	t.Helper()
	var b *bench
	dispatchtest.RunPartial(t, "sqs", func(t *testing.T) dispatch.Service {
		b = &bench{t: t, clock: clock.Stopped(noon), url: aws.String(base + "work"), dead: aws.String(base + "dead")}
		var err error
		b.service, err = sqs.New(b.clock, queues())
		if err != nil {
			t.Fatal(err)
		}
		return b.service
	}, func(t *testing.T, cfg aws.Config, fail func()) {
		b.t, b.Client, b.fail = t, client.NewFromConfig(cfg), fail
		test(b)
	})
}

// queues are a work queue, its dead-letter queue, and another one.
func queues() []sqs.Queue {
	return []sqs.Queue{
		{Name: "work", ARN: "arn:work", URL: base + "work", Visibility: 30 * time.Second, Retention: time.Hour, MaxBytes: sqs.MaxBytes,
			DeadLetter: "arn:dead", MaxReceive: 2},
		{Name: "dead", ARN: "arn:dead", URL: base + "dead", Visibility: 30 * time.Second, Retention: 14 * 24 * time.Hour, MaxBytes: sqs.MaxBytes},
		{Name: "other", ARN: "arn:other", URL: base + "other", Visibility: 30 * time.Second, Retention: time.Hour, MaxBytes: sqs.MaxBytes},
	}
}

func (b *bench) send(body string) {
	b.t.Helper()
	if _, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: &body}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) receive(url *string) []types.Message {
	b.t.Helper()
	out, err := b.ReceiveMessage(b.t.Context(), &client.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return out.Messages
}

func (b *bench) pass(d time.Duration) { b.clock.AdvanceTo(b.clock.Now().Add(d)) }

func (b *bench) refused(err error, code string) {
	b.t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		b.t.Errorf("got %v, want %s", err, code)
	}
}

func TestSendReceiveDelete(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("Xin chào"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"trace": {DataType: aws.String("String"), StringValue: aws.String("abc")},
				"raw":   {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}}}})
		if err != nil { // among other things the SDK has compared the MD5 of the body
			b.t.Fatal(err)
		}
		got := b.receive(b.url)
		if len(got) != 1 || *got[0].Body != "Xin chào" || *got[0].MessageAttributes["trace"].StringValue != "abc" ||
			got[0].Attributes["ApproximateReceiveCount"] != "1" ||
			got[0].Attributes["SentTimestamp"] != strconv.FormatInt(noon.UnixMilli(), 10) {
			b.t.Fatalf("received %+v", got)
		}
		if again := b.receive(b.url); len(again) != 0 {
			b.t.Error("a received message is visible")
		}
		if _, err := b.DeleteMessage(b.t.Context(), &client.DeleteMessageInput{QueueUrl: b.url, ReceiptHandle: got[0].ReceiptHandle}); err != nil {
			b.t.Fatal(err)
		}
		b.pass(time.Minute)
		if again := b.receive(b.url); len(again) != 0 {
			b.t.Error("a deleted message came back")
		}
		_, err = b.DeleteMessage(b.t.Context(), &client.DeleteMessageInput{QueueUrl: b.url, ReceiptHandle: aws.String("nonsense")})
		b.refused(err, "ReceiptHandleIsInvalid")
	})
}

func TestAttributeDigest(t *testing.T) {
	// A digest that several public emulators have in their tests, taken from AWS.
	run(t, func(b *bench) {
		out, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("x"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"timestamp": {DataType: aws.String("Number.java.lang.Long"), StringValue: aws.String("1493147359900")}}})
		if err != nil {
			b.t.Fatal(err)
		}
		if got, want := aws.ToString(out.MD5OfMessageAttributes), "2e2e4876d8e0bd6b8c2c8f556831c349"; got != want {
			b.t.Errorf("digest %s, want %s", got, want)
		}
	})
}

func TestVisibilityAndRedrive(t *testing.T) {
	run(t, func(b *bench) {
		b.send("poison")
		first := b.receive(b.url)[0]
		b.pass(29 * time.Second)
		if got := b.receive(b.url); len(got) != 0 {
			b.t.Error("visible a second too early")
		}
		b.pass(time.Second)
		second := b.receive(b.url)
		if len(second) != 1 || second[0].Attributes["ApproximateReceiveCount"] != "2" {
			b.t.Fatalf("second receive: %+v", second)
		}
		// the receipt of the first receive has no power over the second
		if _, err := b.DeleteMessage(b.t.Context(), &client.DeleteMessageInput{QueueUrl: b.url, ReceiptHandle: first.ReceiptHandle}); err != nil {
			b.t.Fatal(err)
		}
		b.pass(30 * time.Second)
		if got := b.receive(b.url); len(got) != 0 {
			b.t.Errorf("received a third time: %+v", got)
		}
		dead := b.receive(b.dead)
		if len(dead) != 1 || *dead[0].MessageId != *first.MessageId || dead[0].Attributes["DeadLetterQueueSourceArn"] != "arn:work" ||
			dead[0].Attributes["SentTimestamp"] != first.Attributes["SentTimestamp"] {
			b.t.Errorf("dead letters: %+v", dead)
		}
	})
}

func TestChangeMessageVisibility(t *testing.T) {
	run(t, func(b *bench) {
		b.send("a")
		m := b.receive(b.url)[0]
		change := func(seconds int32) error {
			_, err := b.ChangeMessageVisibility(b.t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: b.url,
				ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
			return err
		}
		if err := change(300); err != nil {
			b.t.Fatal(err)
		}
		b.pass(299 * time.Second)
		if len(b.receive(b.url)) != 0 {
			b.t.Error("the longer time-out was not kept")
		}
		if err := change(0); err != nil {
			b.t.Fatal(err)
		}
		b.refused(change(0), "AWS.SimpleQueueService.MessageNotInflight")
		if len(b.receive(b.url)) != 1 {
			b.t.Error("zero does not make visible")
		}
		out, err := b.ChangeMessageVisibilityBatch(b.t.Context(), &client.ChangeMessageVisibilityBatchInput{QueueUrl: b.url,
			Entries: []types.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("1"), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 1}}})
		if err != nil || len(out.Failed) != 1 {
			b.t.Errorf("a stale receipt in a batch: %+v %v", out, err)
		}
	})
}

func TestDelayAndRetention(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("later"), DelaySeconds: 60})
		if err != nil {
			b.t.Fatal(err)
		}
		out, err := b.GetQueueAttributes(b.t.Context(), &client.GetQueueAttributesInput{QueueUrl: b.url, AttributeNames: []types.QueueAttributeName{"All"}})
		if err != nil || out.Attributes["ApproximateNumberOfMessagesDelayed"] != "1" || out.Attributes["QueueArn"] != "arn:work" ||
			out.Attributes["RedrivePolicy"] != `{"deadLetterTargetArn":"arn:dead","maxReceiveCount":2}` {
			b.t.Errorf("attributes %v %v", out, err)
		}
		if len(b.receive(b.url)) != 0 {
			b.t.Error("received before its delay")
		}
		b.pass(time.Minute)
		if len(b.receive(b.url)) != 1 {
			b.t.Error("not received after its delay")
		}
		b.pass(2 * time.Hour)
		if len(b.receive(b.url)) != 0 {
			b.t.Error("received after its retention")
		}
	})
}

func TestLongPollEndsWithAMessageOrWithTime(t *testing.T) {
	run(t, func(b *bench) {
		type result struct {
			out *client.ReceiveMessageOutput
			err error
		}
		poll := func() chan result {
			c := make(chan result, 1)
			go func() {
				out, err := b.ReceiveMessage(b.t.Context(), &client.ReceiveMessageInput{QueueUrl: b.url, WaitTimeSeconds: 20})
				c <- result{out, err}
			}()
			return c
		}
		waiting := poll()
		b.send("a")
		if r := <-waiting; r.err != nil || len(r.out.Messages) != 1 {
			b.t.Errorf("a message while waiting: %+v", r)
		}
		waiting = poll()
		for { // until the poll has set its timer, twenty seconds ahead; the message's return is later
			if next, ok := b.clock.Next(); ok && next.Equal(noon.Add(20*time.Second)) {
				break
			}
		}
		b.pass(20 * time.Second)
		if r := <-waiting; r.err != nil || len(r.out.Messages) != 0 {
			b.t.Errorf("nothing within the time: %+v", r)
		}
	})
}

func TestLongPollEndsWithItsCaller(t *testing.T) {
	run(t, func(b *bench) {
		ctx, cancel := context.WithCancel(b.t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.ReceiveMessage(ctx, &client.ReceiveMessageInput{QueueUrl: b.url, WaitTimeSeconds: 20})
			done <- err
		}()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			b.t.Errorf("got %v", err)
		}
	})
}

func TestBatches(t *testing.T) {
	run(t, func(b *bench) {
		var entries []types.SendMessageBatchRequestEntry
		for i := range 10 {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(fmt.Sprint("m", i))})
		}
		entries[3].MessageBody = aws.String("bad \x01")
		send := func(e []types.SendMessageBatchRequestEntry) (*client.SendMessageBatchOutput, error) {
			return b.SendMessageBatch(b.t.Context(), &client.SendMessageBatchInput{QueueUrl: b.url, Entries: e})
		}
		out, err := send(entries)
		if err != nil || len(out.Successful) != 9 || len(out.Failed) != 1 || *out.Failed[0].Code != "InvalidMessageContents" {
			b.t.Fatalf("batch: %+v %v", out, err)
		}
		_, err = send(append(entries, entries[0]))
		b.refused(err, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
		_, err = send([]types.SendMessageBatchRequestEntry{})
		b.refused(err, "AWS.SimpleQueueService.EmptyBatchRequest")
		_, err = send([]types.SendMessageBatchRequestEntry{entries[0], entries[0]})
		b.refused(err, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
		big := aws.String(strings.Repeat("x", 600<<10))
		_, err = send([]types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: big}, {Id: aws.String("b"), MessageBody: big}})
		b.refused(err, "AWS.SimpleQueueService.BatchRequestTooLong")

		var handles []types.DeleteMessageBatchRequestEntry
		for i, m := range b.receive(b.url) {
			handles = append(handles, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		deleted, err := b.DeleteMessageBatch(b.t.Context(), &client.DeleteMessageBatchInput{QueueUrl: b.url, Entries: handles})
		if err != nil || len(deleted.Successful) != 9 {
			b.t.Errorf("deleting: %+v %v", deleted, err)
		}
		if visible, hidden, delayed := b.service.Depth("arn:work"); visible+hidden+delayed != 0 {
			b.t.Error("the queue is not empty")
		}
	})
}

func TestRefusals(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: aws.String(base + "none"), MessageBody: aws.String("x")})
		b.refused(err, "AWS.SimpleQueueService.NonExistentQueue")
		var gone *types.QueueDoesNotExist
		if !errors.As(err, &gone) {
			b.t.Errorf("%T is not the modelled error", err)
		}
		_, err = b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String(strings.Repeat("x", sqs.MaxBytes+1))})
		b.refused(err, "InvalidParameterValue")
		_, err = b.ReceiveMessage(b.t.Context(), &client.ReceiveMessageInput{QueueUrl: b.url, MaxNumberOfMessages: 11})
		b.refused(err, "InvalidParameterValue")
		_, err = b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
		b.refused(err, "SerializationException")
		_, err = b.SetQueueAttributes(b.t.Context(), &client.SetQueueAttributesInput{QueueUrl: b.url, Attributes: map[string]string{"DelaySeconds": "1"}})
		b.refused(err, "UnknownOperationException")
		_, err = b.PurgeQueue(b.t.Context(), &client.PurgeQueueInput{QueueUrl: b.url})
		b.refused(err, "UnknownOperationException")
		got, err := b.GetQueueUrl(b.t.Context(), &client.GetQueueUrlInput{QueueName: aws.String("work")})
		if err != nil || *got.QueueUrl != *b.url {
			b.t.Errorf("GetQueueUrl: %v %v", got, err)
		}
	})
}

func BenchmarkSendReceiveDelete(b *testing.B) {
	service, err := sqs.New(clock.Wall(), []sqs.Queue{{Name: "work", ARN: "arn:work", URL: base + "work",
		Visibility: time.Minute, Retention: time.Hour, MaxBytes: sqs.MaxBytes}})
	if err != nil {
		b.Fatal(err)
	}
	d := dispatch.New(nobody{})
	d.Register("sqs", service)
	c := client.NewFromConfig(dispatchtest.Config(b, d, false))
	url := aws.String(base + "work")
	ctx := context.Background()
	for b.Loop() {
		if _, err := c.SendMessage(ctx, &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")}); err != nil {
			b.Fatal(err)
		}
		out, err := c.ReceiveMessage(ctx, &client.ReceiveMessageInput{QueueUrl: url})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.DeleteMessage(ctx, &client.DeleteMessageInput{QueueUrl: url, ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
			b.Fatal(err)
		}
	}
}

type nobody struct{}

func (nobody) Authorise(string, dispatch.Need) error { return nil }
