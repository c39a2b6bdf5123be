package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"loophub/infra/local/dispatch"
)

// instance is one execution environment. It serves one invocation at a time.
type instance struct {
	number  int // of the function's instances
	handler lambda.Handler
	dead    atomic.Bool
}

// failure is a function error on its way to JSON, with what becomes of the instance.
type failure struct {
	messages.InvokeResponse_Error
	status string // of the platform's report: "error", "timeout", "failure"
	fatal  bool   // the instance is not used again
}

// invoke runs one invocation on an idle instance, or on a new one. An error says that there may be none: nothing ran.
func (f *function) invoke(id string, payload []byte) (Result, error) {
	i := f.lend()
	if i == nil {
		return Result{}, throttle()
	}
	if f.Invoked != nil {
		f.Invoked(payload)
	}
	ctx, end := context.WithCancelCause(f.service.life)
	defer end(nil)
	who := dispatch.Invocation{Function: f.Name, ID: id, Kill: func() {
		i.dead.Store(true)
		end(errDead)
	}}
	out, failed := f.run(dispatch.WithInvocation(ctx, who), i, id, payload)
	r := Result{RequestID: id, Payload: out}
	if failed != nil {
		r = f.failed(id, failed)
	}
	if ended := f.service.cfg.Ended; ended != nil {
		r = ended(who, payload, r)
	}
	f.giveBack(i)
	return r, nil
}

// failed writes the lines of a failure and makes it a result.
func (f *function) failed(id string, failed *failure) Result {
	body, err := json.Marshal(failed.InvokeResponse_Error)
	if err != nil { // texts and numbers always marshal
		panic(err)
	}
	f.Log(string(body))
	f.platform(id, failed.status, failed.Type)
	return Result{RequestID: id, Payload: body, Failed: true}
}

// lend gives nil when as many instances are at work as may be.
func (f *function) lend() *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Reserved != nil && f.loans >= *f.Reserved {
		return nil
	}
	f.loans++
	if n := len(f.idle); n > 0 { // the one used last, so that a quiet function keeps to one instance
		i := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return i
	}
	f.starts++
	return &instance{number: f.starts}
}

// giveBack keeps the instance for the next invocation, unless it is dead.
func (f *function) giveBack(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loans--
	if !i.dead.Load() {
		f.idle = append(f.idle, i)
	}
}

type outcome struct {
	payload []byte
	failed  *failure
}

// end is the outcome as run returns it; a fatal one takes the instance with it.
func (o outcome) end(i *instance) ([]byte, *failure) {
	if o.failed != nil && o.failed.fatal {
		i.dead.Store(true)
	}
	return o.payload, o.failed
}

// run calls the handler and gives up on it when its time is over. A handler that goes on after that talks to nobody: its
// instance is dead, and so is every call that it makes.
func (f *function) run(ctx context.Context, i *instance, id string, payload []byte) ([]byte, *failure) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	ctx = lambdacontext.NewContext(f.service.cfg.Tracker.With(ctx), &lambdacontext.LambdaContext{AwsRequestID: id, InvokedFunctionArn: f.ARN})
	done := make(chan outcome, 1)
	go func() { done <- f.call(ctx, i, id, payload) }()
	select {
	case o := <-done:
		if !i.dead.Load() {
			return o.end(i)
		}
	case <-ctx.Done():
	}
	if !i.dead.Load() {
		select {
		case o := <-done: // it ended at the same moment
			return o.end(i)
		default:
		}
	}
	i.dead.Store(true)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, &failure{status: "timeout", fatal: true, InvokeResponse_Error: messages.InvokeResponse_Error{
			Type:    "Sandbox.Timedout",
			Message: fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, f.Timeout.Seconds())}}
	}
	return nil, &failure{status: "failure", fatal: true, InvokeResponse_Error: messages.InvokeResponse_Error{
		Type: "Sandbox.Failure", Message: fmt.Sprintf("RequestId: %s Error: %v", id, context.Cause(ctx))}}
}

// call starts the instance if need be and invokes it, on a goroutine of its own: panics end here.
func (f *function) call(ctx context.Context, i *instance, id string, payload []byte) (o outcome) {
	defer func() {
		if v := recover(); v != nil {
			o = outcome{failed: panicked(v)}
		}
	}()
	if i.handler == nil {
		h, err := f.Factory(f.environment(i))
		if err != nil {
			f.Log(fmt.Sprintf("starting %s: %v", f.Name, err))
			return outcome{failed: &failure{status: "failure", fatal: true, InvokeResponse_Error: messages.InvokeResponse_Error{
				Type:    "Runtime.ExitError",
				Message: fmt.Sprintf("RequestId: %s Error: Runtime exited with error: exit status 1", id)}}}
		}
		i.handler = h
	}
	out, err := i.handler.Invoke(ctx, payload)
	if err != nil {
		return outcome{failed: &failure{status: "error", InvokeResponse_Error: asError(err)}}
	}
	if len(out) > MaxPayload {
		return outcome{failed: &failure{status: "error", InvokeResponse_Error: messages.InvokeResponse_Error{
			Type:    "Function.ResponseSizeTooLarge",
			Message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)}}}
	}
	return outcome{payload: out}
}

func (f *function) environment(i *instance) Environment {
	cfg := f.service.cfg.SDK(f.Role)
	cfg.HTTPClient = lifeline{i, cfg.HTTPClient}
	e := Environment{Config: cfg, Getenv: f.getenv, Now: f.service.cfg.Timers.Now, Log: f.out}
	if adapt := f.service.cfg.Adapt; adapt != nil {
		adapt(fmt.Sprintf("%s/%d", f.Name, i.number), &e)
	}
	return e
}

// lifeline ends with its instance: whatever a dead one still asks for does not happen.
type lifeline struct {
	instance *instance
	client   aws.HTTPClient
}

var errDead = errors.New("this instance of the function has ended")

func (l lifeline) Do(r *http.Request) (*http.Response, error) {
	if l.instance.dead.Load() {
		return nil, errDead
	}
	return l.client.Do(r)
}

// asError names an error as the Go runtime of Lambda does: by its type.
func asError(err error) messages.InvokeResponse_Error {
	if own, ok := err.(messages.InvokeResponse_Error); ok { //nolint:errorlint // the runtime looks no deeper either
		return own
	}
	return messages.InvokeResponse_Error{Message: err.Error(), Type: typeName(err)}
}

func panicked(v any) *failure {
	e := messages.InvokeResponse_Error{Message: fmt.Sprint(v), Type: typeName(v), ShouldExit: true}
	if own, ok := v.(messages.InvokeResponse_Error); ok {
		e = own
	}
	for line := range strings.SplitSeq(string(debug.Stack()), "\n") {
		if label, ok := strings.CutPrefix(line, "\t"); ok {
			e.StackTrace = append(e.StackTrace, &messages.InvokeResponse_Error_StackFrame{Label: label})
		}
	}
	return &failure{status: "failure", fatal: true, InvokeResponse_Error: e}
}

func typeName(v any) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
