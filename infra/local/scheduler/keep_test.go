package scheduler

import (
	"slices"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/journal/journaltest"
)

// TestMomentsSurvive: after a restart a schedule keeps its moments, and makes up for those that it has missed by one run.
func TestMomentsSurvive(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var log journaltest.Log
	var ran []int
	start := func(at time.Time, kept [][]byte) (*Scheduler, *clock.Offset) {
		c := clock.Stopped(at)
		s, err := New(c, []Schedule{{Name: "tick", Expression: "rate(10 minutes)", Invoke: func(at time.Time) error {
			ran = append(ran, int(at.Sub(noon).Minutes()))
			return nil
		}}})
		if err != nil {
			t.Fatal(err)
		}
		journaltest.Load(t, s, kept)
		s.Journal = &log
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		return s, c
	}
	want := func(l ...int) {
		t.Helper()
		if !slices.Equal(ran, l) {
			t.Errorf("ran at %v, want %v", ran, l)
		}
		ran = nil
	}
	first, c := start(noon, nil)
	c.AdvanceTo(noon.Add(10 * time.Minute))
	c.AdvanceTo(noon.Add(25 * time.Minute))
	want(10, 20)
	journaltest.Same(t, "the journal", log.Records[:1], journaltest.Dump(t, first)[:1])

	s, c := start(noon.Add(27*time.Minute), log.Records)
	c.AdvanceTo(noon.Add(29 * time.Minute))
	want()
	c.AdvanceTo(noon.Add(35 * time.Minute))
	want(30)
	dump := journaltest.Dump(t, s)

	_, c = start(noon.Add(71*time.Minute), dump) // three moments have passed
	c.AdvanceTo(noon.Add(72 * time.Minute))
	want(40)
	c.AdvanceTo(noon.Add(81 * time.Minute))
	want(80)

	log.Fails = true
	fresh, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if fresh.Journal = &log; fresh.Start() == nil {
		t.Error("it starts without a journal that takes its beginning")
	}
}
