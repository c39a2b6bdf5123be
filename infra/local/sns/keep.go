package sns

import (
	"fmt"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// effect is what a call or a delivery does to the messages that are under way.
type effect struct {
	Serial    uint64     `json:",omitempty"` // the last number given out
	Published []*attempt `json:",omitempty"`
	Message   uint64     `json:",omitempty"` // the number of one
	To        string     `json:",omitempty"` // on its way to this subscription,
	Tries     int        `json:",omitempty"` // which failed so often; 0: it is over
	Due       time.Time  `json:",omitzero"`  // and will be tried again then
}

// do keeps an effect and makes it. The caller holds the lock.
func (s *Service) do(e effect) error {
	if err := journal.Keep(s.Journal, e); err != nil {
		return err
	}
	return s.make(e)
}

func (s *Service) make(e effect) error {
	s.serial = max(s.serial, e.Serial)
	for _, a := range e.Published {
		subscriptions := s.topics[a.Message.Topic].Subscriptions
		i := slices.IndexFunc(subscriptions, func(to Subscription) bool { return to.ARN == a.To })
		if i < 0 {
			return fmt.Errorf("the template has no subscription %s, for which there are messages: start with another folder", a.To)
		}
		a.to = subscriptions[i]
		s.open = append(s.open, a)
	}
	i := slices.IndexFunc(s.open, func(a *attempt) bool { return a.Message.Serial == e.Message && a.To == e.To })
	switch {
	case i < 0:
	case e.Tries == 0 && i == 0:
		s.open = s.open[1:] // as it nearly always is; the others need not move
	case e.Tries == 0:
		s.open = slices.Delete(s.open, i, i+1)
	default:
		s.open[i].Tries, s.open[i].Due = e.Tries, e.Due
	}
	return nil
}

// over notes that a message is delivered or buried, after it is: who dies in between delivers twice, as SNS may.
func (s *Service) over(a *attempt) { s.note(effect{Message: a.Message.Serial, To: a.To}) }

// failed notes an attempt that failed, and when the next is due.
func (s *Service) failed(a *attempt, wait time.Duration) {
	e := effect{Message: a.Message.Serial, To: a.To, Tries: a.Tries + 1}
	if wait > 0 {
		e.Due = s.cfg.Timers.Now().Add(wait)
	}
	s.note(e)
}

func (s *Service) note(e effect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Where this can't be kept nothing can that the subscriber does with the message: it comes again.
	_ = journal.Keep(s.Journal, e)
	_ = s.make(e) // it publishes nothing, so no subscription can be missing
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := journal.Write(write, effect{Serial: s.serial}); err != nil {
		return err
	}
	for _, a := range s.open {
		if err := journal.Write(write, effect{Published: []*attempt{a}}); err != nil {
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
	for _, a := range e.Published {
		a.asleep = true
	}
	return s.make(e)
}

// Resume goes on with what was under way when the service ended, each message in its time.
func (s *Service) Resume() {
	s.mu.Lock()
	var open []*attempt
	for _, a := range s.open {
		if a.asleep {
			a.asleep = false
			open = append(open, a)
		}
	}
	s.mu.Unlock()
	now := s.cfg.Timers.Now()
	for _, a := range open {
		if a.Due.After(now) {
			s.cfg.Timers.At(a.Due, func() { s.again(a) })
		} else {
			s.again(a)
		}
	}
}
