package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"loophub/infra/local/dispatch"
)

func TestAnInstanceStartsOnceAndServesAgain(t *testing.T) {
	starts := 0
	b := newBench(t, func(e Environment) (awslambda.Handler, error) {
		starts++
		if got := e.Getenv("TABLE") + " " + e.Getenv("AWS_REGION") + " " + e.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") + e.Getenv("NONE"); got != "t us-east-1 256" {
			t.Errorf("environment %q", got)
		}
		if !e.Now().Equal(noon) {
			t.Errorf("it is %v", e.Now())
		}
		return handler(func(ctx context.Context, p []byte) ([]byte, error) {
			lc, ok := lambdacontext.FromContext(ctx)
			if !ok || lc.InvokedFunctionArn != "arn:f" || lc.AwsRequestID == "" {
				t.Errorf("context %+v", lc)
			}
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 10*time.Second {
				t.Errorf("deadline %v %v", deadline, ok)
			}
			fmt.Fprintf(e.Log, "part one, ")
			fmt.Fprintf(e.Log, "part two\n")
			return append(p, '!'), nil
		}), nil
	})
	for range 3 {
		if r := b.invoke("hello"); r.Failed || string(r.Payload) != "hello!" {
			t.Errorf("got %s", r.Payload)
		}
	}
	if started, busy, idle := b.Instances("f"); starts != 1 || started != 1 || busy != 0 || idle != 1 {
		t.Errorf("%d starts, %d counted, %d busy, %d idle", starts, started, busy, idle)
	}
	if len(b.lines) != 3 || b.lines[0] != "part one, part two" {
		t.Errorf("lines %q", b.lines)
	}
}

func TestParallelInvocationsHaveInstancesOfTheirOwn(t *testing.T) {
	var together sync.WaitGroup
	together.Add(3)
	b := newBench(t, always(func(context.Context, []byte) ([]byte, error) {
		together.Done()
		together.Wait() // hangs unless three run at a time
		return nil, nil
	}))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { b.invoke("") })
	}
	all.Wait()
	if starts, _, idle := b.Instances("f"); starts != 3 || idle != 3 {
		t.Errorf("%d starts, %d idle", starts, idle)
	}
}

type ownError struct{}

func (*ownError) Error() string { return "own text" }

