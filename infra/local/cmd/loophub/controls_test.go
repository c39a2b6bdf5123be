package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/clock"
)

// shop is a hub whose journey begins with somebody's first order.
type shop struct {
	*hub
	t     *testing.T
	steps []step // Lan's account, her consent, her order
}

func openShop(t *testing.T) *shop {
	t.Helper()
	b, err := os.ReadFile(demo().workspace)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "workspace.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), "{entered: once-last-month}", "{entered: first-time}", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	story, err := readStory(demo().story)
	if err != nil {
		t.Fatal(err)
	}
	h, err := start(t.Context(), options{workspace: file}, clock.Stopped(story.Begins))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.stop() })
	s := &shop{h, t, story.Acts[0].Steps[:3]}
	s.ask(http.MethodPost, "/v1/vouchers/come-back-10/codes", map[string]any{"codes": []any{"SEN-1", "SEN-2"}})
	return s
}

// ask makes a request to the API.
func (s *shop) ask(method, path string, body any) {
	s.t.Helper()
	s.play(step{Method: method, Path: path, Body: body})
}

// play does steps and lets a few minutes pass.
func (s *shop) play(steps ...step) {
	s.t.Helper()
	for n, one := range steps {
		if one.ID == "" {
			one.ID = fmt.Sprintf("%d-%d", s.clock.Now().Unix(), n)
		}
		if _, err := s.do(s.t.Context(), one); err != nil {
			s.t.Fatal(one.Say, err)
		}
	}
	s.wait(4 * time.Minute)
}

func (s *shop) wait(d time.Duration) {
	s.t.Helper()
	if err := s.pass(s.t.Context(), s.clock.Now().Add(d)); err != nil {
		s.t.Fatal(err)
	}
}

// sees compares with what the API says.
func (s *shop) sees(path string, want any) {
	s.t.Helper()
	differ, err := s.check(s.t.Context(), step{Get: path, Want: want})
	if err != nil || len(differ) > 0 {
		s.t.Errorf("%s: %v %v", path, differ, err)
	}
}

func (s *shop) sent(n int) {
	s.t.Helper()
	if got := len(s.mails("")); got != n {
		s.t.Errorf("%d mails, want %d", got, n)
	}
}

type (
	object = map[string]any
	list   = []any
)

const lansProfile = "/v1/profiles?email=lan.nguyen@example.vn"

// TestFirstOrderSends is what the tests below differ from.
func TestFirstOrderSends(t *testing.T) {
	s := openShop(t)
	s.play(s.steps...)
	s.sent(1)
}

// pauseShop lets Lan's order arrive while the shop is paused, and goes on after a while.
func (s *shop) pauseShop(d time.Duration) {
	s.t.Helper()
	s.play(s.steps[:2]...)
	s.ask(http.MethodPut, "/v1/controls/connections/shop", object{"paused": true})
	s.play(s.steps[2])
	s.sees(lansProfile, object{"profiles": list{object{"orders": object{"count": 0}}}})
	s.sees("/v1/deliveries?connection=shop&status=parked", object{"deliveries": list{object{"faults": list{object{"class": "paused"}}}}})
	s.wait(d)
	s.ask(http.MethodPut, "/v1/controls/connections/shop", object{"paused": false})
	s.sees(lansProfile, object{"profiles": list{object{"orders": object{"count": 1},
		"segments": list{object{"name": "first-time"}, object{"name": "newsletter"}}}}})
	s.sees("/v1/deliveries?connection=shop&status=parked", object{"deliveries": list{}})
}

// TestPausedConnection: what arrives meanwhile is kept, and taken in later.
func TestPausedConnection(t *testing.T) {
	s := openShop(t)
	s.pauseShop(0)
	s.sent(1)
}

// TestReplayNeverSends: after more than a day it is a replay, which changes profiles
// and starts nothing, then or later.
func TestReplayNeverSends(t *testing.T) {
	s := openShop(t)
	s.pauseShop(25 * time.Hour)
	s.wait(48 * time.Hour)
	s.sent(0)
}

// TestStoppedSends: with the one switch off nothing goes out; with it on again each
// message goes once.
func TestStoppedSends(t *testing.T) {
	s := openShop(t)
	s.ask(http.MethodPut, "/v1/controls/sends", object{"stopped": true})
	s.play(s.steps...)
	s.wait(24 * time.Hour)
	s.sent(0)
	for range 2 {
		s.ask(http.MethodPut, "/v1/controls/sends", object{"stopped": false})
		s.sent(1)
	}
	s.sees("/v1/controls/history", object{"turns": list{object{"off": false}, object{"off": true}}})
}

// TestPausedJourney: who would enter it enters when it goes on.
func TestPausedJourney(t *testing.T) {
	s := openShop(t)
	s.ask(http.MethodPut, "/v1/controls/journeys/win-back", object{"paused": true})
	s.play(s.steps...)
	s.sent(0)
	s.ask(http.MethodPut, "/v1/controls/journeys/win-back", object{"paused": false})
	s.sent(1)
}

// TestPausedDestination: nothing is written meanwhile, and all of it afterwards.
func TestPausedDestination(t *testing.T) {
	s := openShop(t)
	s.ask(http.MethodPut, "/v1/controls/destinations/crm", object{"paused": true})
	s.play(s.steps...)
	if n := len(s.hubspot.Contacts()); n != 0 {
		t.Errorf("%d contacts", n)
	}
	s.ask(http.MethodPut, "/v1/controls/destinations/crm", object{"paused": false})
	s.sees("/simulators/hubspot/contacts/lan.nguyen@example.vn", object{"properties": object{"firstname": "Lan", "loophub_last_campaign": "win-back"}})
	s.sees("/simulators/hubspot/writes", object{"same": 0})
}
