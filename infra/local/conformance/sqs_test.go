package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// queues are the two of the template; on a foreign endpoint they are made first, and removed in the end.
type queues struct {
	*world
	*sqs.Client
	main, dead *string
}

func (w *world) queues(t *testing.T) queues {
	t.Helper()
	q := queues{world: w.on(t), Client: sqs.NewFromConfig(w.config)}
	url := func(name string, attributes map[string]string) *string {
		if w.foreign {
			out, err := q.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
			if err != nil {
				t.Skipf("the endpoint has no SQS: %v", err)
			}
			t.Cleanup(func() {
				if _, err := q.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil {
					t.Errorf("deleting queue %s: %v", name, err)
				}
			})
			return out.QueueUrl
		}
		out, err := q.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		return out.QueueUrl
	}
	q.dead = url("conformance-dead", nil)
	arn := q.attribute(q.dead, types.QueueAttributeNameQueueArn)
	q.main = url("conformance-main", map[string]string{"VisibilityTimeout": "60",
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"2"}`, arn)})
	return q
}

func (q queues) attribute(url *string, name types.QueueAttributeName) string {
	q.Helper()
	out, err := q.GetQueueAttributes(q.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url,
		AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		q.Fatal(err)
	}
	return out.Attributes[string(name)]
}

// receive takes what is visible, in order of bodies. The SDK checks the digests.
func (q queues) receive(url *string) []types.Message {
	q.Helper()
	out, err := q.ReceiveMessage(q.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	if err != nil {
		q.Fatal(err)
	}
	slices.SortFunc(out.Messages, func(a, b types.Message) int { return strings.Compare(*a.Body, *b.Body) })
	return out.Messages
}

func bodies(messages []types.Message) string {
	var all []string
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return strings.Join(all, " ")
}

func (q queues) send(body string) {
	q.Helper()
	if _, err := q.SendMessage(q.Context(), &sqs.SendMessageInput{QueueUrl: q.main, MessageBody: &body}); err != nil {
		q.Fatal(err)
	}
}

// back makes a message visible at once.
func (q queues) back(m types.Message) {
	q.Helper()
	_, err := q.ChangeMessageVisibility(q.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: q.main,
		ReceiptHandle: m.ReceiptHandle})
	if err != nil {
		q.Fatal(err)
	}
}

func (q queues) delete(url *string, m types.Message) {
	q.Helper()
	if _, err := q.DeleteMessage(q.Context(), &sqs.DeleteMessageInput{QueueUrl: url,
		ReceiptHandle: m.ReceiptHandle}); err != nil {
		q.Fatal(err)
	}
}

func TestQueue(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		q := w.queues(t)
		_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.main, MessageBody: aws.String("héé𝄞"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"s": {DataType: aws.String("String"),
					StringValue: aws.String("x")}, "b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1}}}})
		if err != nil {
			t.Fatal(err)
		}
		got := q.receive(q.main)
		if len(got) != 1 || *got[0].Body != "héé𝄞" || *got[0].MessageAttributes["s"].StringValue != "x" ||
			string(got[0].MessageAttributes["b"].BinaryValue) != "\x00\x01" {
			t.Fatalf("received %+v", got)
		}
		w.same("receives", got[0].Attributes["ApproximateReceiveCount"], "1")
		w.same("while it is in flight", bodies(q.receive(q.main)), "")
		w.same("in flight", q.attribute(q.main, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible), "1")
		q.back(got[0])
		again := q.receive(q.main)
		if len(again) != 1 || *again[0].MessageId != *got[0].MessageId ||
			again[0].Attributes["ApproximateReceiveCount"] != "2" {
			t.Fatalf("received again %+v", again)
		}
		q.delete(q.main, again[0])
		q.delete(q.main, again[0]) // twice is no error
		w.same("left", q.attribute(q.main, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible), "0")
	})
}

// What was received twice without being deleted goes to the dead letters, as it is.
func TestDeadLetters(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		q := w.queues(t)
		q.send("hopeless")
		for range 2 {
			got := q.receive(q.main)
			if len(got) != 1 {
				t.Fatalf("received %+v", got)
			}
			q.back(got[0])
		}
		w.same("after two receives", bodies(q.receive(q.main)), "")
		dead := q.receive(q.dead)
		w.same("dead letters", bodies(dead), "hopeless")
		q.delete(q.dead, dead[0])
	})
}

func TestQueueBatches(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		q := w.queues(t)
		entry := func(id, body string) types.SendMessageBatchRequestEntry {
			return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
		}
		sent, err := q.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.main,
			Entries: []types.SendMessageBatchRequestEntry{entry("1", "one"), entry("2", "not \x01 in XML"), entry("3",
				"three")}})
		if err != nil {
			t.Fatal(err)
		}
		if len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "2" || !sent.Failed[0].SenderFault {
			t.Errorf("sent %+v, failed %+v", sent.Successful, sent.Failed)
		}
		got := q.receive(q.main)
		w.same("received", bodies(got), "one three")
		deleted, err := q.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: q.main,
			Entries: []types.DeleteMessageBatchRequestEntry{
				{Id: aws.String("a"), ReceiptHandle: got[0].ReceiptHandle}, {Id: aws.String("b"),
					ReceiptHandle: aws.String("nonsense")}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(deleted.Successful) != 1 || len(deleted.Failed) != 1 || *deleted.Failed[0].Id != "b" {
			t.Errorf("deleted %+v, failed %+v", deleted.Successful, deleted.Failed)
		}
		q.delete(q.main, got[1])
		many := make([]types.SendMessageBatchRequestEntry, 11)
		for i := range many {
			many[i] = entry(fmt.Sprint(i), "x")
		}
		for want, entries := range map[string][]types.SendMessageBatchRequestEntry{
			"AWS.SimpleQueueService.TooManyEntriesInBatchRequest": many, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct": {entry("1", "x"), entry("1", "y")},
			"AWS.SimpleQueueService.EmptyBatchRequest": {}, "AWS.SimpleQueueService.InvalidBatchEntryId": {entry("no spaces", "x")},
		} {
			_, err := q.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: q.main, Entries: entries})
			w.same("error", code(err), want)
		}
	})
}

func TestQueueRefusals(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		q := w.queues(t)
		for want, call := range map[string]func() error{
			"AWS.SimpleQueueService.NonExistentQueue": func() error {
				_, err := q.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("conformance-nowhere")})
				return err
			},
			"ReceiptHandleIsInvalid": func() error {
				_, err := q.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: q.main,
					ReceiptHandle: aws.String("nonsense")})
				return err
			},
			"InvalidParameterValue": func() error {
				_, err := q.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.main, MaxNumberOfMessages: 11})
				return err
			},
			"InvalidMessageContents": func() error {
				_, err := q.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: q.main, MessageBody: aws.String("\x01")})
				return err
			},
		} {
			w.same("error", code(call()), want)
		}
	})
}
