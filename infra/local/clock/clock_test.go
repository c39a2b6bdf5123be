package clock

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestStoppedFiresInOrderOfTimeAndOnlyWhenAdvanced(t *testing.T) {
	c := Stopped(noon)
	var fired []string
	note := func(s string) func() { return func() { fired = append(fired, s) } }
	c.At(noon.Add(2*time.Second), note("b"))
	c.At(noon.Add(time.Second), note("a"))
	c.At(noon.Add(2*time.Second), note("c"))
	withdraw := c.At(noon.Add(time.Second), note("never"))
	c.At(noon.Add(time.Hour), note("later"))
	withdraw()
	withdraw()

	c.AdvanceTo(noon)
	if len(fired) != 0 {
		t.Fatalf("fired %v before their time", fired)
	}
	c.AdvanceTo(noon.Add(2 * time.Second))
	if want := []string{"a", "b", "c"}; !slices.Equal(fired, want) {
		t.Errorf("fired %v, want %v", fired, want)
	}
	if next, ok := c.Next(); !ok || !next.Equal(noon.Add(time.Hour)) {
		t.Errorf("next timer at %v, %v", next, ok)
	}
	c.AdvanceTo(noon) // never backwards
	if got := c.Now(); !got.Equal(noon.Add(2 * time.Second)) {
		t.Errorf("the clock went back to %v", got)
	}
}

func TestACallbackMayAskAgain(t *testing.T) {
	c := Stopped(noon)
	ticks := 0
	var tick func()
	tick = func() {
		ticks++
		c.At(c.Now().Add(time.Minute), tick)
	}
	c.At(noon.Add(time.Minute), tick)
	for range 3 {
		next, _ := c.Next()
		c.AdvanceTo(next)
	}
	if ticks != 3 {
		t.Errorf("%d ticks in three minutes", ticks)
	}
}

func TestWallFiresByItselfAndEarlierAfterAJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Wall()
		start := c.Now()
		fired := make(chan time.Time, 2)
		c.At(start.Add(time.Hour), func() { fired <- c.Now() })
		c.At(start.Add(3*time.Hour), func() { fired <- c.Now() })
		time.Sleep(time.Hour) // the bubble's time, not ours
		synctest.Wait()
		if got := <-fired; got.Sub(start) != time.Hour {
			t.Errorf("fired after %v", got.Sub(start))
		}
		c.AdvanceTo(start.Add(3 * time.Hour))
		if got := <-fired; got.Sub(start) != 3*time.Hour {
			t.Errorf("fired after %v", got.Sub(start))
		}
	})
}

func TestStopDropsTimers(t *testing.T) {
	c := Stopped(noon)
	withdraw := c.At(noon.Add(time.Second), func() { t.Error("fired after Stop") })
	c.Stop()
	withdraw()
	c.AdvanceTo(noon.Add(time.Minute))
}

func TestWallFromGoesOnFromThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := WallFrom(noon)
		time.Sleep(time.Minute)
		if got := c.Now(); !got.Equal(noon.Add(time.Minute)) {
			t.Errorf("shows %v a minute after noon", got)
		}
		c.AdvanceTo(noon.Add(time.Hour))
		if got := c.Now(); !got.Equal(noon.Add(time.Hour)) {
			t.Errorf("shows %v, advanced to one o'clock", got)
		}
	})
}
