package eventbridge_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/retry"
)

// pass lets time go by, timer by timer.
func (b *bench) pass(d time.Duration) {
	b.t.Helper()
	target := b.clock.Now().Add(d)
	for {
		if err := b.tracker.Idle(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		next, ok := b.clock.Next()
		if !ok || next.After(target) {
			b.clock.AdvanceTo(target)
			return
		}
		b.clock.AdvanceTo(next)
	}
}

func (b *bench) about(want map[string]string) {
	b.t.Helper()
	if len(b.buried) != 1 {
		b.t.Fatalf("%d dead letters, want 1", len(b.buried))
	}
	for name, value := range want {
		if got, ok := b.buried[0][name]; got != value || value == "" && ok {
			b.t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

var unavailable = &dispatch.Error{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: "later"}

func TestATargetIsTriedAgain(t *testing.T) {
	run(t, func(b *bench) {
		b.refusal = unavailable
		if _, err := b.put(entry("refused", `{}`)); err != nil {
			b.t.Fatal(err)
		}
		b.pass(10 * time.Second)
		if got := fmt.Sprint(b.tries); got != "[0s 1s 3s 7s]" {
			b.t.Errorf("tried at %s", got)
		}
		b.refusal = nil
		b.pass(24 * time.Hour)
		if len(b.tries) != 5 || len(b.buried) != 0 || len(b.all) != 1 {
			b.t.Errorf("%d tries, %d dead letters; the other rule's target got it %d times", len(b.tries), len(b.buried), len(b.all))
		}
	})
}

func TestATargetIsGivenUpAfterADay(t *testing.T) {
	run(t, func(b *bench) {
		b.refusal = unavailable
		if _, err := b.put(entry("refused", `{"n":1}`)); err != nil {
			b.t.Fatal(err)
		}
		b.pass(25 * time.Hour)
		last := b.tries[len(b.tries)-1]
		if len(b.tries) != 186 || last > 24*time.Hour || last < 23*time.Hour {
			b.t.Errorf("%d tries, the last after %v", len(b.tries), last)
		}
		b.about(map[string]string{"RULE_ARN": "closed", "TARGET_ARN": "target", "ERROR_CODE": "ERROR_FROM_TARGET", "ERROR_MESSAGE": unavailable.Error(),
			"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "185"})
		if !strings.Contains(b.buried[0]["event"], `"detail":{"n":1}`) {
			b.t.Errorf("buried %s", b.buried[0]["event"])
		}
	})
}

func TestAnEventGrowsTooOldForATarget(t *testing.T) {
	runWith(t, retry.Policy{Attempts: 185, MaxAge: time.Minute}, func(b *bench) {
		b.refusal = errors.New("no answer")
		if _, err := b.put(entry("refused", `{}`)); err != nil {
			b.t.Fatal(err)
		}
		b.pass(time.Hour)
		if got := fmt.Sprint(b.tries); got != "[0s 1s 3s 7s 15s 31s]" {
			b.t.Errorf("tried at %s", got)
		}
		b.about(map[string]string{"ERROR_CODE": "UNKNOWN", "EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds", "RETRY_ATTEMPTS": "5"})
	})
}

func TestWhatDoesNotPassIsBuriedAtOnce(t *testing.T) {
	for code, refusal := range map[string]*dispatch.Error{
		"NO_PERMISSIONS":    {Status: http.StatusBadRequest, Code: "AccessDeniedException"},
		"NO_RESOURCE":       {Code: "QueueDoesNotExist"},
		"INVALID_PARAMETER": {Code: "InvalidParameterValueException"},
		"THROTTLING":        {Status: http.StatusTooManyRequests, Code: "TooManyRequestsException"},
	} {
		t.Run(code, func(t *testing.T) {
			runWith(t, retry.Policy{MaxAge: time.Minute}, func(b *bench) {
				b.refusal = refusal
				if _, err := b.put(entry("refused", `{}`)); err != nil {
					b.t.Fatal(err)
				}
				want := map[string]string{"ERROR_CODE": code, "EXHAUSTED_RETRY_CONDITION": "", "RETRY_ATTEMPTS": ""}
				if code == "THROTTLING" { // which would pass, had the policy a retry
					want["EXHAUSTED_RETRY_CONDITION"], want["RETRY_ATTEMPTS"] = "MaximumRetryAttempts", "0"
				}
				b.about(want)
			})
		})
	}
}
