package journey

import (
	"fmt"
	"time"

	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// lag is how late a moment may be taken up and still count as kept: what follows
// is reckoned from the moment itself, so that waits are exact although due items
// come a minute late. After a longer stop everything goes on from now, and not all
// at once.
const lag = 10 * time.Minute

// taken is the moment from which to reckon on, for something of the moment t that
// is taken up now.
func taken(t, now time.Time) time.Time {
	if t.After(now) || now.Sub(t) > lag {
		return now
	}
	return t
}

// timeOfDay is a time such as 09:00, by the clock on the wall.
type timeOfDay struct{ hour, minute int }

func parseTime(text string) (timeOfDay, bool) {
	t, err := time.Parse("15:04", text)
	return timeOfDay{t.Hour(), t.Minute()}, err == nil && len(text) == 5
}

// on is the first moment of a day of a zone at which its clocks show the time, or
// the end of the gap where they leap over it.
func (c timeOfDay) on(year int, month time.Month, day int, zone *time.Location) time.Time {
	wall := time.Date(year, month, day, c.hour, c.minute, 0, 0, time.UTC)
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	read := func(offset int) time.Time { return wall.Add(-time.Duration(offset) * time.Second).In(zone) }
	for _, offset := range []int{max(before, after), min(before, after)} { // the greater offset is the earlier moment
		if t := read(offset); offsetOf(t) == offset {
			return t
		}
	}
	gap, _ := read(before).ZoneBounds()
	return gap
}

func offsetOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

// from is the first moment at t or later at which clocks of the zone show the time;
// strictly later where after says so.
func (c timeOfDay) from(t time.Time, zone *time.Location, after bool) time.Time {
	y, m, d := t.In(zone).Date()
	for n := range 3 { // a day may lack the time only where a zone skips a whole date
		if at := c.on(y, m, d+n, zone); at.After(t) || !after && at.Equal(t) {
			return at
		}
	}
	return t.Add(24 * time.Hour)
}

// ends is when a wait that began at t is over. A day of a span is 24 hours long,
// whatever clocks do; a time of day is what clocks show. A wait that is nothing but
// a time of day lasts until its next coming, never no time at all.
func ends(w workspace.Wait, t time.Time, zone *time.Location) time.Time {
	from := t.Add(w.For)
	if c, ok := parseTime(w.Until); ok {
		return c.from(from, zone, w.For == 0)
	}
	return from
}

// zoneOf is a person's zone: what the trait timezone names, else the workspace's.
func (j Journey) zoneOf(v segment.View) *time.Location {
	if name := v.Trait("timezone"); name != "" && name != "Local" {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone
		}
	}
	return j.zone
}

// Day is a day on which a journey begins for a person.
type Day struct {
	Name string // of the year's celebration itself: 2026-03-14
	At   time.Time
}

// Days gives the last day at now or before, and the next one after it. ok is false
// where the journey begins on no day, or the trait holds none. Born on 29 February
// means the 28th in common years.
func (j Journey) Days(v segment.View, now time.Time) (last, next Day, ok bool) {
	d := j.def.Trigger.Date
	if d == nil {
		return last, next, false
	}
	born, err := time.Parse(time.DateOnly, v.Trait(d.Trait))
	at, valid := parseTime(d.At)
	if err != nil || !valid {
		return last, next, false
	}
	zone := j.zoneOf(v)
	for year := now.In(zone).Year() - 2; ; year++ { // before may reach back over a year's end
		day := born.Day()
		if born.Month() == time.February && day == 29 && time.Date(year, 2, 29, 0, 0, 0, 0, time.UTC).Day() != 29 {
			day = 28
		}
		whole := int(d.Before / (24 * time.Hour))
		moment := at.on(year, born.Month(), day-whole, zone).Add(-(d.Before % (24 * time.Hour)))
		one := Day{fmt.Sprintf("%04d-%02d-%02d", year, born.Month(), day), moment}
		if moment.After(now) {
			return last, one, true
		}
		last = one
	}
}
