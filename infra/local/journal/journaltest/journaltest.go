// Package journaltest holds services to what they promise a journal.
package journaltest

import (
	"bytes"
	"errors"
	"testing"

	"loophub/infra/local/journal"
)

// Log is a journal in memory.
type Log struct {
	Records [][]byte
	Fails   bool // takes nothing more
}

// ErrFull is how a failing Log refuses.
var ErrFull = errors.New("the journal is full")

// Append implements journal.Journal.
func (l *Log) Append(record []byte) error {
	if l.Fails {
		return ErrFull
	}
	l.Records = append(l.Records, bytes.Clone(record))
	return nil
}

// Dump is the state of a part, record by record.
func Dump(t testing.TB, p journal.Part) [][]byte {
	t.Helper()
	var out [][]byte
	if err := p.Dump(func(record []byte) error { out = append(out, bytes.Clone(record)); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

// Load gives records to a part.
func Load(t testing.TB, p journal.Part, records [][]byte) {
	t.Helper()
	for i, r := range records {
		if err := p.Load(bytes.Clone(r)); err != nil {
			t.Fatalf("record %d, %q: %v", i, r, err)
		}
	}
}

// Survives reopens a part twice: from what it was at first and what its journal took since, and from its own dump, as
// compaction does. Both must be the same as the part is now.
func Survives(t testing.TB, live journal.Part, first [][]byte, l *Log, reopen func() journal.Part) {
	t.Helper()
	want := Dump(t, live)
	replayed := reopen()
	Load(t, replayed, first)
	Load(t, replayed, l.Records)
	Same(t, "replayed", Dump(t, replayed), want)
	compacted := reopen()
	Load(t, compacted, want)
	Same(t, "compacted", Dump(t, compacted), want)
}

// Same compares two dumps.
func Same(t testing.TB, what string, got, want [][]byte) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%s: %d records, want %d; the next is %q", what, len(got), len(want), want[i])
		case i >= len(want):
			t.Fatalf("%s: %d records, want %d; the next is %q", what, len(got), len(want), got[i])
		case !bytes.Equal(got[i], want[i]):
			t.Fatalf("%s: record %d is\n%q, want\n%q", what, i, got[i], want[i])
		}
	}
}
