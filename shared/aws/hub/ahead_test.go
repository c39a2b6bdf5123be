package hub

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestAhead: what is to come is listed hour by hour up to a limit, and it is known
// from when on something may be missing. Nothing is written.
func TestAhead(t *testing.T) {
	w := newWorld(t)
	begin := time.Date(2026, 3, 10, 11, 0, 0, 0, time.UTC)
	for n := range 120 { // one a minute, every third of a stage that nobody asks for
		w.must(w.Arm(t.Context(), []string{"segment", "journey", "writeback"}[n%3], fmt.Sprint("c", n), begin.Add(time.Duration(n)*time.Minute)))
	}
	from, to := begin.UnixMilli(), begin.Add(2*time.Hour).UnixMilli()-1
	writes := w.Calls("dynamodb.PutItem") + w.Calls("dynamodb.BatchWriteItem")
	for _, c := range []struct {
		limit, listed int
		whole         int64
	}{{80, 80, to + 1}, {500, 80, to + 1}, {79, 79, begin.Add(time.Hour).UnixMilli()}, {41, 41, begin.Add(time.Hour).UnixMilli()}, {40, 40, begin.Add(time.Hour).UnixMilli()},
		{39, 39, from}, {0, 0, from}} {
		l, whole, err := w.Ahead(t.Context(), from, to, c.limit, "segment", "journey", "message")
		if err != nil || len(l) != c.listed || whole != c.whole {
			t.Errorf("%+v: %d, whole until %s: %v", c, len(l), time.UnixMilli(whole).UTC(), err)
		}
		before := slices.DeleteFunc(slices.Clone(l), func(d Due) bool { return d.At >= whole })
		if want := int(min(whole, to)-from) / 60_000; len(before) < want*2/3 {
			t.Errorf("%+v: only %d before %s", c, len(before), time.UnixMilli(whole).UTC())
		}
		if slices.ContainsFunc(l, func(d Due) bool { return d.Stage == "writeback" || d.At < from || d.At > to }) {
			t.Error(l)
		}
	}
	if n := w.Calls("dynamodb.PutItem") + w.Calls("dynamodb.BatchWriteItem"); n != writes {
		t.Error("it writes")
	}
	if l, whole, err := w.Ahead(t.Context(), from, from+1000*hour, 10_000, "segment"); err != nil || len(l) != 40 || whole <= to || whole > from+100*hour {
		t.Error("it reads without bound: ", len(l), time.UnixMilli(whole).UTC(), err)
	}
	w.reply = func(string, []byte) []byte { return []byte("no JSON") }
	if _, _, err := w.Ahead(t.Context(), from, to, 10, "segment"); err == nil || errors.Is(err, t.Context().Err()) {
		t.Error(err)
	}
}
