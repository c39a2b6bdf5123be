package segment_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

func order(id string, at time.Time, total int64) profile.Order {
	return profile.Order{At: at.UnixMilli(), Record: "shop|order|" + id, Total: total, Currency: "VND"}
}

// viewOf is a customer with some orders.
func viewOf(l ...profile.Order) segment.View {
	s := &shelf{all: map[string]profile.Order{}}
	for _, o := range l {
		s.settle(o.Record, &o)
	}
	return segment.Combine([]profile.Fragment{{ID: "c1", State: s.state}}, nil, profile.DefaultLimits)
}

func TestReadyMade(t *testing.T) {
	z := zone(t, "Asia/Ho_Chi_Minh")
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, z)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	orders := func(l ...time.Time) segment.View {
		var all []profile.Order
		for n, at := range l {
			all = append(all, order(fmt.Sprint(n), at, 50_000))
		}
		return viewOf(all...)
	}
	person := func(change func(v *segment.View)) segment.View {
		v := viewOf()
		change(&v)
		return v
	}
	open := func(started, completed int64) segment.View {
		return person(func(v *segment.View) {
			v.Checkout = &profile.LastCheckout{Record: "shop|checkout|1", Started: started, Completed: completed}
		})
	}
	long := []time.Time{ago(400 * aDay), ago(300 * aDay), ago(200 * aDay), ago(190 * aDay)}
	for name, c := range map[string]struct{ in, out []segment.View }{
		"loyal":         {[]segment.View{orders(long...)}, []segment.View{orders(long[:3]...), orders()}},
		"bought-lately": {[]segment.View{orders(ago(aDay)), orders(ago(30*aDay - time.Millisecond))}, []segment.View{orders(ago(30 * aDay)), orders()}},
		"first-time":    {[]segment.View{orders(long[0])}, []segment.View{orders(), orders(long...)}},
		"once-last-month": {
			[]segment.View{orders(time.Date(2026, 2, 1, 0, 0, 0, 0, z)), orders(time.Date(2026, 2, 28, 23, 59, 59, 0, z))},
			[]segment.View{orders(time.Date(2026, 1, 31, 23, 59, 59, 0, z)), orders(time.Date(2026, 3, 1, 0, 0, 0, 0, z)), orders(time.Date(2026, 2, 5, 0, 0, 0, 0, z), long[0])}},
		"members": {
			[]segment.View{person(func(v *segment.View) { v.Tags = []string{"a", "member", "z"} })},
			[]segment.View{person(func(v *segment.View) { v.Tags = []string{"a", "memberx"} }), orders()}},
		"newsletter": {
			[]segment.View{person(func(v *segment.View) {
				v.Consent = map[string]profile.Consent{"email:marketing": {Granted: 2, Withdrawn: 1}}
			})},
			[]segment.View{orders(), person(func(v *segment.View) {
				v.Consent = map[string]profile.Consent{"email:marketing": {Granted: 2, Withdrawn: 2}, "sms:marketing": {Granted: 1}}
			})}},
		"lost": {[]segment.View{orders(long...)}, []segment.View{orders(), orders(append(long, ago(179*aDay))...)}},
		"viewed-not-bought": {
			[]segment.View{viewing(ago(time.Hour)), viewing(ago(7*aDay - time.Millisecond))},
			[]segment.View{viewing(ago(7 * aDay)), viewing(), person(func(v *segment.View) {
				*v = orders(ago(aDay))
				v.Events = viewing(ago(time.Hour)).Events
			})}},
		"abandoned": {
			[]segment.View{open(ago(time.Hour).UnixMilli(), 0)},
			[]segment.View{open(ago(59*time.Minute).UnixMilli(), 0), open(ago(2*time.Hour).UnixMilli(), ago(time.Hour).UnixMilli()), orders()}},
	} {
		s := compile(t, readyMade(t)[name], z)
		for n, v := range c.in {
			if r := evaluate(t, s, v, now); !r.In {
				t.Errorf("%s: in %d is out: %+v", name, n, r)
			}
		}
		for n, v := range c.out {
			if r := evaluate(t, s, v, now); r.In {
				t.Errorf("%s: out %d is in: %+v", name, n, r)
			}
		}
	}
	if got := evaluate(t, compile(t, readyMade(t)["abandoned"], z), open(now.UnixMilli(), 0), now); !got.Next.Equal(now.Add(time.Hour)) {
		t.Error("a checkout is abandoned an hour after it was started, not at", got.Next)
	}
}

