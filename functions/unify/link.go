package unify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"loophub/shared/fault"
	"loophub/shared/profile"
)

// Link completes a fragment's pending links: each pending identifier learns of
// its claimant, and everything within reach gets its members anew. Only what was
// pending when it began is cleared. f is the fragment as it was settled.
func (u Unifier) Link(ctx context.Context, f profile.Fragment) error {
	for lost := 0; lost < attempts; {
		if len(f.Pending) == 0 {
			return nil
		}
		done, moved := f.Pending, false
		for _, identifier := range slices.Sorted(maps.Keys(done)) {
			now, relinked, err := u.claim(ctx, f, identifier)
			if err != nil {
				return err
			}
			f, moved = now, moved || relinked
		}
		if moved { // its members were written since it was read
			var err error
			if f, err = u.Hub.Fragment(ctx, f.ID); err != nil {
				return fmt.Errorf("reading fragment %s: %w", f.ID, err)
			}
		}
		next := f.Clone()
		next.Linked(done)
		err := u.Hub.Commit(ctx, next, nil, nil)
		switch {
		case err == nil:
			next.Version++
			f = next
			continue
		case errors.Is(err, profile.ErrLost):
			lost++
			err = u.Pause(ctx, lost)
		}
		if err == nil {
			f, err = u.Hub.Fragment(ctx, f.ID)
		}
		if err != nil {
			return fmt.Errorf("clearing the links of %s: %w", f.ID, err)
		}
	}
	return fault.New(fault.Transient, "links of %s: %d races lost", f.ID, attempts)
}

// claim makes a fragment a claimant of an identifier, then relinks its
// surroundings where that can tie or cut anything. It gives the fragment as it was read
// last, and whether it may have been written since.
func (u Unifier) claim(ctx context.Context, f profile.Fragment, identifier string) (now profile.Fragment, relinked bool, err error) {
	stored, err := u.change(ctx, identifier, func(i *profile.Identity) bool {
		return i.Claimed(f.ID, f.Anchor.Connection, u.Rules.Limits)
	})
	if err != nil {
		return f, false, err
	}
	if !stored.Ties(f.ID) {
		return f, false, nil // it was shared before: there was no edge, and there is none
	}
	if now, err = u.Hub.Fragment(ctx, f.ID); err != nil {
		return f, false, fmt.Errorf("reading fragment %s: %w", f.ID, err)
	}
	f = now
	alone := len(stored.Claimants) == 1 && !stored.Shared && len(f.Members) == 0 && !f.State.Over(profile.KindOf(identifier), u.Rules.Limits)
	if alone {
		return f, false, nil
	}
	seeds := slices.Sorted(maps.Keys(stored.Claimants)) // sorted, so that the same run makes the same calls
	return f, true, u.relink(ctx, append(seeds, f.ID), gap{identifier: identifier})
}

// Stop puts withdrawals on the addresses themselves. They concern every profile
// that claims the address, so the others are told too.
func (u Unifier) Stop(ctx context.Context, s profile.Statement) error {
	for _, identifier := range slices.Sorted(maps.Keys(s.Stops)) {
		stored, err := u.change(ctx, identifier, func(i *profile.Identity) bool { return i.Stop(s.Stops[identifier]) })
		if err != nil {
			return err
		}
		newest, beside := false, false
		for subject, stop := range s.Stops[identifier] {
			newest = newest || stored.Stops[subject] == stop
			beside = beside || subject == profile.Bounced || subject == profile.Complained
		}
		if !newest { // not only where it changed: after a death between the two, running again must tell them
			continue
		}
		if beside { // it lies on the address alone, so the fragment's own write did not tell of it
			if err := u.rewrite(ctx, s.Fragment, unchanged, profile.ConsentChanged); err != nil {
				return err
			}
		}
		if err := u.warn(ctx, s.Fragment, stored.Found()); err != nil {
			return err
		}
	}
	return nil
}

func unchanged(*profile.Fragment) (bool, error) { return true, nil }

