package profile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"loophub/events"
)

var testRules = NewRules([]byte("a key for tests"), []string{"shop@example.vn"}, []string{"+842873000000"})

// fact makes a fact of the shop; "-" clears a field.
func fact(k events.Kind, record string, version int64, fields ...string) events.Fact {
	f := events.Fact{Workspace: "w", Connection: "shop", Kind: k, Record: record, Version: version, At: version, Fields: events.Fields{}}
	for n := 0; n < len(fields); n += 2 {
		f.Fields[fields[n]] = events.Text(fields[n+1])
		if fields[n+1] == "-" {
			f.Fields[fields[n]] = events.Null
		}
	}
	return f
}

func customerAnchor(record string) Anchor { return Anchor{CustomerClass, "shop", record} }

func TestAnchor(t *testing.T) {
	none := Anchor{}
	email, phone := Anchor{GuestClass, "shop", "email/lan@example.vn"}, Anchor{GuestClass, "shop", "phone/+84912345678"}
	device := Anchor{AnonymousClass, "shop", "anonymous/x"}
	all := []string{"email", "lan@example.vn", "phone", "+84912345678", "anonymous_id", "x"}
	for name, tt := range map[string]struct {
		kind   events.Kind
		fields []string
		want   Anchor
	}{
		"a customer is itself":            {events.Customer, all, customerAnchor("1")},
		"a customer needs no field":       {events.Customer, nil, customerAnchor("1")},
		"customer before guest":           {events.Order, append([]string{"customer", "7"}, all...), customerAnchor("7")},
		"e-mail before phone":             {events.Order, append([]string{"customer", "-"}, all...), email},
		"phone before device":             {events.Order, all[2:], phone},
		"device":                          {events.Checkout, all[4:], device},
		"form":                            {events.Form, all[:2], email},
		"checkout of a customer":          {events.Checkout, []string{"customer", "7"}, customerAnchor("7")},
		"walk-in":                         {events.Order, []string{"customer", "-", "total", "5"}, none},
		"cleared":                         {events.Order, []string{"email", "-", "phone", "-"}, none},
		"the shop's own address":          {events.Order, append([]string{"email", "shop@example.vn"}, all[2:]...), phone},
		"the shop's own number":           {events.Order, []string{"phone", "+842873000000", "anonymous_id", "x"}, device},
		"a system's placeholder":          {events.Order, []string{"email", "guest@haravan.com"}, none},
		"a number typed to get past":      {events.Order, []string{"phone", "+84000000000"}, none},
		"privacy request of a customer":   {events.Privacy, []string{"customer", "7"}, customerAnchor("7")},
		"privacy request without one":     {events.Privacy, all, none},
		"product":                         {events.Product, all, none},
		"cart":                            {events.Cart, []string{"customer", "7"}, none},
		"decision":                        {events.Decision, all, none},
		"app":                             {events.App, all, none},
		"an invalid address is no anchor": {events.Form, []string{"email_invalid", "lan@"}, none},
	} {
		got, ok := testRules.Anchor(tt.kind, "shop", "1", Join(fact(tt.kind, "1", 1, tt.fields...)))
		if got != tt.want || ok != (tt.want != none) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
}

func TestNamesHoldEveryAnchor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 3_000 {
		var facts []events.Fact
		k := []events.Kind{events.Customer, events.Order, events.Checkout, events.Form}[r.IntN(4)]
		for range 1 + r.IntN(4) {
			facts = append(facts, randomFact(r, k))
		}
		for subset := range 1 << len(facts) { // as workers may have seen them, in any order
			var seen []events.Fact
			for n, f := range facts {
				if subset>>n&1 == 1 {
					seen = append(seen, f)
				}
			}
			a, ok := testRules.Anchor(k, "shop", "1", Join(seen...))
			if len(seen) > 0 && ok && !slices.Contains(testRules.Candidates(facts...), testRules.Key.Fragment(a)) {
				t.Fatalf("the anchor %v of some of them is no candidate of all: %v", a, facts)
			}
		}
		union := testRules.Hidden(facts)
		for _, f := range facts {
			union = append(union, testRules.Candidates(f)...)
		}
		if slices.Sort(union); !slices.Equal(slices.Compact(union), testRules.Candidates(facts...)) {
			t.Fatalf("what facts name by themselves and what they hide is not all: %v", facts)
		}
	}
	f := fact(events.Decision, "p", 1, "op", "tie", "customer_a", "1", "customer_b", "2")
	if l := testRules.Names(f); len(l) != 2 {
		t.Error("a decision names its two fragments", l)
	}
	if l := testRules.Names(fact(events.Decision, "p", 1, "op", "tie")); l != nil {
		t.Error("a decision on nobody names nobody", l)
	}
}

