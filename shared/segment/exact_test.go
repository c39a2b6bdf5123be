package segment_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/segment"
)

// naive answers by reading every order and the calendar, without boundaries.
type naive struct {
	all  history
	now  time.Time
	zone *time.Location
}

func (n naive) count(in func(at time.Time) bool) (count int) {
	for _, o := range n.all {
		if at := time.UnixMilli(o.At); !at.After(n.now) && in(at) {
			count++
		}
	}
	return count
}

func (n naive) within(d time.Duration) int {
	return n.count(func(at time.Time) bool { return n.now.Sub(at) < d })
}

// during counts by the number that a unit of the calendar has.
func (n naive) during(back int, number func(t time.Time) int) int {
	return n.count(func(at time.Time) bool { return number(at.In(n.zone)) == number(n.now.In(n.zone))-back })
}

func days(t time.Time) int {
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
}
func weeks(t time.Time) int  { return (days(t) + 3) / 7 } // 1970 began on a Thursday
func months(t time.Time) int { return t.Year()*12 + int(t.Month()) }
func years(t time.Time) int  { return t.Year() }

// net is the sum over a window that the language calls within("45d").
func (n naive) net(currency string, d time.Duration) (sum int64) {
	for _, o := range n.all {
		if at := time.UnixMilli(o.At); o.Currency == currency && !at.After(n.now) && n.now.Sub(at) < d {
			sum += o.Total - o.Refunded
		}
	}
	return sum
}

func (n naive) last(in func(naive) bool) bool {
	return len(n.all) > 0 && in(naive{n.all[:1], n.now, n.zone})
}
func (n naive) first(in func(naive) bool) bool {
	return len(n.all) > 0 && in(naive{n.all[len(n.all)-1:], n.now, n.zone})
}

const aDay = 24 * time.Hour

// twins are rules beside what they mean.
var twins = []struct {
	when string
	is   func(n naive) bool
}{
	{`orders.count > 3`, func(n naive) bool { return len(n.all) > 3 }},
	{`orders.within("30d").count >= 1`, func(n naive) bool { return n.within(30*aDay) >= 1 }},
	{`orders.within("60d").count < 3 || orders.during("this year").count == 8`, func(n naive) bool { return n.within(60*aDay) < 3 || n.during(0, years) == 8 }},
	{`orders.during("previous month").count > 3 && orders.within("60d").count != 5`, func(n naive) bool { return n.during(1, months) > 3 && n.within(60*aDay) != 5 }},
	{`orders.during("previous year").count <= 4`, func(n naive) bool { return n.during(1, years) <= 4 }},
	{`orders.within("90min").count == 2`, func(n naive) bool { return n.within(90*time.Minute) == 2 }},
	{`orders.count > 0 && orders.within("26w").count == 0`, func(n naive) bool { return len(n.all) > 0 && n.within(182*aDay) == 0 }},
	{`orders.count == 1 && orders.during("previous month").count == 1`, func(n naive) bool { return len(n.all) == 1 && n.during(1, months) == 1 }},
	{`orders.during("previous month").count in [1, 3, 5, 7]`, func(n naive) bool { return slices.Contains([]int{1, 3, 5, 7}, n.during(1, months)) }},
	{`orders.during("this month").count > orders.during("previous month").count`, func(n naive) bool { return n.during(0, months) > n.during(1, months) }},
	{`orders.during("today").count > 0 || orders.during("yesterday").count > 1`, func(n naive) bool { return n.during(0, days) > 0 || n.during(1, days) > 1 }},
	{`orders.during("this week").count + 1 == orders.during("previous week").count`, func(n naive) bool { return n.during(0, weeks)+1 == n.during(1, weeks) }},
	{`orders.during("this year").count > 2 && !(orders.during("previous year").count > 3)`, func(n naive) bool { return n.during(0, years) > 2 && !(n.during(1, years) > 3) }},
	{`orders.within("45d").net("VND") > 300`, func(n naive) bool { return n.net("VND", 45*aDay) > 300 }},
	{`!orders.last.within("12h")`, func(n naive) bool { return !n.last(func(l naive) bool { return l.within(12*time.Hour) == 1 }) }},
	{`orders.first.during("previous week") || orders.last.during("today")`, func(n naive) bool {
		return n.first(func(l naive) bool { return l.during(1, weeks) == 1 }) || n.last(func(l naive) bool { return l.during(0, days) == 1 })
	}},
	{`orders.count > 5 ? orders.within("10d").count > 2 : orders.during("this month").count == 1`, func(n naive) bool {
		if len(n.all) > 5 {
			return n.within(10*aDay) > 2
		}
		return n.during(0, months) == 1
	}},
}

// moments are where calendars are difficult: ends of months, leap days, and the
// nights in which clocks change.
func moments(z *time.Location) []int64 {
	var l []int64
	for _, d := range [][5]int{{2024, 2, 29, 0, 0}, {2024, 3, 1, 0, 0}, {2024, 3, 10, 2, 30}, {2024, 3, 31, 2, 0}, {2024, 4, 1, 0, 0},
		{2024, 10, 27, 2, 30}, {2024, 11, 1, 0, 0}, {2024, 11, 3, 1, 30}, {2024, 12, 30, 0, 0}, {2025, 1, 1, 0, 0}, {2025, 1, 31, 23, 59}} {
		l = append(l, time.Date(d[0], time.Month(d[1]), d[2], d[3], d[4], 0, 0, z).UnixMilli())
	}
	return l
}

