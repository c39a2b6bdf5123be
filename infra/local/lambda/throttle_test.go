package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/dispatch"
)

// narrow is a function of which so many may run at a time; those that run wait for each other's end.
type narrow struct {
	*bench
	entered chan string
	leave   chan error
}

func newNarrow(t *testing.T, reserved int, change ...func(*Function)) *narrow {
	n := &narrow{entered: make(chan string, 100), leave: make(chan error)}
	n.bench = newBench(t, always(func(_ context.Context, p []byte) ([]byte, error) {
		n.entered <- string(p)
		return []byte(`{}`), <-n.leave
	}), append(change, func(f *Function) { f.Reserved = &reserved })...)
	return n
}

// busy has an invocation occupy an instance; the returned function ends it.
func (n *narrow) busy() (end func()) {
	done := make(chan Result)
	go func() {
		r, _ := n.Invoke("f", []byte(`"busy"`))
		done <- r
	}()
	<-n.entered
	return func() {
		n.leave <- nil
		<-done
	}
}

func TestReservedConcurrencyThrottles(t *testing.T) {
	n := newNarrow(t, 1)
	end := n.busy()
	var e *dispatch.Error
	if _, err := n.Invoke("f", []byte(`{}`)); !errors.As(err, &e) || e.Code != "TooManyRequestsException" || e.Status != http.StatusTooManyRequests {
		t.Errorf("a second invocation: %v", err)
	}
	rec := httptest.NewRecorder()
	open(n.bench).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != http.StatusTooManyRequests || rec.Header().Get("X-Amzn-Errortype") != "TooManyRequestsException" {
		t.Errorf("by URL: %d %v", rec.Code, rec.Header())
	}
	end()
	go func() { <-n.entered; n.leave <- nil }()
	if _, err := n.Invoke("f", []byte(`{}`)); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

func TestAThrottledEventWaits(t *testing.T) {
	n := newNarrow(t, 1, func(f *Function) { f.Async.Retries = 0 })
	end := n.busy()
	if err := n.InvokeAsync("f", []byte(`"event"`)); err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	for len(waits) < 11 {
		next := n.nextTimer()
		waits = append(waits, next.Sub(n.clock.Now()))
		n.clock.AdvanceTo(next)
	}
	if got := fmt.Sprint(waits); got != "[1s 2s 4s 8s 16s 32s 1m4s 2m8s 4m16s 5m0s 5m0s]" {
		t.Errorf("tries after %s", got)
	}
	n.nextTimer()
	end()
	n.clock.AdvanceTo(n.nextTimer())
	if got := <-n.entered; got != `"event"` { // a throttle is no try: one is left
		t.Errorf("ran with %s", got)
	}
	n.leave <- nil
	n.rest()
}

// nextTimer waits until a timer is set; what sets it runs beside the test, which an instance at work keeps from resting.
func (n *narrow) nextTimer() time.Time {
	for {
		if next, ok := n.clock.Next(); ok {
			return next
		}
		select { // gives way
		case <-n.t.Context().Done():
			n.t.Fatal("nothing waits")
		default:
		}
	}
}

func TestAThrottledEventGrowsOld(t *testing.T) {
	record := make(chan []byte, 1)
	n := newNarrow(t, 1, func(f *Function) {
		f.Async = Async{Retries: 2, MaxAge: time.Minute, Failure: func(r []byte) error { record <- r; return nil }}
	})
	end := n.busy()
	if err := n.InvokeAsync("f", []byte(`"event"`)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		n.clock.AdvanceTo(n.nextTimer())
	}
	n.given(<-record, "EventAgeExceeded")
	end()
	n.rest()
}

// given holds the record of an event that never ran to its condition.
func (n *narrow) given(record []byte, condition string) {
	n.t.Helper()
	var got map[string]any
	if err := json.Unmarshal(record, &got); err != nil {
		n.t.Fatalf("%s: %v", record, err)
	}
	request, _ := got["requestContext"].(map[string]any)
	if request["condition"] != condition || request["approximateInvokeCount"] != 0.0 || got["responseContext"] != nil {
		n.t.Errorf("record %s", record)
	}
}

func TestAFunctionThatIsSwitchedOffTakesNoEvents(t *testing.T) {
	var record []byte
	n := newNarrow(t, 0, func(f *Function) { f.Async.Failure = func(r []byte) error { record = r; return nil } })
	if err := n.InvokeAsync("f", []byte(`"event"`)); err != nil {
		t.Fatal(err)
	}
	n.rest()
	n.given(record, "ZeroReservedConcurrency")
}

// A throttled batch of a stream waits, whatever the mapping says of retries, and loses nothing.
func TestAThrottledStreamWaits(t *testing.T) {
	off := 0
	c := &consumer{}
	b := newBench(t, always(c.handle), func(f *Function) { f.Reserved = &off })
	source := &memory{now: b.clock.Now}
	source.add("a", "bad")
	if err := b.MapStream(StreamMapping{ID: "uuid", Function: "f", Stream: source, BatchSize: 3, Retries: 1, Report: true}); err != nil {
		t.Fatal(err)
	}
	b.rest()
	var waits []time.Duration
	for range 8 {
		next, ok := b.clock.Next()
		if !ok {
			t.Fatal("nothing waits")
		}
		waits = append(waits, next.Sub(b.clock.Now()))
		b.clock.AdvanceTo(next)
		b.rest()
	}
	if got := fmt.Sprint(waits); got != "[1s 2s 4s 8s 16s 32s 1m0s 1m0s]" || len(c.batches) != 0 {
		t.Errorf("tries after %s, batches %q", got, c.batches)
	}
	off = 1
	b.pass(time.Minute)
	c.want(t, "a bad", "a bad") // one retry, as the mapping says
}

// Throttled messages stay in the queue, received once more, and the poller keeps away for a while.
func TestAThrottledQueueWaits(t *testing.T) {
	off := 0
	served := 0
	b := newBench(t, always(func(context.Context, []byte) ([]byte, error) { served++; return []byte(`{}`), nil }),
		func(f *Function) { f.Reserved = &off })
	q := &line{held: map[string]bool{}}
	if err := b.MapQueue(QueueMapping{Function: "f", Queue: q, BatchSize: 1, Concurrency: 1}); err != nil {
		t.Fatal(err)
	}
	b.rest()
	q.add("a", "b", "c")
	b.rest()
	if q.left() != "r-a" {
		t.Errorf("received %q while throttled", q.left())
	}
	b.pass(time.Second)
	q.wake() // which is no reason to come back earlier
	b.rest()
	if q.left() != "r-a r-b" {
		t.Errorf("received %q after a second", q.left())
	}
	off = 1
	b.pass(2 * time.Second)
	if q.left() != "r-a r-b" || served != 1 {
		t.Errorf("left %q, %d served", q.left(), served)
	}
}

func TestStreamWithoutEndOfRetries(t *testing.T) {
	b, c, s, failures := stream(t, func(m *StreamMapping) { m.Retries = -1 }, "bad", "b")
	for range 60 {
		b.pass(time.Minute)
	}
	if n := len(c.batches); n < 60 || n > 80 || len(*failures) != 0 {
		t.Errorf("%d tries within an hour, %d given up", n, len(*failures))
	}
	c.fixed = true
	b.pass(time.Minute)
	c.batches = nil
	s.add("c")
	b.rest()
	c.want(t, "c")
	c.fixed = false
	s.add("bad 2")
	b.rest()
	for range 25 {
		b.pass(time.Hour)
	}
	if len(*failures) != 1 || !strings.Contains(fmt.Sprint((*failures)[0].Record["requestContext"]), "RecordAgeExceeded") {
		t.Errorf("a stream keeps its records for a day; given up: %+v", *failures)
	}
}
