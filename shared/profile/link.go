package profile

import (
	"cmp"
	"errors"
	"maps"
	"slices"
)

// ErrLost says that somebody else wrote a fragment or identity first: read again.
var ErrLost = errors.New("another writer was first")

// Fragment is what is stored of one anchor: its state, and how it is tied.
type Fragment struct {
	ID      ID              `json:"-"`
	Version int64           `json:"-"` // of the stored item; 0 = not stored yet
	Anchor  Source          `json:"n,omitzero"`
	State   State           `json:"s,omitzero"`
	Ties    map[ID]Decision `json:"d,omitempty"` // decisions on the pair with another fragment
	Members []ID            `json:"m,omitempty"` // the profile's fragments, sorted, itself among them; nil = alone
	// Pending are identifiers whose links are not yet known to be complete, with
	// the version at which each became so: the epoch keeps a slow worker from
	// clearing what another has set anew.
	Pending map[string]int64 `json:"p,omitempty"`
	// Quiet is the version of the newest write that took in facts of a replay or a
	// backfill: whoever acts on what they changed looks at it first. 0 = none.
	Quiet int64 `json:"q,omitempty"`
}

// Take joins a statement about the fragment.
func (f *Fragment) Take(s Statement) {
	if s.Anchor != (Anchor{}) {
		f.Anchor = SourceOf(s.Anchor)
	}
	f.State.Join(s)
}

// Source is what people may see of an anchor: the connection and, for a customer
// record, its id there.
type Source struct {
	Connection string `json:"c"`
	Customer   string `json:"i,omitempty"`
}

// SourceOf an anchor.
func SourceOf(a Anchor) Source {
	if a.Class == CustomerClass {
		return Source{a.Connection, a.Value}
	}
	return Source{Connection: a.Connection}
}

// Profile gives the fragments of the profile that the fragment belongs to.
func (f Fragment) Profile() []ID {
	if len(f.Members) == 0 {
		return []ID{f.ID}
	}
	return f.Members
}

// Decision says that two fragments are one person, or are not.
type Decision struct {
	At    int64 `json:"t"` // Unix ms
	Split bool  `json:"s,omitempty"`
}

// Wins tells whether d outranks o: the newer does, and a split at the same time.
func (d Decision) Wins(o Decision) bool {
	return d.At > o.At || d.At == o.At && d.Split && !o.Split
}

// Pair orders two fragments. The lesser one's item decides for both.
func Pair(a, b ID) [2]ID {
	if b < a {
		a, b = b, a
	}
	return [2]ID{a, b}
}

// Identity is what is stored of one identifier.
type Identity struct {
	ID        string             `json:"-"` // kind/hash
	Version   int64              `json:"-"`
	Claimants map[ID]string      `json:"c,omitempty"` // who claims it, with the connection
	Shared    bool               `json:"s,omitempty"` // too many do; it ties nobody, for ever
	Later     []ID               `json:"l,omitempty"` // who claims it since, up to a bound: found by it, not tied
	Stops     map[string]Consent `json:"w,omitempty"` // withdrawals on the address itself, by channel:purpose
}

// Claimed adds a claimant and tells whether the item changed.
func (i *Identity) Claimed(by ID, connection string, l Limits) bool {
	if _, known := i.Claimants[by]; known {
		return false
	}
	if i.Shared {
		if slices.Contains(i.Later, by) || len(i.Later) >= l.Claimants {
			return false
		}
		i.Later = append(slices.Clone(i.Later), by)
		return true
	}
	i.Claimants = maps.Clone(i.Claimants)
	if i.Claimants == nil {
		i.Claimants = map[ID]string{}
	}
	i.Claimants[by] = connection
	i.Shared = shared(i.Claimants, KindOf(i.ID), l)
	return true
}

// Ties tells whether a claimant is, or was, tied by the identifier.
func (i Identity) Ties(id ID) bool {
	_, claimant := i.Claimants[id]
	return claimant
}

// Found are all fragments that are found by the identifier, sorted.
func (i Identity) Found() []ID {
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(i.Claimants)), i.Later)))
}

// shared tells whether so many claim an identifier that it names nobody: more
// customer records of one connection than the limit, or too many in all.
func shared(claimants map[ID]string, k Kind, l Limits) bool {
	records := map[string]int{}
	for id, connection := range claimants {
		if id.Class() == CustomerClass {
			records[connection]++
			if records[connection] > l.Shared[k] {
				return true
			}
		}
	}
	return len(claimants) > l.Claimants
}