// TestExactInTime holds every answer to what its rule means, at the moment, up to
// the next moment that it names, and there.
func TestExactInTime(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Asia/Ho_Chi_Minh"} {
		t.Run(name, func(t *testing.T) {
			z := zone(t, name)
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			changes, asked := 0, 0
			for _, twin := range twins {
				s := compile(t, twin.when, z)
				for range rounds {
					c := live(r, moments(z))
					now := time.UnixMilli(near(r, moments(z)))
					d := checkAt(t, s, twin.is, c, now, z, &asked)
					for range 4 { // along the moments that it names
						if d.Next.IsZero() {
							checkUntil(t, s, twin.is, c.all, now, now.Add(3*365*aDay), d.In, r, z)
							break
						}
						if !d.Next.After(now) {
							t.Fatalf("%s: next is %v at %v", s.When, d.Next, now)
						}
						checkUntil(t, s, twin.is, c.all, now, d.Next.Add(-time.Millisecond), d.In, r, z)
						was := d.In
						now = d.Next
						if d = checkAt(t, s, twin.is, c, now, z, &asked); d.In != was {
							changes++
						}
					}
				}
			}
			if changes < 100 || asked < 100 {
				t.Errorf("the test saw %d changes by time and %d requests for older orders", changes, asked)
			}
		})
	}
}

// checkAt holds one answer to the naive one, with as few orders as it needs.
func checkAt(t *testing.T, s segment.Segment, is func(naive) bool, c customer, now time.Time, z *time.Location, asked *int) segment.Decision {
	t.Helper()
	got := evaluate(t, s, c.view, now)
	if !got.Older.IsZero() {
		*asked++
		if len(c.items) == 0 {
			t.Fatalf("%s: older orders are asked for where there are none", s.When)
		}
		if got = evaluate(t, s, c.read(got.Older), now); !got.Older.IsZero() {
			t.Fatalf("%s: older orders are asked for again", s.When)
		}
	}
	if want := is(naive{c.all, now, z}); got.In != want {
		t.Fatalf("%s at %v: want %v, got %v\n%v", s.When, now.In(z), want, got.In, c.all)
	}
	whole := evaluate(t, s, c.read(time.UnixMilli(0)).With(c.items, now), now) // read twice is read once
	compareWhole(t, s, whole, got)
	return got.Decision
}

// compareWhole holds a result from few orders to the one from all of them: the
// same, but that it may not know a condition that did not decide, and may know of
// fewer orders that leave without changing the answer.
func compareWhole(t *testing.T, s segment.Segment, whole, got segment.Result) {
	t.Helper()
	if got.Next.Before(whole.Next) || got.Next.IsZero() != whole.Next.IsZero() {
		t.Fatalf("%s: next is %v, with all orders %v", s.When, got.Next, whole.Next)
	}
	same := got.Next.Equal(whole.Next)
	for n, c := range got.Why {
		switch {
		case c.Unknown && !c.Decided:
			got.Why[n], whole.Why[n] = segment.Clause{}, segment.Clause{}
		case len(c.Saw) == 1 && strings.HasSuffix(c.Saw[0].Value, " or more"):
			got.Why[n].Saw, whole.Why[n].Saw, same = nil, nil, true
			whole.Next = got.Next
		}
	}
	if diff := cmp.Diff(whole, got); diff != "" || !same {
		t.Fatalf("%s: with all orders it is another result: %s", s.When, diff)
	}
}

// checkUntil holds the naive answer to the promise that it does not change from
// now on up to the last moment.
func checkUntil(t *testing.T, s segment.Segment, is func(naive) bool, all history, now, last time.Time, in bool, r *rand.Rand, z *time.Location) {
	t.Helper()
	at := []time.Time{last}
	for range 12 {
		at = append(at, now.Add(time.Duration(r.Int64N(int64(last.Sub(now))+1))))
	}
	for _, m := range moments(z) {
		if b := time.UnixMilli(m); b.After(now) && b.Before(last) {
			at = append(at, b)
		}
	}
	for _, b := range at {
		if is(naive{all, b, z}) != in {
			t.Fatalf("%s: at %v the answer is another one, though nothing was due from %v to %v\n%v", s.When, b.In(z), now.In(z), last.In(z), all)
		}
	}
}

// TestNextIsNotTooEarly: who is far from every boundary is not due every month.
func TestNextIsNotTooEarly(t *testing.T) {
	z := zone(t, "Asia/Ho_Chi_Minh")
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, z)
	for when, want := range map[string]time.Time{
		`orders.during("previous month").count == 1`:                                              {},
		`orders.during("today").count == 1`:                                                       {},
		`orders.within("30d").count == 1`:                                                         {},
		`orders.within("100d").count == 1`:                                                        time.Date(2026, 5, 25, 9, 0, 0, 0, z),
		`orders.during("this year").count == 1`:                                                   time.Date(2027, 1, 1, 0, 0, 0, 0, z),
		`orders.count > 5 && orders.within("100d").count == 1`:                                    {},
		`orders.count == 1 || orders.within("100d").count == 1`:                                   {},
		`orders.within("100d").count == 1 && orders.during("this year").count == 1`:               time.Date(2026, 5, 25, 9, 0, 0, 0, z),
		`orders.within("30d").count == 1 && orders.within("100d").count == 1`:                     {},
		`orders.last.within("100d") && "vip" in tags`:                                             time.Date(2026, 5, 25, 9, 0, 0, 0, z),
		`"vip" in tags && orders.last.within("100d")`:                                             {},
		`orders.during("this year").total("VND") > 0 || orders.during("previous year").count > 0`: time.Date(2027, 1, 1, 0, 0, 0, 0, z),
	} {
		v := viewOf(order("1", time.Date(2026, 2, 14, 9, 0, 0, 0, z), 100))
		if got := evaluate(t, compile(t, when, z), v, now); !got.Next.Equal(want) {
			t.Errorf("%s: next is %v, want %v", when, got.Next.In(z), want)
		}
	}
}
