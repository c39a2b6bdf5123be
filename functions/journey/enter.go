package journey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/profile"
)

// turned lets people in by a segment. Only what happened to them counts: a link, a
// new rule or a replay begins no journey.
func (w *work) turned(ctx context.Context, kind string, m events.Membership) error {
	if m.Cause != events.ByChange && m.Cause != events.ByTime {
		return nil
	}
	way := journey.ByEntered
	if kind == events.SegmentLeft {
		way = journey.ByLeft
	}
	return w.enter(ctx, journey.Cause{Way: way, Name: m.Segment, Record: m.Fragment, Fragment: profile.ID(m.Fragment), At: m.At}, "")
}

// unseen is for how long the API may know a newer definition than we do: each
// remembers one for a minute.
const unseen = 2 * time.Minute

// asked lets somebody in whom the API named. It let nobody ask for a journey that it
// did not know.
func (w *work) asked(ctx context.Context, r events.EntryRequest) error {
	if _, known := w.workspace.Journeys[r.Journey]; !known && w.now.Sub(w.told) < unseen {
		return fault.New(fault.Transient, "journey %s is not known here yet", r.Journey)
	}
	return w.enter(ctx, journey.Cause{Way: journey.ByAPI, Name: r.Journey, Record: r.ID, Fragment: profile.ID(r.Fragment)}, r.Journey)
}

