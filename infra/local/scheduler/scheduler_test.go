package scheduler

import (
	"slices"
	"testing"
	"time"

	"loophub/infra/local/clock"
)

func TestPeriod(t *testing.T) {
	for expression, want := range map[string]time.Duration{
		"rate(1 minute)": time.Minute, "rate(5 minutes)": 5 * time.Minute, "rate(2 hours)": 2 * time.Hour, "rate(1 day)": 24 * time.Hour,
	} {
		if got, err := Period(expression); err != nil || got != want {
			t.Errorf("%s: %v %v", expression, got, err)
		}
	}
	for _, expression := range []string{"", "rate(0 minutes)", "rate(1 week)", "cron(0 0 * * ? *)", "rate(99999999999999999999 days)"} {
		if _, err := Period(expression); err == nil {
			t.Errorf("%q was accepted", expression)
		}
	}
}

func TestRunsEachPeriodAndOnceAfterAJump(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	c := clock.Stopped(noon)
	var ran []int
	s, err := New(c, []Schedule{{Name: "tick", Expression: "rate(1 minute)", Fire: func(at time.Time) {
		ran = append(ran, int(at.Sub(noon).Minutes()))
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	for _, minute := range []int{1, 2, 10, 11} { // from 2 to 10 the machine slept
		c.AdvanceTo(noon.Add(time.Duration(minute)*time.Minute + time.Second))
	}
	if want := []int{1, 2, 3, 11}; !slices.Equal(ran, want) {
		t.Errorf("ran at minutes %v, want %v", ran, want)
	}
	s.Stop()
	c.AdvanceTo(noon.Add(time.Hour))
	if len(ran) != 4 {
		t.Error("ran after Stop")
	}
}

func TestSuspendedRunsWhenWokenAlone(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	at := func(m float64) time.Time { return noon.Add(time.Duration(m * float64(time.Minute))) }
	c := clock.Stopped(noon)
	var ran []float64
	s, err := New(c, []Schedule{{Name: "tick", Expression: "rate(1 minute)", Fire: func(t time.Time) {
		ran = append(ran, t.Sub(noon).Minutes())
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	s.Suspend()
	c.AdvanceTo(at(5))
	s.Wake(at(20))
	s.Wake(at(7.5)) // another moment takes the place of the last
	c.AdvanceTo(at(9))
	s.Wake(at(3)) // long past: the next run
	c.AdvanceTo(at(12))
	s.Resume()
	c.AdvanceTo(at(13))
	if want := []float64{8, 10, 13}; !slices.Equal(ran, want) {
		t.Errorf("ran at minutes %v, want %v", ran, want)
	}
}