// randomFact is one of few, so that versions, times and values often meet.
func randomFact(r *rand.Rand, k events.Kind) events.Fact {
	f := fact(k, "1", int64(r.IntN(3)))
	f.At, f.Rank = int64(r.IntN(2)), r.IntN(2)
	set := func(name string, values ...string) {
		if v := values[r.IntN(len(values))]; r.IntN(2) == 0 {
			f.Fields[name] = events.Text(v)
			if v == "-" {
				f.Fields[name] = events.Null
			}
		}
	}
	set("email", "a@x.vn", "b@x.vn", "shop@example.vn", "-")
	set("phone", "+841", "+842", "-")
	set("customer", "1", "2", "-")
	set("first_name", "Lan", "Hoa", "-", "")
	set("tags", `["a"]`, `["a","b"]`, `[]`)
	set("tag:a", "+", "-")
	set("tag:b", "+", "-")
	set("grant:email:marketing", "1", "2", "3")
	set("withdraw:email:marketing", "1", "2", "3")
	set("withdraw:sms:marketing", "1", "2")
	set("total", "10", "20", "-")
	set("started_at", "1", "2", "-")
	return f
}

func TestCandidates(t *testing.T) {
	known := fact(events.Order, "1", 1, "customer", "7", "email", "lan@example.vn", "anonymous_id", "x")
	guest := fact(events.Order, "1", 2, "customer", "-", "phone", "+84912345678")
	partial := fact(events.Order, "1", 3, "total", "5")
	for name, tt := range map[string]struct {
		facts         []events.Fact
		found, hidden int
	}{
		"a known customer's, by the customer alone": {[]events.Fact{known}, 1, 0},
		"amended":                 {[]events.Fact{known, partial}, 1, 0},
		"a guest's, by all":       {[]events.Fact{guest}, 1, 0},
		"a customer's, then none": {[]events.Fact{known, guest}, 4, 2},
		"nobody's":                {[]events.Fact{partial}, 0, 0},
	} {
		if found, hidden := testRules.Candidates(tt.facts...), testRules.Hidden(tt.facts); len(found) != tt.found || len(hidden) != tt.hidden {
			t.Errorf("%s: %v, hidden %v", name, found, hidden)
		}
	}
}

func TestJoin(t *testing.T) {
	old, now := fact(events.Order, "1", 1, "email", "a@x.vn", "total", "10"), fact(events.Order, "1", 2, "total", "-")
	if r := Join(now, old); r.text("email") != "a@x.vn" {
		t.Error("an absent field has an opinion")
	} else if v := r["total"]; !v.Value.IsNull() || v.Version != 2 {
		t.Error("a cleared field has none", v)
	}
	base := fact(events.Order, "1", 5, "total", "10")
	for name, change := range map[string]func(*events.Fact){
		"version": func(f *events.Fact) { f.Version, f.At, f.Rank = 6, 0, 0 },
		"time":    func(f *events.Fact) { f.At = 6; f.Rank = 0 },
		"rank":    func(f *events.Fact) { f.Rank = 6 },
		"null":    func(f *events.Fact) {}, // of equal statements the one that says something
		"value":   func(f *events.Fact) {},
	} {
		loser, winner := base, base
		loser.Rank, winner.Rank = 1, 1
		winner.Fields = events.Fields{"total": events.Text("2")}
		if name == "null" {
			loser.Fields = events.Fields{"total": events.Null}
		}
		if change(&winner); Join(loser, winner)["total"] != Join(winner)["total"] || Join(winner, loser)["total"] != Join(winner)["total"] {
			t.Errorf("%s does not decide", name)
		}
	}
}

// merge joins two states of one record.
func merge(a, b Record) Record {
	m := maps.Clone(a)
	for k, r := range b {
		join(m, k, r)
	}
	return m
}

func TestJoinIsALattice(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 3_000 {
		a, b, c := Join(randomFact(r, events.Order)), Join(randomFact(r, events.Order)), Join(randomFact(r, events.Order))
		if !maps.Equal(merge(a, b), merge(b, a)) || !maps.Equal(merge(a, a), a) || !maps.Equal(merge(merge(a, b), c), merge(a, merge(b, c))) {
			t.Fatal("join is not commutative, idempotent and associative for", a, b, c)
		}
		l := []events.Fact{randomFact(r, events.Order), randomFact(r, events.Order), randomFact(r, events.Order)}
		want := Join(l...)
		l = append(l, l[r.IntN(3)])
		r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		if n := r.IntN(len(l)); !maps.Equal(Join(l...), want) || !maps.Equal(merge(Join(l[:n]...), Join(l[n:]...)), want) {
			t.Fatal("order, copies or grouping matter for", l)
		}
	}
}

