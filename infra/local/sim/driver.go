package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/lambda"
)

// driver is the world as the cloud sees it.
type driver struct{ w *World }

// Turn implements local.Driver.
func (d driver) Turn(name string) { d.w.park("turn "+name, d.w.Now(), nil) }

// Pick implements local.Driver.
func (d driver) Pick(n int) int { return d.w.roll(n) }

// Pass implements dispatch.Gate. What belongs to no invocation comes from the test itself, and passes.
func (d driver) Pass(ctx context.Context, c dispatch.Call, serve func(dispatch.Call) dispatch.Reply, refuse func(*dispatch.Error) dispatch.Reply) (dispatch.Reply, error) {
	i := dispatch.InvocationOf(ctx)
	if i.ID == "" {
		return serve(c), nil
	}
	at := d.w.here()
	p := Point{Function: d.w.stage(i.Function), Invocation: i.ID, Service: c.Service, Operation: c.Operation, Site: at.site, Caller: at.caller}
	var reply dispatch.Reply
	err := d.w.pass(ctx, i, p, call{
		request: c.Body,
		serve:   func() []byte { reply = serve(c); return reply.Body },
		partly:  func() []byte { c.Partial = true; reply = serve(c); return reply.Body },
		refuse:  func(k Kind) { reply = refuse(refusal(c.Service, k)) },
	})
	return reply, err
}

// call is what becomes of a call at its turn.
type call struct {
	request []byte
	serve   func() []byte // carries it out and gives the reply's body
	partly  func() []byte // the same, where a part of the entries fails
	refuse  func(Kind)
}

// pass waits for a call's turn and carries it out, or lets go wrong what the plan says.
func (w *World) pass(ctx context.Context, i dispatch.Invocation, p Point, c call) error {
	name := fmt.Sprintf("call %s %s %s:%s", p.Function, i.ID, p.Service, p.Operation)
	if !w.park(name, w.Now(), ctx) {
		return ended(ctx)
	}
	f := w.at(p)
	step := w.note(p, f, c.request)
	switch f.Kind {
	case Throttle, Unavailable:
		c.refuse(f.Kind)
		return nil
	case LostBefore:
		return w.lose(ctx, f)
	case LostAfter:
		step.replied(c.serve())
		return w.lose(ctx, f)
	case Slow:
		if !w.park(name, w.Now().Add(f.lasts()), ctx) {
			return ended(ctx)
		}
	case Twice:
		first := c.serve()
		second := c // the first reply is the one that arrives
		second.serve()
		step.replied(first)
		return nil
	case Partial:
		step.replied(c.partly())
		return nil
	case DieBefore:
		i.Kill()
		return ended(ctx)
	case DieAfter:
		step.replied(c.serve())
		i.Kill()
		return ended(ctx)
	}
	step.replied(c.serve())
	return nil
}

// lose waits as a caller does whose reply does not come.
func (w *World) lose(ctx context.Context, f Fault) error {
	if w.park("lost "+dispatch.InvocationOf(ctx).ID, w.Now().Add(f.lasts()), ctx) {
		return timedOut{}
	}
	return ended(ctx)
}

func ended(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return errOver
}

// timedOut is what a transport reports when no reply comes. The SDK tries again.
type timedOut struct{}

func (timedOut) Error() string   { return "simulated: no reply" }
func (timedOut) Timeout() bool   { return true }
func (timedOut) Temporary() bool { return true }

// refusal is the error by which a service says that it is asked too often, or out of order.
func refusal(service string, k Kind) *dispatch.Error {
	if k == Unavailable {
		code := map[string]string{"s3": "ServiceUnavailable", "sqs": "ServiceUnavailable", "sns": "ServiceUnavailable"}[service]
		if code != "" {
			return &dispatch.Error{Status: http.StatusServiceUnavailable, Code: code, Message: "simulated: unavailable"}
		}
		return &dispatch.Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: "simulated: unavailable"}
	}
	switch service {
	case "dynamodb":
		return &dispatch.Error{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: "simulated: throttled"}
	case "s3":
		return &dispatch.Error{Status: http.StatusServiceUnavailable, Code: "SlowDown", Message: "simulated: throttled"}
	case "sqs":
		return &dispatch.Error{Status: http.StatusBadRequest, Code: "RequestThrottled", Message: "simulated: throttled"}
	case "ses":
		return &dispatch.Error{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "simulated: throttled"}
	}
	return &dispatch.Error{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: "simulated: throttled"}
}

// Adapt implements local.Driver: an instance's randomness, its SDK's delays and tokens come from the seed.
func (d driver) Adapt(instance string, e *lambda.Environment) {
	var seed [32]byte
	h := sha256.New()
	fmt.Fprintf(h, "%d %s", d.w.cfg.Seed, instance)
	h.Sum(seed[:0])
	random := &randomness{source: rand.NewChaCha8(seed)}
	e.Random = random
	e.Transport = transport(d)
	seedSDK(&e.Config, random)
}

// randomness is an instance's own, so that what one draws does not hang on another.
type randomness struct {
	mu     sync.Mutex
	source io.Reader
}

// Read implements io.Reader.
func (r *randomness) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}

// Ended implements local.Driver.
func (d driver) Ended(i dispatch.Invocation, payload []byte, r lambda.Result) lambda.Result {
	if r.Failed {
		return r
	}
	f := d.w.at(Point{Function: d.w.stage(i.Function), Invocation: i.ID, Service: "lambda", Operation: end})
	switch f.Kind {
	case Redeliver:
		r.Failed, r.Payload = true, []byte(`{"errorMessage":"simulated: the result was lost","errorType":"Sandbox.Failure"}`)
	case PartlyFailed:
		if id := firstItem(payload); id != "" {
			r.Payload = fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, id)
		}
	}
	return r
}
