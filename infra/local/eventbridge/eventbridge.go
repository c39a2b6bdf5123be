// Package eventbridge is Amazon EventBridge: custom buses, rules with patterns, targets with dead letters.
package eventbridge

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"loophub/infra/local/clock"
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
	cfg   Config
	buses map[string]Bus
	rules map[string][]rule // by bus
	loop  *work.Loop

	mu      sync.Mutex
	serial  uint64
	stopped bool
	pending []accepted // not yet held against the rules
	due     []attempt  // to be delivered now
}

type rule struct {
	Rule
	fits pattern.Pattern
}

type accepted struct {
	bus   string
	event []byte
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

// accept gives events their ids and queues them for delivery.
func (s *Service) accept(bus string, e entry, at time.Time) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id = fmt.Sprintf("10ca1000-0000-4000-8003-%012x", s.serial)
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
		return "", fmt.Errorf("encoding event: %w", err)
	}
	s.pending = append(s.pending, accepted{bus, event})
	return id, nil
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
		s.cfg.Seen(e.bus, e.event)
	}
	return true
}

// route makes an event due at the targets of every rule that it fits. The caller holds the lock.
func (s *Service) route(e accepted) {
	now := s.cfg.Timers.Now()
	for _, r := range s.rules[e.bus] {
		if !r.fits.Match(e.event) {
			continue
		}
		for _, t := range r.Targets {
			s.due = append(s.due, attempt{rule: r.ARN, target: t, event: e.event, since: now})
		}
	}
}
