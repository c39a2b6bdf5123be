package segment

import (
	"strconv"
	"strings"
	"time"
)

// window is a span of time that moves with now. It is described by how long a
// moment stays inside: that gives the answer and also when it will be another.
type window interface {
	// stay gives from when on, and until before when, the moment t lies inside; Unix ms.
	stay(t int64) (from, until int64)
	// since is the earliest moment that can lie inside at now.
	since(now int64) int64
}

// rolling is the last so many milliseconds, now included. A day is 24 hours long,
// whatever clocks do.
type rolling int64

func (r rolling) stay(t int64) (from, until int64) { return t, t + int64(r) }
func (r rolling) since(now int64) int64            { return now - int64(r) + 1 }

var rollingUnits = map[string]time.Duration{"min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// longest is ten years: no window looks back further.
const longest = 3_650 * 24 * time.Hour

// parseRolling reads texts like 90min, 36h, 30d, 2w.
func parseRolling(text string) (rolling, bool) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	length, known := rollingUnits[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 32)
	if !known || err != nil || n < 1 || strconv.FormatInt(n, 10) != digits || time.Duration(n) > longest/length {
		return 0, false
	}
	return rolling(time.Duration(n) * length / time.Millisecond), true
}

// unit of the calendar.
type unit byte

const (
	day unit = iota
	week
	month
	year
)

// calendar is a day, week, month or year of a zone: the present one up to now, or
// the one before it. Weeks begin on Monday, as in ISO 8601.
type calendar struct {
	unit     unit
	previous bool
	zone     *time.Location
}

var calendars = map[string]calendar{
	"today": {unit: day}, "yesterday": {unit: day, previous: true},
	"this week": {unit: week}, "previous week": {unit: week, previous: true},
	"this month": {unit: month}, "previous month": {unit: month, previous: true},
	"this year": {unit: year}, "previous year": {unit: year, previous: true},
}

func (c calendar) stay(t int64) (from, until int64) {
	next := c.step(c.period(t), 1)
	if !c.previous {
		return t, c.begins(next)
	}
	return c.begins(next), c.begins(c.step(next, 1))
}

func (c calendar) since(now int64) int64 {
	p := c.period(now)
	if c.previous {
		p = c.step(p, -1)
	}
	return c.begins(p)
}

// period gives the first date of the period that holds t. Dates are midnights in
// UTC, where every day has one.
func (c calendar) period(t int64) time.Time {
	y, m, d := time.UnixMilli(t).In(c.zone).Date()
	date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch c.unit {
	case week:
		date = date.AddDate(0, 0, -(int(date.Weekday())+6)%7)
	case month:
		date = date.AddDate(0, 0, 1-d)
	case year:
		date = time.Date(y, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	// Where clocks go back over midnight a date comes twice: the beginnings decide,
	// so that each moment lies in exactly one period.
	for c.begins(date) > t {
		date = c.step(date, -1)
	}
	for c.begins(c.step(date, 1)) <= t {
		date = c.step(date, 1)
	}
	return date
}

func (c calendar) step(date time.Time, n int) time.Time {
	switch c.unit {
	case week:
		return date.AddDate(0, 0, 7*n)
	case month:
		return date.AddDate(0, n, 0)
	case year:
		return date.AddDate(n, 0, 0)
	}
	return date.AddDate(0, 0, n)
}

// begins is the first moment of a date in the zone: midnight, or the end of the
// gap where clocks go forward over it.
func (c calendar) begins(date time.Time) int64 {
	y, m, d := date.Date()
	t := time.Date(y, m, d, 0, 0, 0, 0, c.zone)
	if t.Day() != d { // read with the offset from before the gap
		if _, end := t.ZoneBounds(); end.Sub(t) < 24*time.Hour {
			return end.UnixMilli()
		}
	}
	return t.UnixMilli()
}

// windowOf reads the text of within(…) or during(…). ok is false where it is none.
func windowOf(function, text string, zone *time.Location) (window, bool) {
	if function == "during" {
		c, ok := calendars[text]
		c.zone = zone
		return c, ok
	}
	r, ok := parseRolling(text)
	return r, ok
}
