package profile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
)

// randomFragment is what a few random statements and orders make of a fragment.
func randomFragment(r *rand.Rand, id ID) Fragment {
	f := Fragment{ID: id, Anchor: Source{Connection: "shop", Customer: string(id)}}
	for range r.IntN(4) {
		f.State.Join(Statement{Anchor: customerAnchor("1"), fact: randomFact(r, events.Customer)})
	}
	for range r.IntN(3) {
		k := fmt.Sprintf("%s/%d", kinds[r.IntN(3)], r.IntN(3))
		f.State.Claim(map[string]Claim{k: {int64(r.IntN(5)), k}}, DefaultLimits)
	}
	s := newShop(12)
	for n := range r.IntN(9) {
		record := fmt.Sprint(id, n)
		o := &Order{At: int64(r.IntN(20)), Record: record, Total: int64(r.IntN(9)), Currency: []string{"VND", "USD"}[r.IntN(2)]}
		f.State.Settle(12, record, o, s.read(f.State.Reads(record, o, []int64{o.At})))
	}
	if r.IntN(3) == 0 {
		checkout := fact(events.Checkout, string(id), int64(r.IntN(5)), "customer", "1", "started_at", "1")
		f.State.Join(Statement{Anchor: customerAnchor("1"), fact: checkout})
	}
	return f
}

var identities = map[string]Identity{
	"email/0": {Stops: map[string]Consent{"email:marketing": {Withdrawn: 2}}},
	"phone/1": {Shared: true, Stops: map[string]Consent{"sms:marketing": {Withdrawn: 4}}},
}

func TestCombine(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 1_500 {
		var l []Fragment
		for n := range 1 + r.IntN(5) {
			l = append(l, randomFragment(r, ID(fmt.Sprintf("%c%d", "cgn"[r.IntN(3)], n))))
		}
		var before []Fragment
		for _, f := range l {
			before = append(before, f.Clone())
		}
		whole := Combine(l, identities, DefaultLimits)
		for n := range l {
			if !l[n].Equal(before[n]) || l[n].ID != before[n].ID {
				t.Fatal("a view reaches into fragments")
			}
		}
		r.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		if diff := cmp.Diff(whole, Combine(l, identities, DefaultLimits), cmp.AllowUnexported(events.Value{})); diff != "" {
			t.Fatal("the order of fragments matters", diff)
		}
		cut := r.IntN(len(l) + 1)
		checkCut(t, whole, l[:cut], l[cut:])
	}
}

// checkCut: the view of all is made of the views of any two halves.
func checkCut(t *testing.T, whole View, halves ...[]Fragment) {
	t.Helper()
	sums, consent, traits := map[string]Sum{}, map[string]Consent{}, map[string]Register{}
	orders, tags := int64(0), map[string]bool{}
	var recent []Order
	var first *Order
	var id ID
	for _, h := range halves {
		if len(h) == 0 {
			continue
		}
		v := Combine(h, identities, DefaultLimits)
		orders += v.Orders
		for c, m := range v.Sums {
			o := sums[c]
			sums[c] = Sum{o.Orders + m.Orders, o.Total + m.Total, o.Refunded + m.Refunded}
		}
		for s, c := range v.Consent {
			consent[s] = consent[s].Join(c)
		}
		for k, x := range v.Traits {
			join(traits, k, x)
		}
		for _, x := range v.Tags {
			tags[x] = true
		}
		recent = append(recent, v.Recent...)
		if v.First != nil && (first == nil || v.First.compare(*first) < 0) {
			first = v.First
		}
		if id == "" || v.ID < id {
			id = v.ID
		}
	}
	slices.SortFunc(recent, func(a, b Order) int { return b.compare(a) })
	recent = recent[:min(len(recent), DefaultLimits.Recent)]
	if whole.ID != id || whole.Orders != orders || !maps.Equal(whole.Sums, sums) || !maps.Equal(whole.Consent, consent) || !maps.Equal(whole.Traits, traits) ||
		!slices.Equal(whole.Tags, slices.Sorted(maps.Keys(tags))) || !slices.EqualFunc(whole.Recent, recent, Order.Equal) || !equal(whole.First, first) {
		t.Fatalf("halves do not make the whole: %+v", whole)
	}
}

func TestViewOfOne(t *testing.T) {
	email, phone := testRules.Key.Identifier(Identifier{Email, "lan@example.vn"}), testRules.Key.Identifier(Identifier{Phone, "+84912345678"})
	customer := Fragment{ID: "cb", Anchor: Source{"shop", "1"}, State: stateOf(fact(events.Customer, "1", 5, "email", "lan@example.vn", "phone", "+84912345678",
		"grant:email:marketing", "5", "grant:sms:marketing", "5"))}
	guest := Fragment{ID: "ga", State: stateOf(fact(events.Form, "1", 9, "email", "lan@example.vn", "first_name", "Lan"))}
	v := Combine([]Fragment{guest, customer}, map[string]Identity{
		email: {Stops: map[string]Consent{"email:marketing": {Withdrawn: 7}}}, phone: {Shared: true}}, DefaultLimits)
	want := []Known{{Email, "lan@example.vn", false}, {Phone, "+84912345678", true}}
	if v.ID != "cb" || fmt.Sprint(v.Members) != "[cb ga]" || !slices.Equal(v.Identities, want) || len(v.Sources) != 1 || v.Trait("first_name") != "Lan" {
		t.Errorf("%+v", v)
	}
	if v.Consent["email:marketing"].Given() || !v.Consent["sms:marketing"].Given() {
		t.Error("what lies on an address stops every fragment that claims it", v.Consent)
	}
	if fmt.Sprint(SourceOf(customerAnchor("7")), SourceOf(Anchor{GuestClass, "shop", "email/lan@example.vn"})) != "{shop 7} {shop }" {
		t.Error("a guest's address is shown as a source")
	}
}

// TestDeletedCustomer: a person is gone at the source when all their records are.
// A merge there, or a record made anew, leaves a deleted one behind.
func TestDeletedCustomer(t *testing.T) {
	record := func(id ID, fields ...string) Fragment {
		f := Fragment{ID: id}
		f.State.Join(Statement{Anchor: customerAnchor(string(id)), fact: fact(events.Customer, string(id), 2, fields...)})
		return f
	}
	gone, kept, guest := record("c1", "deleted", "true"), record("c2", "first_name", "Lan"), Fragment{ID: "g1"}
	for _, c := range []struct {
		about     string
		fragments []Fragment
		want      string
	}{
		{"the only record", []Fragment{gone}, "true"},
		{"with what a guest left", []Fragment{gone, guest}, "true"},
		{"another record lives", []Fragment{gone, kept}, ""},
		{"both are gone", []Fragment{gone, record("c2", "deleted", "true")}, "true"},
	} {
		if got := Combine(c.fragments, nil, DefaultLimits).Trait("deleted"); got != c.want {
			t.Errorf("%s: deleted is %q; want %q", c.about, got, c.want)
		}
	}
}
