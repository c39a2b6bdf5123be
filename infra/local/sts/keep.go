package sts

import (
	"cmp"
	"maps"
	"slices"

	"loophub/infra/local/journal"
)

// admit makes a session known. The caller holds the lock.
func (s *Service) admit(n session) {
	s.serial = max(s.serial, n.Serial)
	if n.Key == "" {
		return
	}
	s.sessions[n.Key] = n
	s.cfg.Admit(n.Key, n.Role, func() bool { return s.cfg.Clock.Now().After(n.Until) })
}

// Dump implements journal.Part: the last number given out, and the sessions that have not ended.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := journal.Write(write, session{Serial: s.serial}); err != nil {
		return err
	}
	now := s.cfg.Clock.Now()
	for _, n := range slices.SortedFunc(maps.Values(s.sessions), func(a, b session) int { return cmp.Compare(a.Serial, b.Serial) }) {
		if now.After(n.Until) {
			continue
		}
		if err := journal.Write(write, n); err != nil {
			return err
		}
	}
	return nil
}

// Load implements journal.Part.
func (s *Service) Load(record []byte) error {
	var n session
	if err := journal.Read(record, &n); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit(n)
	return nil
}
