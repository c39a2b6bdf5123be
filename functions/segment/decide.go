package segment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// attempts bounds how often a lost race is run again before the queue gives the
// event again.
const attempts = 8

// looks bounds how often a profile is read while links are being made. It is less: a
// link that unify can't make is nothing that the rest of a batch should wait for.
const looks = 4

// errLinking says that a link is being made or cut: the fragments do not agree on
// who they are, and what were decided now would be of nobody. They do soon.
var errLinking = errors.New("the profile's links are being made")

// decide looks at a profile until nobody else is in between.
func (s *Stage) decide(ctx context.Context, h Hub, segments []segment.Segment, q question) (counts, error) {
	if len(segments) == 0 && !q.due {
		return counts{items: 1}, nil // whoever is in one that is gone hears of it when everybody is looked at
	}
	for attempt := 1; ; attempt++ {
		n, err := s.look(ctx, h, segments, q)
		if !errors.Is(err, profile.ErrLost) && !errors.Is(err, errLinking) {
			return n, err
		}
		if attempt == attempts || attempt >= looks && errors.Is(err, errLinking) {
			return n, fault.As(fault.Transient, fmt.Errorf("deciding in vain: %w", err))
		}
		if err := s.Pause(ctx, attempt); err != nil {
			return n, fmt.Errorf("waiting to try again: %w", err)
		}
	}
}

// patience is how long links that are to be made are waited for, by the age of what
// asks. Unify makes them in milliseconds, and after a failure when its queue gives
// the delivery again; those of a delivery that it parked, when that is replayed. It
// ends before our queue gives an event up: no membership stands still for ever.
const patience = 15 * time.Minute

// linking tells whether it is not known yet who a profile is: one of its fragments
// names an identifier, and was not linked by it yet.
func linking(members []profile.Fragment) bool {
	return slices.ContainsFunc(members, func(f profile.Fragment) bool { return len(f.Pending) > 0 })
}

// look decides the memberships of a profile once. What is kept is read before the
// profile: so whoever wins the write has seen at least as much as the one before.
func (s *Stage) look(ctx context.Context, h Hub, segments []segment.Segment, q question) (counts, error) {
	n := counts{items: 1}
	kept, err := s.kept(ctx, h, q.fragment, q.profile)
	if err != nil {
		return n, err
	}
	if !q.due && seen(kept, q) {
		n.stale = 1
		return n, nil
	}
	members, identities, err := s.load(ctx, h, q.fragment, kept)
	if err != nil || len(members) == 0 {
		return n, err // without members: it is gone, and nothing can come of it
	}
	t := turning(members, identities, kept, segments)
	t.Now, t.Due, t.Linking = s.Now(), q.due, linking(members)
	if t.Linking && t.Now.Sub(q.told) < patience {
		return n, errLinking
	}
	out, err := s.turn(ctx, h, t, members)
	if err != nil {
		return n, err
	}
	if err := s.arm(ctx, h, q, t.Now, &out); err != nil {
		return n, err
	}
	if err := s.commit(ctx, h, kept, t, out); err != nil {
		return n, err
	}
	for _, turn := range out.Turns {
		if turn.In {
			n.entered++
		} else {
			n.left++
		}
	}
	return n, nil
}

// kept reads what lies under fragments, and under those that belonged with them
// when it was written.
func (s *Stage) kept(ctx context.Context, h Hub, ids ...profile.ID) (map[profile.ID]profile.Memberships, error) {
	all := map[profile.ID]profile.Memberships{}
	for want := slices.Compact(slices.Sorted(slices.Values(ids))); len(want) > 0; {
		l, err := h.Memberships(ctx, want)
		if err != nil {
			return nil, fmt.Errorf("reading memberships: %w", err)
		}
		more := map[profile.ID]bool{}
		for _, m := range l {
			all[m.Fragment] = m
		}
		for _, m := range l {
			for _, id := range slices.AppendSeq([]profile.ID{m.Into}, maps.Keys(m.Seen)) {
				if _, read := all[id]; !read && id != "" {
					more[id] = true
				}
			}
		}
		want = slices.Sorted(maps.Keys(more))
	}
	return all, nil
}

// seen tells whether somebody has decided about a change already.
func seen(kept map[profile.ID]profile.Memberships, q question) bool {
	for _, m := range kept {
		if v, ok := m.Seen[q.fragment]; ok && v >= q.version {
			return true
		}
	}
	return false
}

