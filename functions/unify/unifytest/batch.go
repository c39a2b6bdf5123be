// Package unifytest is what tests of unify compare with, and what they draw from:
// random histories, and a plain computation of what must be at rest after them.
package unifytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"loophub/events"
	"loophub/shared/profile"
)

// Rest is what the Hub table holds when nothing is under way.
type Rest struct {
	Fragments  map[profile.ID]profile.Fragment
	Older      map[profile.ID]map[profile.Lookup]profile.Order
	Index      map[profile.ID]map[string]bool // records by fragment
	Identities map[string]profile.Identity
}

// NewRest is empty.
func NewRest() Rest {
	return Rest{map[profile.ID]profile.Fragment{}, map[profile.ID]map[profile.Lookup]profile.Order{}, map[profile.ID]map[string]bool{}, map[string]profile.Identity{}}
}

// Batch computes everything afresh from the set of facts, with plain loops over
// everything. It shares with the protocol only what is defined per fact, per
// record and per component.
func Batch(rules profile.Rules, facts []events.Fact) Rest {
	b := batcher{rules: rules, set: map[string]events.Fact{}, Rest: NewRest()}
	for _, f := range facts {
		b.set[f.ID()] = f
	}
	b.statements()
	b.orders()
	b.decisions()
	b.members()
	return b.Rest
}

type batcher struct {
	Rest
	rules  profile.Rules
	set    map[string]events.Fact
	claims map[string]map[profile.ID]string
}

func (b *batcher) at(id profile.ID, change func(*profile.Fragment)) {
	f := b.Fragments[id]
	f.ID = id
	change(&f)
	b.Fragments[id] = f
}

func (b *batcher) sorted() []events.Fact {
	var l []events.Fact
	for _, id := range slices.Sorted(maps.Keys(b.set)) {
		l = append(l, b.set[id])
	}
	return l
}

func (b *batcher) statements() {
	b.claims = map[string]map[profile.ID]string{}
	for _, f := range b.sorted() {
		s, ok := b.rules.Statement(f)
		if !ok {
			continue
		}
		b.at(s.Fragment, func(f *profile.Fragment) {
			f.Take(s)
			f.State.Claim(s.Claims, b.rules.Limits)
		})
		for id := range s.Claims {
			if b.claims[id] == nil {
				b.claims[id] = map[profile.ID]string{}
			}
			b.claims[id][s.Fragment] = s.Anchor.Connection
		}
		for id, stops := range s.Stops {
			i := b.Identities[id]
			i.Stop(stops)
			b.Identities[id] = i
		}
	}
	l := b.rules.Limits
	for id, claimants := range b.claims {
		i, records := b.Identities[id], map[string]int{}
		for c, connection := range claimants {
			if c.Class() == profile.CustomerClass {
				records[connection]++
			}
		}
		for _, n := range records {
			i.Shared = i.Shared || n > l.Shared[profile.KindOf(id)]
		}
		i.Shared = i.Shared || len(claimants) > l.Claimants
		b.Identities[id] = i
	}
}

func (b *batcher) orders() {
	records := map[string][]events.Fact{}
	for _, f := range b.sorted() {
		records[f.RecordKey()] = append(records[f.RecordKey()], f)
	}
	counted := map[profile.ID][]profile.Order{}
	for _, facts := range records {
		for _, id := range b.rules.Candidates(facts...) {
			if facts[0].Kind == events.Customer {
				continue // its only fragment is its own
			}
			if b.Index[id] == nil {
				b.Index[id] = map[string]bool{}
			}
			b.Index[id][facts[0].RecordKey()] = true
		}
		if at, o, ok := b.rules.Contribution(facts); ok {
			counted[at] = append(counted[at], o)
		}
	}
	for id, l := range counted {
		slices.SortFunc(l, func(x, y profile.Order) int {
			if x.At != y.At {
				return int(y.At - x.At)
			}
			return strings.Compare(y.Record, x.Record)
		})
		n := min(len(l), b.rules.Limits.Recent)
		b.at(id, func(f *profile.Fragment) {
			f.State.Orders, f.State.Recent, f.State.First = int64(len(l)), l[:n], &l[len(l)-1]
			f.State.Sums = map[string]profile.Sum{}
			for _, o := range l {
				s := f.State.Sums[o.Currency]
				f.State.Sums[o.Currency] = profile.Sum{Orders: s.Orders + 1, Total: s.Total + o.Total, Refunded: s.Refunded + o.Refunded}
			}
		})
		b.Older[id] = map[profile.Lookup]profile.Order{}
		for _, o := range l[n:] {
			b.Older[id][profile.Lookup{At: o.At, Record: o.Record}] = o
		}
	}
}

