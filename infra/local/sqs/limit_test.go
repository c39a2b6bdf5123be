package sqs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/sqs"
)

// A queue keeps 120,000 messages in flight. Who does not wait is told so; who waits finds nothing until one returns.
func TestInFlightLimit(t *testing.T) {
	c := clock.Stopped(noon)
	s, err := sqs.New(c, queues())
	if err != nil {
		t.Fatal(err)
	}
	d := dispatch.New(nobody{})
	d.Register("sqs", s)
	b := &bench{t: t, clock: c, service: s, url: aws.String(base + "work"), Client: client.NewFromConfig(dispatchtest.Config(t, d, false))}
	for range 120_001 {
		if err := s.Send("arn:work", "x", nil); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := s.Receive("arn:work", 200_000)
	if err != nil || len(taken) != 120_000 {
		t.Fatalf("%d in flight: %v", len(taken), err)
	}
	_, err = b.ReceiveMessage(t.Context(), &client.ReceiveMessageInput{QueueUrl: b.url})
	b.refused(err, "OverLimit")
	if err := s.Delete("arn:work", taken[0].ReceiptHandle); err != nil {
		t.Fatal(err)
	}
	if got := b.receive(b.url); len(got) != 1 {
		t.Errorf("%d messages in the place of one that was deleted", len(got))
	}
	b.pass(30 * time.Second)
	if visible, inFlight, _ := s.Depth("arn:work"); visible != 120_000 || inFlight != 0 {
		t.Errorf("%d visible, %d in flight after the time-out", visible, inFlight)
	}
}

func TestVisibilityEndsTwelveHoursAfterTheReceive(t *testing.T) {
	run(t, func(b *bench) {
		_, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: aws.String(base + "dead"), MessageBody: aws.String("x")})
		if err != nil {
			b.t.Fatal(err)
		}
		m := b.receive(b.dead)[0]
		change := func(d time.Duration) error {
			_, err := b.ChangeMessageVisibility(b.t.Context(), &client.ChangeMessageVisibilityInput{QueueUrl: b.dead, ReceiptHandle: m.ReceiptHandle,
				VisibilityTimeout: int32(d / time.Second)})
			return err
		}
		if err := change(12 * time.Hour); err != nil {
			b.t.Fatal(err)
		}
		b.pass(time.Hour)
		b.refused(change(11*time.Hour+time.Second), "InvalidParameterValue")
		if err := change(11 * time.Hour); err != nil {
			b.t.Error(err)
		}
		if _, err := b.DeleteMessage(b.t.Context(), &client.DeleteMessageInput{QueueUrl: b.dead, ReceiptHandle: m.ReceiptHandle}); err != nil {
			b.t.Fatal(err)
		}
		b.refused(change(time.Hour), "InvalidParameterValue")
	})
}

func TestAttributesThatAreRefused(t *testing.T) {
	run(t, func(b *bench) {
		text := func(kind, value string) types.MessageAttributeValue {
			return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
		}
		send := func(name string, v types.MessageAttributeValue) error {
			_, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("x"),
				MessageAttributes: map[string]types.MessageAttributeValue{name: v}})
			return err
		}
		for _, name := range []string{"a b", ".a", "a.", "a..b", "AWS.x", "amazon.x", strings.Repeat("x", 257)} {
			b.refused(send(name, text("String", "v")), "InvalidParameterValue")
		}
		for _, v := range []types.MessageAttributeValue{text("String", ""), text("Number", "seven"), text("Text", "x"), text("Binary", "x")} {
			b.refused(send("a", v), "InvalidParameterValue")
		}
		for _, v := range []types.MessageAttributeValue{text("String.json", "{}"), text("Number", "-7.5e3")} {
			if err := send("a_b-c.d", v); err != nil {
				b.t.Error(err)
			}
		}
		out, err := b.SendMessage(b.t.Context(), &client.SendMessageInput{QueueUrl: b.url, MessageBody: aws.String("x"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-5759e988-bd862e3fe1be46a994272793")}}})
		if err != nil || aws.ToString(out.MD5OfMessageSystemAttributes) == "" {
			b.t.Errorf("a trace header: %v", err)
		}
	})
}

func TestQueuesThatAreRefused(t *testing.T) {
	for want, change := range map[string]func(work, dead *sqs.Queue){
		"VisibilityTimeout":             func(w, _ *sqs.Queue) { w.Visibility = 13 * time.Hour },
		"MessageRetentionPeriod":        func(w, _ *sqs.Queue) { w.Retention = time.Second },
		"DelaySeconds":                  func(w, _ *sqs.Queue) { w.Delay = time.Hour },
		"ReceiveMessageWaitTimeSeconds": func(w, _ *sqs.Queue) { w.Wait = time.Minute },
		"MaximumMessageSize":            func(w, _ *sqs.Queue) { w.MaxBytes = 2 << 20 },
		"maxReceiveCount":               func(w, _ *sqs.Queue) { w.MaxReceive = 0 },
		"does not exist":                func(w, _ *sqs.Queue) { w.DeadLetter = "arn:none" },
		"RedriveAllowPolicy":            func(_, d *sqs.Queue) { d.Sources = []string{"arn:other"} },
	} {
		q := queues()
		change(&q[0], &q[1])
		if _, err := sqs.New(clock.Stopped(noon), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	q := queues()
	q[1].Sources = []string{"arn:work"}
	if _, err := sqs.New(clock.Stopped(noon), q); err != nil {
		t.Error(err)
	}
}
