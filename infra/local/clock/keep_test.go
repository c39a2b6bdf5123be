package clock

import (
	"testing"
	"time"

	"loophub/infra/local/journal/journaltest"
)

// TestJumpsSurvive: a clock that has jumped goes on from there, and not from the wall.
func TestJumpsSurvive(t *testing.T) {
	wall := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	running := func() *Offset { return &Offset{base: func() time.Time { return wall }} }
	reopen := func(c *Offset, records [][]byte, want time.Time) *Offset {
		t.Helper()
		journaltest.Load(t, c, records)
		if got := c.Now(); !got.Equal(want) {
			t.Errorf("it shows %v, want %v", got, want)
		}
		return c
	}
	var log journaltest.Log
	c := running()
	c.Journal = &log
	c.AdvanceTo(wall.Add(48 * time.Hour))
	c.AdvanceTo(wall.Add(time.Hour)) // which is past
	if len(log.Records) != 1 {
		t.Errorf("%d records of one jump", len(log.Records))
	}
	shown := c.Now()
	wall = wall.Add(time.Minute)
	c = reopen(running(), log.Records, shown.Add(time.Minute))
	dump := journaltest.Dump(t, c)
	wall = wall.Add(-time.Hour) // somebody has put the machine's clock back
	reopen(running(), dump, shown.Add(time.Minute))

	log = journaltest.Log{}
	still := Stopped(wall)
	still.Journal = &log
	still.AdvanceTo(wall.Add(time.Hour))
	reopen(Stopped(wall), log.Records, wall.Add(time.Hour))
	reopen(Stopped(wall), journaltest.Dump(t, still), wall.Add(time.Hour))
}
