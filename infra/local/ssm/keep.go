package ssm

import (
	"maps"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// effect is a new version of a parameter, and what the parameter is from then on.
type effect struct {
	Name, Kind, Tier string
	Number           int
	Value            string
	At               time.Time
}

// make stores a version. The caller holds the lock.
func (s *Service) make(e effect) {
	p := s.parameters[e.Name]
	if p == nil {
		p = &parameter{}
		s.parameters[e.Name] = p
	}
	p.kind, p.tier = e.Kind, e.Tier
	p.versions = append(p.versions, version{number: e.Number, value: e.Value, at: e.At})
	if len(p.versions) > maxVersions {
		p.versions = p.versions[1:]
	}
}

// Declare puts a parameter as its template declares it, unless that has happened before: what was put since stays.
func (s *Service) Declare(name, kind, value, tier string) error {
	s.mu.Lock()
	p := s.parameters[name]
	known := p != nil && slices.ContainsFunc(p.versions, func(v version) bool { return v.value == value })
	s.mu.Unlock()
	if known {
		return nil
	}
	_, _, err := s.Put(name, kind, value, tier, true)
	return err
}

// Dump implements journal.Part.
func (s *Service) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.parameters)) {
		p := s.parameters[name]
		for _, v := range p.versions {
			if err := journal.Write(write, effect{name, p.kind, p.tier, v.number, v.value, v.at}); err != nil {
				return err
			}
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
