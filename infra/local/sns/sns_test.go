package sns_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/sns"
	"loophub/infra/local/work"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const topic = "arn:aws:sns:us-east-1:1:mail"

// bench has a topic with two subscriptions; the second fails as long as refusal is set.
type bench struct {
	*client.Client
	*sns.Service
	t       *testing.T
	clock   *clock.Offset
	tracker work.Tracker
	got     []string
	refusal error
	tried   []time.Duration // since noon
	buried  []string
}

func run(t *testing.T, test func(b *bench)) {
	t.Helper()
	var b *bench
	dispatchtest.Run(t, "sns", func(*testing.T) dispatch.Service {
		b = &bench{clock: clock.Stopped(noon)}
		b.Service = sns.New(sns.Config{Region: "us-east-1", Account: "1", Timers: b.clock, Tracker: &b.tracker,
			Topics: []sns.Topic{{Name: "empty", ARN: "arn:aws:sns:us-east-1:1:empty"}, {Name: "mail", ARN: topic, Subscriptions: []sns.Subscription{
				{ARN: topic + ":1", Deliver: func(e []byte) error { b.got = append(b.got, string(e)); return nil }},
				{ARN: topic + ":2", Deliver: func([]byte) error {
					b.tried = append(b.tried, b.clock.Now().Sub(noon))
					return b.refusal
				}, Bury: func(m string) error { b.buried = append(b.buried, m); return nil }},
			}}}})
		return b.Service
	}, func(t *testing.T, cfg aws.Config) {
		b.t, b.Client = t, client.NewFromConfig(cfg)
		test(b)
	})
}

func (b *bench) publish(in *client.PublishInput) (*client.PublishOutput, error) {
	b.t.Helper()
	out, err := b.Client.Publish(b.t.Context(), in)
	b.rest()
	return out, err
}

