package segment

import (
	"cmp"
	"slices"
	"time"

	"loophub/shared/profile"
)

// View is a profile as segments see it: what its fragments hold, and as many of
// the older orders as were read.
type View struct {
	profile.View
	Older []profile.Order // counted orders beyond Recent, in any order
	Since time.Time       // no order placed then or later is missing; zero = Recent is all that is known
}

// Combine makes the view of a profile from all its fragments. The newest orders of
// a profile are fewer than those of its fragments together: the rest is at hand
// as well, and kept.
func Combine(fragments []profile.Fragment, identities map[string]profile.Identity, l profile.Limits) View {
	v := View{View: profile.Combine(fragments, identities, l), Since: time.UnixMilli(0)}
	var orders []profile.Order
	for _, f := range fragments {
		orders = append(orders, f.State.Recent...)
		if f.State.Orders > int64(len(f.State.Recent)) {
			v.Since = later(v.Since, time.UnixMilli(beyond(f.State.Recent)))
		}
	}
	slices.SortFunc(orders, newest)
	v.Older = orders[len(v.Recent):]
	return v
}

// With adds the orders that a Result asked for: those which the fragments keep
// as items of their own, placed since then or later.
func (v View) With(older []profile.Order, since time.Time) View {
	v.Older = slices.Concat(v.Older, older)
	if v.Since.IsZero() || since.Before(v.Since) {
		v.Since = since
	}
	return v
}

// orders gives all that are at hand, newest first, and from when on they are all
// that there are.
func (v View) orders() (l []profile.Order, known int64) {
	if int64(len(v.Recent)) >= v.Orders {
		return v.Recent, everything
	}
	if v.Since.IsZero() {
		return v.Recent, beyond(v.Recent)
	}
	l = slices.Concat(v.Recent, v.Older)
	slices.SortFunc(l, newest)
	l = slices.CompactFunc(l, func(a, b profile.Order) bool { return a.Record == b.Record })
	if int64(len(l)) >= v.Orders {
		return l, everything
	}
	return l, v.Since.UnixMilli()
}

// everything lies before any order.
const everything = -1 << 62

// beyond is the earliest moment from which on the newest orders are surely all
// there are: of those placed at the moment of the last one some may be missing.
func beyond(recent []profile.Order) int64 {
	if len(recent) == 0 {
		return 1 << 62
	}
	return recent[len(recent)-1].At + 1
}

func newest(a, b profile.Order) int {
	return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Record, a.Record))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
