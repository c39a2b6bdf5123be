// Package scheduler is Amazon EventBridge Scheduler with rate expressions.
package scheduler

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/retry"
)

// Schedule starts its target at each full period since the start.
type Schedule struct {
	Name, ARN  string
	Target     string // ARN
	Expression string // "rate(5 minutes)"
	Retry      retry.Policy
	// Invoke starts the target with the moment that the schedule stands for, and returns at once.
	Invoke func(scheduled time.Time) error
	// Bury takes what could not be started, with what is known about it. Nil: it is lost, as on AWS.
	Bury func(scheduled time.Time, about map[string]string) error
}

// Scheduler runs schedules.
type Scheduler struct {
	// Journal, if not nil, gets when the schedules began and when each ran last. Set it before Start.
	Journal journal.Journal

	timers  clock.Timers
	entries []entry

	mu        sync.Mutex
	stopped   bool
	suspended bool
	start     time.Time
	last      map[string]time.Time // by name, when a schedule ran
	withdraw  map[int]func()
}

type entry struct {
	Schedule
	period time.Duration
}

// New reads the expressions. "cron(…)" and "at(…)" are refused.
func New(t clock.Timers, schedules []Schedule) (*Scheduler, error) {
	s := &Scheduler{timers: t, withdraw: map[int]func(){}, last: map[string]time.Time{}}
	for _, d := range schedules {
		period, err := Period(d.Expression)
		if err != nil {
			return nil, fmt.Errorf("reading schedule %s: %w", d.Name, err)
		}
		s.entries = append(s.entries, entry{d, period})
	}
	return s, nil
}

var rate = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`)

// Period is the time between two runs of a rate expression.
func Period(expression string) (time.Duration, error) {
	m := rate.FindStringSubmatch(expression)
	if m == nil {
		return 0, fmt.Errorf("the local cloud knows rate(…) only, not %q", expression)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 {
		return 0, fmt.Errorf("no rate: %q", expression)
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
	return time.Duration(n) * unit, nil
}

// Start runs the schedules from now on; the first run is one period away. After a restart they keep their moments, and
// one that has missed some runs once.
func (s *Scheduler) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.timers.Now()
	if s.start.IsZero() {
		if err := journal.Keep(s.Journal, run{At: now}); err != nil {
			return err
		}
		s.start = now
	}
	for i, e := range s.entries {
		from := now
		if last, ran := s.last[e.Name]; ran {
			from = last
		}
		s.next(i, from.Add(1))
	}
	return nil
}

// Stop ends all schedules.
func (s *Scheduler) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.disarm()
}

// Suspend ends the runs until Resume, but for those that Wake asks for.
func (s *Scheduler) Suspend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspended = true
	s.disarm()
}

// Wake has every suspended schedule run once, at the first of its moments from t on that is still ahead.
func (s *Scheduler) Wake(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.suspended {
		s.disarm()
		s.arm(later(t, s.timers.Now().Add(1)))
	}
}

// Resume lets the schedules run again. As after a jump of the clock, what was left out is not made up for.
func (s *Scheduler) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.suspended = false
	s.disarm()
	s.arm(s.timers.Now().Add(1))
}

// arm sets each schedule to the first of its moments from t on. The caller holds the lock.
func (s *Scheduler) arm(t time.Time) {
	for i := range s.entries {
		s.next(i, t)
	}
}

func (s *Scheduler) disarm() {
	for _, withdraw := range s.withdraw {
		withdraw()
	}
}

func (s *Scheduler) next(i int, t time.Time) {
	if s.stopped {
		return
	}
	period := s.entries[i].period
	at := s.start.Add(max(period, (t.Sub(s.start) + period - 1).Truncate(period)))
	s.withdraw[i] = s.timers.At(at, func() {
		s.try(s.entries[i].Schedule, at, 0)
		s.mu.Lock()
		defer s.mu.Unlock()
		// A clock that jumped over several periods runs once, as Scheduler does not make up for lost time.
		now := later(at, s.timers.Now())
		s.ran(s.entries[i].Name, now)
		if !s.suspended {
			s.next(i, now.Add(1))
		}
	})
}

// try starts the target. What may pass is tried again, the rest goes to the dead letters.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html, read 2026-11.
func (s *Scheduler) try(d Schedule, at time.Time, retries int) {
	s.mu.Lock()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return
	}
	err := d.Invoke(at)
	if err == nil {
		return
	}
	about := map[string]string{"SCHEDULE_ARN": d.ARN, "TARGET_ARN": d.Target, "SCHEDULED_TIME": at.UTC().Format(time.RFC3339),
		"ERROR_CODE": "InternalFailure", "ERROR_MESSAGE": err.Error(), "RETRY_ATTEMPTS": strconv.Itoa(retries), "IS_PAYLOAD_TRUNCATED": "false"}
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		about["ERROR_CODE"], about["ERROR_MESSAGE"] = e.Code, e.Message
	}
	if retry.Passing(err) {
		next, exhausted := d.Retry.Next(retries, at, s.timers.Now())
		if exhausted == "" {
			s.timers.At(next, func() { s.try(d, at, retries+1) })
			return
		}
		about["EXHAUSTED_RETRY_CONDITION"] = exhausted
	}
	if d.Bury != nil {
		_ = d.Bury(at, about) // a dead-letter queue that refuses too loses it, as on AWS
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
