package definition

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	fresh       = 60 * time.Second // how long a value serves without a look
	freshAbsent = 10 * time.Second // how long the answer "there is none" serves
	patience    = time.Second      // how long a look may take
	limit       = 1_000            // entries of either kind; strangers can't make us hold more
)

// cache keeps what was read, and apart from it what was found absent, so that
// names that strangers make up never push out what is in use. When a read fails,
// the last good value serves on. No lock is held while reading.
type cache[V any] struct {
	now    func() time.Time
	absent error         // what load says when there is no such thing
	most   time.Duration // how old a value may be that serves while reads fail; 0 = as old as it is

	mu     sync.Mutex
	values map[string]entry[V]
	none   map[string]time.Time
}

type entry[V any] struct {
	value V
	read  time.Time
	until time.Time
}

func newCache[V any](now func() time.Time, absent error) *cache[V] {
	return &cache[V]{now: now, absent: absent, values: map[string]entry[V]{}, none: map[string]time.Time{}}
}

func (c *cache[V]) load(ctx context.Context, name string, read func(context.Context) (V, error)) (V, error) {
	now := c.now()
	c.mu.Lock()
	old, known := c.values[name]
	until, missing := c.none[name]
	c.mu.Unlock()
	if known && now.Before(old.until) {
		return old.value, nil
	}
	if missing && now.Before(until) {
		var zero V
		return zero, c.absent
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		delete(c.none, name)
		put(c.values, name, entry[V]{v, now, now.Add(fresh)})
		return v, nil
	case errors.Is(err, c.absent):
		delete(c.values, name)
		put(c.none, name, now.Add(freshAbsent))
		return v, c.absent
	case known && (c.most == 0 || now.Sub(old.read) < c.most):
		put(c.values, name, entry[V]{old.value, old.read, now.Add(freshAbsent)})
		return old.value, nil
	}
	return v, err
}

func put[V any](m map[string]V, name string, v V) {
	if _, there := m[name]; !there && len(m) >= limit {
		clear(m)
	}
	m[name] = v
}
