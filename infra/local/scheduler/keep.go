package scheduler

import (
	"maps"
	"slices"
	"time"

	"loophub/infra/local/journal"
)

// run is when a schedule ran last; without a name it is when all of them began.
type run struct {
	Name string `json:",omitempty"`
	At   time.Time
}

// ran notes a run, after it: who dies in between runs twice, as Scheduler may. The caller holds the lock.
func (s *Scheduler) ran(name string, at time.Time) {
	// Whoever fails to keep this keeps nothing of what the run does either: it comes again.
	_ = journal.Keep(s.Journal, run{name, at})
	s.last[name] = at
}

// Dump implements journal.Part.
func (s *Scheduler) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start.IsZero() {
		return nil
	}
	if err := journal.Write(write, run{At: s.start}); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.last)) {
		if err := journal.Write(write, run{name, s.last[name]}); err != nil {
			return err
		}
	}
	return nil
}

// Load implements journal.Part. Of schedules that are gone it keeps nothing.
func (s *Scheduler) Load(record []byte) error {
	var r run
	if err := journal.Read(record, &r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Name == "" {
		s.start = r.At
	} else if slices.ContainsFunc(s.entries, func(e entry) bool { return e.Name == r.Name }) {
		s.last[r.Name] = r.At
	}
	return nil
}
