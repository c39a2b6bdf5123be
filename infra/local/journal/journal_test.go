package journal_test

import (
	"strings"
	"sync"
	"testing"

	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
)

// TestNoNumberTwice: over restarts at any number, with many who ask at the same time.
func TestNoNumberTwice(t *testing.T) {
	given := map[uint64]bool{}
	var kept [][]byte
	for round := range 4 {
		l := &journaltest.Log{}
		s := &journal.Serial{Journal: l}
		journaltest.Load(t, s, kept)
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 100 + 300*round {
					n := s.Next()
					mu.Lock()
					if given[n] {
						t.Errorf("%d twice", n)
					}
					given[n] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		kept = l.Records
		if round%2 == 0 {
			kept = journaltest.Dump(t, s)
		}
		if len(l.Records) > 5 {
			t.Errorf("%d records for %d numbers", len(l.Records), 400+1200*round)
		}
	}
	var none journal.Serial // which keeps nothing counts as before
	if none.Next() != 1 || none.Next() != 2 {
		t.Error("it does not count from 1")
	}
}

// TestRead: a record with more in it than is known is refused.
func TestRead(t *testing.T) {
	var v struct{ A string }
	if err := journal.Read([]byte(`{"A":"x","B":1}`), &v); err == nil || !strings.Contains(err.Error(), `"B"`) {
		t.Errorf("got %v", err)
	}
	err := journal.Write(func(record []byte) error {
		if string(record) != `{"A":"<é>"}` {
			t.Errorf("%s", record)
		}
		return journal.Read(record, &v)
	}, struct{ A string }{"<é>"})
	if err != nil || v.A != "<é>" {
		t.Errorf("%q %v", v.A, err)
	}
}
