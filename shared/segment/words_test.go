package segment_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// viewing is a customer who looked at products, newest first.
func viewing(at ...time.Time) segment.View {
	v := viewOf()
	v.Events = map[string][]profile.Event{"cart.left": {{At: 1, Record: "web|event|0"}}}
	for n, one := range at {
		v.Events["product.viewed"] = append(v.Events["product.viewed"], profile.Event{At: one.UnixMilli(), Record: fmt.Sprint("web|event|", 9-n)})
	}
	return v
}

func TestEvents(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	v := viewing(now.Add(time.Hour), now.Add(-time.Hour), now.Add(-8*aDay))
	for when, want := range map[string]segment.Decision{
		`events("product.viewed").count == 3`:                       {In: true},
		`events("product.seen").count == 0`:                         {In: true},
		`has(events("product.seen").last)`:                          {},
		`has(events("product.viewed").last)`:                        {In: true},
		`events("product.viewed").within("7d").count == 1`:          {In: true, Next: now.Add(time.Hour)},
		`events("product.viewed").within("9d").count == 2`:          {In: true, Next: now.Add(time.Hour)},
		`events("product.viewed").within("90min").count == 2`:       {Next: now.Add(30 * time.Minute)},
		`events("product.viewed").during("today").count == 1`:       {In: true, Next: now.Add(time.Hour)},
		`events("cart.left").within("7d").count > 0`:                {},
		`events("product.viewed").last.within("2h")`:                {Next: now.Add(time.Hour)},
		`events("product.seen").last.during("today")`:               {},
		`events("cart.left").last == events("cart.left").last`:      {In: true},
		`events("product.viewed").within("9d").count - 1 in [1]`:    {In: true, Next: now.Add(time.Hour)},
		`events("Đã xem: trà").count + events("a.b-c_d").count > 0`: {},
	} {
		if got := evaluate(t, compile(t, when, time.UTC), v, now); got.Decision != want {
			t.Errorf("%s: want %+v, got %+v", when, want, got.Decision)
		}
	}
	s := compile(t, `events("product.viewed").within("9d").count > 0 && events("product.viewed").last.within("1h") && events("product.viewed").count > 1`, time.UTC)
	var saw []segment.Saw
	for _, c := range evaluate(t, s, v, now).Why {
		saw = append(saw, c.Saw...)
	}
	if diff := cmp.Diff([]segment.Saw{
		{Text: `events("product.viewed").within("9d").count`, Value: "2", Records: []string{"web|event|8", "web|event|7"}},
		{Text: `events("product.viewed").last.within("1h")`, Value: "false", Records: []string{"web|event|9"}},
		{Text: `events("product.viewed").count`, Value: "3", Records: []string{"web|event|9", "web|event|8", "web|event|7"}},
	}, saw); diff != "" || fmt.Sprint(s.Reads()) != "[events identity]" {
		t.Error(diff, s.Reads())
	}
}

// TestEventsAreExactInTime: between the moments that a rule names nothing changes.
func TestEventsAreExactInTime(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	v := viewing(now, now.Add(-3*time.Hour), now.Add(-3*time.Hour), now.Add(-30*time.Hour))
	for _, when := range []string{`events("product.viewed").within("6h").count >= 3`, `events("product.viewed").during("yesterday").count == 1`,
		`events("product.viewed").last.within("90min") || events("product.viewed").within("2d").count < 4`} {
		s, turns := compile(t, when, time.UTC), 0
		last, due := evaluate(t, s, v, now).In, evaluate(t, s, v, now).Next
		for at := now; at.Before(now.Add(4 * aDay)); at = at.Add(time.Minute) {
			d := evaluate(t, s, v, at)
			if d.In != last {
				turns++
				if due.IsZero() || at.Before(due) {
					t.Fatalf("%s: turned at %v, due at %v", when, at, due)
				}
			}
			if !at.Before(due) || d.In != last {
				last, due = d.In, d.Next
			}
		}
		if turns == 0 {
			t.Errorf("%s never turned", when)
		}
	}
}