// load reads the profile, and what is kept under fragments of it that were not
// known to be: those before the profile, once more.
func (s *Stage) load(ctx context.Context, h Hub, id profile.ID, kept map[profile.ID]profile.Memberships) ([]profile.Fragment, map[string]profile.Identity, error) {
	for range attempts {
		members, identities, err := h.Load(ctx, id)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the profile: %w", err)
		}
		var missing []profile.ID
		for _, f := range members {
			if _, read := kept[f.ID]; !read {
				missing = append(missing, f.ID)
			}
		}
		for _, f := range members {
			if !slices.Equal(f.Profile(), members[0].Profile()) {
				return nil, nil, errLinking
			}
		}
		if len(missing) == 0 {
			return members, identities, nil
		}
		more, err := s.kept(ctx, h, missing...)
		if err != nil {
			return nil, nil, err
		}
		for id, m := range more {
			if _, read := kept[id]; !read {
				kept[id] = m
			}
		}
	}
	return nil, nil, fault.New(fault.Transient, "the profile's fragments change all the time")
}

func turning(members []profile.Fragment, identities map[string]profile.Identity, kept map[profile.ID]profile.Memberships, segments []segment.Segment) segment.Turning {
	t := segment.Turning{Segments: segments, Versions: map[profile.ID]int64{}, Quiet: map[profile.ID]int64{},
		View: segment.Combine(members, identities, profile.DefaultLimits)}
	for _, f := range members {
		t.Versions[f.ID], t.Quiet[f.ID] = f.Version, f.Quiet
		t.Before = append(t.Before, kept[f.ID])
	}
	return t
}

// turn decides, and once more with older orders where a rule reaches beyond those
// that fragments carry.
func (s *Stage) turn(ctx context.Context, h Hub, t segment.Turning, members []profile.Fragment) (segment.Turned, error) {
	out, err := t.Turn()
	if err != nil || out.Older.IsZero() {
		return out, err
	}
	t.Older = &segment.Older{Since: out.Older}
	for _, f := range members {
		if f.State.Orders == int64(len(f.State.Recent)) {
			continue
		}
		l, err := h.OlderOrders(ctx, f.ID, out.Older)
		if err != nil {
			return out, fmt.Errorf("reading older orders: %w", err)
		}
		t.Older.Orders = append(t.Older.Orders, l...)
	}
	if out, err = t.Turn(); err == nil && !out.Older.IsZero() {
		err = fault.New(fault.Permanent, "a segment asks for older orders again")
	}
	return out, err
}

// arm sees to it that somebody looks when time alone can change something: before
// that is stored, so that no death in between leaves nobody looking. What is armed
// for earlier does as well. A moment that came before ours by another clock is
// armed anew, a little later: its own item is about to be deleted.
func (s *Stage) arm(ctx context.Context, h Hub, q question, now time.Time, out *segment.Turned) error {
	m := &out.After
	if m.Armed <= now.UnixMilli() || q.due && m.Armed <= q.at {
		m.Armed = 0 // it has come
	}
	if out.Next.IsZero() {
		return nil
	}
	at := out.Next.UnixMilli()
	if q.due {
		at = max(at, q.at+1)
	}
	if m.Armed != 0 && m.Armed <= at {
		return nil
	}
	if err := h.Arm(ctx, m.Fragment, time.UnixMilli(at)); err != nil {
		return fmt.Errorf("arming the next moment: %w", err)
	}
	m.Armed = at
	return nil
}

// commit stores what memberships become, unless that is what they were.
func (s *Stage) commit(ctx context.Context, h Hub, kept map[profile.ID]profile.Memberships, t segment.Turning, out segment.Turned) error {
	least := out.After.Fragment
	var emptied, held []profile.Memberships
	for _, m := range t.Before {
		// The mark that somebody has decided stays, should the fragment be cut off again.
		if m.Fragment != least && (m.Version == 0 || len(m.Seen) > 0) {
			emptied = append(emptied, m)
		}
	}
	for _, m := range kept {
		// Others who have decided about one of these fragments must not have done so again.
		if _, ours := t.Versions[m.Fragment]; !ours && overlap(m.Seen, t.Versions) {
			held = append(held, m)
		}
	}
	if len(emptied) == 0 && equal(kept[least], out.After) {
		return nil
	}
	var l []events.Announcement
	for _, turn := range out.Turns {
		data, err := json.Marshal(events.Membership{Fragment: string(least), Segment: turn.Segment, At: t.Now.UnixMilli(), Cause: turn.Cause})
		if err != nil {
			return fmt.Errorf("encoding a turn: %w", err)
		}
		kind := events.SegmentLeft
		if turn.In {
			kind = events.SegmentEntered
		}
		l = append(l, events.Announcement{Type: kind, Data: data})
	}
	if err := h.CommitMemberships(ctx, out.After, emptied, held, l); err != nil {
		return fmt.Errorf("storing memberships: %w", err)
	}
	return nil
}

func overlap(a, b map[profile.ID]int64) bool {
	for id := range a {
		if _, there := b[id]; there {
			return true
		}
	}
	return false
}

func equal(a, b profile.Memberships) bool {
	return a.Version > 0 && a.Armed == b.Armed && maps.Equal(a.Segments, b.Segments) && maps.Equal(a.Seen, b.Seen) && maps.Equal(a.Parts, b.Parts)
}
