package local

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/lambda"
)

// onlooker is a driver that lets everything happen at once and notes what it was asked.
type onlooker struct {
	ended func(i dispatch.Invocation, payload []byte, r lambda.Result) lambda.Result

	mu                sync.Mutex
	calls             int
	turns, instances  []string
	picked, finalised int
}

func (o *onlooker) Pass(_ context.Context, c dispatch.Call, serve func(dispatch.Call) dispatch.Reply, _ func(*dispatch.Error) dispatch.Reply) (dispatch.Reply, error) {
	o.mu.Lock()
	o.calls++
	o.mu.Unlock()
	return serve(c), nil
}

func (o *onlooker) Turn(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turns = append(o.turns, name)
}

func (o *onlooker) Adapt(instance string, _ *lambda.Environment) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.instances = append(o.instances, instance)
}

func (o *onlooker) Ended(i dispatch.Invocation, payload []byte, r lambda.Result) lambda.Result {
	o.mu.Lock()
	o.finalised++
	o.mu.Unlock()
	if o.ended != nil {
		return o.ended(i, payload, r)
	}
	return r
}

func (o *onlooker) Pick(int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.picked++
	return 0
}

func TestADriverIsAskedBeforeAndAfterEverything(t *testing.T) {
	o := &onlooker{}
	w := newWorldBy(t, fixture(t), func(opts *Options) { opts.Driver = o })
	w.post("later 1")
	w.rest()
	if !w.known("later%201") {
		t.Error("the webhook got lost")
	}
	// ingest, unify twice (stream, queue), publish, api
	if o.calls < 4 || o.picked == 0 || o.finalised != 5 || len(o.instances) < 4 {
		t.Errorf("asked at %d calls, %d picks, %d ends, %d instances", o.calls, o.picked, o.finalised, len(o.instances))
	}
	if !slices.ContainsFunc(o.turns, func(s string) bool { return strings.HasPrefix(s, "poller ") }) {
		t.Errorf("turns %q", o.turns)
	}
}

func TestADriverTakesASuccessAway(t *testing.T) {
	taken := 0
	o := &onlooker{}
	o.ended = func(i dispatch.Invocation, payload []byte, r lambda.Result) lambda.Result {
		if strings.Contains(i.Function, "Unify") && strings.Contains(string(payload), "o1") && taken < 2 {
			taken++
			return lambda.Result{RequestID: r.RequestID, Payload: []byte(`{}`), Failed: true}
		}
		return r
	}
	w := newWorldBy(t, fixture(t), func(opts *Options) { opts.Driver = o })
	w.post("o1")
	w.rest()
	if n := count(w.batches, "o1"); n != 3 || taken != 2 {
		t.Errorf("delivered %d times, %d successes were taken away", n, taken)
	}
}