// Stop adds withdrawals and tells whether the item changed.
func (i *Identity) Stop(stops map[string]Consent) bool {
	changed := false
	for subject, c := range stops {
		if joined := i.Stops[subject].Join(c); joined != i.Stops[subject] {
			if !changed {
				i.Stops = maps.Clone(i.Stops)
			}
			if i.Stops == nil {
				i.Stops = map[string]Consent{}
			}
			i.Stops[subject], changed = joined, true
		}
	}
	return changed
}

// Component is a set of fragments that effective edges and ties connect.
type Component struct {
	Fragments map[ID]Fragment
	Edges     map[string][]ID // live identifier → the fragments that it ties
}

// Partition gives each fragment of a component its profile. Ties come first,
// then identifiers by kind and id; a union that would join a split pair is
// refused. A component beyond the limit falls apart, each fragment alone.
func (c Component) Partition(l Limits) map[ID][]ID {
	sets := newSets(c.Fragments)
	if len(c.Fragments) > l.Members {
		return sets.all()
	}
	for _, p := range c.decided(true) {
		sets.split(p)
	}
	for _, p := range c.decided(false) {
		sets.union(p[0], p[1])
	}
	ids := slices.SortedFunc(maps.Keys(c.Edges), func(a, b string) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, KindOf(a)), slices.Index(kinds, KindOf(b))), cmp.Compare(a, b))
	})
	for _, id := range ids {
		sets.touch(slices.Sorted(slices.Values(c.Edges[id])))
	}
	return sets.all()
}

// decided lists the pairs inside the component that are split, or tied.
func (c Component) decided(split bool) [][2]ID {
	var l [][2]ID
	for a, f := range c.Fragments {
		for b, d := range f.Ties {
			if _, inside := c.Fragments[b]; inside && a < b && d.Split == split {
				l = append(l, [2]ID{a, b})
			}
		}
	}
	slices.SortFunc(l, func(p, q [2]ID) int { return cmp.Or(cmp.Compare(p[0], q[0]), cmp.Compare(p[1], q[1])) })
	return l
}

// sets are disjoint sets of fragments that refuse to join split pairs.
type sets struct {
	of    map[ID]int
	in    map[int][]ID
	apart map[[2]ID]bool
}

func newSets(fragments map[ID]Fragment) *sets {
	s := &sets{map[ID]int{}, map[int][]ID{}, map[[2]ID]bool{}}
	for n, id := range slices.Sorted(maps.Keys(fragments)) {
		s.of[id], s.in[n] = n, []ID{id}
	}
	return s
}

func (s *sets) split(p [2]ID) { s.apart[Pair(p[0], p[1])] = true }

// union joins the sets of a and b, unless a split pair would come together.
func (s *sets) union(a, b ID) bool {
	i, j := s.of[a], s.of[b]
	if i == j {
		return true
	}
	for _, x := range s.in[i] {
		for _, y := range s.in[j] {
			if s.apart[Pair(x, y)] {
				return false
			}
		}
	}
	for _, y := range s.in[j] {
		s.of[y] = i
	}
	s.in[i] = append(s.in[i], s.in[j]...)
	delete(s.in, j)
	return true
}

// touch joins the fragments of one identifier: each with the first set, in order,
// that it may join.
func (s *sets) touch(fragments []ID) {
	var heads []ID
next:
	for _, f := range fragments {
		for _, h := range heads {
			if s.union(h, f) {
				continue next
			}
		}
		heads = append(heads, f)
	}
}

func (s *sets) all() map[ID][]ID {
	m := make(map[ID][]ID, len(s.of))
	for _, in := range s.in {
		slices.Sort(in)
		for _, id := range in {
			m[id] = in
		}
	}
	return m
}

