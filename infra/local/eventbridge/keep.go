package eventbridge

import (
	"fmt"
	"slices"

	"loophub/infra/local/journal"
)

// effect is what a call or a delivery does to the events that are under way.
type effect struct {
	Accepted []*accepted `json:",omitempty"`
	Event    uint64      `json:",omitempty"` // the number of an event
	Has      string      `json:",omitempty"` // a target that has it; "": all have it
	Serial   uint64      `json:",omitempty"` // the last number given out, in a dump
}

// queue keeps events and queues them for delivery. The caller holds the lock.
func (s *Service) queue(fresh []*accepted) error {
	if len(fresh) == 0 {
		return nil
	}
	e := effect{Accepted: fresh}
	if err := journal.Keep(s.Journal, e); err != nil {
		return err
	}
	s.make(e)
	return nil
}

// delivered notes that a target has an event, after it has: who dies in between delivers twice, as EventBridge may.
func (s *Service) delivered(a *accepted, target string) { s.note(effect{Event: a.Serial, Has: target}) }

// finished notes that all targets of an event have it.
func (s *Service) finished(a *accepted) { s.note(effect{Event: a.Serial}) }

func (s *Service) note(e effect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Where this can't be kept nothing can that the target does with the event: it comes again.
	_ = journal.Keep(s.Journal, e)
	s.make(e)
}

func (s *Service) make(e effect) {
	for _, a := range e.Accepted {
		s.pending = append(s.pending, a)
		s.serial = max(s.serial, a.Serial)
	}
	s.serial = max(s.serial, e.Serial)
	i := slices.IndexFunc(s.pending, func(a *accepted) bool { return a.Serial == e.Event })
	switch {
	case i < 0:
	case e.Has == "" && i == 0:
		s.pending = s.pending[1:] // as it nearly always is; the others need not move
	case e.Has == "":
		s.pending = slices.Delete(s.pending, i, i+1)
	default:
		s.pending[i].Done = append(s.pending[i].Done, e.Has)
	}
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := journal.Write(write, effect{Serial: s.serial}); err != nil {
		return err
	}
	for _, a := range s.pending {
		if err := journal.Write(write, effect{Accepted: []*accepted{a}}); err != nil {
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
	for _, a := range e.Accepted {
		if _, ok := s.buses[a.Bus]; !ok {
			return fmt.Errorf("the template has no bus %s, on which there are events: start with another folder", a.Bus)
		}
	}
	s.make(e)
	return nil
}

// Resume goes on with what was under way when the service ended.
func (s *Service) Resume() { s.loop.Wake() }