func TestFunctionErrors(t *testing.T) {
	fail := func(f func() error) Factory {
		return always(func(context.Context, []byte) ([]byte, error) { return nil, f() })
	}
	for name, test := range map[string]struct {
		factory Factory
		want    string // the JSON, without a stack
		keeps   bool   // the instance
	}{
		"error":          {fail(func() error { return &ownError{} }), `{"errorMessage":"own text","errorType":"ownError"}`, true},
		"modelled error": {fail(func() error { return messages.InvokeResponse_Error{Message: "m", Type: "T"} }), `{"errorMessage":"m","errorType":"T"}`, true},
		"panic":          {fail(func() error { panic("oh no") }), `{"errorMessage":"oh no","errorType":"string"}`, false},
		"panic at start": {func(Environment) (awslambda.Handler, error) { panic(errors.New("no table")) }, `{"errorMessage":"no table","errorType":"errorString"}`, false},
		"large reply": {always(func(context.Context, []byte) ([]byte, error) { return make([]byte, MaxPayload+1), nil }),
			`{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291456 bytes).","errorType":"Function.ResponseSizeTooLarge"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.factory)
			r := b.invoke("{}")
			var got map[string]any
			if err := json.Unmarshal(r.Payload, &got); err != nil || !r.Failed {
				t.Fatalf("%s %v", r.Payload, err)
			}
			if _, ok := got["stackTrace"]; ok == test.keeps {
				t.Errorf("stack trace: %v", ok)
			}
			delete(got, "stackTrace")
			text, err := json.Marshal(got)
			if err != nil || string(text) != test.want {
				t.Errorf("got %s, want %s", text, test.want)
			}
			if _, _, idle := b.Instances("f"); (idle == 1) != test.keeps {
				t.Errorf("%d instances kept", idle)
			}
			if !b.logged(`"platform.report"`) || !b.logged(`"errorType"`) {
				t.Errorf("log %q", b.lines)
			}
		})
	}
	t.Run("start", func(t *testing.T) {
		b := newBench(t, func(Environment) (awslambda.Handler, error) { return nil, errors.New("LOOPHUB_BUS is not set") })
		if r := b.invoke("{}"); !r.Failed || !strings.Contains(string(r.Payload), "Runtime.ExitError") || !b.logged("LOOPHUB_BUS is not set") {
			t.Errorf("%s, log %q", r.Payload, b.lines)
		}
	})
}

func TestTimeoutEndsTheInstanceAndItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var late error
		b := newBench(t, func(e Environment) (awslambda.Handler, error) {
			call := func(path string) error {
				r, err := http.NewRequest(http.MethodGet, "https://aws"+path, nil)
				if err != nil {
					return err
				}
				_, err = e.Config.HTTPClient.Do(r)
				return err
			}
			return handler(func(ctx context.Context, _ []byte) ([]byte, error) {
				if err := call("/early"); err != nil {
					t.Error(err)
				}
				<-release // deaf to its context
				late = call("/late")
				return nil, nil
			}), nil
		})
		start := time.Now()
		r := b.invoke("{}")
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("ended after %v", took)
		}
		if !r.Failed || !strings.Contains(string(r.Payload), `"errorType":"Sandbox.Timedout"`) || !strings.Contains(string(r.Payload), "Task timed out after 10.00 seconds") {
			t.Errorf("got %s", r.Payload)
		}
		close(release)
		synctest.Wait()
		if !errors.Is(late, errDead) || len(b.calls) != 1 || b.calls[0] != "arn:role /early" {
			t.Errorf("after its end the instance's call ended with %v; calls %v", late, b.calls)
		}
	})
}

func TestInvokeRefuses(t *testing.T) {
	b := newBench(t, always(func(context.Context, []byte) ([]byte, error) { return nil, nil }))
	var e *dispatch.Error
	if _, err := b.Invoke("none", nil); !errors.As(err, &e) || e.Code != "ResourceNotFoundException" {
		t.Errorf("got %v", err)
	}
	if _, err := b.Invoke("f", make([]byte, MaxPayload+1)); !errors.As(err, &e) || e.Status != 413 {
		t.Errorf("got %v", err)
	}
	if err := b.InvokeAsync("f", make([]byte, MaxAsyncPayload+1)); !errors.As(err, &e) || e.Status != 413 {
		t.Errorf("got %v", err)
	}
	if _, err := New(Config{Functions: []Function{{Name: "f"}}}); err == nil {
		t.Error("a function without handler was made")
	}
}

func TestAsyncTriesAgainAfterOneAndTwoMinutes(t *testing.T) {
	var at []time.Duration
	var record []byte
	var b *bench
	b = newBench(t, always(func(context.Context, []byte) ([]byte, error) {
		at = append(at, b.clock.Now().Sub(noon))
		return nil, errors.New("no")
	}), func(f *Function) { f.Async.Failure = func(r []byte) error { record = r; return nil } })
	if err := b.InvokeAsync("f", []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	b.rest()
	for range 10 {
		b.pass(30 * time.Second)
	}
	if fmt.Sprint(at) != "[0s 1m0s 3m0s]" {
		t.Errorf("tried at %v", at)
	}
	var got struct {
		RequestContext struct {
			Condition              string
			ApproximateInvokeCount int
		}
		RequestPayload  map[string]int
		ResponsePayload map[string]string
	}
	if err := json.Unmarshal(record, &got); err != nil || got.RequestContext.Condition != "RetriesExhausted" ||
		got.RequestContext.ApproximateInvokeCount != 3 || got.RequestPayload["a"] != 1 || got.ResponsePayload["errorMessage"] != "no" {
		t.Errorf("record %s %v", record, err)
	}
}

func TestAsyncEventsGrowOld(t *testing.T) {
	tries := 0
	var record []byte
	b := newBench(t, always(func(context.Context, []byte) ([]byte, error) { tries++; return nil, errors.New("no") }),
		func(f *Function) {
			f.Async = Async{Retries: 2, MaxAge: time.Minute, Failure: func(r []byte) error { record = r; return nil }}
		})
	if err := b.InvokeAsync("f", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	b.rest()
	for range 10 {
		b.pass(time.Minute)
	}
	if tries != 2 || !strings.Contains(string(record), "EventAgeExceeded") {
		t.Errorf("%d tries, record %s", tries, record)
	}
}