// warn announces to the profiles of others who are found by an address, once each,
// that consent may have changed. The fragment's own profile has heard of it.
func (u Unifier) warn(ctx context.Context, from profile.ID, found []profile.ID) error {
	found = slices.DeleteFunc(found, func(id profile.ID) bool { return id == from })
	if len(found) == 0 {
		return nil
	}
	heard := map[profile.ID]bool{}
	for _, id := range append([]profile.ID{from}, found...) {
		f, err := u.Hub.Fragment(ctx, id)
		if err != nil {
			return fmt.Errorf("reading fragment %s: %w", id, err)
		}
		told := id == from
		for _, m := range f.Profile() {
			told, heard[m] = told || heard[m], true
		}
		if told {
			continue
		}
		if err := u.rewrite(ctx, id, unchanged, profile.ConsentChanged); err != nil {
			return err
		}
	}
	return nil
}

// change reads an identity, changes it and writes it, until it holds.
func (u Unifier) change(ctx context.Context, id string, change func(*profile.Identity) bool) (profile.Identity, error) {
	for lost := 0; lost < attempts; {
		i, err := u.Hub.Identity(ctx, id)
		if err != nil {
			return i, fmt.Errorf("reading identity %s: %w", id, err)
		}
		if !change(&i) {
			return i, nil
		}
		err = u.Hub.CommitIdentity(ctx, i)
		if err == nil {
			return i, nil
		}
		if !errors.Is(err, profile.ErrLost) {
			return i, fmt.Errorf("writing identity %s: %w", id, err)
		}
		lost++
		if err := u.Pause(ctx, lost); err != nil {
			return i, err
		}
	}
	return profile.Identity{}, fault.New(fault.Transient, "identity %s: %d races lost", id, attempts)
}

