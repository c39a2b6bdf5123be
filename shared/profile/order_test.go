package profile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shop is a state with the older orders beside it, and the same orders as a plain list.
type shop struct {
	state State
	older map[Lookup]Order
	plain map[string]Order
	dated map[string][]int64 // every time that a record ever had
	limit int
}

func newShop(limit int) *shop {
	return &shop{State{}, map[Lookup]Order{}, map[string]Order{}, map[string][]int64{}, limit}
}

// read answers what Reads asks for.
func (s *shop) read(own []Lookup, ends bool) (o Older) {
	for _, l := range own {
		if x, ok := s.older[l]; ok {
			o.Own = &x
		}
	}
	if ends {
		l := slices.SortedFunc(maps.Values(s.older), Order.compare)
		n := min(2, len(l))
		o.Oldest = l[:n]
		o.Newest = slices.Clone(l[len(l)-n:])
		slices.Reverse(o.Newest)
	}
	return o
}

// settle makes one order of the shop equal to want; nil withdraws it.
func (s *shop) settle(t *testing.T, record string, want *Order) {
	t.Helper()
	if want != nil && !slices.Contains(s.dated[record], want.At) {
		s.dated[record] = append(s.dated[record], want.At)
	}
	before, had := s.plain[record]
	own, ends := s.state.Reads(record, want, s.dated[record])
	s.frugal(t, record, want, own, ends)
	changed, moves := s.state.Settle(s.limit, record, want, s.read(own, ends))
	if unchanged := want == nil && !had || want != nil && had && before.Equal(*want); changed == unchanged {
		t.Fatalf("%s from %v to %v: changed %v", record, before, want, changed)
	}
	for _, m := range moves {
		at := place(m.Order)
		if _, there := s.older[at]; !m.Put && !there {
			t.Fatalf("a move takes away what is not there: %v", m)
		}
		if delete(s.older, at); m.Put {
			s.older[at] = m.Order
		}
	}
	if delete(s.plain, record); want != nil {
		s.plain[record] = *want
	}
	if again, moves := s.state.Settle(s.limit, record, want, s.read(s.state.Reads(record, want, s.dated[record]))); again || len(moves) > 0 {
		t.Fatalf("settling %s again changes something: %v", record, moves)
	}
}

// frugal: reads are asked for only where the promise of the README allows them.
func (s *shop) frugal(t *testing.T, record string, want *Order, own []Lookup, ends bool) {
	t.Helper()
	n := len(s.state.Recent)
	if len(s.older) == 0 {
		if len(own) > 0 || ends {
			t.Fatal("reads although nothing older is there")
		}
		return
	}
	last := s.state.Recent[n-1]
	inside := s.state.recent(record) >= 0
	if inside && (len(own) > 0 || ends != (want == nil || want.compare(last) < 0)) {
		t.Fatalf("an order among the newest is looked for (%v), or ends %v for %v", own, ends, want)
	}
	beyond := 0
	for _, at := range s.dated[record] {
		if (Order{At: at, Record: record}).compare(last) < 0 {
			beyond++
		}
	}
	if !inside && (len(own) != beyond || ends != (beyond > 0)) {
		t.Fatalf("an order that was never dated before the newest needs no read: %v, ends %v", own, ends)
	}
}

// compare holds state and older orders against the plain list.
func (s *shop) compare() string {
	l := slices.SortedFunc(maps.Values(s.plain), func(a, b Order) int { return b.compare(a) })
	want := State{Orders: int64(len(l))}
	older := map[Lookup]Order{}
	for n, o := range l {
		want.First = &l[n]
		if n < s.limit {
			want.Recent = append(want.Recent, o)
		} else {
			older[place(o)] = o
		}
		if want.Sums == nil {
			want.Sums = map[string]Sum{}
		}
		m := want.Sums[o.Currency]
		want.Sums[o.Currency] = Sum{m.Orders + 1, m.Total + o.Total, m.Refunded + o.Refunded}
	}
	if reflect.DeepEqual(want, s.state) && maps.EqualFunc(older, s.older, Order.Equal) {
		return ""
	}
	return cmp.Diff(want, s.state) + cmp.Diff(older, s.older)
}

func TestSettleAgainstAPlainList(t *testing.T) {
	for _, tt := range []struct {
		limit, records, times, steps int
	}{{3, 8, 6, 20_000}, {3, 30, 1_000, 8_000}, {12, 20, 10, 12_000}, {12, 60, 10_000, 12_000}, {1, 4, 3, 4_000}} {
		t.Run(fmt.Sprintf("limit %d of %d", tt.limit, tt.records), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, uint64(tt.records)))
			s := newShop(tt.limit)
			phase := 0
			for step := range tt.steps {
				if step%200 == 0 {
					phase = r.IntN(3) // grow, shrink, or neither
				}
				record := fmt.Sprint("r", r.IntN(tt.records))
				var want *Order
				if r.IntN(10) < []int{9, 2, 5}[phase] {
					want = &Order{At: int64(r.IntN(tt.times)), Record: record, Total: int64(r.IntN(3)), Refunded: int64(r.IntN(2)), Currency: []string{"VND", "USD"}[r.IntN(2)]}
					if old, had := s.plain[record]; had && r.IntN(2) == 0 { // amended in place
						want.At = old.At
					}
				}
				s.settle(t, record, want)
				if diff := s.compare(); diff != "" {
					t.Fatalf("step %d, %s becomes %v\n%s", step, record, want, diff)
				}
			}
		})
	}
}

// TestNewOrderNeedsNoReads: the usual case, a new order of somebody who has many.
func TestNewOrderNeedsNoReads(t *testing.T) {
	s := newShop(12)
	for n := range int64(40) {
		record := fmt.Sprint("shop|order|", n)
		want := &Order{At: n, Record: record, Total: 1, Currency: "VND"}
		own, ends := s.state.Reads(record, want, []int64{n})
		if len(own) > 0 || ends {
			t.Fatalf("order %d asks for %v, ends %v", n, own, ends)
		}
		before := s.state.Orders
		_, moves := s.state.Settle(12, record, want, Older{})
		if wanted := min(max(before-11, 0), 1); int64(len(moves)) != wanted {
			t.Fatalf("order %d moves %v", n, moves)
		}
		if s.state.First.At != 0 {
			t.Fatalf("the first order is now %v", s.state.First)
		}
	}
}
