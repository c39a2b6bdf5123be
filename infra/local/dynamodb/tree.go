package dynamodb

import (
	"slices"
	"strings"
)

// tree is a B-tree from string keys to values, in bytewise order of the keys.
type tree[V any] struct {
	root *branch[V]
	len  int
}

// branch is a node: entries in order and, unless it is a leaf, one child more than entries.
type branch[V any] struct {
	entries []entry[V]
	kids    []*branch[V]
}

type entry[V any] struct {
	key   string
	value V
}

// A branch other than the root holds between minEntries and maxEntries.
const (
	maxEntries = 63
	minEntries = maxEntries / 2
)

func (b *branch[V]) leaf() bool { return len(b.kids) == 0 }

// search finds the place of a key among the entries.
func (b *branch[V]) search(key string) (int, bool) {
	return slices.BinarySearchFunc(b.entries, key, func(e entry[V], key string) int { return strings.Compare(e.key, key) })
}

func (t *tree[V]) get(key string) (v V, ok bool) {
	for b := t.root; b != nil; {
		i, found := b.search(key)
		if found {
			return b.entries[i].value, true
		}
		if b.leaf() {
			break
		}
		b = b.kids[i]
	}
	return v, false
}

func (t *tree[V]) set(key string, value V) {
	if t.root == nil {
		t.root = &branch[V]{}
	}
	if t.root.set(key, value) {
		t.len++
	}
	if len(t.root.entries) > maxEntries {
		t.root = &branch[V]{kids: []*branch[V]{t.root}}
		t.root.split(0)
	}
}

// set reports whether the key is new.
func (b *branch[V]) set(key string, value V) bool {
	i, found := b.search(key)
	switch {
	case found:
		b.entries[i].value = value
		return false
	case b.leaf():
		b.entries = slices.Insert(b.entries, i, entry[V]{key, value})
		return true
	}
	fresh := b.kids[i].set(key, value)
	if len(b.kids[i].entries) > maxEntries {
		b.split(i)
	}
	return fresh
}

// split divides child i in two and lifts its middle entry.
func (b *branch[V]) split(i int) {
	child := b.kids[i]
	middle := len(child.entries) / 2
	lifted := child.entries[middle]
	right := &branch[V]{entries: slices.Clone(child.entries[middle+1:])}
	if !child.leaf() {
		right.kids = slices.Clone(child.kids[middle+1:])
		child.kids = slices.Delete(child.kids, middle+1, len(child.kids))
	}
	child.entries = slices.Delete(child.entries, middle, len(child.entries))
	b.entries = slices.Insert(b.entries, i, lifted)
	b.kids = slices.Insert(b.kids, i+1, right)
}

func (t *tree[V]) delete(key string) {
	if t.root == nil {
		return
	}
	if t.root.delete(key) {
		t.len--
	}
	if len(t.root.entries) == 0 && !t.root.leaf() {
		t.root = t.root.kids[0]
	}
}

// delete reports whether the key was there.
func (b *branch[V]) delete(key string) bool {
	i, found := b.search(key)
	if b.leaf() {
		if found {
			b.entries = slices.Delete(b.entries, i, i+1)
		}
		return found
	}
	if found { // the entry before it, which a leaf holds, takes its place
		before := b.kids[i]
		for !before.leaf() {
			before = before.kids[len(before.kids)-1]
		}
		b.entries[i] = before.entries[len(before.entries)-1]
		key = b.entries[i].key
	}
	gone := b.kids[i].delete(key)
	if len(b.kids[i].entries) < minEntries {
		b.refill(i)
	}
	return gone
}

// refill gives child i an entry of a neighbour, or joins it with one.
func (b *branch[V]) refill(i int) {
	child := b.kids[i]
	if i > 0 && len(b.kids[i-1].entries) > minEntries {
		left := b.kids[i-1]
		last := len(left.entries) - 1
		child.entries = slices.Insert(child.entries, 0, b.entries[i-1])
		b.entries[i-1] = left.entries[last]
		left.entries = slices.Delete(left.entries, last, last+1)
		if !left.leaf() {
			child.kids = slices.Insert(child.kids, 0, left.kids[last+1])
			left.kids = slices.Delete(left.kids, last+1, last+2)
		}
		return
	}
	if i < len(b.entries) && len(b.kids[i+1].entries) > minEntries {
		right := b.kids[i+1]
		child.entries = append(child.entries, b.entries[i])
		b.entries[i] = right.entries[0]
		right.entries = slices.Delete(right.entries, 0, 1)
		if !right.leaf() {
			child.kids = append(child.kids, right.kids[0])
			right.kids = slices.Delete(right.kids, 0, 1)
		}
		return
	}
	if i == len(b.entries) {
		i--
	}
	left, right := b.kids[i], b.kids[i+1]
	left.entries = append(append(left.entries, b.entries[i]), right.entries...)
	left.kids = append(left.kids, right.kids...)
	b.entries = slices.Delete(b.entries, i, i+1)
	b.kids = slices.Delete(b.kids, i+1, i+2)
}

// ascend visits the keys from ≤ key < to in order, until visit says stop. An empty to is the end of all keys.
func (t *tree[V]) ascend(from, to string, visit func(key string, value V) bool) {
	if t.root != nil {
		t.root.ascend(from, to, visit)
	}
}

func (b *branch[V]) ascend(from, to string, visit func(string, V) bool) bool {
	i, _ := b.search(from)
	for ; ; i++ {
		if !b.leaf() && !b.kids[i].ascend(from, to, visit) {
			return false
		}
		if i == len(b.entries) {
			return true
		}
		e := b.entries[i]
		if e.key < from {
			continue
		}
		if to != "" && e.key >= to || !visit(e.key, e.value) {
			return false
		}
	}
}

// descend visits the same keys in the opposite order.
func (t *tree[V]) descend(from, to string, visit func(key string, value V) bool) {
	if t.root != nil {
		t.root.descend(from, to, visit)
	}
}

func (b *branch[V]) descend(from, to string, visit func(string, V) bool) bool {
	i := len(b.entries)
	if to != "" {
		i, _ = b.search(to)
	}
	for ; ; i-- {
		if !b.leaf() && !b.kids[i].descend(from, to, visit) {
			return false
		}
		if i == 0 {
			return true
		}
		e := b.entries[i-1]
		if e.key < from || !visit(e.key, e.value) {
			return false
		}
	}
}
