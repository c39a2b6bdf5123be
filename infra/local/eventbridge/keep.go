package eventbridge

import (
	"fmt"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// effect is what a call or a delivery does to the events that are under way.
type effect struct {
	Accepted []*accepted `json:",omitempty"`
	Event    uint64      `json:",omitempty"` // the number of an event, and
	Target   string      `json:",omitempty"` // a target; "": all have it
	Tried    *tried      `json:",omitempty"` // which refused it; nil: it has it
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
	s.pending = append(s.pending, fresh...)
	return nil
}

// over notes that a target has an event or never will, after it is so: who dies in between delivers twice, as EventBridge
// may.
func (s *Service) over(a attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.event.left--; a.event.left == 0 {
		s.note(effect{Event: a.event.Serial})
	} else {
		s.note(effect{Event: a.event.Serial, Target: a.name()})
	}
}

// refused notes an attempt in vain, and when the next is due.
func (s *Service) refused(a attempt, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(effect{Event: a.event.Serial, Target: a.name(), Tried: &tried{a.retries, a.since, next}})
}

// note keeps what has happened already. Where that fails nothing is kept of what the target does with the event either: it
// comes again. The caller holds the lock.
func (s *Service) note(e effect) {
	_ = journal.Keep(s.Journal, e)
	s.make(e)
}

func (s *Service) make(e effect) {
	for _, a := range e.Accepted {
		s.open = append(s.open, a)
		s.serial = max(s.serial, a.Serial)
	}
	s.serial = max(s.serial, e.Serial)
	i := slices.IndexFunc(s.open, func(a *accepted) bool { return a.Serial == e.Event })
	if i < 0 {
		return
	}
	switch a := s.open[i]; {
	case e.Target == "" && i == 0:
		s.open = s.open[1:] // as it nearly always is; the others need not move
	case e.Target == "":
		s.open = slices.Delete(s.open, i, i+1)
	case e.Tried == nil:
		a.Has = append(a.Has, e.Target)
		delete(a.Tried, e.Target)
	default:
		if a.Tried == nil {
			a.Tried = map[string]tried{}
		}
		a.Tried[e.Target] = *e.Tried
	}
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := journal.Write(write, effect{Serial: s.serial}); err != nil {
		return err
	}
	for _, a := range s.open {
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
		a.asleep = true
	}
	s.make(e)
	return nil
}

// Resume goes on with what was under way when the service ended, each delivery in its time.
func (s *Service) Resume() {
	s.mu.Lock()
	for _, a := range s.open {
		if a.asleep {
			a.asleep = false
			s.pending = append(s.pending, a)
		}
	}
	s.mu.Unlock()
	s.loop.Wake()
}
