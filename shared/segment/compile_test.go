package segment_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

func TestCompileRefuses(t *testing.T) {
	for when, want := range map[string]string{
		``:                `line 1, column 1: the rule is empty; write for example: orders.count > 3`,
		" \n":             `the rule is empty`,
		`orders.count > `: `line 1, column 16: Syntax error:`,
		"orders.count > 3 &&\n  traits.cty == \"Huế\"": `line 2, column 9: there is no trait "cty"; write birthday, city, company,`,
		`"é" == traits.city && trait.city == "x"`:      `line 1, column 23: there is no "trait"; a rule knows orders, traits, tags,`,
		`orders.size > 3`:                         `line 1, column 7: there is no "size" here`,
		`orders.count`:                            `the rule gives int, not yes or no`,
		`orders.within("30d")`:                    `the rule gives Window, not yes or no`,
		`orders.within("30 days").count > 1`:      `line 1, column 15: within takes a whole number and min, h, d or w`,
		`orders.within("0d").count > 1`:           `within takes`,
		`orders.within("3651d").count > 1`:        `up to ten years`,
		`orders.within("99999w").count > 1`:       `up to ten years`,
		`orders.within("1m").count > 1`:           `within takes`,
		`orders.within(traits.city).count > 1`:    `line 1, column 21: within takes`,
		`orders.during("last month").count > 1`:   `line 1, column 15: during takes "today"`,
		`orders.last.during("30d")`:               `during takes "today"`,
		`orders.total("vnd") > 1`:                 `line 1, column 14: name a currency`,
		`orders.within("1d").net("DONG") > 1`:     `name a currency`,
		`orders.total() > 1`:                      `can't be applied to`,
		`consent("email")`:                        `line 1, column 9: consent takes a channel and a purpose`,
		`consent(tags)`:                           `can't be applied to`,
		`consent(traits.city)`:                    `consent takes a channel and a purpose`,
		`now > timestamp("2026-01-01T00:00:00Z")`: `there is no "now"`,
		`orders.count > 1.5`:                      `">" can't be applied to (int, double)`,
		`orders.count / 2 > 1`:                    `there is no "_/_"`,
		`tags[0] == "a"`:                          `there is no "_[_]"`,
		`traits.city.matches("a+")`:               `there is no "matches"`,
		`{"a": true}.a`:                           `a rule makes no objects`,
		`Orders{} == orders`:                      `a rule makes no objects`,
		`orders.first == null`:                    `write has(…)`,
		`1.5 == 1.5`:                              `use whole numbers`,
		`[1, "a"] == [1]`:                         `expected type`,
		`tags.exists(t, tags.exists(u, t == u))`:  `nesting`,
		`type(1) == int`:                          `there is no "type"`,
		strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300):                                      `recursion`,
		`"` + strings.Repeat("a", segment.MaxSize) + `" in tags`:                                          `use at most 2048`,
		strings.Repeat(`tags.exists(t, t.contains("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) || `, 20) + "true": `the rule costs too much`,
	} {
		_, err := segment.Compile("test", segment.Definition{When: when}, time.UTC)
		var problems segment.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: want %q, got %v", when, want, err)
		}
	}
}

func TestCompileNamesEveryProblem(t *testing.T) {
	_, err := segment.Compile("test", segment.Definition{When: "orders.within(\"x\").count > 1 ||\n orders.total(\"y\") > 1 || {} == {}"}, time.UTC)
	var problems segment.Problems
	if !errors.As(err, &problems) || len(problems) != 4 || problems[0].Line != 1 || problems[1].Line != 2 || problems[1].Column != 15 {
		t.Errorf("%v", err)
	}
}

// FuzzCompile: Compile never panics, says where and why it refuses, and what it
// accepts has an answer for everybody.
func FuzzCompile(f *testing.F) {
	for _, twin := range twins {
		f.Add(twin.when)
	}
	for _, when := range readyMade(f) {
		f.Add(when)
	}
	for _, when := range []string{`tags.filter(t, t in ["a"]) == tags + ["b"]`, `has(traits.city) ? -1 * orders.count < 3 : size(traits.email) > 2`,
		`orders == orders && orders.first == orders.last`, `[orders].exists(o, o.count > 1)`, `tags.exists_one(consent, consent == "a")`, "\x00", `"\xff"`, `r'\d' in tags`} {
		f.Add(when)
	}
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	rich := viewOf(order("1", now.Add(-50*aDay), 300), order("2", now.Add(time.Hour), 100))
	rich.Tags, rich.Traits = []string{"a", "b"}, map[string]profile.Register{"city": {Value: events.Text("Huế")}, "email": {}}
	rich.Checkout = &profile.LastCheckout{Record: "shop|checkout|1", Started: now.UnixMilli()}
	var l []profile.Order
	for n := range 13 {
		l = append(l, order(fmt.Sprint(n), now.Add(-time.Duration(n)*aDay), 1))
	}
	many := viewOf(l...)
	f.Fuzz(func(t *testing.T, when string) {
		s, err := segment.Compile("fuzz", segment.Definition{When: when}, time.UTC)
		if err != nil {
			var problems segment.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not problems: %v", err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.Reason == "" || strings.Contains(p.Reason, "\n") || !utf8.ValidString(p.Reason) {
					t.Fatalf("no place or reason to show: %#v", p)
				}
			}
			return
		}
		for _, v := range []segment.View{viewOf(), rich, many, many.With([]profile.Order{*many.First}, time.Unix(0, 0))} {
			r, err := segment.Evaluate(s, v, now)
			if err != nil {
				t.Fatalf("accepted, and has no answer: %v", err)
			}
			if !r.Next.IsZero() && !r.Next.After(now) || r.Older.IsZero() == (len(r.Why) == 0) || r.Older.After(now) {
				t.Fatalf("%+v", r)
			}
		}
	})
}
