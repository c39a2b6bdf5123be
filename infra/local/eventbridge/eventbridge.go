// Package eventbridge is Amazon EventBridge: custom buses, rules with patterns, targets with dead letters.
package eventbridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/pattern"
	"loophub/infra/local/work"
)

// Bus is an event bus.
type Bus struct{ Name, ARN string }

// Rule sends the events of a bus that fit its pattern to its targets.
type Rule struct {
	ARN     string
	Bus     string // name
	Pattern []byte
	Targets []Target
}

// Target is one receiver of a rule.
type Target struct {
	ARN   string
	Input string // sent in the event's place, if not ""
	// Deliver hands the event over.
	Deliver func(event []byte) error
	// Bury takes what Deliver refused, with what is known about it. Nil: the event is lost, as on AWS.
	Bury func(event []byte, about map[string]string) error
}

// Config is what the service is made of.
type Config struct {
	Region, Account string
	Clock           clock.Clock
	Tracker         *work.Tracker
	Buses           []Bus
	Rules           []Rule
	// Seen, if not nil, is called with each accepted event, in order.
	Seen func(bus string, event []byte)
}

// Service accepts events and delivers them, one after the other, on a goroutine of its own.
type Service struct {
	// Journal, if not nil, gets what was accepted and what was delivered. Set it before the first call.
	Journal journal.Journal

	cfg   Config
	buses map[string]Bus
	rules map[string][]rule // by bus
	loop  *work.Loop

	mu      sync.Mutex
	serial  uint64
	pending []*accepted
}

type rule struct {
	Rule
	fits pattern.Pattern
}

// accepted is an event that not all of its targets have.
type accepted struct {
	Serial uint64
	Bus    string
	Event  json.RawMessage
	Done   []string `json:",omitempty"` // targets that have it
}

// New reads the rules; a pattern that it does not understand is an error.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, buses: map[string]Bus{}, rules: map[string][]rule{}}
	for _, b := range cfg.Buses {
		s.buses[b.Name] = b
	}
	for _, r := range cfg.Rules {
		if _, ok := s.buses[r.Bus]; !ok {
			return nil, fmt.Errorf("making rule %s: there is no bus %q", r.ARN, r.Bus)
		}
		p, err := pattern.Parse(r.Pattern)
		if err != nil {
			return nil, fmt.Errorf("making rule %s: %w", r.ARN, err)
		}
		s.rules[r.Bus] = append(s.rules[r.Bus], rule{r, p})
	}
	s.loop = work.NewLoop(cfg.Tracker, "events", s.deliverNext)
	return s, nil
}

// Stop ends delivery after the event at hand.
func (s *Service) Stop() { s.loop.Stop() }

// accept makes an event of an entry, with the id of that number.
func (s *Service) accept(bus string, e entry, at time.Time, serial uint64) (id string, a *accepted, err error) {
	id = fmt.Sprintf("10ca1000-0000-4000-8003-%012x", serial)
	if e.Resources == nil {
		e.Resources = []string{}
	}
	event, err := json.Marshal(struct {
		Version    string          `json:"version"`
		ID         string          `json:"id"`
		DetailType string          `json:"detail-type"`
		Source     string          `json:"source"`
		Account    string          `json:"account"`
		Time       string          `json:"time"`
		Region     string          `json:"region"`
		Resources  []string        `json:"resources"`
		Detail     json.RawMessage `json:"detail"`
	}{"0", id, e.DetailType, e.Source, s.cfg.Account, at.UTC().Format(time.RFC3339), s.cfg.Region, e.Resources,
		json.RawMessage(e.Detail)})
	if err != nil {
		return "", nil, fmt.Errorf("encoding event: %w", err)
	}
	return id, &accepted{Serial: serial, Bus: bus, Event: event}, nil
}

func (s *Service) deliverNext() bool {
	s.mu.Lock()
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return false
	}
	a := s.pending[0] // it stays there until all of its targets have it
	s.mu.Unlock()
	if s.cfg.Seen != nil {
		s.cfg.Seen(a.Bus, a.Event)
	}
	var open []delivery
	for _, r := range s.rules[a.Bus] {
		if !r.fits.Match(a.Event) {
			continue
		}
		for _, t := range r.Targets {
			if d := (delivery{r.Rule, t}); !slices.Contains(a.Done, d.name()) {
				open = append(open, d)
			}
		}
	}
	for i, d := range open {
		s.deliver(d.rule, d.target, a.Event)
		if i < len(open)-1 {
			s.delivered(a, d.name())
		}
	}
	s.finished(a)
	return true
}

// delivery is an event's way to one target.
type delivery struct {
	rule   Rule
	target Target
}

func (d delivery) name() string { return d.rule.ARN + " → " + d.target.ARN + d.target.Input }

// deliver hands one event to one target. A refusal goes to the dead letters at once: nothing here is out of order for
// a while, so a refusal would repeat itself for all of EventBridge's 24 hours.
func (s *Service) deliver(r Rule, t Target, event []byte) {
	payload := event
	if t.Input != "" {
		payload = []byte(t.Input)
	}
	err := t.Deliver(payload)
	if err == nil || t.Bury == nil {
		return
	}
	code := "SDK_CLIENT_ERROR"
	if e, ok := errors.AsType[*dispatch.Error](err); ok {
		if code = e.Code; strings.HasPrefix(code, "AccessDenied") {
			code = "NO_PERMISSIONS"
		}
	}
	// A dead-letter queue that refuses too loses the event, as on AWS.
	_ = t.Bury(event, map[string]string{
		"RULE_ARN": r.ARN, "TARGET_ARN": t.ARN, "ERROR_CODE": code, "ERROR_MESSAGE": err.Error(),
	})
}
