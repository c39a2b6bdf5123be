package lambda

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// effect is what a call or an attempt does to the events that nobody waits for, or a batch to a stream's mapping.
type effect struct {
	Event     *event    `json:",omitempty"`
	Failed    string    `json:",omitempty"` // the id of an event,
	Attempts  int       `json:",omitempty"` // that failed so often,
	Throttles int       `json:",omitempty"` // and so often found no instance,
	Next      time.Time `json:",omitzero"`  // and will be tried again then
	Ended     string    `json:",omitempty"` // the id of an event
	Mapping   string    `json:",omitempty"` // the id of a mapping
	Position  uint64    `json:",omitempty"` // up to which its stream is done with
}

// do keeps an effect and makes it.
func (s *Service) do(e effect) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := journal.Keep(s.Journal, e); err != nil {
		return err
	}
	s.make(e)
	return nil
}

// note is do for what has happened already, and happens again where it can't be kept.
func (s *Service) note(f *function, e effect) {
	if err := s.do(e); err != nil {
		f.Log(fmt.Sprintf("keeping how %s goes on: %v", f.Name, err))
	}
}

func (s *Service) make(e effect) {
	if e.Event != nil {
		s.events[e.Event.ID] = e.Event
	}
	if v := s.events[e.Failed]; v != nil {
		v.Attempts, v.Throttles, v.Next = e.Attempts, e.Throttles, e.Next
	}
	delete(s.events, e.Ended)
	if e.Mapping != "" {
		s.read[e.Mapping] = e.Position
	}
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.events)) {
		if err := journal.Write(write, effect{Event: s.events[id]}); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.read)) {
		if err := journal.Write(write, effect{Mapping: id, Position: s.read[id]}); err != nil {
			return err
		}
	}
	return nil
}

// Load implements journal.Part.
func (s *Service) Load(record []byte) error {
	var e effect
	if err := journal.Read(record, &e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := e.Event; v != nil {
		if v.function = s.functions[v.Function]; v.function == nil {
			return fmt.Errorf("the template has no function %s, for which there are events: start with another folder", v.Function)
		}
		v.asleep = true
	}
	s.make(e)
	return nil
}

// Resume goes on with the events that were under way when the service ended, each in its time.
func (s *Service) Resume() {
	s.mu.Lock()
	var events []*event
	for _, id := range slices.Sorted(maps.Keys(s.events)) {
		if e := s.events[id]; e.asleep {
			e.asleep = false
			events = append(events, e)
		}
	}
	s.mu.Unlock()
	now := s.cfg.Timers.Now()
	for _, e := range events {
		if e.Next.After(now) {
			s.cfg.Timers.At(e.Next, e.start)
		} else {
			e.start()
		}
	}
}

// begin is where a poller goes on to read its stream. One that starts at the latest record and has not read any still
// starts there after a restart.
func (s *Service) begin(p *streamPoller) (uint64, error) {
	s.mu.Lock()
	position, known := s.read[p.name()]
	s.mu.Unlock()
	if known || !p.FromLatest {
		return position, nil
	}
	position = p.Stream.Latest()
	return position, s.do(effect{Mapping: p.name(), Position: position})
}

// name is what a poller's position is kept under. Each shard has its own; how many there are must not change.
func (p *streamPoller) name() string {
	if p.Shards == 1 {
		return p.ID
	}
	return fmt.Sprintf("%s %d/%d", p.ID, p.shard, p.Shards)
}

// passed notes that a mapping is done with records, after it is: who dies in between gets them again, as from Lambda.
func (p *streamPoller) passed(records []Record) {
	if n := len(records); n > 0 {
		p.reached(records[n-1].Position)
	}
}

func (p *streamPoller) reached(position uint64) {
	p.done = position
	p.service.note(p.function, effect{Mapping: p.name(), Position: position})
}
