// Package journal is how the services of the local cloud have their state kept, without knowing by whom.
package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
)

// Journal takes what a call changes, as one record: after the call is known to succeed, before it is answered and before
// anybody can see the change. An error means that nothing may change; a Journal that fails once fails for ever.
type Journal interface {
	Append(record []byte) error
}

// Part is a state that is kept.
type Part interface {
	// Dump writes the state as records; of equal states at the same moment the records are equal.
	Dump(write func(record []byte) error) error
	// Load takes a record of Dump or of Append, in the order in which they were written, before the first call. It may
	// hold on to the bytes.
	Load(record []byte) error
}

// Keep appends v in JSON, if there is a journal.
func Keep[V any](j Journal, v V) error {
	if j == nil {
		return nil
	}
	return Write(j.Append, v)
}

// Write writes v in JSON.
func Write[V any](write func(record []byte) error, v V) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // mails and events are full of < and >
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encoding a record: %w", err)
	}
	return write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// Read reads what Write wrote. What it does not know is refused: a newer version wrote it, and would miss it.
func Read(record []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(record))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decoding a record: %w", err)
	}
	return nil
}

// Serial counts upwards and gives out no number twice, over restarts neither. Most of what is numbered is never kept, so
// numbers are kept ahead, many at a time. It is a Part of its own.
type Serial struct {
	Journal Journal // set before the first number; nil: nothing is kept

	last, kept atomic.Uint64
	mu         sync.Mutex
}

// ahead is how many numbers are kept at a time, and at most how many are left out at a restart.
const ahead = 1000

// Next is the next number, from 1.
func (s *Serial) Next() uint64 {
	n := s.last.Add(1)
	if s.Journal != nil && n > s.kept.Load() {
		s.extend(n)
	}
	return n
}

func (s *Serial) extend(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n <= s.kept.Load() {
		return
	}
	// A journal that fails takes nothing more: whatever would bear this number is not kept either.
	if Keep(s.Journal, n+ahead) == nil {
		s.kept.Store(n + ahead)
	}
}

// Dump implements Part.
func (s *Serial) Dump(write func([]byte) error) error { return Write(write, s.kept.Load()) }

// Load implements Part.
func (s *Serial) Load(record []byte) error {
	var n uint64
	if err := Read(record, &n); err != nil {
		return err
	}
	s.kept.Store(n)
	s.last.Store(n)
	return nil
}
