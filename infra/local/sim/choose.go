package sim

import (
	"cmp"
	"slices"
	"time"
)

// choose takes one of those who wait out of the list, by the seed. Nobody runs meanwhile, so that the list depends on
// what has happened alone; its order is made so too.
func (w *World) choose() *parked {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.arrived:
	default:
	}
	now := w.Now()
	slices.SortStableFunc(w.parked, func(a, b *parked) int { return cmp.Compare(a.name, b.name) })
	var may []int
	for i, p := range w.parked {
		if !p.from.After(now) {
			may = append(may, i)
		}
	}
	if len(may) == 0 {
		return nil
	}
	i := may[w.chance.IntN(len(may))]
	p := w.parked[i]
	w.parked = slices.Delete(w.parked, i, i+1)
	return p
}

func (w *World) leave(p *parked) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.parked, p); i >= 0 {
		w.parked = slices.Delete(w.parked, i, i+1)
	}
}

// waiting says whether anybody waits for a turn, now or later.
func (w *World) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.parked) > 0
}

// next is how long it takes until somebody who waits may go on.
func (w *World) next() (d time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	for _, p := range w.parked {
		if left := p.from.Sub(now); !ok || left < d {
			d, ok = left, true
		}
	}
	return d, ok
}

// roll is a number below n.
func (w *World) roll(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.chance.IntN(n)
}
