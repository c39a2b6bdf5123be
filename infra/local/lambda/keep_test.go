package lambda

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
	"loophub/infra/local/pattern"
)

// TestEverythingSurvives: events that nobody waits for, with their attempts, at any moment.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 150, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		var gate sync.Mutex // held: nothing runs
		b := newBench(t, always(func(_ context.Context, p []byte) ([]byte, error) {
			if strings.Contains(string(p), "bad") {
				return nil, errors.New("bad")
			}
			return nil, nil
		}))
		b.tracker.Turn = func(string) { gate.Lock(); defer gate.Unlock() }
		rest := func() {
			if err := b.tracker.Idle(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		gate.Lock()
		t.Cleanup(func() { b.clock.Stop(); gate.Unlock(); rest() })
		return journaltest.Subject{Live: b.Service, Journal: &b.Journal, Now: b.clock.Now,
			Reopen: func() journal.Part { return newBench(t, always(nil)).Service },
			Step: func(quiet bool) error {
				if r.IntN(8) == 0 && !quiet {
					gate.Unlock()
					rest()
					b.clock.AdvanceTo(b.clock.Now().Add(time.Duration(r.IntN(100)) * time.Second))
					rest()
					gate.Lock()
				}
				return b.InvokeAsync("f", fmt.Appendf(nil, `{"é":"%s %d"}`, []string{"good", "bad"}[r.IntN(2)], r.IntN(9)))
			}}
	})
}

// TestAttemptsGoOn restarts after each of the three attempts of an event: it has three in all, under one id, and is
// buried once.
func TestAttemptsGoOn(t *testing.T) {
	for restart := range 3 {
		var ids, buried []string
		log := &journaltest.Log{}
		open := func() *bench {
			b := newBench(t, always(func(ctx context.Context, _ []byte) ([]byte, error) {
				ids = append(ids, dispatch.InvocationOf(ctx).ID)
				return nil, errors.New("no")
			}), func(f *Function) {
				f.Async.Failure = func(record []byte) error { buried = append(buried, string(record)); return nil }
			})
			journaltest.Load(t, b.Service, log.Records)
			b.Journal, b.Requests.Journal = log, nil
			return b
		}
		b := open()
		if err := b.InvokeAsync("f", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		b.rest()
		at := noon
		for n := range 3 {
			if n == restart {
				b.Stop(errors.New("killed"))
				b = open()
				b.clock.AdvanceTo(at.Add(10 * time.Second))
				b.Resume()
				b.rest()
				if len(ids) != min(n+1, 3) {
					t.Fatalf("restart %d: %d attempts, though none is due", restart, len(ids))
				}
			}
			at = at.Add(time.Duration(n+1) * time.Minute)
			b.clock.AdvanceTo(at)
			b.rest()
		}
		if len(ids) != 3 || ids[0] != ids[1] || ids[1] != ids[2] || len(buried) != 1 || !strings.Contains(buried[0], `"approximateInvokeCount":3`) {
			t.Errorf("restart %d: attempts %v, buried %v", restart, ids, buried)
		}
		if left := journaltest.Dump(t, b.Service); len(left) != 0 {
			t.Errorf("restart %d: left %q", restart, left)
		}
	}
}

// TestStoppedIsNotFailed: an attempt that ends because all ends is none; the event comes again, and the stream's batch.
func TestStoppedIsNotFailed(t *testing.T) {
	log := &journaltest.Log{}
	started := make(chan bool)
	b := newBench(t, always(func(ctx context.Context, _ []byte) ([]byte, error) {
		started <- true
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	b.Journal = log
	gaveUp := false
	source := &memory{now: b.clock.Now}
	source.add("a")
	if err := b.InvokeAsync("f", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := b.MapStream(StreamMapping{ID: "uuid", Function: "f", Stream: source, BatchSize: 1,
		Failure: func(string, []byte) error { gaveUp = true; return nil }}); err != nil {
		t.Fatal(err)
	}
	<-started
	<-started
	b.Stop(errors.New("killed"))
	b.rest()
	if len(log.Records) != 1 || gaveUp {
		t.Errorf("kept %q, gave up: %v", log.Records, gaveUp)
	}
}

// TestCheckpoints restarts a mapping after every record of the journal: no stream record is left out, and those that a
// checkpoint says are done with do not come again.
func TestCheckpoints(t *testing.T) {
	keys := []string{"a", "b", "partial", "c", "bad1", "d", "drop", "bad2", "e", "f", "g"}
	mapping := func(m *StreamMapping) {
		m.Bisect = true
		p, err := pattern.Parse([]byte(`{"k":[{"anything-but":"drop"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		m.Filters = []pattern.Pattern{p}
	}
	var log journaltest.Log
	run := func(kept [][]byte, record bool) []string {
		c := &consumer{}
		b := newBench(t, always(c.handle))
		journaltest.Load(t, b.Service, kept)
		if record {
			b.Journal = &log
		}
		source := &memory{now: b.clock.Now}
		source.add(keys...)
		m := StreamMapping{ID: "uuid", Function: "f", Stream: source, BatchSize: 4, Retries: 1, Report: true}
		mapping(&m)
		if err := b.MapStream(m); err != nil {
			t.Fatal(err)
		}
		b.rest()
		return strings.Fields(strings.Join(c.batches, " "))
	}
	run(nil, true)
	if len(log.Records) < 4 {
		t.Fatalf("%d checkpoints", len(log.Records))
	}
	for n := range len(log.Records) + 1 {
		b := newBench(t, always(nil))
		journaltest.Load(t, b.Service, log.Records[:n])
		done := int(b.read["uuid"])
		seen := run(log.Records[:n], false)
		for i, k := range keys {
			if want := i >= done && k != "drop"; slices.Contains(seen, k) != want {
				t.Errorf("after %d checkpoints, %d records done with: %s came: %v", n, done, k, !want)
			}
		}
	}
}

// TestWhatTheFilterDropsIsNotReadForEver: a stream of which a mapping wants nothing has checkpoints too, but not one for
// every record. One that starts at the latest record starts there after a restart too.
func TestWhatTheFilterDropsIsNotReadForEver(t *testing.T) {
	var log journaltest.Log
	b := newBench(t, always((&consumer{}).handle))
	b.Journal = &log
	source := &memory{now: b.clock.Now}
	source.add("early")
	none, err := pattern.Parse([]byte(`{"k":["wanted"]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := StreamMapping{ID: "uuid", Function: "f", Stream: source, BatchSize: 4, FromLatest: true, Filters: []pattern.Pattern{none}}
	if err := b.MapStream(m); err != nil {
		t.Fatal(err)
	}
	b.rest()
	if len(log.Records) != 1 || b.read["uuid"] != 1 {
		t.Errorf("%q", log.Records)
	}
	for range 5 {
		source.add(slices.Repeat([]string{"dropped"}, 500)...)
		b.rest()
	}
	if n := b.read["uuid"]; n < 1500 || len(log.Records) > 4 {
		t.Errorf("read up to %d, %d records", n, len(log.Records))
	}
}

// TestAnotherTemplateIsRefused: events for a function that is gone are not dropped in silence.
func TestAnotherTemplateIsRefused(t *testing.T) {
	err := newBench(t, always(nil)).Load([]byte(`{"Event":{"ID":"1","Function":"arn:gone","Payload":"e30=","Arrived":"2026-01-02T12:00:00Z"}}`))
	if err == nil || !strings.Contains(err.Error(), "the template has no function arn:gone") {
		t.Errorf("got %v", err)
	}
}
