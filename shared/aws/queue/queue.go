// Package queue sends events to the queues of stages.
package queue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"loophub/events"
)

// Queue is the queue of one stage.
type Queue struct {
	sqs *sqs.Client
	url string
}

// New uses a queue by its URL.
func New(client *sqs.Client, url string) *Queue { return &Queue{client, url} }

// PerCall is how many events Send takes.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html, read 2026-11-22.
const PerCall = 10

// Send sends up to ten events as a rule of the bus would. failed are the positions
// of those that the queue did not take; err says that it took none.
func (q *Queue) Send(ctx context.Context, l []events.Envelope) (failed []int, err error) {
	in := &sqs.SendMessageBatchInput{QueueUrl: &q.url}
	for n, e := range l {
		body, err := events.ForQueue(e)
		if err != nil {
			return nil, err
		}
		id := strconv.Itoa(n)
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body})
	}
	out, err := q.sqs.SendMessageBatch(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("sending events: %w", err)
	}
	for _, f := range out.Failed {
		if f.Id == nil {
			return nil, fmt.Errorf("sending events: the queue refuses what it was not given")
		}
		n, err := strconv.Atoi(*f.Id)
		if err != nil || n < 0 || n >= len(l) {
			return nil, fmt.Errorf("sending events: the queue refuses what it was not given")
		}
		failed = append(failed, n)
	}
	return failed, nil
}
