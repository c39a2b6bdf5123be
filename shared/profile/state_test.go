package profile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
)

func TestStatement(t *testing.T) {
	lan, phone := "lan@example.vn", "+84912345678"
	both := []string{"email", lan, "phone", phone}
	for name, tt := range map[string]struct {
		kind   events.Kind
		fields []string
		at     string // what stands in the anchor; "" = it says nothing
		claims string // kinds of the identifiers that are claimed
	}{
		"customer":                         {events.Customer, both, "1", "email phone"},
		"customer without addresses":       {events.Customer, []string{"first_name", "Lan"}, "1", ""},
		"customer with the shop's address": {events.Customer, []string{"email", "shop@example.vn", "phone", phone}, "1", "phone"},
		"customer who cleared an address":  {events.Customer, []string{"email", "-", "phone", phone}, "1", "phone"},
		"guest's order":                    {events.Order, append([]string{"customer", "-"}, both...), "email/" + lan, "email phone"},
		"known customer's order":           {events.Order, append([]string{"customer", "7"}, both...), "", ""},
		"partial body of an order":         {events.Order, both, "", ""},
		"walk-in":                          {events.Order, []string{"customer", "-"}, "", ""},
		"guest's checkout":                 {events.Checkout, append([]string{"anonymous_id", "x"}, both...), "email/" + lan, "anonymous email phone"},
		"known customer's checkout":        {events.Checkout, append([]string{"customer", "7"}, both...), "7", ""},
		"form":                             {events.Form, both, "email/" + lan, "email phone"},
		"form of a device":                 {events.Form, []string{"anonymous_id", "x"}, "anonymous/x", "anonymous"},
		"form of nobody":                   {events.Form, []string{"form", "survey"}, "", ""},
		"product":                          {events.Product, []string{"title", "Khăn"}, "", ""},
		"decision":                         {events.Decision, both, "", ""},
		"event":                            {events.Event, append([]string{"name", "tasting.booked"}, both...), "email/" + lan, "email phone"},
		"event of a device":                {events.Event, []string{"anonymous_id", "x"}, "anonymous/x", "anonymous"},
		"event of nobody":                  {events.Event, []string{"name", "tasting.booked"}, "", ""},
		"message of no fragment":           {events.Engagement, []string{"email", lan, "fragment", "lan"}, "", ""},
		"privacy request":                  {events.Privacy, []string{"customer", "7"}, "", ""},
	} {
		f := fact(tt.kind, "1", 5, tt.fields...)
		s, ok := testRules.Statement(f)
		if ok != (tt.at != "") || s.Anchor.Value != tt.at {
			t.Errorf("%s: %v %+v", name, ok, s.Anchor)
			continue
		}
		if len(s.Stops) != 0 {
			t.Error(name, s.Stops)
		}
		if ok && s.Fragment != testRules.Key.Fragment(s.Anchor) {
			t.Errorf("%s: the fragment is not the anchor's", name)
		}
		var kinds []string
		for id, c := range s.Claims {
			kinds = append(kinds, string(KindOf(id)))
			if id != testRules.Key.Identifier(Identifier{KindOf(id), c.Value}) || c.At != 5 {
				t.Errorf("%s: claim %s is %+v", name, id, c)
			}
		}
		if slices.Sort(kinds); strings.Join(kinds, " ") != tt.claims {
			t.Errorf("%s: claims %v", name, kinds)
		}
	}
}

func TestStopsLieOnAddressesOfTheirKind(t *testing.T) {
	email, phone := testRules.Key.Identifier(Identifier{Email, "lan@example.vn"}), testRules.Key.Identifier(Identifier{Phone, "+84912345678"})
	s, _ := testRules.Statement(fact(events.Customer, "1", 5, "email", "lan@example.vn", "phone", "+84912345678", "anonymous_id", "x",
		"withdraw:email:marketing", "3", "withdraw:sms:marketing", "4", "withdraw:zalo:marketing", "5", "grant:email:news", "6"))
	want := map[string]map[string]Consent{
		email: {"email:marketing": {Withdrawn: 3}},
		phone: {"sms:marketing": {Withdrawn: 4}, "zalo:marketing": {Withdrawn: 5}},
	}
	if diff := cmp.Diff(want, s.Stops); diff != "" {
		t.Error(diff)
	}
	s, _ = testRules.Statement(fact(events.Customer, "1", 5, "email", "lan@example.vn", "withdraw:sms:marketing", "4"))
	if len(s.Stops) != 0 {
		t.Error("a withdrawal of texts lies on an e-mail address", s.Stops)
	}
	s, _ = testRules.Statement(fact(events.Checkout, "1", 5, "customer", "7", "email", "lan@example.vn", "withdraw:email:marketing", "3"))
	if len(s.Stops) != 0 {
		t.Error("what stands on a known customer's sale stops an address that may be anybody's", s.Stops)
	}
}

