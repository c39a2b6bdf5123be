package profile

import (
	"cmp"
	"slices"
)

// Older is what the shell read of a fragment's older orders, the ones beyond the
// newest: enough to decide one change.
type Older struct {
	Own    *Order  // the record's own, if it lies there
	Newest []Order // up to two, newest first
	Oldest []Order // up to two, oldest first
}

// Lookup names an older order by its place.
type Lookup struct {
	At     int64
	Record string
}

// Move puts an order among the older ones, or takes it away.
type Move struct {
	Order Order
	Put   bool
}

// Reads tells what of the older orders must be read before Settle can decide:
// the places where the record's own may lie, and whether both ends are needed.
// times are OrderTimes of the record's facts.
func (s State) Reads(record string, want *Order, times []int64) (own []Lookup, ends bool) {
	if s.Orders == int64(len(s.Recent)) {
		return nil, false
	}
	last := s.Recent[len(s.Recent)-1]
	if i := s.recent(record); i >= 0 {
		return nil, want == nil || want.compare(last) < 0
	}
	for _, t := range times {
		if (Order{At: t, Record: record}).compare(last) < 0 {
			own = append(own, Lookup{t, record})
		}
	}
	return own, len(own) > 0
}

func (s State) recent(record string) int {
	return slices.IndexFunc(s.Recent, func(o Order) bool { return o.Record == record })
}

// Settle makes the contribution of one record to the state equal to want; nil
// withdraws it. It tells whether anything changed, and how older orders move.
func (s *State) Settle(limit int, record string, want *Order, older Older) (changed bool, moves []Move) {
	at := s.recent(record)
	old := older.Own
	if at >= 0 {
		old = &s.Recent[at]
	}
	if old == nil && want == nil || old != nil && want != nil && old.Equal(*want) {
		return false, nil
	}
	beside := newShelf(*s, older)
	s.Recent = slices.Clone(s.Recent)
	if old != nil {
		gone := *old
		s.add(gone, -1)
		if at >= 0 {
			s.Recent = slices.Delete(s.Recent, at, at+1)
		} else {
			beside.take(gone)
		}
	}
	if want != nil {
		s.add(*want, 1)
		s.Recent = append(s.Recent, *want)
		s.sort()
	}
	if best, ok := beside.newest(); ok && (len(s.Recent) < limit || s.Recent[len(s.Recent)-1].compare(best) < 0) {
		beside.take(best)
		s.Recent = append(s.Recent, best)
		s.sort()
	}
	for len(s.Recent) > limit {
		beside.put(s.Recent[len(s.Recent)-1])
		s.Recent = s.Recent[:len(s.Recent)-1]
	}
	s.First = nil
	if first, ok := beside.oldest(); ok {
		s.First = &first
	} else if n := len(s.Recent); n > 0 {
		first := s.Recent[n-1]
		s.First = &first
	} else {
		s.Recent = nil
	}
	return true, beside.moves()
}

func (s *State) sort() {
	slices.SortFunc(s.Recent, func(a, b Order) int { return b.compare(a) })
}

func (s *State) add(o Order, sign int64) {
	s.Orders += sign
	if s.Sums == nil {
		s.Sums = map[string]Sum{}
	}
	m := s.Sums[o.Currency]
	m = Sum{m.Orders + sign, m.Total + sign*o.Total, m.Refunded + sign*o.Refunded}
	s.Sums[o.Currency] = m
	if m == (Sum{}) {
		delete(s.Sums, o.Currency)
	}
	if len(s.Sums) == 0 {
		s.Sums = nil
	}
}

// shelf is the known part of the older orders while one change is decided. What
// it knows always holds the oldest; the newest matter only where both ends were read.
type shelf struct {
	known map[Lookup]Order
	was   map[Lookup]Order
}

func newShelf(s State, older Older) shelf {
	b := shelf{map[Lookup]Order{}, map[Lookup]Order{}}
	if s.Orders == int64(len(s.Recent)) {
		return b
	}
	all := slices.Concat(older.Newest, older.Oldest)
	if older.Own != nil {
		all = append(all, *older.Own)
	}
	if len(all) == 0 && s.First != nil { // ends were not needed: nothing leaves, so the first stays the oldest
		all = append(all, *s.First)
	}
	for _, o := range all {
		b.known[place(o)], b.was[place(o)] = o, o
	}
	return b
}

func place(o Order) Lookup { return Lookup{o.At, o.Record} }

func (b shelf) take(o Order) { delete(b.known, place(o)) }
func (b shelf) put(o Order)  { b.known[place(o)] = o }

func (b shelf) sorted() []Order {
	l := make([]Order, 0, len(b.known))
	for _, o := range b.known {
		l = append(l, o)
	}
	slices.SortFunc(l, Order.compare)
	return l
}

func (b shelf) newest() (o Order, ok bool) {
	if l := b.sorted(); len(l) > 0 {
		return l[len(l)-1], true
	}
	return o, false
}

func (b shelf) oldest() (o Order, ok bool) {
	if l := b.sorted(); len(l) > 0 {
		return l[0], true
	}
	return o, false
}

// moves compares what lay there with what lies there now.
func (b shelf) moves() []Move {
	var l []Move
	for k, o := range b.was {
		if _, still := b.known[k]; !still {
			l = append(l, Move{o, false})
		}
	}
	for k, o := range b.known {
		if old, was := b.was[k]; !was || !old.Equal(o) {
			l = append(l, Move{o, true})
		}
	}
	slices.SortFunc(l, func(x, y Move) int { return cmp.Or(x.Order.compare(y.Order), cmp.Compare(b2i(x.Put), b2i(y.Put))) })
	return l
}
