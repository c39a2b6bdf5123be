// Package retry is how services of AWS try again what a target refuses: for how long, how often, and what not at all.
package retry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"loophub/infra/local/dispatch"
)

// Policy says how long a target is tried again, for EventBridge and its Scheduler.
type Policy struct {
	Attempts int           // after the first
	MaxAge   time.Duration // of what is delivered, for retries
}

// Default is what a target does unless it is told otherwise, and at most.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html, read 2026-11.
func Default() Policy { return Policy{Attempts: 185, MaxAge: 24 * time.Hour} }

// Given is the policy of a template; nil leaves the default.
func Given(attempts, seconds *int) (Policy, error) {
	p, most := Default(), Default()
	if attempts != nil {
		p.Attempts = *attempts
	}
	if seconds != nil {
		p.MaxAge = time.Duration(*seconds) * time.Second
	}
	if p.Attempts < 0 || p.Attempts > most.Attempts || p.MaxAge < time.Minute || p.MaxAge > most.MaxAge {
		return p, fmt.Errorf("a retry policy has 0 to %d attempts and an age of 60 to 86400 seconds, not %d and %v", most.Attempts, p.Attempts, p.MaxAge)
	}
	return p, nil
}

// Next is when to try again after a number of retries, or which condition of the policy is exhausted, in AWS's words.
//
// The wait doubles from a second up to eight minutes, so that 185 of them take about the 24 hours that AWS names beside
// them. The curve itself is not published; its random part is left out here.
func (p Policy) Next(retries int, since, now time.Time) (next time.Time, exhausted string) {
	next = now.Add(Doubling(retries, 8*time.Minute))
	switch {
	case retries >= p.Attempts:
		return time.Time{}, "MaximumRetryAttempts"
	case next.Sub(since) > p.MaxAge:
		return time.Time{}, "MaximumEventAgeInSeconds"
	}
	return next, ""
}

// Doubling is a wait that doubles from a second up to a longest one.
func Doubling(tries int, longest time.Duration) time.Duration {
	if tries > 20 {
		return longest
	}
	return min(longest, time.Second<<tries)
}

// Denied tells that a permission is missing.
func Denied(err error) bool {
	e, ok := errors.AsType[*dispatch.Error](err)
	return ok && strings.HasPrefix(e.Code, "AccessDenied")
}

// Absent tells that the target is not there.
func Absent(err error) bool {
	e, ok := errors.AsType[*dispatch.Error](err)
	return ok && (e.Status == http.StatusNotFound || e.Code == "QueueDoesNotExist" || e.Code == "ResourceNotFoundException")
}

// Throttled tells that the target wants fewer calls.
func Throttled(err error) bool {
	e, ok := errors.AsType[*dispatch.Error](err)
	return ok && (e.Status == http.StatusTooManyRequests || strings.Contains(e.Code, "Throttl"))
}

// Passing tells whether an error may pass: a missing permission or target does not mend itself, nor does a call that is
// wrong, so nobody waits for it.
func Passing(err error) bool {
	e, ok := errors.AsType[*dispatch.Error](err)
	return !ok || Throttled(err) || e.Status >= http.StatusInternalServerError
}