// enter lets somebody into every journey that the cause opens; only names one. A
// journey that fails keeps nobody out of the others.
func (w *work) enter(ctx context.Context, c journey.Cause, only string) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(w.workspace.Journeys)) {
		if only != "" && name != only {
			continue
		}
		j, ok, err := w.current(ctx, name)
		if err == nil && ok && j.Answers(c) {
			err = w.into(ctx, j, c)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("entering %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// into lets somebody into one journey, if nothing speaks against it, and goes on
// with an entry that the same cause made before.
func (w *work) into(ctx context.Context, j journey.Journey, c journey.Cause) error {
	paused, err := w.hub.Paused(ctx, j.Name)
	if err != nil {
		return fmt.Errorf("reading controls: %w", err)
	}
	if paused {
		return w.hold(ctx, j.Name, start(j.Name, c))
	}
	for attempt := 1; ; attempt++ {
		err := w.tryInto(ctx, j, c)
		if !errors.Is(err, profile.ErrLost) || attempt == attempts {
			return lostFor(err)
		}
		if err := w.Pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// lostFor says that a race was lost too often: the queue tries again.
func lostFor(err error) error {
	if errors.Is(err, profile.ErrLost) {
		return fault.As(fault.Transient, err)
	}
	return err
}

func (w *work) tryInto(ctx context.Context, j journey.Journey, c journey.Cause) error {
	p, ok, err := w.person(ctx, c.Fragment)
	if err != nil || !ok { // erased meanwhile: nobody is there to enter
		return err
	}
	id := c.Entry(j.Name)
	for _, m := range p.members {
		e, err := w.hub.Entry(ctx, m, j.Name, id)
		if err != nil {
			return fmt.Errorf("reading entry: %w", err)
		}
		if e.Revision != 0 {
			return w.advance(ctx, m, j.Name, id, nil)
		}
	}
	heads, err := w.heads(ctx, p.members, j.Name)
	if err != nil {
		return err
	}
	if !p.still(c) {
		return nil
	}
	v, err := j.MayEnter(heads, p.view, p.segments, w.now)
	if err == nil && !v.Older.IsZero() {
		if err = w.older(ctx, &p, v.Older); err == nil {
			v, err = j.MayEnter(heads, p.view, p.segments, w.now)
		}
	}
	if err != nil || !v.In {
		return err
	}
	properties, err := w.properties(ctx, &c)
	if err != nil {
		return err
	}
	if err := w.keep(ctx, j); err != nil {
		return err
	}
	e := j.Enter(c, p.members, heads, properties, w.now)
	open, err := w.step(ctx, j, e, heads, p, nil)
	if err != nil {
		return err
	}
	w.entered++
	if open {
		return w.advance(ctx, e.Fragment, j.Name, id, nil)
	}
	return nil
}

// still tells whether what a cause says of a segment holds: it may come late, after a
// pause of the journey or a failure. Who has bought by now abandons no checkout.
func (p person) still(c journey.Cause) bool {
	in := slices.Contains(p.segments, c.Name)
	return c.Way != journey.ByEntered && c.Way != journey.ByLeft || in == (c.Way == journey.ByEntered)
}

// properties reads what the trigger's record says, and when somebody asked.
func (w *work) properties(ctx context.Context, c *journey.Cause) (map[string]string, error) {
	switch c.Way {
	case journey.ByEvent:
		facts, err := w.hub.Facts(ctx, c.Record)
		if err != nil {
			return nil, fmt.Errorf("reading the event: %w", err)
		}
		return journey.Properties(facts), nil
	case journey.ByAPI:
		properties, at, err := w.hub.Properties(ctx, c.Fragment, c.Name, c.Record)
		c.At = at
		if err != nil {
			return nil, fmt.Errorf("reading the wish: %w", err)
		}
		return properties, nil
	}
	return nil, nil
}

// heads are those of one journey under all members, an empty one where there is none.
func (w *work) heads(ctx context.Context, members []profile.ID, name string) ([]journey.Head, error) {
	all, err := w.hub.Heads(ctx, members)
	if err != nil {
		return nil, fmt.Errorf("reading heads: %w", err)
	}
	l := make([]journey.Head, len(members))
	for n, m := range members {
		l[n] = journey.Head{Fragment: m, Journey: name}
		for _, h := range all {
			if h.Fragment == m && h.Journey == name {
				l[n] = h
			}
		}
	}
	return l, nil
}

// start writes a cause as what is held or armed; its record comes last, since it may
// hold the bar.
func start(name string, c journey.Cause) string {
	return strings.Join([]string{"start", name, string(c.Way), c.Name, string(c.Fragment), fmt.Sprint(c.At), c.Message, c.Record}, "|")
}

// day lets somebody in whose day has come, perhaps early, and arms the next one.
func (w *work) day(ctx context.Context, j journey.Journey, id profile.ID) error {
	p, ok, err := w.person(ctx, id)
	if err != nil || !ok {
		return lostFor(err)
	}
	return w.dated(ctx, j, p, true, true)
}

// learned arms the day of somebody of whom something else is known now, and lets in
// whose day it is. A link, a replay and a backfill tell of days, but begin none.
func (w *work) learned(ctx context.Context, j journey.Journey, id profile.ID, version int64, traits bool) error {
	p, ok, err := w.person(ctx, id)
	if err != nil || !ok {
		return lostFor(err)
	}
	quiet := slices.ContainsFunc(p.fragments, func(f profile.Fragment) bool { return f.ID == id && f.Quiet >= version })
	return w.dated(ctx, j, p, false, traits && !quiet)
}

// dated arms the next day, and lets in on the last one if that was a short while ago.
func (w *work) dated(ctx context.Context, j journey.Journey, p person, came, begins bool) error {
	last, next, ok := j.Days(p.view, w.now)
	if !ok {
		return nil
	}
	if err := w.next(ctx, j, p, next, came); err != nil {
		return err
	}
	if !begins || w.now.Sub(last.At) > 24*time.Hour {
		return nil // it is long over, or was not yet asked for then
	}
	return w.into(ctx, j, journey.Cause{Way: journey.ByDate, Name: last.Name, Record: string(p.members[0]), Fragment: p.members[0], At: last.At.UnixMilli()})
}

// next arms a person's next day, if it is not: the due item first. One that came
// early is about to be deleted, so another is armed a little later.
func (w *work) next(ctx context.Context, j journey.Journey, p person, next journey.Day, came bool) error {
	heads, err := w.heads(ctx, p.members, j.Name)
	if err != nil {
		return err
	}
	h, at := heads[0], next.At.UnixMilli()
	armed := h.Date > w.now.UnixMilli() && h.Date <= at
	if armed && !came {
		return nil
	}
	due := time.UnixMilli(max(at, w.now.Add(soonest).UnixMilli()))
	if err := w.hub.Arm(ctx, Name, "date|"+j.Name+"|"+string(h.Fragment), due); err != nil {
		return fmt.Errorf("arming the next day: %w", err)
	}
	if armed {
		return nil
	}
	h.Date = at
	return lostFor(w.hub.CommitHead(ctx, h))
}