func (b *batcher) decisions() {
	for _, f := range b.sorted() {
		p, d, ok := b.rules.Decision(f)
		if !ok {
			continue
		}
		for n, id := range p {
			b.at(id, func(f *profile.Fragment) {
				if old, known := f.Ties[p[1-n]]; !known || d.Wins(old) {
					f.Tie(p[1-n], d)
				}
			})
		}
	}
}

// members floods over all effective edges and ties at once.
func (b *batcher) members() {
	l := b.rules.Limits
	edges := map[string][]profile.ID{}
	for id, f := range b.Fragments {
		for i := range f.State.Claims {
			if !b.Identities[i].Shared && !f.State.Over(profile.KindOf(i), l) {
				edges[i] = append(edges[i], id)
			}
		}
	}
	done := map[profile.ID]bool{}
	for id := range b.Fragments {
		if done[id] {
			continue
		}
		c := profile.Component{Fragments: map[profile.ID]profile.Fragment{id: b.Fragments[id]}, Edges: map[string][]profile.ID{}}
		for grown := true; grown; {
			grown = false
			reach := func(to profile.ID) {
				if _, in := c.Fragments[to]; !in {
					c.Fragments[to], grown = b.Fragments[to], true
				}
			}
			for i, l := range edges {
				if slices.ContainsFunc(l, func(x profile.ID) bool { _, in := c.Fragments[x]; return in }) {
					c.Edges[i] = l
					for _, x := range l {
						reach(x)
					}
				}
			}
			for x := range c.Fragments {
				for y, d := range b.Fragments[x].Ties {
					if !d.Split {
						reach(y)
					}
				}
			}
		}
		for x, members := range c.Partition(l) {
			done[x] = true
			b.at(x, func(f *profile.Fragment) { f.SetMembers(members) })
		}
	}
}

// Print is everything that promise 3 covers, in words: fragments, older orders,
// profiles, what is shared and what lies on addresses. Empty fragments, versions
// and claimants of what is shared are left out.
func (r Rest) Print(rules profile.Rules) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(r.Fragments)) {
		f := r.Fragments[id]
		f.Quiet = 0 // a version
		if dump(f.State) == "{}" && len(f.Members) == 0 && len(f.Ties) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s %s\n  older %s\n  index %v\n", id, dump(f), dump(slices.SortedFunc(maps.Values(r.Older[id]), byPlace)), slices.Sorted(maps.Keys(r.Index[id])))
		fmt.Fprintf(&b, "  view %s\n", dump(r.view(rules, id)))
	}
	for _, id := range slices.Sorted(maps.Keys(r.Identities)) {
		i := r.Identities[id]
		fmt.Fprintf(&b, "%s shared %v stops %s\n", id, i.Shared, dump(i.Stops))
	}
	return b.String()
}

func byPlace(x, y profile.Order) int {
	if x.At != y.At {
		return int(x.At - y.At)
	}
	return strings.Compare(x.Record, y.Record)
}

func (r Rest) view(rules profile.Rules, id profile.ID) profile.View {
	var fragments []profile.Fragment
	for _, m := range r.Fragments[id].Profile() {
		f := r.Fragments[m]
		f.ID = m
		fragments = append(fragments, f)
	}
	return profile.Combine(fragments, r.Identities, rules.Limits)
}

func dump(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps, texts and numbers always encode
	}
	return string(b)
}
