package lambda

import (
	"net/http"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/retry"
)

// throttle is how an invocation fails that found no instance free.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html, read 2026-11.
func throttle() error {
	return &dispatch.Error{Status: http.StatusTooManyRequests, Code: "TooManyRequestsException", Message: "Rate Exceeded.",
		Extra: map[string]any{"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}}
}

// longestPause of a poller is assumed: AWS says only that it backs off.
const longestPause = time.Minute

// pause is a poller's wait before it tries again. It is the poller's own, which takes one step at a time.
type pause struct {
	timers clock.Timers
	wake   func()
	tries  int
	until  time.Time
	armed  time.Time // a moment at which it comes back anyway
}

// longer begins a wait, longer than the one before it.
func (p *pause) longer() {
	p.until = p.timers.Now().Add(retry.Doubling(p.tries, longestPause))
	p.tries++
	p.timers.At(p.until, p.wake)
}

// over tells whether the poller may go on.
func (p *pause) over() bool { return !p.timers.Now().Before(p.until) }

// end begins anew after a success.
func (p *pause) end() { p.tries = 0 }

// at comes back at t, once.
func (p *pause) at(t time.Time) {
	if !p.armed.Equal(t) {
		p.armed = t
		p.timers.At(t, p.wake)
	}
}
