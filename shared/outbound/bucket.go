package outbound

import (
	"sync"
	"time"
)

// bucket lets requests through at a rate: a full one lets a burst of half the
// window's requests pass, so that no window of that length sees more than allowed.
type bucket struct {
	mu    sync.Mutex
	each  time.Duration // between two requests at the steady rate
	burst time.Duration // how far ahead of the steady rate one may be
	next  time.Time     // when the next request is due at the steady rate
	quiet time.Time     // no request before: the system asked for it
}

func newBucket(requests int, per time.Duration) *bucket {
	if requests <= 0 || per <= 0 {
		return &bucket{}
	}
	// burst + steady over one window make the window's requests.
	each := 2 * per / time.Duration(requests)
	return &bucket{each: each, burst: per - each}
}

// take tells how long the next request has to wait, and reserves its place unless
// that is longer than patience.
func (b *bucket) take(now time.Time, patience time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next.Before(now.Add(-b.burst)) {
		b.next = now.Add(-b.burst)
	}
	at := b.next
	if at.Before(b.quiet) {
		at = b.quiet
	}
	if at.Sub(now) <= patience {
		b.next = at.Add(b.each)
	}
	return max(at.Sub(now), 0)
}

// rest lets nothing through before a moment.
func (b *bucket) rest(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.quiet) {
		b.quiet = until
	}
}