// Decide writes a decision on both fragments of a pair, the lesser one, which
// has the say, last; then it relinks around them.
func (u Unifier) Decide(ctx context.Context, a, b profile.ID, d profile.Decision) error {
	pair := profile.Pair(a, b)
	for n, id := range []profile.ID{pair[1], pair[0]} {
		other := pair[n]
		err := u.rewrite(ctx, id, func(f *profile.Fragment) (bool, error) {
			if old, known := f.Ties[other]; known && !d.Wins(old) {
				return false, nil
			}
			f.Tie(other, d)
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return u.relink(ctx, pair[:], gap{pair: pair})
}

// rewrite reads a fragment, changes it and writes it, until it holds. also is
// announced with what differs.
func (u Unifier) rewrite(ctx context.Context, id profile.ID, change func(*profile.Fragment) (bool, error), also ...profile.Change) error {
	for lost := 0; lost < attempts; {
		f, err := u.Hub.Fragment(ctx, id)
		if err != nil {
			return fmt.Errorf("reading fragment %s: %w", id, err)
		}
		next := f.Clone()
		write, err := change(&next)
		if err != nil || !write {
			return err
		}
		_, err = u.commit(ctx, f, next, nil, nil, also...)
		if err == nil {
			return nil
		}
		if !errors.Is(err, profile.ErrLost) {
			return fmt.Errorf("writing fragment %s: %w", id, err)
		}
		lost++
		if err := u.Pause(ctx, lost); err != nil {
			return err
		}
	}
	return fault.New(fault.Transient, "fragment %s: %d races lost", id, attempts)
}

// gap is an edge that a walk leaves out, so that it finds what lies on either
// side of an edge that is being made or cut.
type gap struct {
	identifier string
	pair       [2]profile.ID
}

// relink gives every fragment that an edge can concern its members anew: the
// version is read before the walk, and the members are written even where they
// are unchanged, so that a walk which saw less can't be written after it. One walk
// serves all fragments that it finds, since all versions are known before it.
func (u Unifier) relink(ctx context.Context, seeds []profile.ID, around gap) error {
	before, whole := map[profile.ID]profile.Fragment{}, map[profile.ID]bool{}
	for _, s := range seeds {
		if whole[s] {
			continue
		}
		c, err := u.walk(ctx, s, around)
		if err != nil {
			return err
		}
		for id, f := range c.Fragments {
			before[id], whole[id] = f, len(c.Fragments) <= u.Rules.Limits.Members
		}
	}
	members := map[profile.ID][]profile.ID{}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if members[id] == nil {
			c, err := u.walk(ctx, id, gap{})
			if err != nil {
				return err
			}
			if len(c.Fragments) > u.Rules.Limits.Members {
				members[id] = u.alone(id)
			} else {
				maps.Copy(members, c.Partition(u.Rules.Limits))
			}
		}
		next := before[id].Clone()
		next.SetMembers(members[id])
		_, err := u.commit(ctx, before[id], next, nil, nil)
		if errors.Is(err, profile.ErrLost) {
			err = u.remember(ctx, id)
		}
		if err != nil {
			return fmt.Errorf("relinking fragment %s: %w", id, err)
		}
	}
	return nil
}

// remember gives one fragment its members anew, until they hold.
func (u Unifier) remember(ctx context.Context, id profile.ID) error {
	return u.rewrite(ctx, id, func(f *profile.Fragment) (bool, error) {
		c, err := u.walk(ctx, id, gap{})
		if err != nil {
			return false, err
		}
		if len(c.Fragments) > u.Rules.Limits.Members {
			f.SetMembers(u.alone(id))
		} else {
			f.SetMembers(c.Partition(u.Rules.Limits)[id])
		}
		return true, nil
	})
}

// alone is the profile of a fragment that too many would be one person with.
func (u Unifier) alone(id profile.ID) []profile.ID {
	if u.Overgrown != nil {
		u.Overgrown(id)
	}
	return []profile.ID{id}
}

// walk finds the component around a fragment over live edges and ties. It stops
// once there are more fragments than a profile may have.
func (u Unifier) walk(ctx context.Context, from profile.ID, around gap) (profile.Component, error) {
	w := walker{Unifier: u, ctx: ctx, around: around, seen: map[string]bool{},
		found: profile.Component{Fragments: map[profile.ID]profile.Fragment{}, Edges: map[string][]profile.ID{}}}
	if err := w.add(from); err != nil {
		return w.found, err
	}
	for len(w.queue) > 0 && len(w.found.Fragments) <= u.Rules.Limits.Members {
		f := w.found.Fragments[w.queue[0]]
		w.queue = w.queue[1:]
		if err := w.identifiers(f); err != nil {
			return w.found, err
		}
		if err := w.ties(f); err != nil {
			return w.found, err
		}
	}
	return w.found, nil
}

type walker struct {
	Unifier
	ctx    context.Context
	around gap
	found  profile.Component
	seen   map[string]bool // identifiers
	queue  []profile.ID
}

// read gives a fragment, from what was found or from the table.
func (w *walker) read(id profile.ID) (profile.Fragment, error) {
	if f, ok := w.found.Fragments[id]; ok {
		return f, nil
	}
	f, err := w.Hub.Fragment(w.ctx, id)
	if err != nil {
		return f, fmt.Errorf("reading fragment %s: %w", id, err)
	}
	return f, nil
}

func (w *walker) add(id profile.ID) error {
	if _, ok := w.found.Fragments[id]; ok {
		return nil
	}
	f, err := w.read(id)
	if err != nil {
		return err
	}
	w.found.Fragments[id] = f
	w.queue = append(w.queue, id)
	return nil
}

// identifiers follows the live edges of a fragment: claimed on both sides, not
// shared, and no side over its limit.
func (w *walker) identifiers(f profile.Fragment) error {
	for _, id := range slices.Sorted(maps.Keys(f.State.Claims)) {
		kind := profile.KindOf(id)
		if id == w.around.identifier || w.seen[id] || f.State.Over(kind, w.Rules.Limits) {
			continue
		}
		i, err := w.Hub.Identity(w.ctx, id)
		if err != nil {
			return fmt.Errorf("reading identity %s: %w", id, err)
		}
		if i.Shared || !i.Ties(f.ID) {
			continue
		}
		w.seen[id] = true
		for _, c := range slices.Sorted(maps.Keys(i.Claimants)) {
			other, err := w.read(c)
			if err != nil {
				return err
			}
			if _, live := other.State.Claims[id]; live && !other.State.Over(kind, w.Rules.Limits) {
				w.found.Edges[id] = append(w.found.Edges[id], c)
				if err := w.add(c); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// ties follows the pairs that are tied, by the word of the lesser fragment.
func (w *walker) ties(f profile.Fragment) error {
	for _, other := range slices.Sorted(maps.Keys(f.Ties)) {
		pair := profile.Pair(f.ID, other)
		if pair == w.around.pair {
			continue
		}
		says := f
		if pair[0] != f.ID {
			var err error
			if says, err = w.read(pair[0]); err != nil {
				return err
			}
		}
		if d, decided := says.Ties[pair[1]]; decided && !d.Split {
			if err := w.add(other); err != nil {
				return err
			}
		}
	}
	return nil
}