// joined takes facts into a state.
func stateOf(facts ...events.Fact) State {
	var s State
	for _, f := range facts {
		if st, ok := testRules.Statement(f); ok {
			s.Join(st)
			s.Claim(st.Claims, DefaultLimits)
		}
	}
	return s
}

// TestStateIsAJoin: order and copies of statements do not matter.
func TestStateIsAJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 4_000 {
		var l []events.Fact
		for range 2 + r.IntN(4) {
			f := randomFact(r, []events.Kind{events.Customer, events.Checkout}[r.IntN(2)])
			if f.Kind == events.Checkout {
				f.Fields["customer"] = events.Text("1")
			}
			l = append(l, f)
		}
		want := Fragment{State: stateOf(l...)}
		l = append(l, l[r.IntN(len(l))], l[r.IntN(len(l))])
		r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		if got := (Fragment{State: stateOf(l...)}); !got.Equal(want) {
			t.Fatalf("order or copies matter for %v\n%s", l, cmp.Diff(want.State, got.State, cmp.AllowUnexported(events.Value{})))
		}
	}
}

func TestTags(t *testing.T) {
	snapshot := func(version int64, l string) events.Fact { return fact(events.Customer, "1", version, "tags", l) }
	op := func(version int64, tag, sign string) events.Fact {
		f := fact(events.Customer, "1", version)
		f.Fields["tag:"+tag] = events.Text(sign)
		return f
	}
	for name, tt := range map[string]struct {
		facts []events.Fact
		want  string
	}{
		"none":                          {nil, "[]"},
		"snapshot":                      {[]events.Fact{snapshot(1, `["a","b"]`)}, "[a b]"},
		"newer snapshot":                {[]events.Fact{snapshot(1, `["a","b"]`), snapshot(2, `["c"]`)}, "[c]"},
		"added since":                   {[]events.Fact{snapshot(1, `["a"]`), op(2, "b", "+")}, "[a b]"},
		"removed since":                 {[]events.Fact{snapshot(1, `["a","b"]`), op(2, "b", "-")}, "[a]"},
		"added before the snapshot":     {[]events.Fact{snapshot(3, `["a"]`), op(2, "b", "+")}, "[a]"},
		"added with the snapshot":       {[]events.Fact{snapshot(2, `["a"]`), op(2, "b", "+")}, "[a b]"},
		"removed, then added":           {[]events.Fact{op(2, "b", "-"), op(3, "b", "+")}, "[b]"},
		"added, then removed":           {[]events.Fact{op(2, "b", "+"), op(3, "b", "-")}, "[]"},
		"removed before it was listed":  {[]events.Fact{op(1, "a", "-"), snapshot(2, `["a"]`)}, "[a]"},
		"removed, re-listed, and again": {[]events.Fact{op(1, "a", "-"), snapshot(2, `["a"]`), op(3, "a", "-")}, "[]"},
		"snapshot cleared":              {[]events.Fact{snapshot(1, `["a"]`), fact(events.Customer, "1", 2, "tags", "-")}, "[]"},
	} {
		for range 2 {
			if got := fmt.Sprint(stateOf(tt.facts...).TagList()); got != tt.want {
				t.Errorf("%s: %s", name, got)
			}
			slices.Reverse(tt.facts)
		}
	}
	if s := stateOf(op(1, "a", "-"), op(1, "b", "+"), snapshot(2, `["a"]`)); s.Tags != nil {
		t.Error("what a newer snapshot says anyway is kept", s.Tags)
	}
}

func TestConsent(t *testing.T) {
	for _, tt := range []struct {
		c     Consent
		given bool
	}{{Consent{}, false}, {Consent{Granted: 1}, true}, {Consent{Withdrawn: 1}, false}, {Consent{2, 1}, true}, {Consent{1, 2}, false}, {Consent{2, 2}, false}} {
		if tt.c.Given() != tt.given {
			t.Errorf("%+v", tt.c)
		}
	}
	if got := (Consent{5, 1}).Join(Consent{2, 7}); got != (Consent{5, 7}) {
		t.Error(got)
	}
	s := stateOf(fact(events.Customer, "1", 1, "grant:email:marketing", "5", "grant:sms:marketing", "-"),
		fact(events.Form, "1", 9, "email", "lan@example.vn", "withdraw:email:marketing", "7"))
	if s.Consent["email:marketing"] != (Consent{5, 7}) || len(s.Consent) != 1 {
		t.Error(s.Consent)
	}
}

