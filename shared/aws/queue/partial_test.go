package queue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/queue"
)

// TestTheFailedPartGoesOnceMore: what the queue did not take is named, so that a second try of it alone sends each event once.
func TestTheFailedPartGoesOnceMore(t *testing.T) {
	c := awstest.New(t)
	q := queue.New(sqs.NewFromConfig(c.Config()), awstest.Queue)
	var l []events.Envelope
	for n := range 5 {
		e, err := events.NewEnvelope("saigon", events.DueReached, time.UnixMilli(5), events.Due{What: fmt.Sprintf("what-%d", n), At: 5})
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, e)
	}
	c.Fault = func(string) *awstest.Fault { return &awstest.Fault{Partial: true} }
	failed, err := q.Send(t.Context(), l)
	if err != nil || !slices.Equal(failed, []int{2, 3, 4}) || len(c.Messages()) != 2 {
		t.Fatal(failed, err, len(c.Messages()))
	}
	c.Fault = nil
	if failed, err = q.Send(t.Context(), l[2:]); err != nil || len(failed) != 0 {
		t.Fatal(failed, err)
	}
	sent := strings.Join(c.Messages(), "\n")
	for n := range l {
		if got := strings.Count(sent, fmt.Sprintf("what-%d", n)); got != 1 {
			t.Errorf("event %d was sent %d times", n, got)
		}
	}
}