// TestWords holds each word of the language to its meaning.
func TestWords(t *testing.T) {
	z := time.UTC
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, z)
	v := viewOf(order("1", now.Add(-50*aDay), 300), order("2", now.Add(-5*aDay), 101), profile.Order{At: now.Add(-aDay).UnixMilli(), Record: "till|order|3", Total: 900, Refunded: 400, Currency: "USD"},
		order("4", now.Add(time.Hour), 7))
	v.Traits = map[string]profile.Register{"city": {Value: events.Text("Huế")}, "phone": {Value: events.Null}}
	v.Tags = []string{"gold", "vip:1"}
	v.Sources = []profile.Source{{Connection: "shop", Customer: "1"}, {Connection: "till"}, {Connection: "shop", Customer: "2"}}
	v.Consent = map[string]profile.Consent{"sms:marketing": {Granted: 1}}
	v.Checkout = &profile.LastCheckout{Record: "shop|checkout|1", Started: now.Add(-2 * time.Hour).UnixMilli(), Completed: 1, Total: 12, Currency: "VND"}
	for when, want := range map[string]bool{
		`orders.count == 4`:                                 true,
		`orders.within("10d").count == 2`:                   true, // what is dated ahead is not yet inside
		`orders.during("today").count == 0`:                 true,
		`orders.total("VND") == 408`:                        true,
		`orders.refunded("USD") == 400`:                     true,
		`orders.net("USD") == 500`:                          true,
		`orders.average("VND") == 136`:                      true,
		`orders.average("EUR") == 0`:                        true,
		`orders.within("10d").average("VND") == 101`:        true,
		`orders.within("10d").total("USD") == 900`:          true,
		`orders.within("10d").refunded("USD") == 400`:       true,
		`orders.first.total == 300`:                         true,
		`orders.first.currency == "VND"`:                    true,
		`orders.last.net == 7 && orders.last.refunded == 0`: true,
		`orders.last.within("30d")`:                         false,
		`has(orders.first)`:                                 true,
		`orders.first == orders.last`:                       false,
		`traits.city == "Huế"`:                              true,
		`traits.city.startsWith("H") && traits.city.endsWith("ế") && traits.city.contains("u")`: true,
		`has(traits.phone) || has(traits.email)`:                                                false,
		`traits.phone == ""`:                                                                    true,
		`has(traits.city)`:                                                                      true,
		`tags.exists(t, t.startsWith("vip:"))`:                                                  true,
		`tags.all(t, t != "lost")`:                                                              true,
		`size(tags.filter(t, t > "h")) == 1`:                                                    true,
		`"silver" in tags`:                                                                      false,
		`traits.city in ["Huế", "Hà Nội"]`:                                                      true,
		`"till" in sources && size(sources) == 2`:                                               true,
		`consent("sms:marketing") && !consent("email:marketing")`:                               true,
		`checkout.completed && !checkout.open`:                                                  true,
		`checkout.total == 12 && checkout.currency == "VND"`:                                    true,
		`checkout.within("3h") && checkout.during("today") && has(checkout.total)`:              true,
		`9223372036854775807 + orders.count > 0`:                                                true,
		`-9223372036854775807 - 5 < 0 && -(-9223372036854775807 - 1) > 0`:                       true,
		`9223372036854775807 * orders.count > 0 && orders.count * -9223372036854775807 < 0`:     true,
		`true`: true,
	} {
		if got := evaluate(t, compile(t, when, z), v, now); got.In != want {
			t.Errorf("%s: want %v, got %+v", when, want, got)
		}
	}
	for when, want := range map[string]bool{
		`has(orders.first) || has(checkout.total) || checkout.open || checkout.within("3h")`: false,
		`orders.last.within("1d") || orders.first.total > 0 || orders.average("VND") > 0`:    false,
		`orders.first == orders.last && orders.count == 0 && size(tags) == 0`:                true,
	} {
		if got := evaluate(t, compile(t, when, z), viewOf(), now); got.In != want {
			t.Errorf("nobody: %s: want %v, got %+v", when, want, got)
		}
	}
}

