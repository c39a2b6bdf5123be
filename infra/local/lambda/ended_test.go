package lambda

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/dispatch"
)

func TestEndedDecidesWhatTheCallerHears(t *testing.T) {
	for name, test := range map[string]struct {
		ended func(i dispatch.Invocation, payload []byte, r Result) Result
		err   error
		want  Result
		keeps bool // the instance
	}{
		"nothing goes wrong": {ended: func(_ dispatch.Invocation, _ []byte, r Result) Result { return r },
			want: Result{Payload: []byte("done")}, keeps: true},
		"a success that is not heard": {ended: func(_ dispatch.Invocation, _ []byte, r Result) Result {
			return Result{RequestID: r.RequestID, Payload: []byte(`{}`), Failed: true}
		}, want: Result{Payload: []byte(`{}`), Failed: true}, keeps: true},
		"a death at the end": {ended: func(i dispatch.Invocation, _ []byte, r Result) Result { i.Kill(); return r },
			want: Result{Payload: []byte("done")}},
		"a failure is asked about too": {err: errors.New("no"), ended: func(_ dispatch.Invocation, _ []byte, r Result) Result {
			return Result{RequestID: r.RequestID, Payload: fmt.Appendf(nil, "%v", r.Failed)}
		}, want: Result{Payload: []byte("true")}, keeps: true},
	} {
		t.Run(name, func(t *testing.T) {
			var id, asked string
			b := newBench(t, always(func(ctx context.Context, _ []byte) ([]byte, error) {
				id = dispatch.InvocationOf(ctx).ID
				return []byte("done"), test.err
			}))
			b.cfg.Ended = func(i dispatch.Invocation, payload []byte, r Result) Result {
				asked = fmt.Sprintf("%s %s %s %s", i.Function, i.ID, payload, r.RequestID)
				return test.ended(i, payload, r)
			}
			r := b.invoke("hello")
			if r.Failed != test.want.Failed || string(r.Payload) != string(test.want.Payload) {
				t.Errorf("heard %s, %v", r.Payload, r.Failed)
			}
			if want := fmt.Sprintf("f %s hello %s", id, id); asked != want {
				t.Errorf("asked about %q, want %q", asked, want)
			}
			if _, busy, idle := b.Instances("f"); busy != 0 || (idle == 1) != test.keeps {
				t.Errorf("%d busy, %d idle", busy, idle)
			}
		})
	}
}

// A batch whose success is not heard comes again, whole; one finished item that is reported failed comes again alone.
func TestEndedBringsBatchesAgain(t *testing.T) {
	b, c, s, _ := stream(t, nil)
	replies := []Result{{Failed: true, Payload: []byte(`{}`)}, {Payload: []byte(`{"batchItemFailures":[{"itemIdentifier":"s3"}]}`)}}
	b.cfg.Ended = func(_ dispatch.Invocation, _ []byte, r Result) Result {
		if len(replies) > 0 {
			r, replies = replies[0], replies[1:]
		}
		return r
	}
	s.add("a", "b", "c")
	b.rest()
	for range 5 {
		b.pass(time.Minute)
	}
	if want := []string{"a b c", "a b c", "c"}; !slices.Equal(c.batches, want) {
		t.Errorf("batches %q, want %q", c.batches, want)
	}
	if strings.Contains(strings.Join(b.lines, ""), "platform.report") {
		t.Errorf("the platform wrote of a failure that never was: %q", b.lines)
	}
}
