package scheduler

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/retry"
)

func TestPeriod(t *testing.T) {
	for expression, want := range map[string]time.Duration{
		"rate(1 minute)": time.Minute, "rate(5 minutes)": 5 * time.Minute, "rate(2 hours)": 2 * time.Hour, "rate(1 day)": 24 * time.Hour,
	} {
		if got, err := Period(expression); err != nil || got != want {
			t.Errorf("%s: %v %v", expression, got, err)
		}
	}
	for _, expression := range []string{"", "rate(0 minutes)", "rate(1 week)", "cron(0 0 * * ? *)", "rate(99999999999999999999 days)"} {
		if _, err := Period(expression); err == nil {
			t.Errorf("%q was accepted", expression)
		}
	}
}

func TestRunsEachPeriodAndOnceAfterAJump(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	c := clock.Stopped(noon)
	var ran []int
	s, err := New(c, []Schedule{{Name: "tick", Expression: "rate(1 minute)", Invoke: func(at time.Time) error {
		ran = append(ran, int(at.Sub(noon).Minutes()))
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for _, minute := range []int{1, 2, 10, 11} { // from 2 to 10 the machine slept
		c.AdvanceTo(noon.Add(time.Duration(minute)*time.Minute + time.Second))
	}
	if want := []int{1, 2, 3, 11}; !slices.Equal(ran, want) {
		t.Errorf("ran at minutes %v, want %v", ran, want)
	}
	s.Stop()
	c.AdvanceTo(noon.Add(time.Hour))
	if len(ran) != 4 {
		t.Error("ran after Stop")
	}
}

func TestSuspendedRunsWhenWokenAlone(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(m float64) time.Time { return noon.Add(time.Duration(m * float64(time.Minute))) }
	c := clock.Stopped(noon)
	var ran []float64
	s, err := New(c, []Schedule{{Name: "tick", Expression: "rate(1 minute)", Invoke: func(t time.Time) error {
		ran = append(ran, t.Sub(noon).Minutes())
		return nil
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.Suspend()
	c.AdvanceTo(at(5))
	s.Wake(at(20))
	s.Wake(at(7.5)) // another moment takes the place of the last
	c.AdvanceTo(at(9))
	s.Wake(at(3)) // long past: the next run
	c.AdvanceTo(at(12))
	s.Resume()
	c.AdvanceTo(at(13))
	if want := []float64{8, 10, 13}; !slices.Equal(ran, want) {
		t.Errorf("ran at minutes %v, want %v", ran, want)
	}
}

func TestWhatCouldNotBeStarted(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	unavailable := &dispatch.Error{Status: http.StatusServiceUnavailable, Code: "ServiceException", Message: "later"}
	for name, test := range map[string]struct {
		err     error
		policy  retry.Policy
		tries   string
		buried  map[string]string // nil: it came through in the end
		recover int               // after so many tries
	}{
		"a passing error": {unavailable, retry.Default(), "[0s 1s 3s]", nil, 2},
		"no retries": {unavailable, retry.Policy{MaxAge: time.Minute}, "[0s]", map[string]string{"ERROR_CODE": "ServiceException", "ERROR_MESSAGE": "later",
			"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "0", "SCHEDULE_ARN": "arn:s", "TARGET_ARN": "arn:t", "SCHEDULED_TIME": "2026-01-02T13:00:00Z"}, 99},
		"too old": {unavailable, retry.Policy{Attempts: 9, MaxAge: time.Minute}, "[0s 1s 3s 7s 15s 31s]", map[string]string{"EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds",
			"RETRY_ATTEMPTS": "5"}, 99},
		"no permission": {&dispatch.Error{Code: "AccessDeniedException"}, retry.Default(), "[0s]", map[string]string{"ERROR_CODE": "AccessDeniedException",
			"EXHAUSTED_RETRY_CONDITION": "", "RETRY_ATTEMPTS": "0"}, 99},
	} {
		t.Run(name, func(t *testing.T) {
			c := clock.Stopped(noon)
			due := noon.Add(time.Hour)
			var tries []time.Duration
			var buried []map[string]string
			s, err := New(c, []Schedule{{Name: "tick", ARN: "arn:s", Target: "arn:t", Expression: "rate(1 hour)", Retry: test.policy,
				Invoke: func(at time.Time) error {
					if !at.Equal(due) {
						return nil
					}
					tries = append(tries, c.Now().Sub(due))
					if len(tries) > test.recover {
						return nil
					}
					return test.err
				},
				Bury: func(_ time.Time, about map[string]string) error { buried = append(buried, about); return nil }}})
			if err != nil {
				t.Fatal(err)
			}
			s.Start()
			for next, ok := c.Next(); ok && !next.After(due.Add(30*time.Minute)); next, ok = c.Next() {
				c.AdvanceTo(next)
			}
			if fmt.Sprint(tries) != test.tries || len(buried) != min(1, len(test.buried)) {
				t.Fatalf("tried at %v, buried %v", tries, buried)
			}
			for name, want := range test.buried {
				if got := buried[0][name]; got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}
