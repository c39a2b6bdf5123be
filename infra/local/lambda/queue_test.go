package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"loophub/infra/local/pattern"
)

// line is a queue in a slice: what is received and not deleted stays away.
type line struct {
	mu      sync.Mutex
	waiting []events.SQSMessage
	held    map[string]bool
	wake    func()
}

func (l *line) add(bodies ...string) {
	l.mu.Lock()
	for _, b := range bodies {
		l.waiting = append(l.waiting, events.SQSMessage{MessageId: "id-" + b, ReceiptHandle: "r-" + b, Body: b})
	}
	l.mu.Unlock()
	l.wake()
}

func (l *line) Receive(n int) ([]events.SQSMessage, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.waiting[:min(n, len(l.waiting))])
	l.waiting = l.waiting[len(out):]
	for _, m := range out {
		l.held[m.ReceiptHandle] = true
	}
	return out, nil
}

func (l *line) Delete(receipts []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, receipt := range receipts {
		delete(l.held, receipt)
	}
	return nil
}

func (l *line) Watch(wake func()) error { l.wake = wake; return nil }

func (l *line) left() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for r := range l.held {
		out = append(out, r)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestQueueDeletesWhatSucceeded(t *testing.T) {
	for name, test := range map[string]struct {
		reply string
		err   error
		plain bool // no ReportBatchItemFailures
		want  string
	}{
		"success":            {reply: `{"batchItemFailures":[]}`},
		"partial":            {reply: `{"batchItemFailures":[{"itemIdentifier":"id-b"}]}`, want: "r-b"},
		"error":              {err: errors.New("no"), want: "r-a r-b r-c"},
		"unreadable":         {reply: `7`, want: "r-a r-b r-c"},
		"unknown":            {reply: `{"batchItemFailures":[{"itemIdentifier":"id-z"}]}`, want: "r-a r-b r-c"},
		"partial, unasked":   {reply: `{"batchItemFailures":[{"itemIdentifier":"id-b"}]}`, plain: true},
		"reply is no object": {reply: `"done"`, plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got events.SQSEvent
			b := newBench(t, always(func(_ context.Context, p []byte) ([]byte, error) {
				if err := json.Unmarshal(p, &got); err != nil {
					t.Error(err)
				}
				return []byte(test.reply), test.err
			}))
			q := &line{held: map[string]bool{}}
			if err := b.MapQueue(QueueMapping{Function: "f", Queue: q, BatchSize: 10, Report: !test.plain, Concurrency: 1}); err != nil {
				t.Fatal(err)
			}
			b.rest()
			q.add("a", "b", "c")
			b.rest()
			if len(got.Records) != 3 || q.left() != test.want {
				t.Errorf("%d records, left %q, want %q", len(got.Records), q.left(), test.want)
			}
		})
	}
}

func TestQueueRunsBatchesSideBySide(t *testing.T) {
	var together sync.WaitGroup
	together.Add(initialConcurrency)
	b := newBench(t, always(func(context.Context, []byte) ([]byte, error) {
		together.Done()
		together.Wait() // hangs unless five run at a time
		return nil, nil
	}))
	q := &line{held: map[string]bool{}}
	if err := b.MapQueue(QueueMapping{Function: "f", Queue: q, BatchSize: 1, Report: true}); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for i := range initialConcurrency {
		bodies = append(bodies, fmt.Sprint(i))
	}
	q.add(bodies...)
	b.rest()
	if q.left() != "" {
		t.Errorf("left %q", q.left())
	}
}

func TestQueueFilterDeletesWhatDoesNotFit(t *testing.T) {
	p, err := pattern.Parse([]byte(`{"body":{"kind":["order"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got events.SQSEvent
	b := newBench(t, always(func(_ context.Context, payload []byte) ([]byte, error) {
		return nil, json.Unmarshal(payload, &got)
	}))
	q := &line{held: map[string]bool{}}
	if err := b.MapQueue(QueueMapping{Function: "f", Queue: q, BatchSize: 10, Filters: []pattern.Pattern{p}, Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	q.add(`{"kind":"order"}`, `{"kind":"other"}`, `plain`)
	b.rest()
	if len(got.Records) != 1 || got.Records[0].Body != `{"kind":"order"}` || q.left() != "" {
		t.Errorf("given %+v, left %q", got.Records, q.left())
	}
}
