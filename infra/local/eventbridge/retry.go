package eventbridge

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"loophub/infra/local/dispatch"
)

// Retry says how long a target that refuses is tried again.
type Retry struct {
	Attempts int           // after the first
	MaxAge   time.Duration // of an event, for retries
}

// DefaultRetry is what a target does unless it is told otherwise, and at most.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html, read 2026-11.
func DefaultRetry() Retry { return Retry{Attempts: 185, MaxAge: 24 * time.Hour} }

func (r Retry) check() error {
	most := DefaultRetry()
	if r.Attempts < 0 || r.Attempts > most.Attempts || r.MaxAge < time.Minute || r.MaxAge > most.MaxAge {
		return fmt.Errorf("a retry policy has 0 to %d attempts and an age of 60 to 86400 seconds, not %d and %v", most.Attempts, r.Attempts, r.MaxAge)
	}
	return nil
}

// backoff is the wait after a number of retries: it doubles from a second up to eight minutes, so that 185 of them take
// about the 24 hours that AWS names beside them. The curve itself is not published; its random part is left out here.
func backoff(retries int) time.Duration {
	const longest = 8 * time.Minute
	if retries > 8 {
		return longest
	}
	return min(longest, time.Second<<retries)
}

// attempt is one event on its way to one target.
type attempt struct {
	event   *accepted
	rule    string // ARN
	target  Target
	since   time.Time
	retries int // so far
}

// name tells the targets of all rules apart.
func (a attempt) name() string { return a.rule + " → " + a.target.ARN + a.target.Input }

// deliver tries once. What may yet be delivered is tried again later, the rest goes to the dead letters.
func (s *Service) deliver(a attempt) {
	payload := []byte(a.event.Event)
	if a.target.Input != "" {
		payload = []byte(a.target.Input)
	}
	err := a.target.Deliver(payload)
	if err == nil {
		s.over(a)
		return
	}
	code, passing := classify(err)
	if !passing {
		a.bury(err, code, "")
		s.over(a)
		return
	}
	now := s.cfg.Timers.Now()
	next := now.Add(backoff(a.retries))
	switch {
	case a.retries >= a.target.Retry.Attempts:
		a.bury(err, code, "MaximumRetryAttempts")
		s.over(a)
	case next.Sub(a.since) > a.target.Retry.MaxAge:
		a.bury(err, code, "MaximumEventAgeInSeconds")
		s.over(a)
	default:
		a.retries++
		s.refused(a, next)
		s.cfg.Timers.At(next, func() { s.again(a) })
	}
}

// again makes a delivery due once more.
func (s *Service) again(a attempt) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.due = append(s.due, a)
	s.mu.Unlock()
	s.loop.Wake()
}

// bury hands an event to the dead letters, with the attributes that AWS gives it. A queue that refuses too loses it, as on
// AWS. https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html, read 2026-11.
func (a attempt) bury(err error, code, exhausted string) {
	if a.target.Bury == nil {
		return
	}
	about := map[string]string{"RULE_ARN": a.rule, "TARGET_ARN": a.target.ARN, "ERROR_CODE": code, "ERROR_MESSAGE": err.Error()}
	if exhausted != "" {
		about["EXHAUSTED_RETRY_CONDITION"], about["RETRY_ATTEMPTS"] = exhausted, strconv.Itoa(a.retries)
	}
	_ = a.target.Bury(a.event.Event, about)
}

// classify names an error as EventBridge does in its dead letters, and tells whether it may pass: a missing permission or
// target does not mend itself, so nobody waits for it.
func classify(err error) (code string, passing bool) {
	e, ok := errors.AsType[*dispatch.Error](err)
	switch {
	case !ok:
		return "UNKNOWN", true
	case strings.HasPrefix(e.Code, "AccessDenied"):
		return "NO_PERMISSIONS", false
	case e.Status == http.StatusNotFound, e.Code == "QueueDoesNotExist", e.Code == "ResourceNotFoundException":
		return "NO_RESOURCE", false
	case e.Status == http.StatusTooManyRequests, strings.Contains(e.Code, "Throttl"):
		return "THROTTLING", true
	case e.Status >= http.StatusInternalServerError:
		return "ERROR_FROM_TARGET", true
	}
	return "INVALID_PARAMETER", false
}
