package ses

import (
	"loophub/infra/local/journal"
)

// effect is what a call, or a publication, does to the outbox.
type effect struct {
	Mail      *Mail        `json:",omitempty"`
	Serial    uint64       `json:",omitempty"` // of the newest mail
	Told      []occurrence `json:",omitempty"` // to be published
	Published bool         `json:",omitempty"` // the oldest of what was told
}

// do keeps an effect and makes it. The caller holds the lock.
func (s *Service) do(e effect) error {
	if err := journal.Keep(s.Journal, e); err != nil {
		return err
	}
	s.make(e)
	return nil
}

func (s *Service) make(e effect) {
	if e.Mail != nil {
		s.mails = append(s.mails, e.Mail)
	}
	s.serial = max(s.serial, e.Serial)
	s.pending = append(s.pending, e.Told...)
	if e.Published && len(s.pending) > 0 {
		s.pending = s.pending[1:]
	}
}

// published notes that the oldest event is published, after it is: who dies in between publishes twice, as SES may.
func (s *Service) published() {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Where this can't be kept nothing can that the topic does with the event: it comes again.
	_ = journal.Keep(s.Journal, effect{Published: true})
	s.make(effect{Published: true})
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := journal.Write(write, effect{Serial: s.serial, Told: s.pending}); err != nil {
		return err
	}
	for _, m := range s.mails {
		if err := journal.Write(write, effect{Mail: m}); err != nil {
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
	s.make(e)
	return nil
}

// Resume goes on with what was under way when the service ended.
func (s *Service) Resume() { s.loop.Wake() }
