// Package retry is the queue of deliveries that unify could not take in.
package retry

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Queue is the retry queue.
type Queue struct {
	sqs *sqs.Client
	url string
}

// New uses a queue by its URL.
func New(client *sqs.Client, url string) *Queue { return &Queue{client, url} }

// Send puts a message into the queue. Sent twice, it is handled twice, which
// does no harm.
func (q *Queue) Send(ctx context.Context, message string) error {
	if _, err := q.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &message}); err != nil {
		return fmt.Errorf("sending to the retry queue: %w", err)
	}
	return nil
}
