package unify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// Unifier turns the facts of one workspace into profiles. Every method may be
// run any number of times, by any number of workers, and cut off anywhere.
type Unifier struct {
	Hub   Hub
	Rules profile.Rules
	// Pause waits before attempt n of a lost race, with jitter.
	Pause func(ctx context.Context, n int) error
	// Overgrown hears of a fragment that stands alone because too many would be one
	// person with it; nil hears nothing.
	Overgrown func(id profile.ID)
	// Quiet takes facts in of a replay or a backfill: they change profiles and are
	// announced, but nothing is told as happening now.
	Quiet bool
}

// commit stores what became of a fragment, with what readers should hear of it:
// what changed, also what changed beside it, and what occurred by the facts that
// were taken in.
// It gives the fragment as it is stored then: nobody else's write can come between.
func (u Unifier) commit(ctx context.Context, was, next profile.Fragment, moves []profile.Move, facts []events.Fact, also ...profile.Change) (profile.Fragment, error) {
	changes := append(profile.Changes(was, next, moves...), also...)
	var occurred []events.Occurrence
	if !u.Quiet {
		occurred = profile.Occurrences(was, next, facts)
	} else if len(changes) > 0 {
		next.Quiet = was.Version + 1
	}
	if err := u.Hub.Commit(ctx, next, moves, changes, occurred...); err != nil {
		return next, err
	}
	next.Version++
	return next, nil
}

// Record adds a fact to the log, the index first.
func (u Unifier) Record(ctx context.Context, f events.Fact) error {
	names := u.Rules.Names(f)
	if f.Kind == events.Customer || len(names) == 0 {
		// A customer record's only fragment is its own; no index is needed.
		return u.put(ctx, f)
	}
	facts, err := u.Hub.Facts(ctx, f.RecordKey())
	if err != nil {
		return fmt.Errorf("reading the record's facts: %w", err)
	}
	id := f.ID()
	if slices.ContainsFunc(facts, func(g events.Fact) bool { return g.Version == f.Version && g.ID() == id && g.Received <= f.Received }) {
		return nil
	}
	names = u.Rules.Candidates(f)
	for _, g := range facts {
		there := u.Rules.Candidates(g)
		names = slices.DeleteFunc(names, func(id profile.ID) bool { return slices.Contains(there, id) })
	}
	if err := u.index(ctx, f.RecordKey(), names, f.Time()); err != nil {
		return err
	}
	if err := u.Hub.Put(ctx, f); err != nil {
		return fmt.Errorf("putting the fact: %w", err)
	}
	return nil
}

func (u Unifier) index(ctx context.Context, record string, names []profile.ID, at int64) error {
	for _, id := range names {
		if err := u.Hub.Index(ctx, id, record, at); err != nil {
			return fmt.Errorf("indexing the record: %w", err)
		}
	}
	return nil
}

func (u Unifier) put(ctx context.Context, f events.Fact) error {
	known, err := u.Hub.Known(ctx, f)
	if err != nil {
		return fmt.Errorf("looking for the fact: %w", err)
	}
	if known {
		return nil
	}
	if err := u.Hub.Put(ctx, f); err != nil {
		return fmt.Errorf("putting the fact: %w", err)
	}
	return nil
}

// Work is what one fragment has to take in. A batch folds into one Work per
// fragment, and so into one write.
type Work struct {
	Orders     map[string]bool // records whose contribution may have changed
	Statements []profile.Statement
	Facts      []events.Fact // what gave the work, for what is to be told of it
}

// known is what a batch has read: fragments, and after all of them facts of records. A
// write on a fragment that is another by now fails its version, so that what was read
// early is as good as what is read late, once.
type known struct {
	fragments map[profile.ID]profile.Fragment
	facts     map[string][]events.Fact
}

// foresee reads the fragments that facts name by themselves. What can't be read now is
// read when it is needed.
func (u Unifier) foresee(ctx context.Context, facts []events.Fact) known {
	k := known{map[profile.ID]profile.Fragment{}, map[string][]events.Fact{}}
	for _, f := range facts {
		if f.Kind != events.Order {
			continue
		}
		for _, id := range u.Rules.Holders(f) {
			if _, read := k.fragments[id]; read {
				continue
			}
			if one, err := u.Hub.Fragment(ctx, id); err == nil {
				k.fragments[id] = one
			}
		}
	}
	return k
}

