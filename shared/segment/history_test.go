package segment_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"loophub/shared/profile"
	"loophub/shared/segment"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func compile(t testing.TB, when string, z *time.Location) segment.Segment {
	t.Helper()
	s, err := segment.Compile("test", segment.Definition{When: when}, z)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	return s
}

func evaluate(t testing.TB, s segment.Segment, v segment.View, now time.Time) segment.Result {
	t.Helper()
	r, err := segment.Evaluate(s, v, now)
	if err != nil {
		t.Fatalf("%s: %v", s.When, err)
	}
	return r
}

// history is a customer's orders, as they count in the end.
type history []profile.Order

// newest sorts them, newest first.
func (h history) newest() history {
	h = slices.Clone(h)
	slices.SortFunc(h, func(a, b profile.Order) int {
		if a.At != b.At {
			return int(b.At - a.At)
		}
		return strings.Compare(b.Record, a.Record)
	})
	return h
}

// shelf is one fragment while orders come, change and go.
type shelf struct {
	state profile.State
	all   map[string]profile.Order
}

// beyond are the orders that lie beside the state, newest first.
func (s *shelf) beyond() history {
	var l history
	for _, o := range s.all {
		if !slices.ContainsFunc(s.state.Recent, func(r profile.Order) bool { return r.Record == o.Record }) {
			l = append(l, o)
		}
	}
	return l.newest()
}

// settle makes a record count as want, or not at all, by the profile's own code.
func (s *shelf) settle(record string, want *profile.Order) {
	beyond := s.beyond()
	var older profile.Older
	if i := slices.IndexFunc(beyond, func(o profile.Order) bool { return o.Record == record }); i >= 0 {
		older.Own = &beyond[i]
	}
	older.Newest = beyond[:min(2, len(beyond))]
	older.Oldest = slices.Clone(beyond[max(0, len(beyond)-2):])
	slices.Reverse(older.Oldest)
	s.state.Settle(profile.DefaultLimits.Recent, record, want, older)
	delete(s.all, record)
	if want != nil {
		s.all[record] = *want
	}
}

// customer is what a stage can see, and what it would see if it read everything.
type customer struct {
	view  segment.View
	items history // the orders that the fragments keep as items of their own
	all   history // every order that counts, newest first
}

// live is a random customer: orders around the given moments, some of them dated
// anew, refunded or cancelled, in two fragments.
func live(r *rand.Rand, moments []int64) customer {
	fragments := []*shelf{{all: map[string]profile.Order{}}, {all: map[string]profile.Order{}}}
	for n := range r.IntN(40) {
		f := fragments[r.IntN(1+n%2)]
		record := fmt.Sprintf("shop|order|%d", n)
		o := profile.Order{At: near(r, moments), Record: record, Total: r.Int64N(500), Currency: []string{"VND", "USD"}[r.IntN(2)]}
		f.settle(record, &o)
		switch r.IntN(6) {
		case 0: // cancelled
			f.settle(record, nil)
		case 1: // refunded
			o.Refunded = r.Int64N(o.Total + 1)
			f.settle(record, &o)
		case 2: // dated anew
			o.At = near(r, moments)
			f.settle(record, &o)
		}
	}
	var c customer
	var parts []profile.Fragment
	for n, f := range fragments {
		parts = append(parts, profile.Fragment{ID: profile.ID(fmt.Sprintf("c%d", n)), State: f.state})
		for _, o := range f.all {
			c.all = append(c.all, o)
		}
		c.items = append(c.items, f.beyond()...)
	}
	c.all = c.all.newest()
	c.view = segment.Combine(parts, nil, profile.DefaultLimits)
	return c
}

// near is a moment at, just beside or some days around one of the moments.
func near(r *rand.Rand, moments []int64) int64 {
	at := moments[r.IntN(len(moments))]
	switch r.IntN(3) {
	case 0:
		return at + r.Int64N(3) - 1
	case 1:
		return at + r.Int64N(6*3_600_000) - 3*3_600_000
	}
	return at + r.Int64N(90*86_400_000) - 60*86_400_000
}

// read gives the view with the items from a moment on, as a stage reads them.
func (c customer) read(since time.Time) segment.View {
	var l history
	for _, o := range c.items {
		if o.At >= since.UnixMilli() {
			l = append(l, o)
		}
	}
	return c.view.With(l, since)
}