func TestWhy(t *testing.T) {
	z := zone(t, "Asia/Ho_Chi_Minh")
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, z)
	v := viewOf(order("1", now.Add(-50*aDay), 300), order("2", now.Add(-5*aDay), 100))
	v.Tags = []string{"gold"}
	s := compile(t, `orders.within("30d").count >= 2 && ("gold" in tags || consent("email:marketing")) && !(orders.count > 5)`, z)
	got := evaluate(t, s, v, now)
	want := segment.Result{
		Decision: segment.Decision{Next: now.Add(25 * aDay).UTC()},
		Why: []segment.Clause{
			{Text: `orders.within("30d").count >= 2`, Decided: true, Saw: []segment.Saw{{Text: `orders.within("30d").count`, Value: "1", Records: []string{"shop|order|2"}}}},
			{Text: `"gold" in tags`, Value: true, Saw: []segment.Saw{{Text: "tags", Value: `["gold"]`}}},
			{Text: `consent("email:marketing")`, Saw: []segment.Saw{{Text: `consent("email:marketing")`, Value: "false"}}},
			{Text: `!(orders.count > 5)`, Value: true, Saw: []segment.Saw{{Text: "orders.count", Value: "2", Records: []string{"shop|order|2", "shop|order|1"}}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestWhyWithoutOlderOrders: a condition that did not decide says so where it can't be known.
func TestWhyWithoutOlderOrders(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	var l []profile.Order
	for n := range 13 {
		l = append(l, order(fmt.Sprint(10+n), now.Add(-time.Duration(n)*aDay), 1))
	}
	s := compile(t, `orders.count < 5 && orders.within("30d").count > 20`, time.UTC)
	got := evaluate(t, s, viewOf(l...), now)
	if !got.Older.IsZero() || got.In || len(got.Why) != 2 || !got.Why[0].Decided || got.Why[0].Unknown || !got.Why[1].Unknown || got.Why[1].Decided {
		t.Errorf("%+v", got)
	}
	s = compile(t, `orders.within("12d").count > 12 || orders.during("this year").count > 12`, time.UTC)
	got = evaluate(t, s, viewOf(l...), now)
	if want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); !got.Older.Equal(want) || got.Why != nil || got.In || !got.Next.IsZero() {
		t.Errorf("all windows of the rule are to be read at once: %+v", got)
	}
	for when, want := range map[string]bool{`orders.within("1d").count >= 1`: true, `orders.within("60d").count == 0`: false, `orders.within("60d").count > 11`: true} {
		if got := evaluate(t, compile(t, when, time.UTC), viewOf(l...), now); got.In != want || !got.Older.IsZero() {
			t.Errorf("%s: who orders often is read for nothing: %+v", when, got)
		}
	}
	if got := evaluate(t, compile(t, `orders.within("60d").count > 12`, time.UTC), viewOf(l...), now); got.Older.IsZero() {
		t.Errorf("thirteen orders are not known from twelve: %+v", got)
	}
	if got := evaluate(t, compile(t, `orders.within("11d").count == 11`, time.UTC), viewOf(l...), now); !got.In {
		t.Errorf("the newest twelve are enough: %+v", got)
	}
}

func TestReads(t *testing.T) {
	for when, want := range map[string]string{
		`orders.count > 3`: "[identity orders]",
		`"a" in tags && traits.city == "b" || consent("sms:otp")`: "[consent identity tags traits]",
		`checkout.open`:     "[checkout identity]",
		`"shop" in sources`: "[identity]",
		`true`:              "[identity]",
	} {
		if got := compile(t, when, time.UTC).Reads(); fmt.Sprint(got) != want || !slices.IsSorted(got) {
			t.Errorf("%s reads %v, want %s", when, got, want)
		}
	}
}

// TestMomentIsShared: what one segment looked up changes nothing for the next.
func TestMomentIsShared(t *testing.T) {
	z := zone(t, "Europe/Berlin")
	now := time.Date(2026, 4, 2, 12, 0, 0, 0, z)
	v := viewOf(order("1", now.Add(-30*aDay), 1), order("2", now.Add(-3*aDay), 1))
	for _, shuffle := range []bool{false, true} {
		m := segment.At(v, now)
		l := slices.Clone(twins)
		if shuffle {
			slices.Reverse(l)
		}
		for _, other := range []*time.Location{z, time.UTC} {
			for _, twin := range l {
				s := compile(t, twin.when, other)
				got, err := m.Decide(s)
				if want := evaluate(t, s, v, now).Decision; err != nil || got != want {
					t.Errorf("%s: alone %+v, shared %+v, %v", s.When, want, got, err)
				}
			}
		}
	}
}
