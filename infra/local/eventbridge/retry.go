package eventbridge

import (
	"errors"
	"strconv"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/retry"
)

// attempt is one event on its way to one target.
type attempt struct {
	rule    string // ARN
	target  Target
	event   []byte
	since   time.Time
	retries int // so far
}

// deliver tries once. What may yet be delivered is tried again later, the rest goes to the dead letters.
func (s *Service) deliver(a attempt) {
	payload := a.event
	if a.target.Input != "" {
		payload = []byte(a.target.Input)
	}
	err := a.target.Deliver(payload)
	if err == nil {
		return
	}
	code := codeOf(err)
	if !retry.Passing(err) {
		a.bury(err, code, "")
		return
	}
	next, exhausted := a.target.Retry.Next(a.retries, a.since, s.cfg.Timers.Now())
	if exhausted != "" {
		a.bury(err, code, exhausted)
		return
	}
	a.retries++
	s.cfg.Timers.At(next, func() { s.again(a) })
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
	_ = a.target.Bury(a.event, about)
}

// codeOf names an error as EventBridge does in its dead letters.
func codeOf(err error) string {
	switch {
	case retry.Denied(err):
		return "NO_PERMISSIONS"
	case retry.Absent(err):
		return "NO_RESOURCE"
	case retry.Throttled(err):
		return "THROTTLING"
	case !retry.Passing(err):
		return "INVALID_PARAMETER"
	}
	if _, ok := errors.AsType[*dispatch.Error](err); ok {
		return "ERROR_FROM_TARGET"
	}
	return "UNKNOWN"
}