func TestWordsBesideTheProfile(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	beside := segment.Beside{Segments: []string{"vip", "loyal"},
		Campaign: segment.Campaign{Journey: "come-back", Variant: "a", Template: "hello", Result: "sent", At: now},
		Outcome:  segment.Outcome{Count: 2, Net: map[string]int64{"VND": 120_000}}}
	v := viewOf(order("1", now, 300))
	v.Tags = []string{"a", "b:1", "b:2"}
	rule, err := segment.CompileRule(`"vip" in segments && orders.within("1d").count == 1`, time.UTC, segment.SegmentWords)
	if err != nil {
		t.Fatal(err)
	}
	for _, with := range []bool{true, false} {
		m := segment.At(v, now)
		if with {
			m.With(beside)
		}
		r, err := m.Why(rule)
		if err != nil || r.In != with || with && !r.Next.Equal(now.Add(aDay)) || r.Why[0].Saw[0].Value != map[bool]string{true: `["loyal", "vip"]`, false: "[]"}[with] {
			t.Errorf("%+v, %v", r, err)
		}
	}
	for text, want := range map[string][2]any{
		`segments`:                           {[]string{"loyal", "vip"}, []string{}},
		`tags.filter(t, t.startsWith("b:"))`: {[]string{"b:1", "b:2"}, []string{"b:1", "b:2"}},
		`campaign.journey`:                   {"come-back", ""},
		`campaign.result == "sent" ? campaign.variant : campaign.template`: {"a", ""},
		`campaign.at`:                            {"2026-03-10T12:00:00Z", ""},
		`has(campaign.at)`:                       {true, false},
		`outcome.net("VND") + outcome.count`:     {int64(120_002), int64(0)},
		`outcome.net("USD")`:                     {int64(0), int64(0)},
		`traits.city`:                            {"", ""},
		`orders.count > 0 && has(outcome.count)`: {true, true},
		`orders.last.net`:                        {int64(300), int64(300)},
		`["x"]`:                                  {[]string{"x"}, []string{"x"}},
	} {
		e, err := segment.CompileExpression(text, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for n, m := range []*segment.Moment{segment.At(v, now).With(beside), segment.At(v, now)} {
			if got, err := m.Value(e); err != nil || !cmp.Equal(got.Value, want[n]) {
				t.Errorf("%s: %#v, %v", text, got, err)
			}
		}
	}
}

// TestExpressionAsksForOlderOrders as segments do.
func TestExpressionAsksForOlderOrders(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	var l []profile.Order
	for n := range 14 {
		l = append(l, order(fmt.Sprint(10+n), now.Add(-time.Duration(n)*aDay), 1))
	}
	e, err := segment.CompileExpression(`orders.within("60d").count`, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	a, err := segment.At(viewOf(l...), now).Value(e)
	if err != nil || a.Value != nil || a.Older.IsZero() {
		t.Fatal(a, err)
	}
	a, err = segment.At(viewOf(l...).With(l[12:], a.Older), now).Value(e)
	if err != nil || a.Value != int64(14) || !a.Older.IsZero() || !a.Next.Equal(now.Add(47*aDay)) || fmt.Sprint(e.Reads()) != "[identity orders]" {
		t.Fatal(a, err)
	}
}

func TestWordsAreRefused(t *testing.T) {
	rule := func(words segment.Words) func(string) error {
		return func(text string) error { _, err := segment.CompileRule(text, time.UTC, words); return err }
	}
	expression := func(text string) error { _, err := segment.CompileExpression(text, time.UTC); return err }
	for _, c := range []struct {
		compile    func(string) error
		text, want string
	}{
		{rule(segment.ProfileWords), `orders.count > 1 && "vip" in segments`, `line 1, column 30: "segments" can't stand in the rule of a segment`},
		{rule(segment.ProfileWords), `campaign.result == "sent"`, `"campaign" can't stand in a rule`},
		{rule(segment.SegmentWords), `outcome.count > 1`, `"outcome" can't stand in a rule`},
		{rule(segment.SegmentWords), `segment == "x"`, `there is no "segment"; a rule knows segments, orders,`},
		{rule(segment.SegmentWords), `segments`, `the rule gives list(string), not yes or no`},
		{rule(segment.ProfileWords), `events("").count > 0`, `line 1, column 8: events takes the name of an event`},
		{rule(segment.ProfileWords), `events(traits.city).count > 0`, `events takes the name`},
		{rule(segment.ProfileWords), `events("a").within("7 days").count > 0`, `within takes`},
		{rule(segment.ProfileWords), `events("a").total("VND") > 0`, `can't be applied`},
		{rule(segment.ProfileWords), `events("a").within("7d")`, `the rule gives EventWindow`},
		{expression, ``, `is empty`},
		{expression, `event.name`, `there is no "event"; an expression knows segments, campaign, outcome, orders,`},
		{expression, `campaign.body`, `there is no "body" here`},
		{expression, `orders`, `the expression gives Orders; give a text`},
		{expression, `[1, 2]`, `the expression gives list(int)`},
		{expression, `[[""]]`, `the expression gives list(list(string))`},
		{expression, `[]`, `the expression gives list(`},
		{expression, `outcome.net("dong")`, `name a currency`},
		{expression, `outcome.total("VND")`, `can't be applied`},
	} {
		err := c.compile(c.text)
		var problems segment.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.text, c.want, err)
		}
	}
}

func TestChecks(t *testing.T) {
	w := workspace.Workspace{Zone: "Asia/Ho_Chi_Minh", Segments: map[string]workspace.Segment{
		"b": {When: "orders.count >\n traits.n"}, "a": {When: "tags"}, "good": {When: "true"}}}
	var got []string
	segment.Checks(w, func(path string, line, column int, reason string) {
		got = append(got, fmt.Sprint(path, " ", line, " ", column, " ", reason != ""))
	})
	if diff := cmp.Diff([]string{"segments.a.when 1 1 true", "segments.b.when 2 8 true"}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzExpression: what is accepted has a value for everybody.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{`segments`, `campaign.at`, `outcome.net("VND") * -1`, `events("a").within("1d").count`, `tags.filter(t, t in segments) == tags`,
		`traits.city == "" ? [campaign.result] : tags`, `[outcome.count > 1 ? "a" : "b"]`, `orders.first.currency`, `"\xff"`} {
		f.Add(text)
	}
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	rich := viewing(now.Add(-time.Hour))
	rich.Tags = []string{"a", "b"}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := segment.CompileExpression(text, time.UTC)
		if err != nil {
			var problems segment.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not problems: %v", err)
			}
			return
		}
		for _, m := range []*segment.Moment{segment.At(viewOf(), now), segment.At(rich, now).With(segment.Beside{Segments: []string{"b", "a"}})} {
			a, err := m.Value(e)
			if err != nil {
				t.Fatalf("accepted, and has no value: %v", err)
			}
			switch a.Value.(type) {
			case string, int64, bool, []string:
			default:
				t.Fatalf("%#v", a)
			}
		}
	})
}
