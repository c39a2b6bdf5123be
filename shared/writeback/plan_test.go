package writeback

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

func view(traits fields) segment.View {
	v := segment.View{View: profile.View{Traits: map[string]profile.Register{}}}
	for name, value := range traits {
		v.Traits[name] = profile.Register{Value: events.Text(value)}
	}
	return v
}

// customer has thirteen orders, the newest twelve of which are at hand.
func customer(traits fields) segment.View {
	v := view(traits)
	v.Orders = 13
	for n := range 12 {
		v.Recent = append(v.Recent, profile.Order{At: t0.UnixMilli() - int64(n+1), Record: fmt.Sprint("shop|order|", 20-n), Currency: "VND"})
	}
	return v
}

func TestWanted(t *testing.T) {
	lan := customer(fields{"email": "lan@example.vn", "first_name": "Lan"})
	since := lan.With([]profile.Order{{At: t0.UnixMilli() - 50, Record: "shop|order|1", Currency: "VND"}}, t0.Add(-time.Hour))
	beside := segment.Beside{Segments: []string{"b", "a"}, Campaign: segment.Campaign{Journey: "come-back", Result: "clicked", At: t0},
		Outcome: segment.Outcome{Count: 2, Net: map[string]int64{"VND": -12_000}}}
	day, email := t0.Add(24*time.Hour), "lan@example.vn"
	in := func(next time.Time, values fields) Wanted {
		values["email"] = email
		return Wanted{Values: values, Match: email, In: true, Next: next}
	}
	const many = `orders.within("1h").count > 12`
	for _, c := range []struct {
		name, when string
		v          segment.View
		properties fields // beside email
		want       Wanted
	}{
		{"texts", "", lan, fields{"firstname": "traits.first_name", "city": "traits.city"}, in(time.Time{}, fields{"firstname": "Lan", "city": ""})},
		{"lists", "", lan, fields{"s": "segments", "t": "tags"}, in(time.Time{}, fields{"s": "a;b", "t": ""})},
		{"yes and no", "", lan, fields{"yes": "orders.count > 3", "no": "checkout.open"}, in(time.Time{}, fields{"yes": "true", "no": "false"})},
		{"numbers", "", lan, fields{"orders": "orders.count", "net": `outcome.net("VND")`, "other": `outcome.net("USD")`, "count": "outcome.count"},
			in(time.Time{}, fields{"orders": "13", "net": "-12000", "other": "0", "count": "2"})},
		{"the last campaign", "", lan, fields{"j": "campaign.journey", "r": "campaign.result", "v": "campaign.variant", "at": "campaign.at"},
			in(time.Time{}, fields{"j": "come-back", "r": "clicked", "v": "", "at": t0.Format(time.RFC3339)})},
		{"who meets the rule", `"a" in segments`, lan, nil, in(time.Time{}, fields{})},
		{"who does not", `"c" in segments`, lan, nil, Wanted{}},
		{"who does not yet", `orders.last.within("24h") && !orders.last.within("24h")`, lan, nil, Wanted{Next: day.Add(-time.Millisecond)}},
		{"a rule of time", `orders.last.within("24h")`, lan, nil, in(day.Add(-time.Millisecond), fields{})},
		{"expressions of time", "", lan, fields{"day": `orders.last.within("24h")`, "hour": `orders.last.within("1h")`},
			in(t0.Add(time.Hour-time.Millisecond), fields{"day": "true", "hour": "true"})},
		{"the rule wants older orders", many, lan, nil, Wanted{Older: t0.Add(time.Millisecond - time.Hour)}},
		{"two expressions do", "", lan, fields{"a": many, "b": `orders.within("2h").count`, "c": "segments"}, Wanted{Older: t0.Add(time.Millisecond - 2*time.Hour)}},
		{"older orders are there", many, since, nil, in(t0.Add(time.Hour-50*time.Millisecond), fields{})},
	} {
		properties := fields{"email": "traits.email"}
		maps.Copy(properties, c.properties)
		p, err := Compile(workspace.Destination{Name: "crm", When: c.when, Properties: properties}, "email", time.UTC)
		if err != nil {
			t.Fatal(c.name, err)
		}
		got, err := p.Wanted(c.v, beside, t0)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
		if nobody, err := p.Wanted(view(nil), beside, t0); err != nil || nobody.In {
			t.Errorf("%s: who has no address is written (%v)", c.name, err)
		}
	}
	for _, d := range []workspace.Destination{{When: "nonsense"}, {When: "outcome.count > 0"}, {Properties: fields{"a": "nonsense"}}} {
		if _, err := Compile(d, "email", time.UTC); err == nil {
			t.Errorf("%v compiles", d)
		}
	}
}
