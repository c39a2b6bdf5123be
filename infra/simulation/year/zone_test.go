package year

import (
	"sync"
	"testing"
	"time"
)

// zones are where customers live: "" says nothing, and one is none, so that the
// shop's counts. Two leap by night and midnight, one by half an hour.
var zones = []string{"", "", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "America/Santiago", "Africa/Cairo",
	"Australia/Lord_Howe", "Asia/Kathmandu", "Mars/Olympus"}

// wall is what clocks of a zone show in each minute of the year and a few days around
// it, read off one by one.
type wall struct {
	first int64
	shows []int16        // minutes after local midnight
	date  []int16        // days since the first; a date may come back
	times map[int]coming // by minutes after midnight: those that the definition names
}

// coming is when a time of day comes, for the first time on each date.
type coming []int64

const margin = 40 * day

// firstDate is what the dates of a wall are counted from.
var firstDate = time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)

var (
	wallOf    = map[string]*wall{}
	wallMutex sync.Mutex
)

// wallIn reads a zone's clocks, minute by minute.
func wallIn(tb testing.TB, name string) *wall {
	tb.Helper()
	wallMutex.Lock()
	defer wallMutex.Unlock()
	if name == "" || name == "Mars/Olympus" {
		name = "Asia/Ho_Chi_Minh"
	}
	if w, known := wallOf[name]; known {
		return w
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	w := &wall{first: begins - margin, times: map[int]coming{}}
	for t := w.first; t < ends+margin; t += minute {
		local := time.UnixMilli(t).In(zone)
		_, offset := local.Zone()
		w.shows = append(w.shows, int16(local.Hour()*60+local.Minute()))
		w.date = append(w.date, int16((t/1000+int64(offset)-firstDate.Unix())/86400))
	}
	for _, of := range timesOfDay {
		w.times[of] = w.come(of)
	}
	wallOf[name] = w
	return w
}

func (w *wall) at(t int64) int { return int((t - w.first) / minute) }

// quiet tells whether clocks show a quiet time: from 21:00 to before 08:00.
func (w *wall) quiet(t int64) bool {
	shows := w.shows[w.at(t)]
	return shows >= 21*60 || shows < 8*60
}

// timesOfDay are those in the definition.
var timesOfDay = []int{2*60 + 30, 9 * 60, 12 * 60, 18*60 + 30, 23 * 60}

// come lists when clocks show a time, for the first time on each date; where they
// leap over it, the end of the leap.
func (w *wall) come(of int) coming {
	var l coming
	seen := int16(-1)
	for n := 1; n < len(w.shows); n++ {
		past := int(w.shows[n]) >= of
		if past && w.date[n] > seen && (w.date[n] > w.date[n-1] || int(w.shows[n-1]) < of) {
			l = append(l, w.first+int64(n)*minute)
			seen = w.date[n]
		}
	}
	return l
}

// next is the first coming at t or later; strictly later where after says so.
func (l coming) next(t int64, after bool) int64 {
	low, high := 0, len(l)
	for low < high {
		mid := (low + high) / 2
		if l[mid] < t || after && l[mid] == t {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == len(l) {
		return 1 << 62
	}
	return l[low]
}
