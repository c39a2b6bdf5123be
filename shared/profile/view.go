package profile

import (
	"cmp"
	"encoding/json"
	"slices"
)

// View is a profile as readers see it: Combine of its fragments.
type View struct {
	ID         ID
	Members    []ID
	Sources    []Source
	Traits     map[string]Register
	Identities []Known
	Orders     int64
	Sums       map[string]Sum // by currency
	Recent     []Order        // newest first
	First      *Order
	Tags       []string
	Consent    map[string]Consent // by channel:purpose, withdrawals of the addresses included
	Checkout   *LastCheckout
	Events     map[string][]Seen // what happened lately, by name; the newest few of each, newest first
}

// Seen is an event that a customer was seen with.
type Seen struct {
	At     int64  // Unix ms
	Record string // connection|kind|id
}

// Known is an identifier that belongs to a profile.
type Known struct {
	Kind   Kind
	Value  string
	Shared bool // too many claim it: it ties nobody, and finds nobody
}

// Combine makes the view of a profile from all its fragments and the stored
// identities that they claim (an absent one has no withdrawals). It is
// commutative and associative: fragments are never mixed, so any cut is exact.
func Combine(fragments []Fragment, identities map[string]Identity, l Limits) View {
	fragments = slices.Clone(fragments)
	slices.SortFunc(fragments, func(a, b Fragment) int { return cmp.Compare(a.ID, b.ID) })
	v := View{Traits: map[string]Register{}, Sums: map[string]Sum{}, Consent: map[string]Consent{}, Tags: []string{}}
	claims, tags := map[string]Claim{}, map[string]bool{}
	var checkout *Register
	living := false // some customer record that is not deleted
	for _, f := range fragments {
		v.Members = append(v.Members, f.ID)
		if f.Anchor != (Source{}) {
			v.Sources = append(v.Sources, f.Anchor)
		}
		v.combineOrders(f.State)
		living = living || f.ID.Class() == CustomerClass && f.State.Traits["deleted"].Value.String() != "true"
		for k, r := range f.State.Traits {
			join(v.Traits, k, r)
		}
		for _, t := range f.State.TagList() {
			tags[t] = true
		}
		for subject, c := range f.State.Consent {
			v.Consent[subject] = v.Consent[subject].Join(c)
		}
		for id, c := range f.State.Claims {
			claims[id] = c
		}
		if c := f.State.Checkout; c != nil && (checkout == nil || checkout.compare(*c) < 0) {
			checkout = c
		}
	}
	if living { // one record of a person is gone, by a merge at the source or to be made anew; the person is not
		delete(v.Traits, "deleted")
	}
	v.ID = v.Members[0]
	v.know(claims, identities)
	v.finish(tags, checkout, l)
	return v
}

func (v *View) combineOrders(s State) {
	v.Orders += s.Orders
	for c, m := range s.Sums {
		o := v.Sums[c]
		v.Sums[c] = Sum{o.Orders + m.Orders, o.Total + m.Total, o.Refunded + m.Refunded}
	}
	v.Recent = append(v.Recent, s.Recent...)
	if s.First != nil && (v.First == nil || s.First.compare(*v.First) < 0) {
		v.First = s.First
	}
}

// know lists the identifiers and takes in what lies on the addresses.
func (v *View) know(claims map[string]Claim, identities map[string]Identity) {
	for id, c := range claims {
		stored := identities[id]
		v.Identities = append(v.Identities, Known{KindOf(id), c.Value, stored.Shared})
		for subject, stop := range stored.Stops {
			v.Consent[subject] = v.Consent[subject].Join(stop)
		}
	}
	slices.SortFunc(v.Identities, func(a, b Known) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.Value, b.Value))
	})
}

func (v *View) finish(tags map[string]bool, checkout *Register, l Limits) {
	slices.SortFunc(v.Recent, func(a, b Order) int { return b.compare(a) })
	v.Recent = v.Recent[:min(len(v.Recent), l.Recent)]
	for t := range tags {
		v.Tags = append(v.Tags, t)
	}
	slices.Sort(v.Tags)
	if checkout != nil {
		var c LastCheckout
		if json.Unmarshal([]byte(checkout.Value.String()), &c) == nil {
			v.Checkout = &c
		}
	}
}

// Trait is the text of a trait, "" where it is unknown or cleared.
func (v View) Trait(name string) string { return v.Traits[name].Value.String() }
