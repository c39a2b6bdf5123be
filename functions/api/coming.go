package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// rounds is how often the journey stage goes on with an entry at once, and soonest
// how far ahead it arms at the least.
const (
	rounds  = 8
	soonest = time.Minute
)

// turned lets the profile into the journeys that a turn opens.
func (c *coming) turned(ctx context.Context, t segment.Turn, at time.Time) error {
	if t.Cause != events.ByChange && t.Cause != events.ByTime {
		return nil
	}
	way := journey.ByLeft
	if t.In {
		way = journey.ByEntered
	}
	cause := journey.Cause{Way: way, Name: t.Segment, Record: string(c.ids[0]), Fragment: c.ids[0], At: at.UnixMilli()}
	for _, name := range slices.Sorted(maps.Keys(c.current)) {
		if j := c.current[name]; j.Answers(cause) {
			if err := c.into(ctx, j, cause, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// day lets the profile into a journey that begins on a day of the year.
func (c *coming) day(ctx context.Context, name string, at time.Time) error {
	j, ok := c.current[name]
	if !ok {
		return nil
	}
	last, _, ok := j.Days(c.view, at)
	if !ok || at.Sub(last.At) > 24*time.Hour {
		return nil
	}
	return c.into(ctx, j, journey.Cause{Way: journey.ByDate, Name: last.Name, Record: string(c.ids[0]), Fragment: c.ids[0], At: last.At.UnixMilli()}, at)
}

// into lets the profile into a journey if nothing speaks against it, and goes on
// with an entry that the same cause made before.
func (c *coming) into(ctx context.Context, j journey.Journey, cause journey.Cause, at time.Time) error {
	if c.stands(j.Name) {
		return nil
	}
	if err := c.journeys(ctx); err != nil {
		return err
	}
	id := cause.Entry(j.Name)
	for _, m := range c.ids {
		e, err := c.entry(ctx, m, j.Name, id)
		if err != nil {
			return err
		}
		if e.ID != "" {
			return c.advance(ctx, m, j.Name, id, at)
		}
	}
	heads := c.headsOf(j.Name)
	v := c.view
	verdict, err := j.MayEnter(heads, v, c.in(), at)
	if err == nil && !verdict.Older.IsZero() {
		if v, err = c.withOlder(ctx, v, c.members, verdict.Older); err == nil {
			verdict, err = j.MayEnter(heads, v, c.in(), at)
		}
	}
	if err != nil || !verdict.In {
		return err
	}
	e := j.Enter(cause, c.ids, heads, nil, at)
	c.answer.Entries = append(c.answer.Entries, entering{c.ids[0], j.Name, stamp(at.UnixMilli()), e.Cause, e.Held})
	return c.step(ctx, j, e, at)
}

// in names the segments that the profile is in by then.
func (c *coming) in() []string { return profile.InSegments(c.kept) }

// journeys reads how the profile stands in journeys, before anything changes it.
func (c *coming) journeys(ctx context.Context) (err error) {
	if c.read {
		return nil
	}
	if c.heads, err = c.hub.Heads(ctx, c.ids); err != nil {
		return fmt.Errorf("reading heads: %w", err)
	}
	c.read = true
	return nil
}

func (c *coming) headsOf(name string) []journey.Head {
	return slices.DeleteFunc(slices.Clone(c.heads), func(h journey.Head) bool { return h.Journey != name })
}

func placeOf(fragment profile.ID, name, id string) string {
	return "entry|" + string(fragment) + "|" + name + "|" + id
}

// entry is one as it would stand; no ID = there is none.
func (c *coming) entry(ctx context.Context, fragment profile.ID, name, id string) (journey.Entry, error) {
	place := placeOf(fragment, name, id)
	if e, looked := c.entries[place]; looked {
		return e, nil
	}
	e, err := c.hub.Entry(ctx, fragment, name, id)
	if err != nil {
		return e, fmt.Errorf("reading entry: %w", err)
	}
	c.entries[place] = e
	return e, nil
}

// advance takes an entry as far as it goes by then.
func (c *coming) advance(ctx context.Context, fragment profile.ID, name, id string, at time.Time) error {
	if err := c.journeys(ctx); err != nil {
		return err
	}
	e, err := c.entry(ctx, fragment, name, id)
	if err != nil || e.ID == "" || !e.Open() || c.stands(name) {
		return err
	}
	j, err := c.version(ctx, name, e.Definition)
	if err != nil {
		return err
	}
	return c.step(ctx, j, e, at)
}

// step steps an entry, plans the messages that it asks for, and arms what comes next.
func (c *coming) step(ctx context.Context, j journey.Journey, e journey.Entry, at time.Time) error {
	place := placeOf(e.Fragment, j.Name, e.ID)
	for range rounds {
		out, empty, err := c.outcome(ctx, j, e, at)
		if err != nil {
			return fmt.Errorf("stepping in %s: %w", j.Name, err)
		}
		e = out.Entry
		c.entries[place] = e
		c.stand(j, e)
		for _, r := range out.Messages {
			if err := c.ask(ctx, r, at); err != nil {
				return err
			}
		}
		if !e.Open() || e.Due == 0 || empty { // nobody fills a pool if nothing happens
			return nil
		}
		if !out.Changed || e.Due > at.UnixMilli() {
			break
		}
	}
	due := time.UnixMilli(e.Due).UTC()
	if !due.After(at) {
		due = at.Add(soonest)
	}
	c.arm(ofJourneys, place, due, func(ctx context.Context, at time.Time) error { return c.advance(ctx, e.Fragment, j.Name, e.ID, at) })
	return nil
}

// stand notes how the newest entry of a journey stands.
func (c *coming) stand(j journey.Journey, e journey.Entry) {
	at := slices.IndexFunc(c.heads, func(h journey.Head) bool { return h.Fragment == e.Fragment && h.Journey == j.Name })
	if at < 0 {
		c.heads = append(c.heads, j.Head(e, journey.Head{}))
		return
	}
	c.heads[at] = j.Head(e, c.heads[at])
}

// outcome asks the journey what comes next, and gives what it asks for. A code that
// is at hand is looked at and left where it is; empty tells that there is none.
func (c *coming) outcome(ctx context.Context, j journey.Journey, e journey.Entry, at time.Time) (out journey.Outcome, empty bool, err error) {
	g := journey.Given{Now: at, View: c.view, Segments: c.in(), Codes: map[string]string{}}
	for {
		out, err := j.Step(e, g)
		if err != nil || !out.Asks() {
			return out, empty, err
		}
		if out.Code != nil {
			if _, twice := g.Codes[out.Code.Cause]; twice {
				return out, empty, fmt.Errorf("journey %s asks twice for one voucher", j.Name)
			}
			code, err := c.code(ctx, *out.Code)
			if err != nil {
				return out, empty, err
			}
			g.Codes[out.Code.Cause], empty = code, empty || code == ""
			continue
		}
		if !g.View.Since.IsZero() && !out.Older.Before(g.View.Since) {
			return out, empty, fmt.Errorf("journey %s asks twice for the same orders", j.Name)
		}
		if g.View, err = c.withOlder(ctx, g.View, c.members, out.Older); err != nil {
			return out, empty, err
		}
	}
}

// code looks whether a pool has one, once for all who would take it.
func (o *outlook) code(ctx context.Context, w journey.Wanted) (string, error) {
	if code, looked := o.pools[w.Pool]; looked {
		return code, nil
	}
	code, err := o.hub.FindCode(ctx, w.Pool, w.Cause)
	if err != nil {
		return "", fmt.Errorf("finding a voucher of %s: %w", w.Pool, err)
	}
	o.pools[w.Pool] = code
	return code, nil
}
