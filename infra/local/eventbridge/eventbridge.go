// Package eventbridge is Amazon EventBridge: custom buses, rules with patterns, targets with dead letters.
package eventbridge

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/journal"
	"loophub/infra/local/pattern"
	"loophub/infra/local/retry"
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
	Retry retry.Policy
	// Deliver hands the event over.
	Deliver func(event []byte) error
	// Bury takes what Deliver refused, with what is known about it. Nil: the event is lost, as on AWS.
	Bury func(event []byte, about map[string]string) error
}

// Config is what the service is made of.
type Config struct {
	Region, Account string
	Timers          clock.Timers
	Tracker         *work.Tracker
	Buses           []Bus
	Rules           []Rule
	// Seen, if not nil, is called with each accepted event, in order.
	Seen func(bus string, event []byte)
}

// Service accepts events and delivers them at least once, one after the other, on a goroutine of its own.
type Service struct {
	// Journal, if not nil, gets what was accepted and what was delivered. Set it before the first call.
	Journal journal.Journal

	cfg   Config
	buses map[string]Bus
	rules map[string][]rule // by bus
	loop  *work.Loop

	mu      sync.Mutex
	serial  uint64
	stopped bool
	open    []*accepted // not yet delivered to all of their targets
	pending []*accepted // of these, not yet held against the rules
	due     []attempt   // to be delivered now
}

type rule struct {
	Rule
	fits pattern.Pattern
}

// accepted is an event that not all of its targets have. Those are known by name, which stays the same over restarts.
type accepted struct {
	Serial uint64
	Bus    string
	Event  json.RawMessage
	Has    []string         `json:",omitempty"` // targets that it has reached, or never will
	Tried  map[string]tried `json:",omitempty"` // targets that refused it

	left   int  // targets, once it has been held against the rules
	asleep bool // read from the journal and not yet resumed
}

// tried is how a target was tried in vain.
type tried struct {
	Retries int
	Since   time.Time
	Next    time.Time
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
func (s *Service) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.loop.Stop()
}

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

// deliverNext does one delivery, or finds out the deliveries of one event.
func (s *Service) deliverNext() bool {
	s.mu.Lock()
	if len(s.due) > 0 {
		a := s.due[0]
		s.due = s.due[1:]
		s.mu.Unlock()
		s.deliver(a)
		return true
	}
	if len(s.pending) == 0 {
		s.mu.Unlock()
		return false
	}
	e := s.pending[0]
	s.pending = s.pending[1:]
	s.route(e)
	s.mu.Unlock()
	if s.cfg.Seen != nil {
		s.cfg.Seen(e.Bus, e.Event)
	}
	return true
}

// route makes an event due at those targets of every rule that it fits that do not have it yet. The caller holds the lock.
func (s *Service) route(e *accepted) {
	now := s.cfg.Timers.Now()
	var due []attempt
	for _, r := range s.rules[e.Bus] {
		if !r.fits.Match(e.Event) {
			continue
		}
		for _, t := range r.Targets {
			if a := (attempt{event: e, rule: r.ARN, target: t, since: now}); !slices.Contains(e.Has, a.name()) {
				due = append(due, a)
			}
		}
	}
	if e.left = len(due); e.left == 0 {
		s.note(effect{Event: e.Serial})
	}
	for _, a := range due {
		if t, ok := e.Tried[a.name()]; ok {
			a.retries, a.since = t.Retries, t.Since
			if t.Next.After(now) {
				s.cfg.Timers.At(t.Next, func() { s.again(a) })
				continue
			}
		}
		s.due = append(s.due, a)
	}
}
