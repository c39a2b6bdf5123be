// Package journaltest holds services to what they promise a journal.
package journaltest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

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

// Subject is a part under random calls.
type Subject struct {
	Live    journal.Part
	Journal *journal.Journal // of Live
	Reopen  func() journal.Part
	// Step makes a call, or lets something happen that nobody called for, unless it is to be quiet. Its error is the
	// call's.
	Step func(quiet bool) error
	Now  func() time.Time
}

// Run makes random calls: whenever the part is reopened it is as it was, and once its journal fails no call succeeds that
// would change it, and nothing changes.
func Run(t *testing.T, steps int, open func(t *testing.T, r *rand.Rand) Subject) {
	t.Helper()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, l := open(t, rand.New(rand.NewPCG(seed, 1))), &Log{}
			first := Dump(t, s.Live)
			*s.Journal = l
			done := 0
			for n := range steps {
				if s.Step(false) == nil {
					done++
				}
				if n%(steps/4) == 0 {
					Survives(t, s.Live, first, l, s.Reopen)
				}
			}
			Survives(t, s.Live, first, l, s.Reopen)
			if done < steps/3 || len(l.Records) < steps/4 {
				t.Errorf("%d of %d steps succeeded, %d records", done, steps, len(l.Records))
			}
			s.refuses(t, l)
		})
	}
}

func (s Subject) refuses(t *testing.T, l *Log) {
	t.Helper()
	l.Fails = true
	refused := 0
	for range 80 {
		before := Dump(t, s.Live)
		at := s.Now()
		if errors.Is(s.Step(true), ErrFull) {
			refused++
		}
		if s.Now().Equal(at) { // as time passes a dump lets go of what is too old
			Same(t, "after a call that was not kept", Dump(t, s.Live), before)
		}
	}
	if refused < 10 {
		t.Errorf("%d calls were refused", refused)
	}
}
