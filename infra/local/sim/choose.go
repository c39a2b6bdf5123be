package sim

import (
	"slices"
	"time"
)

// choose takes one of those who wait out of the list, by the seed. Nobody runs meanwhile, so that the list, which is
// ordered by name, depends on what has happened alone.
func (w *World) choose() *parked {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.arrived:
	default:
	}
	now := w.Now()
	may := 0
	for _, p := range w.parked {
		if !p.from.After(now) {
			may++
		}
	}
	if may == 0 {
		return nil
	}
	left := w.chance.IntN(may)
	for i, p := range w.parked {
		if p.from.After(now) {
			continue
		}
		if left == 0 {
			w.parked = slices.Delete(w.parked, i, i+1)
			return p
		}
		left--
	}
	return nil
}

// insert keeps those who wait ordered by name. The caller holds the lock.
func (w *World) insert(p *parked) {
	i, _ := slices.BinarySearchFunc(w.parked, p, func(a, b *parked) int {
		if a.name <= b.name { // behind its equals
			return -1
		}
		return 1
	})
	w.parked = slices.Insert(w.parked, i, p)
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