func (b *bench) rest() {
	b.t.Helper()
	if err := b.tracker.Idle(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func TestAMessageReachesItsFunctionsInLambdasShape(t *testing.T) {
	run(t, func(b *bench) {
		out, err := b.publish(&client.PublishInput{TopicArn: aws.String(topic), Subject: aws.String("Hello"), Message: aws.String(`{"a":"Trà & <b>"}`),
			MessageAttributes: map[string]types.MessageAttributeValue{"n": {DataType: aws.String("Number"), StringValue: aws.String("1")},
				"b": {DataType: aws.String("Binary"), BinaryValue: []byte{0xff}}}})
		if err != nil || len(b.got) != 1 {
			b.t.Fatal(err, b.got)
		}
		var e events.SNSEvent
		if err := json.Unmarshal([]byte(b.got[0]), &e); err != nil || len(e.Records) != 1 {
			b.t.Fatal(err, b.got[0])
		}
		r := e.Records[0]
		if r.EventSource != "aws:sns" || r.EventVersion != "1.0" || r.EventSubscriptionArn != topic+":1" || r.SNS.MessageID != *out.MessageId ||
			r.SNS.TopicArn != topic || r.SNS.Subject != "Hello" || r.SNS.Message != `{"a":"Trà & <b>"}` || !r.SNS.Timestamp.Equal(noon) || r.SNS.Type != "Notification" {
			b.t.Errorf("%+v", r)
		}
		if n, _ := r.SNS.MessageAttributes["n"].(map[string]any); n["Type"] != "Number" || n["Value"] != "1" || len(r.SNS.MessageAttributes) != 2 {
			b.t.Errorf("%+v", r.SNS.MessageAttributes)
		}
		for _, member := range []string{`"SigningCertUrl":`, `"UnsubscribeUrl":`, `"SignatureVersion":"1"`, `"Signature":`} {
			if !strings.Contains(b.got[0], member) {
				b.t.Errorf("%s is missing in %s", member, b.got[0])
			}
		}
	})
}

func TestNobodyListens(t *testing.T) {
	run(t, func(b *bench) {
		if _, err := b.publish(&client.PublishInput{TopicArn: aws.String("arn:aws:sns:us-east-1:1:empty"), Message: aws.String("a")}); err != nil {
			b.t.Error(err)
		}
	})
}

// A function that Lambda can't start just now is tried again: three times at once, then slower and slower, for 23 days.
func TestRetries(t *testing.T) {
	run(t, func(b *bench) {
		b.refusal = &dispatch.Error{Status: http.StatusInternalServerError, Code: "ServiceException"}
		if _, err := b.publish(&client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a")}); err != nil {
			b.t.Fatal(err)
		}
		for second := range 2 {
			b.clock.AdvanceTo(noon.Add(time.Duration(second+1) * time.Second))
			b.rest()
		}
		if want := []time.Duration{0, 0, 0, 0, time.Second, 2 * time.Second}; !slices.Equal(b.tried, want) {
			b.t.Errorf("tried at %v, want %v", b.tried, want)
		}
		for range 20 {
			next, ok := b.clock.Next()
			if !ok {
				break
			}
			b.clock.AdvanceTo(next)
			b.rest()
		}
		if n := len(b.tried); n != 26 || b.tried[n-1]-b.tried[n-2] != 20*time.Second {
			b.t.Errorf("%d attempts: %v", n, b.tried)
		}
		b.refusal = nil
		next, _ := b.clock.Next()
		b.clock.AdvanceTo(next)
		b.rest()
		if _, more := b.clock.Next(); more || len(b.buried) != 0 || len(b.got) != 1 {
			b.t.Errorf("after it worked: more to come %v, buried %v, the other got %d", more, b.buried, len(b.got))
		}
	})
}

func TestWhatCannotBeMendedIsBuriedAtOnce(t *testing.T) {
	run(t, func(b *bench) {
		b.refusal = &dispatch.Error{Status: http.StatusBadRequest, Code: "AccessDeniedException"}
		if _, err := b.publish(&client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a")}); err != nil {
			b.t.Fatal(err)
		}
		var m struct{ Type, Message, TopicArn string }
		if len(b.buried) != 1 || len(b.tried) != 1 {
			b.t.Fatal(b.buried, b.tried)
		}
		if err := json.Unmarshal([]byte(b.buried[0]), &m); err != nil || m.Message != "a" || m.TopicArn != topic || m.Type != "Notification" {
			b.t.Errorf("%+v %v", m, err)
		}
	})
}

func TestStop(t *testing.T) {
	run(t, func(b *bench) {
		b.refusal = &dispatch.Error{Status: http.StatusInternalServerError, Code: "ServiceException"}
		if _, err := b.publish(&client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a")}); err != nil {
			b.t.Fatal(err)
		}
		before := len(b.tried)
		b.Stop()
		b.clock.AdvanceTo(noon.Add(time.Hour))
		b.rest()
		if len(b.tried) != before {
			b.t.Error("tried after Stop")
		}
	})
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		in   client.PublishInput
		code string
	}{
		"no such topic":  {client.PublishInput{TopicArn: aws.String(topic + "s"), Message: aws.String("a")}, "NotFound"},
		"no topic":       {client.PublishInput{Message: aws.String("a")}, "InvalidParameter"},
		"a phone number": {client.PublishInput{PhoneNumber: aws.String("+84912345678"), Message: aws.String("a")}, "InvalidParameter"},
		"empty":          {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("")}, "InvalidParameter"},
		"too long":       {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String(strings.Repeat("a", 256<<10+1))}, "InvalidParameter"},
		"subject":        {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a"), Subject: aws.String("Trà")}, "InvalidParameter"},
		"empty subject":  {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a"), Subject: aws.String("")}, "InvalidParameter"},
		"structure":      {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("{}"), MessageStructure: aws.String("json")}, "InvalidParameter"},
		"attribute": {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("Time"), StringValue: aws.String("1")}}}, "InvalidParameter"},
		"empty attribute": {client.PublishInput{TopicArn: aws.String(topic), Message: aws.String("a"),
			MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("")}}}, "InvalidParameter"},
	} {
		run(t, func(b *bench) {
			_, err := b.publish(&c.in)
			var e smithy.APIError
			if !errors.As(err, &e) || e.ErrorCode() != c.code || e.ErrorMessage() == "" {
				b.t.Errorf("%s: %v, want %s", name, err, c.code)
			}
			if len(b.got) != 0 {
				b.t.Errorf("%s: delivered all the same", name)
			}
		})
	}
	run(t, func(b *bench) {
		_, err := b.ListTopics(b.t.Context(), &client.ListTopicsInput{})
		var e smithy.APIError
		if !errors.As(err, &e) || e.ErrorCode() != "UnknownOperationException" {
			b.t.Error(err)
		}
	})
}