func TestCheckout(t *testing.T) {
	checkout := func(version int64, fields ...string) events.Fact {
		return fact(events.Checkout, "c", version, append([]string{"customer", "1"}, fields...)...)
	}
	s := stateOf(checkout(1, "started_at", "3", "total", "100", "currency", "VND", "first_name", "Anybody"), checkout(2, "total", "5"),
		checkout(3, "started_at", "3", "deleted", "true"))
	v := Combine([]Fragment{{ID: "c", State: s}}, nil, DefaultLimits)
	if diff := cmp.Diff(&LastCheckout{Record: "shop|checkout|c", Started: 3, Total: 100, Currency: "VND"}, v.Checkout); diff != "" {
		t.Error("partial bodies and deletions say nothing of the checkout", diff)
	}
	if len(s.Traits) != 0 {
		t.Error("a known customer's checkout describes the customer", s.Traits)
	}
	s = stateOf(checkout(1, "started_at", "3"), checkout(4, "started_at", "3", "completed_at", "9"))
	if v := Combine([]Fragment{{ID: "c", State: s}}, nil, DefaultLimits); v.Checkout.Completed != 9 {
		t.Error(v.Checkout)
	}
}

func TestTraits(t *testing.T) {
	s := stateOf(fact(events.Customer, "1", 1, "first_name", "Lan", "city", "Huế", "birthday", "2000-01-01", "timezone", "Europe/Berlin"),
		fact(events.Customer, "1", 3, "city", "-"), fact(events.Form, "f", 2, "email", "lan@example.vn", "first_name", "Hoa", "answer:x", "y", "page", "https://x"))
	v := Combine([]Fragment{{ID: "c", State: s}}, nil, DefaultLimits)
	if v.Trait("first_name") != "Hoa" || v.Trait("city") != "" || !v.Traits["city"].Value.IsNull() || v.Trait("birthday") != "2000-01-01" || v.Trait("timezone") != "Europe/Berlin" || v.Trait("last_name") != "" {
		t.Error(v.Traits)
	}
	if got := slices.Sorted(maps.Keys(s.Traits)); fmt.Sprint(got) != "[birthday city email first_name timezone]" {
		t.Error("what describes the record describes the person:", got)
	}
}

func TestClaims(t *testing.T) {
	var s State
	if got := s.Claim(map[string]Claim{"phone/b": {5, "b"}, "email/a": {5, "a"}}, DefaultLimits); fmt.Sprint(got) != "[email/a phone/b]" {
		t.Error("fresh claims", got)
	}
	if got := s.Claim(map[string]Claim{"email/a": {3, "a"}, "email/c": {1, "c"}}, DefaultLimits); fmt.Sprint(got) != "[email/c]" || s.Claims["email/a"].At != 5 {
		t.Error("claims only grow", got, s.Claims)
	}
	l := Limits{Fan: map[Kind]int{Email: 2, Phone: 5, Anonymous: 1}}
	if s.Over(Email, l) || len(s.OverKinds(l)) != 0 {
		t.Error("at the limit is not over it")
	}
	s.Claim(map[string]Claim{"email/d": {1, "d"}}, DefaultLimits)
	if !s.Over(Email, l) || s.Over(Phone, l) || !maps.Equal(s.OverKinds(l), map[Kind]bool{Email: true}) {
		t.Error("beyond the limit is over it", s.OverKinds(l))
	}
	if len(s.ClaimsOf(Email)) != 3 || len(s.ClaimsOf(Phone)) != 1 || len(s.ClaimsOf(Anonymous)) != 0 {
		t.Error("claims by kind")
	}
}

// An address that is nobody's is no trait, and an own one that was there stays.
func TestDeniedAddressesAreNoTraits(t *testing.T) {
	rules := NewRules([]byte("a key of thirty-two bytes, or so"), []string{"shop@tra-sen.example"}, []string{"0900000000"})
	fact := func(at int64, email, phone string) events.Fact {
		return events.Fact{Workspace: "w", Connection: "shop", Kind: events.Customer, Record: "7", Version: at, At: at,
			Fields: events.Fields{"email": events.Text(email), "phone": events.Text(phone), "first_name": events.Text("Lan")}}
	}
	var state State
	for _, f := range []events.Fact{fact(1, "lan@example.vn", "+84912345678"), fact(2, "shop@tra-sen.example", "0900000000"), fact(3, "guest@haravan.com", "+84912345679")} {
		s, ok := rules.Statement(f)
		if !ok {
			t.Fatal("no statement")
		}
		state.Join(s)
	}
	if email, phone := state.Traits["email"].Value.String(), state.Traits["phone"].Value.String(); email != "lan@example.vn" || phone != "+84912345679" {
		t.Errorf("email %q, phone %q", email, phone)
	}
}
