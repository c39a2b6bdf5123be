package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

func TestStreamWindow(t *testing.T) {
	b, c, s, _ := stream(t, func(m *StreamMapping) { m.Window = 10 * time.Second })
	s.add("a")
	b.rest()
	b.pass(9 * time.Second)
	s.add("b")
	b.rest()
	c.want(t)
	b.pass(time.Second) // ten since the first
	c.want(t, "a b")
	s.add("c", "d", "e", "f")
	b.rest()
	c.want(t, "a b", "c d e") // a full batch does not wait
	b.pass(10 * time.Second)
	c.want(t, "a b", "c d e", "f")
}

func TestStreamWindowEndsWithSixMegabytes(t *testing.T) {
	b, c, s, _ := stream(t, func(m *StreamMapping) { m.Window = 10 * time.Second })
	big := strings.Repeat("x", 4<<20)
	s.add(big+"1", big+"2")
	b.rest()
	if len(c.batches) != 1 {
		t.Errorf("%d batches before the window is over, want the one that no other record fits into", len(c.batches))
	}
	b.pass(10 * time.Second)
	if len(c.batches) != 2 {
		t.Errorf("%d batches", len(c.batches))
	}
}

// gather maps a queue to a function that notes the sizes of its batches.
func gather(t *testing.T, size int, window time.Duration) (*bench, *line, *[]int) {
	t.Helper()
	sizes := &[]int{}
	b := newBench(t, always(func(_ context.Context, p []byte) ([]byte, error) {
		var in events.SQSEvent
		*sizes = append(*sizes, 0)
		defer func() { (*sizes)[len(*sizes)-1] = len(in.Records) }()
		return []byte(`{}`), json.Unmarshal(p, &in)
	}))
	q := &line{held: map[string]bool{}}
	if err := b.MapQueue(QueueMapping{Function: "f", Queue: q, BatchSize: size, Window: window, Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	b.rest()
	return b, q, sizes
}

func bodies(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

func TestQueueWindow(t *testing.T) {
	b, q, sizes := gather(t, 25, 10*time.Second)
	q.add(bodies(12)...)
	b.rest()
	b.pass(9 * time.Second)
	if len(*sizes) != 0 {
		t.Errorf("batches %v before the window is over", *sizes)
	}
	b.pass(time.Second)
	q.add(bodies(60)...)
	b.rest()
	if got := fmt.Sprint(*sizes); got != "[12 25 25]" {
		t.Errorf("batches %s", got)
	}
	b.pass(10 * time.Second)
	if got := fmt.Sprint(*sizes); got != "[12 25 25 10]" || q.left() != "" {
		t.Errorf("batches %s, left %q", got, q.left())
	}
}

func TestQueueSplitsBySize(t *testing.T) {
	b, q, sizes := gather(t, 10, 0)
	big := strings.Repeat("x", 1<<20-100) // which is id and receipt too
	var all []string
	for i := range 8 {
		all = append(all, fmt.Sprint(i, big))
	}
	q.add(all...)
	b.rest()
	if got := fmt.Sprint(*sizes); got != "[2 2 2 2]" || q.left() != "" {
		t.Errorf("batches %s of messages of 3 MB, left %d bytes", got, len(q.left()))
	}
}

// A queue as the failure destination gets the batch's place in the stream, not its records.
func TestStreamFailuresWithoutRecords(t *testing.T) {
	_, _, _, failures := stream(t, func(m *StreamMapping) { m.Whole, m.Retries = false, 0 }, "bad")
	if len(*failures) != 1 || (*failures)[0].Record["DDBStreamBatchInfo"] == nil || (*failures)[0].Record["payload"] != nil {
		t.Errorf("%+v", *failures)
	}
}
