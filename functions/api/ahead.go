package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// coming is one profile on its way through what is to come. It is the profile as it
// is; what changes are its memberships, entries and messages.
type coming struct {
	*outlook
	members    []profile.Fragment
	ids        []profile.ID
	identities map[string]profile.Identity
	view       segment.View
	kept       []profile.Memberships // under the members

	read    bool // heads and entries of journeys are
	heads   []journey.Head
	entries map[string]journey.Entry // that were looked at, as they would stand

	sends []message.Sends // nil until somebody asks
	plans map[string]int  // place in the answer, by message

	moments []look
	armed   map[string]bool
}

// look is something to look at, at a moment.
type look struct {
	at   time.Time
	rank rank
	do   func(ctx context.Context, at time.Time) error
}

// rank orders what comes at the same moment. The stages run side by side; what
// others hang on is decided first here, so that a forecast is always the same.
type rank int

const (
	ofSegments rank = iota
	ofJourneys
	ofMessages
)

func (l look) compare(o look) int { return cmp.Or(l.at.Compare(o.at), cmp.Compare(l.rank, o.rank)) }

// arm has something looked at; what is armed twice for a moment is looked at once.
func (c *coming) arm(of rank, what string, at time.Time, do func(context.Context, time.Time) error) {
	if at.Before(c.now) {
		at = c.now
	}
	name := what + "|" + stamp(at.UnixMilli())
	if at.After(c.until) || c.armed[name] {
		return
	}
	c.armed[name] = true
	one := look{at, of, do}
	place, _ := slices.BinarySearchFunc(c.moments, one, func(l, o look) int { return cmp.Or(l.compare(o), -1) }) // after those like it
	c.moments = slices.Insert(c.moments, place, one)
}

// run goes through the profile's moments in their order, and those that they lead to.
func (c *coming) run(ctx context.Context) error {
	for steps := 0; len(c.moments) > 0; steps++ {
		next := c.moments[0]
		if steps == maxSteps || len(c.answer.Sends) >= maxPlans {
			c.cut(next.at)
			return nil
		}
		c.moments = c.moments[1:]
		if err := next.do(ctx, next.at); err != nil {
			return err
		}
	}
	return nil
}

// people reads the profiles that moments are about, by id, each with its moments.
func (o *outlook) people(ctx context.Context, l []Due) ([]*coming, error) {
	var seeds []profile.ID
	for _, d := range l {
		if id, ok := about(d); ok {
			seeds = append(seeds, id)
		}
	}
	slices.Sort(seeds)
	groups, err := o.groups(ctx, slices.Compact(seeds))
	if err != nil {
		return nil, err
	}
	all := slices.Concat(groups...)
	identities, err := o.handling.identities(ctx, all)
	if err != nil {
		return nil, err
	}
	kept, err := o.hub.Memberships(ctx, ids(all))
	if err != nil {
		return nil, fmt.Errorf("reading memberships: %w", err)
	}
	var people []*coming
	by := map[profile.ID]*coming{}
	for _, members := range groups {
		c := &coming{outlook: o, members: members, ids: ids(members), identities: identities, kept: kept[:len(members):len(members)],
			view: segment.Combine(members, identities, o.rules.Limits), entries: map[string]journey.Entry{}, plans: map[string]int{}, armed: map[string]bool{}}
		kept = kept[len(members):]
		for _, id := range c.ids {
			by[id] = c
		}
		people = append(people, c)
	}
	slices.SortStableFunc(l, func(a, b Due) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.What, b.What)) })
	for _, d := range l {
		if id, ok := about(d); ok && by[id] != nil { // not stored: a test send, or erased
			by[id].take(d)
		}
	}
	return people, nil
}

// about is the fragment that a moment names.
func about(d Due) (profile.ID, bool) {
	p := strings.Split(d.What, "|")
	switch {
	case d.Stage == "segment" && len(p) == 1, d.Stage == "message" && len(p) == 2:
		return profile.ParseID(p[0])
	case d.Stage == "journey" && len(p) == 4 && p[0] == "entry":
		return profile.ParseID(p[1])
	case d.Stage == "journey" && len(p) == 3 && p[0] == "date":
		return profile.ParseID(p[2])
	}
	return "", false
}

// take arms what a stage waits for.
func (c *coming) take(d Due) {
	p := strings.Split(d.What, "|")
	switch {
	case d.Stage == "segment":
		c.arm(ofSegments, "segments", d.At, c.turn)
	case d.Stage == "message":
		c.arm(ofMessages, d.What, d.At, func(ctx context.Context, at time.Time) error { return c.waiting(ctx, profile.ID(p[0]), p[1], at) })
	case p[0] == "date":
		c.arm(ofJourneys, d.What, d.At, func(ctx context.Context, at time.Time) error { return c.day(ctx, p[1], at) })
	default:
		c.arm(ofJourneys, d.What, d.At, func(ctx context.Context, at time.Time) error {
			return c.advance(ctx, profile.ID(p[1]), p[2], p[3], at)
		})
	}
}

// turn decides the profile's memberships as the segment stage will.
func (c *coming) turn(ctx context.Context, at time.Time) error {
	t := segment.Turning{Before: c.kept, Segments: c.segments, View: c.view, Versions: map[profile.ID]int64{}, Quiet: map[profile.ID]int64{}, Now: at, Due: true}
	for _, f := range c.members {
		t.Versions[f.ID], t.Quiet[f.ID] = f.Version, f.Quiet
	}
	out, err := t.Turn()
	if err == nil && !out.Older.IsZero() {
		if t.Older, err = c.older(ctx, out.Older); err == nil {
			out, err = t.Turn()
		}
	}
	if err != nil {
		return fmt.Errorf("deciding segments: %w", err)
	}
	c.keep(out.After)
	if !out.Next.IsZero() {
		c.arm(ofSegments, "segments", out.Next, c.turn)
	}
	for _, turn := range out.Turns {
		c.answer.Turns = append(c.answer.Turns, turning{c.ids[0], turn.Segment, turn.In, stamp(at.UnixMilli()), turn.Cause})
		if err := c.turned(ctx, turn, at); err != nil {
			return err
		}
	}
	return nil
}

// older are the orders beyond those that fragments carry.
func (c *coming) older(ctx context.Context, since time.Time) (*segment.Older, error) {
	v, err := c.withOlder(ctx, segment.View{}, c.members, since)
	return &segment.Older{Orders: v.Older, Since: since}, err
}

// keep is what the segment stage stores: the memberships lie under the least
// fragment, those of the others are empty.
func (c *coming) keep(after profile.Memberships) {
	after.Version = max(after.Version, 1)
	l := []profile.Memberships{after}
	for _, m := range c.kept {
		if m.Fragment != after.Fragment {
			l = append(l, profile.Memberships{Fragment: m.Fragment, Version: max(m.Version, 1), Into: after.Fragment})
		}
	}
	c.kept = l
}
