package sts_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/sts"
)

// TestSessionsSurvive: who became a role before a restart is it afterwards, for as long as before, and no key comes twice.
func TestSessionsSurvive(t *testing.T) {
	journaltest.Run(t, 100, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		c := clock.Stopped(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
		keys := map[string]bool{}
		open := func(admit func(key, principal string, expired func() bool)) *sts.Service {
			return sts.New(sts.Config{Account: "1", Clock: c, Roles: map[string]sts.Role{}, Admit: admit,
				Assume: func(_, role string) error {
					if strings.HasSuffix(role, "9") {
						return &dispatch.Error{Code: "AccessDenied"}
					}
					return nil
				}})
		}
		live := open(func(key, _ string, _ func() bool) {
			if keys[key] {
				t.Errorf("key %s twice", key)
			}
			keys[key] = true
		})
		known := func(key, principal string, _ func() bool) {
			if !keys[key] || !strings.HasPrefix(principal, "arn:role/") {
				t.Errorf("%s is admitted by %s", principal, key)
			}
		}
		return journaltest.Subject{Live: live, Journal: &live.Journal, Reopen: func() journal.Part { return open(known) }, Now: c.Now,
			Step: func(bool) error {
				if r.IntN(4) == 0 {
					c.AdvanceTo(c.Now().Add(time.Duration(r.IntN(30)) * time.Minute))
				}
				_, err := live.Serve(t.Context(), dispatch.Call{Operation: "AssumeRole",
					Body: fmt.Appendf(nil, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:role/%d&RoleSessionName=me", r.IntN(10))})
				return err
			}}
	})
}