func TestContribution(t *testing.T) {
	whole := fact(events.Order, "9", 1, "customer", "1", "total", "100", "currency", "VND", "ordered_at", "50")
	want := Order{At: 50, Record: "shop|order|9", Total: 100, Currency: "VND"}
	mine := testRules.Key.Fragment(customerAnchor("1"))
	for name, tt := range map[string]struct {
		then []string
		want func(*Order)
		at   ID
	}{
		"counted":                    {nil, func(*Order) {}, mine},
		"amended":                    {[]string{"total", "70"}, func(o *Order) { o.Total = 70 }, mine},
		"dated anew":                 {[]string{"ordered_at", "60"}, func(o *Order) { o.At = 60 }, mine},
		"two refunds":                {[]string{"refund:a", "30", "refund:b", "5"}, func(o *Order) { o.Refunded = 35 }, mine},
		"a refund cleared":           {[]string{"refund:a", "-", "refund:b", "5"}, func(o *Order) { o.Refunded = 5 }, mine},
		"moved":                      {[]string{"customer", "2"}, func(*Order) {}, testRules.Key.Fragment(customerAnchor("2"))},
		"moved to a guest":           {[]string{"customer", "-", "email", "lan@example.vn"}, func(*Order) {}, testRules.Key.Fragment(Anchor{GuestClass, "shop", "email/lan@example.vn"})},
		"not cancelled after all":    {[]string{"cancelled_at", "-"}, func(*Order) {}, mine},
		"no test":                    {[]string{"test", "false", "deleted", "false"}, func(*Order) {}, mine},
		"cancelled":                  {[]string{"cancelled_at", "60"}, nil, ""},
		"deleted":                    {[]string{"deleted", "true"}, nil, ""},
		"a test":                     {[]string{"test", "true"}, nil, ""},
		"nobody named":               {[]string{"customer", "-"}, nil, ""},
		"total cleared":              {[]string{"total", "-"}, nil, ""},
		"currency cleared":           {[]string{"currency", "-"}, nil, ""},
		"date cleared":               {[]string{"ordered_at", "-"}, nil, ""},
		"a total that is no number":  {[]string{"total", "x"}, nil, ""},
		"placeholder instead of one": {[]string{"customer", "-", "email", "guest@haravan.com"}, nil, ""},
	} {
		facts := []events.Fact{whole, fact(events.Order, "9", 2, tt.then...)}
		for range 2 {
			at, o, ok := testRules.Contribution(facts)
			w := want
			if tt.want != nil {
				tt.want(&w)
			} else {
				w = Order{}
			}
			if at != tt.at || !o.Equal(w) || ok != (tt.want != nil) {
				t.Errorf("%s: %s %+v %v", name, at, o, ok)
			}
			slices.Reverse(facts)
		}
	}
	if _, _, ok := testRules.Contribution(nil); ok {
		t.Error("nothing contributes")
	}
	if _, _, ok := testRules.Contribution([]events.Fact{fact(events.Checkout, "9", 1, "customer", "1", "total", "1", "currency", "VND", "ordered_at", "1")}); ok {
		t.Error("a checkout contributes")
	}
	if n := (Order{Total: 100, Refunded: 35}).Net(); n != 65 {
		t.Error("net", n)
	}
}

func TestOrderTimes(t *testing.T) {
	var facts []events.Fact
	for _, at := range []int64{7, 3, 7, 5} {
		facts = append(facts, fact(events.Order, "1", at, "ordered_at", strconv.FormatInt(at, 10)))
	}
	facts = append(facts, fact(events.Order, "1", 1, "ordered_at", "-"), fact(events.Order, "1", 1))
	if got := fmt.Sprint(OrderTimes(facts)); got != "[3 5 7]" {
		t.Error(got)
	}
}

func TestDecision(t *testing.T) {
	one, two := testRules.Key.Fragment(customerAnchor("1")), testRules.Key.Fragment(customerAnchor("2"))
	pair := Pair(one, two)
	for name, tt := range map[string]struct {
		fields []string
		ok     bool
		split  bool
	}{
		"tie":                {[]string{"op", "tie", "fragment_a", string(one), "fragment_b", string(two)}, true, false},
		"split":              {[]string{"op", "split", "fragment_a", string(two), "fragment_b", string(one)}, true, true},
		"the source's merge": {[]string{"op", "tie", "customer_a", "1", "customer_b", "2"}, true, false},
		"mixed":              {[]string{"op", "tie", "customer_a", "1", "fragment_b", string(two)}, true, false},
		"with itself":        {[]string{"op", "tie", "customer_a", "1", "fragment_b", string(one)}, false, false},
		"one":                {[]string{"op", "tie", "customer_a", "1"}, false, false},
		"no id":              {[]string{"op", "tie", "fragment_a", "lan@example.vn", "fragment_b", string(two)}, false, false},
		"nobody":             {[]string{"op", "tie"}, false, false},
	} {
		p, d, ok := testRules.Decision(fact(events.Decision, "p", 7, tt.fields...))
		if ok != tt.ok || ok && (p != pair || d != Decision{At: 7, Split: tt.split}) {
			t.Errorf("%s: %v %v %v", name, p, d, ok)
		}
	}
	if _, _, ok := testRules.Decision(fact(events.Order, "p", 7, "customer_a", "1", "customer_b", "2")); ok {
		t.Error("an order decides")
	}
	for _, tt := range []struct {
		a, b Decision
		wins bool
	}{{Decision{2, false}, Decision{1, true}, true}, {Decision{1, true}, Decision{2, false}, false},
		{Decision{1, true}, Decision{1, false}, true}, {Decision{1, false}, Decision{1, true}, false}, {Decision{1, true}, Decision{1, true}, false}} {
		if tt.a.Wins(tt.b) != tt.wins {
			t.Errorf("%v over %v", tt.a, tt.b)
		}
	}
}
