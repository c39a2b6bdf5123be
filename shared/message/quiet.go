package message

import (
	"time"

	"loophub/shared/workspace"
)

// Zone is where a person's clock runs: by the trait timezone where it names a zone
// that exists, else as the workspace's.
func Zone(person, ofWorkspace string) *time.Location {
	for _, name := range []string{person, ofWorkspace} {
		if name == "" || name == "Local" {
			continue
		}
		if z, err := time.LoadLocation(name); err == nil {
			return z
		}
	}
	return time.UTC
}

const day = 24 * time.Hour

// clock reads a time of day.
func clock(s string) (time.Duration, bool) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, false
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, true
}

// quietUntil gives the first moment from now on at which the local clock is out of
// quiet hours; now itself where it is. Hours that can't be read are quiet all day:
// then there is no such moment, and ok is false.
//
// A zone's clock runs evenly between its changes, so each such stretch is looked
// at by itself: a clock put forward may jump out of the hours, or into them, and
// one put back may enter them twice.
func quietUntil(q workspace.Quiet, now time.Time, zone *time.Location) (until time.Time, ok bool) {
	from, okFrom := clock(q.From)
	to, okTo := clock(q.To)
	if !okFrom || !okTo || from == to {
		return time.Time{}, false
	}
	t := now
	for range 8 { // days or changes of the clock
		local := t.In(zone)
		of := sinceMidnight(local)
		if !within(of, from, to) {
			return t, true
		}
		end := t.Add((to - of + day) % day)
		if _, change := local.ZoneBounds(); !change.IsZero() && change.Before(end) {
			t = change
			continue
		}
		t = end
	}
	return t, true
}

// sinceMidnight is what the local clock shows.
func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
		time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// within tells whether a time of day is in a span that may pass midnight.
func within(of, from, to time.Duration) bool {
	if from < to {
		return from <= of && of < to
	}
	return of >= from || of < to
}
