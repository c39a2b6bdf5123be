package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"loophub/events"
	"loophub/shared/profile"
)

const (
	usualEntries = 20
	// maxLooks bounds how many records one request reads: most of what an index
	// names concerns the profile, but not all.
	maxLooks = 3 * maxLimit
	maxPage  = 2 << 20 // bytes
)

// timeline lists what the log says of a profile, newest first. The indexes of all
// members run together; each record comes once.
func (h *handling) timeline(ctx context.Context) (any, error) {
	q, err := h.query("limit", "cursor")
	if err != nil {
		return nil, err
	}
	count, err := limit(q, usualEntries)
	if err != nil {
		return nil, err
	}
	at, err := parseCursor(q["cursor"])
	if err != nil {
		return nil, err
	}
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	s, err := h.scroll(ctx, members, at.Before, count)
	if err != nil {
		return nil, err
	}
	entries, next, err := s.page(ctx, at, count)
	if err != nil {
		return nil, err
	}
	return map[string]any{"profile": members[0].ID, "entries": entries, "next_cursor": next.text()}, nil
}

// scroll runs through the records of a profile's members.
type scroll struct {
	*handling
	members map[profile.ID]bool
	lanes   []*lane
	facts   map[string][]events.Fact // of the customers' own records, which had to be read for their place
	ahead   int                      // how many index items are read at once
}

// lane is one member's index, or the one record that none lists: a customer's own.
type lane struct {
	fragment profile.ID
	before   Indexed // where the next read begins
	records  []Indexed
	more     bool
}

func (h *handling) scroll(ctx context.Context, fragments []profile.Fragment, before Indexed, ahead int) (*scroll, error) {
	s := &scroll{handling: h, members: map[profile.ID]bool{}, facts: map[string][]events.Fact{}, ahead: ahead}
	for _, f := range fragments {
		s.members[f.ID] = true
		s.lanes = append(s.lanes, &lane{fragment: f.ID, before: before, more: true})
		if f.ID.Class() != profile.CustomerClass || f.Anchor.Customer == "" {
			continue
		}
		own := events.Fact{Connection: f.Anchor.Connection, Kind: events.Customer, Record: f.Anchor.Customer}.RecordKey()
		facts, err := h.hub.Facts(ctx, own)
		if err != nil {
			return nil, fmt.Errorf("reading the customer's facts: %w", err)
		}
		if len(facts) == 0 {
			continue
		}
		s.facts[own] = facts
		if at := (Indexed{earliest(facts), own}); before == (Indexed{}) || newestFirst(before, at) < 0 {
			s.lanes = append(s.lanes, &lane{records: []Indexed{at}})
		}
	}
	return s, nil
}

// next takes the newest record of all lanes.
func (s *scroll) next(ctx context.Context) (r Indexed, ok bool, err error) {
	var newest *lane
	for _, l := range s.lanes {
		if len(l.records) == 0 && l.more {
			if l.records, l.more, err = s.hub.Timeline(ctx, l.fragment, l.before, s.ahead); err != nil {
				return r, false, fmt.Errorf("reading the index: %w", err)
			}
			if n := len(l.records); n > 0 {
				l.before = l.records[n-1]
			} else {
				l.more = false
			}
		}
		if len(l.records) > 0 && (newest == nil || newestFirst(l.records[0], newest.records[0]) < 0) {
			newest = l
		}
	}
	if newest == nil {
		return r, false, nil
	}
	r = newest.records[0]
	newest.records = newest.records[1:]
	return r, true, nil
}

// page collects up to count entries; next is where the following page begins, zero
// at the end. A page may end early, when it grows large or much of what the indexes
// name does not concern the profile.
func (s *scroll) page(ctx context.Context, at cursor, count int) (entries []json.RawMessage, next cursor, err error) {
	entries = []json.RawMessage{}
	size, last := 0, Indexed{}
	for looks := 0; ; looks++ {
		r, ok, err := s.next(ctx)
		if err != nil || !ok {
			return entries, cursor{}, err
		}
		if r == last {
			continue // two members have it at the same place
		}
		if len(entries) == count || looks >= maxLooks {
			return entries, at, nil
		}
		if last = r; at.shown(r) {
			at.pass(r)
			continue
		}
		e, facts, err := s.entry(ctx, r)
		if err != nil {
			return nil, cursor{}, err
		}
		if len(entries) > 0 && size+len(e) > maxPage {
			return entries, at, nil
		}
		if len(e) > 0 {
			entries, size = append(entries, e), size+len(e)
			at.show(r, facts)
		}
		at.pass(r)
	}
}

// entry reads and writes one record; nothing if it does not concern the profile.
func (s *scroll) entry(ctx context.Context, r Indexed) (json.RawMessage, []events.Fact, error) {
	facts, read := s.facts[r.Record]
	if !read {
		var err error
		if facts, err = s.hub.Facts(ctx, r.Record); err != nil {
			return nil, nil, fmt.Errorf("reading facts: %w", err)
		}
	}
	if !s.concerns(facts) {
		return nil, nil, nil
	}
	e, err := encode(s.entryOf(r, facts))
	if err != nil {
		return nil, nil, fmt.Errorf("encoding an entry: %w", err)
	}
	return e, facts, nil
}

// concerns tells whether a record is the profile's: it stands on one of its
// members, or one of its facts made a statement about one. An index lists more: an
// order of a known customer is also found under the address on it, which may be
// somebody else's.
func (s *scroll) concerns(facts []events.Fact) bool {
	if len(facts) == 0 {
		return false // named before its first fact was kept
	}
	f := facts[0]
	if a, ok := s.rules.Anchor(f.Kind, f.Connection, f.Record, profile.Join(facts...)); ok && s.members[s.rules.Key.Fragment(a)] {
		return true
	}
	return slices.ContainsFunc(facts, func(f events.Fact) bool {
		if st, ok := s.rules.Statement(f); ok && s.members[st.Fragment] {
			return true
		}
		pair, _, ok := s.rules.Decision(f)
		return ok && (s.members[pair[0]] || s.members[pair[1]])
	})
}

func earliest(facts []events.Fact) int64 {
	at := facts[0].Time()
	for _, f := range facts {
		at = min(at, f.Time())
	}
	return at
}
