package sqs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// half holds a reply to what a fault makes of a batch of three: the first entry did, the others failed through no fault of
// the sender.
func (b *bench) half(done []*string, failed []types.BatchResultErrorEntry, err error) {
	b.t.Helper()
	if err != nil || len(done) != 1 || *done[0] != "0" || len(failed) != 2 {
		b.t.Fatalf("%d done, %d failed: %v", len(done), len(failed), err)
	}
	for i, f := range failed {
		if *f.Id != fmt.Sprint(i+1) || *f.Code != "InternalError" || f.SenderFault {
			b.t.Errorf("entry %s failed with %s, sender's fault: %v", *f.Id, *f.Code, f.SenderFault)
		}
	}
}

func TestPartOfABatchFails(t *testing.T) {
	run(t, func(b *bench) {
		ids := []*string{aws.String("0"), aws.String("1"), aws.String("2")}
		var sends []types.SendMessageBatchRequestEntry
		for _, id := range ids {
			sends = append(sends, types.SendMessageBatchRequestEntry{Id: id, MessageBody: id})
		}
		b.fail()
		sent, err := b.SendMessageBatch(b.t.Context(), &client.SendMessageBatchInput{QueueUrl: b.url, Entries: sends})
		var done []*string
		for _, s := range sent.Successful {
			done = append(done, s.Id)
		}
		b.half(done, sent.Failed, err)
		if visible, _, _ := b.service.Depth("arn:work"); visible != 1 {
			b.t.Fatalf("%d messages of one sent", visible)
		}
		b.send("1")
		b.send("2")
		got := b.receive(b.url)

		var changes []types.ChangeMessageVisibilityBatchRequestEntry
		var deletes []types.DeleteMessageBatchRequestEntry
		for i, m := range got {
			changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: ids[i], ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 3600})
			deletes = append(deletes, types.DeleteMessageBatchRequestEntry{Id: ids[i], ReceiptHandle: m.ReceiptHandle})
		}
		b.fail()
		changed, err := b.ChangeMessageVisibilityBatch(b.t.Context(), &client.ChangeMessageVisibilityBatchInput{QueueUrl: b.url, Entries: changes})
		done = nil
		for _, s := range changed.Successful {
			done = append(done, s.Id)
		}
		b.half(done, changed.Failed, err)
		b.pass(time.Minute)
		if visible, hidden, _ := b.service.Depth("arn:work"); visible != 2 || hidden != 1 {
			b.t.Errorf("%d visible, %d hidden: more than one time-out was changed, or none", visible, hidden)
		}

		b.fail()
		deleted, err := b.DeleteMessageBatch(b.t.Context(), &client.DeleteMessageBatchInput{QueueUrl: b.url, Entries: deletes})
		done = nil
		for _, s := range deleted.Successful {
			done = append(done, s.Id)
		}
		b.half(done, deleted.Failed, err)
		if visible, hidden, _ := b.service.Depth("arn:work"); visible+hidden != 2 {
			b.t.Errorf("%d messages stay of three, one of which was deleted", visible+hidden)
		}
	})
}