// Equal compares everything but the versions.
func (f Fragment) Equal(o Fragment) bool {
	a, b := f.State, o.State
	return f.Anchor == o.Anchor && slices.Equal(f.Members, o.Members) && maps.Equal(f.Ties, o.Ties) && maps.Equal(f.Pending, o.Pending) &&
		a.Orders == b.Orders && maps.Equal(a.Sums, b.Sums) && slices.EqualFunc(a.Recent, b.Recent, Order.Equal) && sameOrder(a.First, b.First) &&
		maps.Equal(a.Traits, b.Traits) && same(a.Snapshot, b.Snapshot) && maps.Equal(a.Tags, b.Tags) &&
		maps.Equal(a.Consent, b.Consent) && maps.Equal(a.Claims, b.Claims) && same(a.Checkout, b.Checkout) &&
		sameEvents(a, b) && maps.Equal(a.Marks, b.Marks)
}

// Clone copies a fragment deep enough to be changed.
func (f Fragment) Clone() Fragment {
	f.Ties, f.Pending = maps.Clone(f.Ties), maps.Clone(f.Pending)
	f.Members = slices.Clone(f.Members)
	s := &f.State
	s.Sums, s.Traits, s.Tags = maps.Clone(s.Sums), maps.Clone(s.Traits), maps.Clone(s.Tags)
	s.Consent, s.Claims, s.Recent = maps.Clone(s.Consent), maps.Clone(s.Claims), slices.Clone(s.Recent)
	s.Events, s.Marks = maps.Clone(s.Events), maps.Clone(s.Marks)
	return f
}

// Pend notes that an identifier's links are to be made, from the version that
// the next write gives the fragment.
func (f *Fragment) Pend(identifier string) {
	if f.Pending == nil {
		f.Pending = map[string]int64{}
	}
	f.Pending[identifier] = f.Version + 1
}

// Linked clears what was pending, but for what has become so again since.
func (f *Fragment) Linked(done map[string]int64) {
	for id, epoch := range done {
		if f.Pending[id] == epoch {
			delete(f.Pending, id)
		}
	}
	if len(f.Pending) == 0 {
		f.Pending = nil
	}
}

// Tie notes a decision on the pair with another fragment.
func (f *Fragment) Tie(other ID, d Decision) {
	if f.Ties == nil {
		f.Ties = map[ID]Decision{}
	}
	f.Ties[other] = d
}

// SetMembers notes the fragments of the profile; alone is written as nothing.
func (f *Fragment) SetMembers(ids []ID) {
	f.Members = nil
	if len(ids) > 1 {
		f.Members = ids
	}
}

// Change is a part of a profile that changed.
type Change string

// The parts of a profile.
const (
	OrdersChanged   Change = "orders"
	TraitsChanged   Change = "traits"
	TagsChanged     Change = "tags"
	ConsentChanged  Change = "consent"
	CheckoutChanged Change = "checkout"
	IdentityChanged Change = "identity"
	EventsChanged   Change = "events"
)

// Changes tells which parts differ: what readers should hear of. Moves are those
// of older orders that the same write makes: an order beyond the newest may change
// nothing else. Bookkeeping gives none. Beside other members what was said once more
// may be the newest word now, which counts for all: only who is alone says nothing new.
func Changes(was, is Fragment, moves ...Move) []Change {
	var l []Change
	differ := func(c Change, same bool) {
		if !same {
			l = append(l, c)
		}
	}
	a, b, alone := was.State, is.State, len(is.Profile()) == 1
	differ(OrdersChanged, len(moves) == 0 && maps.Equal(a.Sums, b.Sums) && slices.EqualFunc(a.Recent, b.Recent, Order.Equal) && sameOrder(a.First, b.First))
	differ(TraitsChanged, maps.EqualFunc(a.Traits, b.Traits, func(x, y Register) bool { return x.Value == y.Value && (alone || x == y) }))
	differ(TagsChanged, slices.Equal(a.TagList(), b.TagList()) && (alone || maps.Equal(a.sourceTags(), b.sourceTags()) && maps.Equal(a.Marks, b.Marks)))
	differ(ConsentChanged, maps.Equal(a.Consent, b.Consent))
	differ(CheckoutChanged, same(a.Checkout, b.Checkout))
	differ(IdentityChanged, slices.Equal(was.Profile(), is.Profile()) &&
		maps.EqualFunc(a.Claims, b.Claims, func(Claim, Claim) bool { return true }))
	differ(EventsChanged, sameEvents(a, b))
	return l
}

func sameEvents(a, b State) bool { return maps.EqualFunc(a.Events, b.Events, slices.Equal) }

func sameOrder(a, b *Order) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

func same[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}
