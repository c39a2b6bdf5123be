package profile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
)

const someone = "gaaaaaaaaaaaaaaaaaaaaaaaa"

// engaged is a fact about one message to somebody.
func engaged(message string, at int64, fields ...string) events.Fact {
	return fact(events.Engagement, someone+"."+message, at, append([]string{"fragment", someone, "message", message}, fields...)...)
}

// TestWhatNamesAFragment: a fact of our own stands where it says, claims nothing
// and leaves traits and anchor alone.
func TestWhatNamesAFragment(t *testing.T) {
	for name, f := range map[string]events.Fact{
		"a message": engaged("m", 5, "bounced_at", "5", "bounce", "transient", "email", "lan@example.vn"),
		"an event":  fact(events.Event, "1", 5, "fragment", someone, "name", "tasting.booked"),
		"a tag":     fact(events.Decision, "1", 5, "fragment", someone, "tag:vip", "+"),
	} {
		s := statement(t, f)
		if s.Fragment != someone || s.Anchor != (Anchor{}) || len(s.Claims) != 0 || len(s.Stops) != 0 || fmt.Sprint(testRules.Names(f)) != "["+someone+"]" {
			t.Errorf("%s: %+v", name, s)
		}
		g := Fragment{Anchor: Source{"shop", "1"}}
		if g.Take(s); g.Anchor != (Source{"shop", "1"}) || g.State.Traits != nil || g.Equal(Fragment{Anchor: g.Anchor}) {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// TestReturnsLieOnTheAddress: what came back for good stops the address, for
// whoever claims it; a complaint and an unsubscription withdraw as well.
func TestReturnsLieOnTheAddress(t *testing.T) {
	type consent = map[string]Consent
	id := testRules.Key.Identifier(Identifier{Email, "lan@example.vn"})
	for name, tt := range map[string]struct {
		fields        []string
		stops, stated consent
	}{
		"delivered":        {[]string{"delivered_at", "7"}, nil, nil},
		"transient bounce": {[]string{"bounced_at", "7", "bounce", "transient"}, nil, nil},
		"permanent bounce": {[]string{"bounced_at", "7", "bounce", "permanent"}, consent{Bounced: {Withdrawn: 7}}, nil},
		"complaint":        {[]string{"complained_at", "7"}, consent{Complained: {Withdrawn: 7}, marketing: {Withdrawn: 7}}, consent{marketing: {Withdrawn: 7}}},
		"unsubscribed":     {[]string{"unsubscribed_at", "7"}, consent{marketing: {Withdrawn: 7}}, consent{marketing: {Withdrawn: 7}}},
		"withdrawn":        {[]string{"withdraw:sms:marketing", "7"}, nil, consent{"sms:marketing": {Withdrawn: 7}}},
		"confirmed":        {[]string{"grant:email:marketing", "7"}, nil, consent{marketing: {Granted: 7}}},
	} {
		s := statement(t, engaged("m", 7, append(tt.fields, "email", "lan@example.vn")...))
		if diff := cmp.Diff(tt.stops, s.Stops[id]); diff != "" {
			t.Error(name, diff)
		}
		var f Fragment
		f.Take(s)
		if diff := cmp.Diff(tt.stated, f.State.Consent); diff != "" {
			t.Error(name, diff)
		}
		bare := statement(t, engaged("m", 7, tt.fields...))
		if len(bare.Stops) != 0 {
			t.Error(name, "without an address something lies on one", bare.Stops)
		}
	}
}

// TestMarks: what we tagged holds whatever a source lists, until we take it away;
// what we took away is gone until a source says it anew.
func TestMarks(t *testing.T) {
	mark := func(version int64, sign string) events.Fact {
		return fact(events.Decision, "1", version, "fragment", someone, "tag:vip", sign)
	}
	listed := func(version int64, l string) events.Fact { return fact(events.Customer, "1", version, "tags", l) }
	for name, tt := range map[string]struct {
		facts []events.Fact
		want  string
	}{
		"added":                   {[]events.Fact{mark(1, "+")}, "[vip]"},
		"added, not listed later": {[]events.Fact{mark(1, "+"), listed(5, `["new"]`)}, "[new vip]"},
		"added, then removed":     {[]events.Fact{mark(1, "+"), mark(2, "-")}, "[]"},
		"listed, then removed":    {[]events.Fact{listed(1, `["new","vip"]`), mark(2, "-")}, "[new]"},
		"removed, then listed":    {[]events.Fact{mark(1, "-"), listed(2, `["vip"]`)}, "[vip]"},
		"removed, added there":    {[]events.Fact{mark(1, "-"), fact(events.Customer, "1", 2, "tag:vip", "+")}, "[vip]"},
	} {
		for range 2 {
			if got := fmt.Sprint(stateOf(tt.facts...).TagList()); got != tt.want {
				t.Errorf("%s: %s", name, got)
			}
			var l []Fragment // each fact at a member of its own
			for n, f := range tt.facts {
				l = append(l, Fragment{ID: ID(fmt.Sprint("c", n)), State: stateOf(f)})
			}
			if got := fmt.Sprint(Combine(l, nil, DefaultLimits).Tags); got != tt.want {
				t.Errorf("%s, over members: %s", name, got)
			}
			slices.Reverse(tt.facts)
		}
	}
}

func randomEvent(r *rand.Rand) events.Fact {
	at := int64(1 + r.IntN(9))
	stamp := fmt.Sprint(1 + r.IntN(9))
	switch r.IntN(4) {
	case 0:
		return engaged(fmt.Sprint("m", r.IntN(7)), at, []string{"opened_at", "clicked_at", "sent_at", "complained_at"}[r.IntN(4)], stamp)
	case 1:
		return fact(events.Form, fmt.Sprint(r.IntN(9)), at, "anonymous_id", "x", "ask:email:marketing", stamp)
	case 2:
		return fact(events.Decision, "t", at, "fragment", someone, []string{"tag:vip", "tag:new"}[r.IntN(2)], []string{"+", "-"}[r.IntN(2)])
	}
	return fact(events.Event, fmt.Sprint(r.IntN(9)), at, "name", fmt.Sprintf("e%02d", r.IntN(keptNames+4)), "anonymous_id", "x")
}

// TestEventsAreAJoin: order, copies and grouping do not matter, and nothing grows
// beyond its bounds.
func TestEventsAreAJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	beyond := false
	for range 400 {
		var l []events.Fact
		for range 100 {
			l = append(l, randomEvent(r))
		}
		want := Fragment{State: stateOf(l...)}
		chosen := 0
		for name, kept := range want.State.Events {
			records := map[string]bool{}
			for _, e := range kept {
				records[e.Record] = true
			}
			if len(kept) > keptEvents || len(records) != len(kept) || !slices.IsSortedFunc(kept, func(a, b Event) int { return b.compare(a) }) {
				t.Fatal(name, kept)
			}
			if !events.Reserved(name) {
				chosen++
			}
		}
		if chosen > keptNames {
			t.Fatal(chosen, "names")
		}
		beyond = beyond || chosen == keptNames
		l = append(l, l[:30]...)
		r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		if got := (Fragment{State: stateOf(l...)}); !got.Equal(want) {
			t.Fatal(cmp.Diff(want.State, got.State, cmp.AllowUnexported(events.Value{})))
		}
	}
	if !beyond {
		t.Error("no history reaches the bound")
	}
}

const day = 24 * 60 * 60 * 1000

func TestOccurrences(t *testing.T) {
	now := int64(1_795_249_231_000)
	at := func(ms int64) string { return fmt.Sprint(now + ms) }
	received := func(f events.Fact) events.Fact { f.Received = now; return f }
	checkout := func(record string, fields ...string) events.Fact {
		return fact(events.Checkout, record, now, append([]string{"customer", "1", "started_at", at(-5)}, fields...)...)
	}
	order := func(record string, ordered int64) events.Fact {
		return fact(events.Order, record, now, "customer", "1", "total", "5", "currency", "VND", "ordered_at", at(ordered))
	}
	event := func(at int64) events.Fact {
		return fact(events.Event, "b-17", at, "name", "tasting.booked", "email", "lan@example.vn")
	}
	for name, tt := range map[string]struct {
		before, facts []events.Fact
		want          string
	}{
		"an order":                      {nil, []events.Fact{order("1", -9)}, "order.placed shop|order|1 -9"},
		"an order of long ago":          {nil, []events.Fact{order("1", -day-1)}, ""},
		"an order of a day ago":         {nil, []events.Fact{order("1", -day)}, fmt.Sprint("order.placed shop|order|1 ", -day)},
		"an order that was amended":     {[]events.Fact{order("1", -9)}, []events.Fact{order("1", -8)}, ""},
		"an order of whom it is known":  {[]events.Fact{order("2", -9)}, []events.Fact{order("1", -8)}, "order.placed shop|order|1 -8"},
		"a copy":                        {[]events.Fact{order("1", -9)}, []events.Fact{order("1", -9)}, ""},
		"two copies at once":            {nil, []events.Fact{order("1", -9), order("1", -9)}, "order.placed shop|order|1 -9"},
		"a checkout":                    {nil, []events.Fact{checkout("1")}, "checkout.started shop|checkout|1 -5"},
		"a checkout that goes on":       {[]events.Fact{checkout("1")}, []events.Fact{checkout("1", "total", "9")}, ""},
		"a checkout after another":      {[]events.Fact{checkout("1")}, []events.Fact{checkout("2", "total", "9")}, "checkout.started shop|checkout|2 -5"},
		"a checkout that is done":       {nil, []events.Fact{checkout("1", "completed_at", at(0))}, ""},
		"a form":                        {nil, []events.Fact{fact(events.Form, "1", now-3, "email", "lan@example.vn")}, "form.submitted shop|form|1 -3"},
		"a form of long ago":            {nil, []events.Fact{fact(events.Form, "1", now-day-1, "email", "lan@example.vn")}, ""},
		"a form that asks":              {nil, []events.Fact{fact(events.Form, "1", now, "email", "lan@example.vn", "ask:email:marketing", at(0))}, "consent.asked shop|form|1 0, form.submitted shop|form|1 0"},
		"an older form after a newer":   {[]events.Fact{fact(events.Form, "2", now, "email", "lan@example.vn")}, []events.Fact{fact(events.Form, "1", now-3, "email", "lan@example.vn")}, "form.submitted shop|form|1 -3"},
		"an event":                      {nil, []events.Fact{event(now)}, "tasting.booked shop|event|b-17 0"},
		"an event without a time":       {nil, []events.Fact{event(0)}, "tasting.booked shop|event|b-17 0"},
		"an event of nobody":            {nil, []events.Fact{fact(events.Event, "1", now, "name", "tasting.booked")}, ""},
		"an event without a name":       {nil, []events.Fact{fact(events.Event, "1", now, "email", "lan@example.vn")}, ""},
		"an event by a name of ours":    {nil, []events.Fact{fact(events.Event, "1", now, "email", "lan@example.vn", "name", "order.placed")}, ""},
		"a message":                     {nil, []events.Fact{engaged("m", now, "delivered_at", at(-2))}, "message.delivered shop|message|" + someone + ".m -2 m"},
		"a message that was sent":       {nil, []events.Fact{engaged("m", now, "sent_at", at(-2))}, ""},
		"a message opened twice":        {[]events.Fact{engaged("m", now-2, "opened_at", at(-2))}, []events.Fact{engaged("m", now, "opened_at", at(0))}, ""},
		"a message opened and followed": {nil, []events.Fact{engaged("m", now, "clicked_at", at(0)), engaged("m", now-1, "opened_at", at(-1))}, "message.opened shop|message|" + someone + ".m -1 m, message.clicked shop|message|" + someone + ".m 0 m"},
		"a tag":                         {nil, []events.Fact{fact(events.Decision, "1", now, "fragment", someone, "tag:vip", "+")}, ""},
	} {
		var was Fragment
		take := func(f *Fragment, facts []events.Fact) {
			for _, one := range facts {
				if s, ok := testRules.Statement(one); ok {
					f.Take(s)
				}
				if _, o, ok := testRules.Contribution([]events.Fact{one}); ok {
					f.State.Settle(12, o.Record, &o, Older{})
				}
			}
		}
		take(&was, tt.before)
		is := was.Clone()
		var facts []events.Fact
		for _, f := range tt.facts {
			facts = append(facts, received(f))
		}
		take(&is, facts)
		var got []string
		l := Occurrences(was, is, facts)
		for _, o := range l {
			got = append(got, strings.TrimSpace(fmt.Sprint(o.What, " ", o.Record, " ", o.At-now, " ", o.Message)))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, want %q", name, strings.Join(got, ", "), tt.want)
		}
		if len(l) > 0 && len(Changes(was, is)) == 0 {
			t.Errorf("%s: it is told, and nothing changed that would announce it", name)
		}
		if again := Occurrences(is, is, facts); len(again) != 0 {
			t.Errorf("%s: told again by a write that changes nothing: %v", name, again)
		}
	}
}
