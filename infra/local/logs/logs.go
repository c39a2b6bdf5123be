// Package logs keeps what goes to CloudWatch Logs: the newest lines of each log group.
package logs

import (
	"slices"
	"sync"
	"time"
)

// Line is one log event.
type Line struct {
	Group string
	Time  time.Time
	Text  string
}

// kept is how many lines of a group stay readable.
const kept = 1000

// Sink holds the log groups.
type Sink struct {
	mu     sync.Mutex
	groups map[string][]Line
}

// New returns a sink with the given groups.
func New(groups []string) *Sink {
	s := &Sink{groups: map[string][]Line{}}
	for _, g := range groups {
		s.groups[g] = nil
	}
	return s
}

// Append adds a line; a group that does not exist takes none and says so.
func (s *Sink) Append(l Line) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, ok := s.groups[l.Group]
	if ok {
		if len(lines) >= 2*kept { // move the newest half to the front now and then, not at each line
			lines = slices.Clone(lines[len(lines)-kept:])
		}
		s.groups[l.Group] = append(lines, l)
	}
	return ok
}

// Lines returns the newest lines of a group, oldest first, at most n.
func (s *Sink) Lines(group string, n int) []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.groups[group]
	return slices.Clone(lines[max(0, len(lines)-min(n, kept)):])
}