// Plan tells which fragments have to take in what, for facts that are in the log.
// It reads after the facts were put: of two writers of one record the later one
// sees both, so no fragment that either names is left out.
func (u Unifier) Plan(ctx context.Context, k known, plan map[profile.ID]*Work, facts ...events.Fact) error {
	at := func(id profile.ID) *Work {
		if plan[id] == nil {
			plan[id] = &Work{Orders: map[string]bool{}}
		}
		return plan[id]
	}
	for _, f := range facts {
		if f.Kind == events.Order || f.Kind == events.Checkout {
			all, err := u.Hub.Facts(ctx, f.RecordKey())
			if err != nil {
				return fmt.Errorf("reading the record's facts: %w", err)
			}
			k.facts[f.RecordKey()] = all
			if hidden := u.Rules.Hidden(all); len(hidden) > 0 { // no single fact gave reason to index these
				if err := u.index(ctx, f.RecordKey(), hidden, first(all)); err != nil {
					return err
				}
			}
			if f.Kind == events.Order {
				for _, id := range u.Rules.Holders(all...) {
					w := at(id)
					w.Orders[f.RecordKey()], w.Facts = true, append(w.Facts, f)
				}
			}
		}
		if s, ok := u.Rules.Statement(f); ok {
			w := at(s.Fragment)
			w.Statements, w.Facts = append(w.Statements, s), append(w.Facts, f)
		}
	}
	return nil
}

// first is when the earliest of the facts occurred.
func first(facts []events.Fact) int64 {
	at := facts[0].Time()
	for _, f := range facts {
		at = min(at, f.Time())
	}
	return at
}

// Settle takes work into a fragment: each order's contribution becomes what the
// log says now, statements join. It looks again after every write, since a
// writer that found nothing to do may have relied on what this one replaced; but
// at the orders alone: what was written is joined for good, and a claim too many,
// which is not kept, would be new at every look.
//
// It looks first at what the batch knows, then at the table; after a write of its own
// it knows the fragment, and reads the log alone. It gives the fragment as it left it.
func (u Unifier) Settle(ctx context.Context, k known, id profile.ID, w Work) (profile.Fragment, error) {
	f, read := k.fragments[id]
	early := read // somebody of this very batch may have written since
	for lost, wrote := 0, 0; lost < attempts && wrote < rewrites; wrote++ {
		var err error
		if !read { // the fragment first, then the log: a write on older facts fails its version
			k.facts = nil
			if f, err = u.Hub.Fragment(ctx, id); err != nil {
				return f, fmt.Errorf("reading fragment %s: %w", id, err)
			}
		}
		next, moves, err := u.apply(ctx, k, f, w)
		if err != nil {
			return f, err
		}
		if len(moves) == 0 && next.Equal(f) {
			return f, nil
		}
		next, err = u.commit(ctx, f, next, moves, w.Facts)
		k.facts = nil // what the log says is read anew
		switch {
		case errors.Is(err, profile.ErrLost) && early:
			read, early = false, false
		case errors.Is(err, profile.ErrLost):
			read = false
			lost++
			if err := u.Pause(ctx, lost); err != nil {
				return f, err
			}
		case err != nil:
			return f, fmt.Errorf("writing fragment %s: %w", id, err)
		case len(w.Orders) == 0:
			return next, nil // joins alone rely on nothing that was read
		default:
			w.Statements = nil
			f, read, early = next, true, false
		}
	}
	return f, fault.New(fault.Transient, "fragment %s: it does not come to rest", id)
}

// apply computes the fragment with the work taken in. Orders that move older
// ones are taken one per write, so that a transaction stays small.
func (u Unifier) apply(ctx context.Context, k known, f profile.Fragment, w Work) (profile.Fragment, []profile.Move, error) {
	next := f.Clone()
	for _, record := range slices.Sorted(maps.Keys(w.Orders)) {
		facts, read := k.facts[record]
		if !read {
			var err error
			if facts, err = u.Hub.Facts(ctx, record); err != nil {
				return f, nil, fmt.Errorf("reading the order's facts: %w", err)
			}
		}
		var want *profile.Order
		if at, o, counts := u.Rules.Contribution(facts); counts && at == f.ID {
			want = &o
		}
		var older profile.Older
		if own, ends := next.State.Reads(record, want, profile.OrderTimes(facts)); len(own) > 0 || ends {
			var err error
			if older, err = u.Hub.Older(ctx, f.ID, own, ends); err != nil {
				return f, nil, fmt.Errorf("reading older orders of %s: %w", f.ID, err)
			}
		}
		if _, moves := next.State.Settle(u.Rules.Limits.Recent, record, want, older); len(moves) > 0 {
			u.take(&next, w.Statements)
			return next, moves, nil
		}
	}
	u.take(&next, w.Statements)
	return next, nil, nil
}

// take joins statements and notes which identifiers have links to be made: new
// claims, and all claims of a kind when the fragment comes to hold too many.
func (u Unifier) take(f *profile.Fragment, statements []profile.Statement) {
	for _, s := range statements {
		f.Take(s)
		was := f.State.OverKinds(u.Rules.Limits)
		for _, id := range f.State.Claim(s.Claims, u.Rules.Limits) {
			f.Pend(id)
		}
		for kind := range f.State.OverKinds(u.Rules.Limits) {
			if !was[kind] {
				for id := range f.State.ClaimsOf(kind) {
					f.Pend(id)
				}
			}
		}
	}
}
