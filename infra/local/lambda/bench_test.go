package lambda

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/infra/local/clock"
	"loophub/infra/local/work"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// bench is one function named "f" whose handler is a Go function over bytes.
type bench struct {
	*Service
	t       testing.TB
	clock   *clock.Offset
	tracker *work.Tracker

	mu    sync.Mutex
	lines []string
	calls []string // AWS calls that got through
}

type handler func(ctx context.Context, payload []byte) ([]byte, error)

func (h handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return h(ctx, payload) }

func always(h handler) Factory {
	return func(Environment) (awslambda.Handler, error) { return h, nil }
}

func newBench(t testing.TB, factory Factory, change ...func(*Function)) *bench {
	t.Helper()
	b := &bench{t: t, clock: clock.Stopped(noon), tracker: &work.Tracker{}}
	f := Function{Name: "f", ARN: "arn:f", Role: "arn:role", MemoryMB: 256, Timeout: 10 * time.Second, Factory: factory,
		Async: DefaultAsync(), Variables: map[string]string{"TABLE": "t"}, Log: func(line string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.lines = append(b.lines, line)
		}}
	for _, c := range change {
		c(&f)
	}
	var err error
	b.Service, err = New(Config{Region: "us-east-1", Timers: b.clock, Tracker: b.tracker, Functions: []Function{f},
		SDK: func(role string) aws.Config { return aws.Config{HTTPClient: recorder{b, role}} }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recorder is the in-process door of these tests.
type recorder struct {
	b    *bench
	role string
}

func (r recorder) Do(q *http.Request) (*http.Response, error) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	r.b.calls = append(r.b.calls, r.role+" "+q.URL.Path)
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

func (b *bench) invoke(payload string) Result {
	b.t.Helper()
	r, err := b.Invoke("f", []byte(payload))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) rest() {
	b.t.Helper()
	if err := b.tracker.Idle(context.Background()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) pass(d time.Duration) {
	b.clock.AdvanceTo(b.clock.Now().Add(d))
	b.rest()
}

func (b *bench) logged(part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.lines, func(l string) bool { return strings.Contains(l, part) })
}

// memory is a stream in a slice.
type memory struct {
	mu      sync.Mutex
	records []Record
	wake    func()
	now     func() time.Time
}

func (m *memory) Records(after uint64, limit int) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.records[after:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (m *memory) Latest() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.records))
}

func (m *memory) Watch(wake func()) { m.wake = wake }

// add appends records in one commit; each text becomes the key "k" of its record.
func (m *memory) add(keys ...string) {
	m.mu.Lock()
	for _, k := range keys {
		n := uint64(len(m.records) + 1)
		m.records = append(m.records, Record{Position: n, Item: k[:1], Sequence: fmt.Sprintf("s%d", n), At: m.now(),
			Event: fmt.Appendf(nil, `{"k":%q,"dynamodb":{"SequenceNumber":"s%d"}}`, k, n)})
	}
	wake := m.wake
	m.mu.Unlock()
	if wake != nil {
		wake()
	}
}
