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
	code := codeOf(err)
	if !retry.Passing(err) {
		a.bury(err, code, "")
		s.over(a)
		return
	}
	next, exhausted := a.target.Retry.Next(a.retries, a.since, s.cfg.Timers.Now())
	if exhausted != "" {
		a.bury(err, code, exhausted)
		s.over(a)
		return
	}
	a.retries++
	s.refused(a, next)
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
	_ = a.target.Bury(a.event.Event, about)
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
