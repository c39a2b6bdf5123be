package journey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
)

// changed lets people in by what happened to them, brings it to the entries that
// listen for it, and arms days of the year.
func (w *work) changed(ctx context.Context, c events.ProfileChange) error {
	if len(w.workspace.Journeys) == 0 {
		return nil
	}
	id := profile.ID(c.Fragment)
	if err := w.happened(ctx, id, c.Occurred); err != nil {
		return err
	}
	traits := slices.Contains(c.Parts, string(profile.TraitsChanged))
	if !traits && !slices.Contains(c.Parts, string(profile.IdentityChanged)) {
		return nil
	}
	for name := range w.workspace.Journeys {
		j, ok, err := w.current(ctx, name)
		if err != nil {
			return err
		}
		if ok && j.Dated() {
			if err := w.learned(ctx, j, id, c.Version, traits); err != nil {
				return fmt.Errorf("arming %s: %w", name, err)
			}
		}
	}
	return nil
}

// happened takes what happened to somebody, in its order: first to the entries that
// listen for it, then to the journeys that it opens.
func (w *work) happened(ctx context.Context, id profile.ID, l []events.Occurrence) error {
	if len(l) == 0 {
		return nil
	}
	if nobody, err := w.nobodyListens(ctx, id, l); err != nil || nobody {
		return err
	}
	p, ok, err := w.whole(ctx, id)
	if err != nil || !ok {
		return err
	}
	l = slices.Clone(l)
	slices.SortStableFunc(l, func(a, b events.Occurrence) int { return cmp.Compare(a.At, b.At) })
	for _, o := range l {
		if err := w.came(ctx, p.members, o); err != nil {
			return err
		}
		if p.linking { // for too long: nobody knows to whom it happened, so it begins nothing
			continue
		}
		if err := w.enter(ctx, happening(id, o), ""); err != nil {
			return err
		}
	}
	return nil
}

// nobodyListens tells whether nothing can come of what happened to somebody, by one
// read: no entry of hers listens for any of it, and it opens no journey. Of whom it is
// not yet known who she is, or who is more than one fragment, it tells nothing.
func (w *work) nobodyListens(ctx context.Context, id profile.ID, l []events.Occurrence) (bool, error) {
	for _, o := range l {
		if w.opens(ctx, happening(id, o)) {
			return false, nil
		}
	}
	f, heads, err := w.hub.Stand(ctx, id)
	if err != nil {
		return false, fmt.Errorf("reading heads: %w", err)
	}
	if f.Version == 0 || len(f.Pending) > 0 || len(f.Profile()) > 1 {
		return false, nil
	}
	for _, o := range l {
		if slices.ContainsFunc(heads, func(h journey.Head) bool { return h.Open() && w.concerns(h, o) }) {
			return false, nil
		}
	}
	return true, nil
}

// opens tells whether a cause may open any journey: one that can't be read may, too.
func (w *work) opens(ctx context.Context, c journey.Cause) bool {
	for name := range w.workspace.Journeys {
		if j, ok, err := w.current(ctx, name); err != nil || ok && j.Answers(c) {
			return true
		}
	}
	return false
}

// happening is an occurrence as a cause.
func happening(id profile.ID, o events.Occurrence) journey.Cause {
	return journey.Cause{Way: journey.ByEvent, Name: o.What, Record: o.Record, Fragment: id, At: o.At, Message: o.Message}
}

// came brings an occurrence to every open entry of the profile that listens for it.
func (w *work) came(ctx context.Context, members []profile.ID, o events.Occurrence) error {
	heads, err := w.hub.Heads(ctx, members)
	if err != nil {
		return fmt.Errorf("reading heads: %w", err)
	}
	var errs []error
	for _, h := range heads { // an entry that fails keeps no other from hearing of it
		if h.Open() && w.concerns(h, o) {
			errs = append(errs, w.advance(ctx, h.Fragment, h.Journey, h.Entry, &o))
		}
	}
	return errors.Join(errs...)
}

// concerns tells whether an event may mean something to an entry: it listens for
// it, or its wait is over and a due item that comes late has not said so yet.
func (w *work) concerns(h journey.Head, o events.Occurrence) bool {
	return slices.Contains(h.Listens, o.What) || h.Due != 0 && h.Due <= w.now.UnixMilli()
}

// due goes on with what was armed or held.
func (w *work) due(ctx context.Context, what string) error {
	kind, rest, _ := strings.Cut(what, "|")
	part := func(n int) []string { return strings.SplitN(rest, "|", n) }
	switch kind {
	case "entry": // fragment|journey|entry
		if p := part(3); len(p) == 3 {
			return w.advance(ctx, profile.ID(p[0]), p[1], p[2], nil)
		}
	case "came": // fragment|journey|entry|at|what|message|record
		if p := part(7); len(p) == 7 {
			if at, err := strconv.ParseInt(p[3], 10, 64); err == nil {
				return w.advance(ctx, profile.ID(p[0]), p[1], p[2], &events.Occurrence{What: p[4], At: at, Message: p[5], Record: p[6]})
			}
		}
	case "date": // journey|fragment
		if p := part(2); len(p) == 2 {
			j, ok, err := w.current(ctx, p[0])
			if err != nil || !ok { // taken out of the definition: it begins no more
				return err
			}
			return w.day(ctx, j, profile.ID(p[1]))
		}
	case "start": // journey|way|name|fragment|at|message|record
		if p := part(7); len(p) == 7 {
			at, err := strconv.ParseInt(p[4], 10, 64)
			j, ok, missing := w.current(ctx, p[0])
			if missing != nil || err == nil && !ok {
				return missing
			}
			c := journey.Cause{Way: journey.Way(p[1]), Name: p[2], Fragment: profile.ID(p[3]), At: at, Message: p[5], Record: p[6]}
			if err == nil && j.Answers(c) {
				return w.into(ctx, j, c)
			}
			return nil
		}
	}
	return errMeaningless
}

// advance takes an entry as far as it goes now. It does nothing where the entry is
// over or has to wait: what is due may come early, twice or stale.
func (w *work) advance(ctx context.Context, fragment profile.ID, name, id string, o *events.Occurrence) error {
	for attempt, round := 1, 0; round < rounds; round++ {
		open, err := w.again(ctx, fragment, name, id, o)
		switch {
		case errors.Is(err, profile.ErrLost):
			if attempt++; attempt > attempts {
				return lostFor(err)
			}
			if err := w.Pause(ctx, attempt); err != nil {
				return err
			}
			round--
		case err != nil:
			return fmt.Errorf("stepping in %s: %w", name, err)
		case !open:
			return nil
		}
		w.now = w.Now().UTC().Truncate(time.Millisecond)
	}
	return nil // it is armed, and goes on with what is due
}

// again reads an entry and steps it once. open tells that it can go on at once.
func (w *work) again(ctx context.Context, fragment profile.ID, name, id string, o *events.Occurrence) (open bool, err error) {
	e, err := w.hub.Entry(ctx, fragment, name, id)
	if err != nil {
		return false, fmt.Errorf("reading entry: %w", err)
	}
	if e.Revision == 0 || !e.Open() {
		return false, nil
	}
	paused, err := w.hub.Paused(ctx, name)
	if err != nil {
		return false, fmt.Errorf("reading controls: %w", err)
	}
	if paused {
		return false, w.hold(ctx, name, waiting(fragment, name, id, o))
	}
	j, err := w.version(ctx, name, e.Definition)
	if err != nil {
		return false, err
	}
	p, ok, err := w.person(ctx, fragment)
	if err != nil || !ok { // erased meanwhile
		return false, err
	}
	heads, err := w.heads(ctx, []profile.ID{fragment}, name)
	if err != nil {
		return false, err
	}
	if heads[0].Entry != id { // another one began since: this one is over, and was read just before that
		return false, profile.ErrLost
	}
	return w.step(ctx, j, e, heads, p, o)
}

// waiting writes what an entry was about to hear.
func waiting(fragment profile.ID, name, id string, o *events.Occurrence) string {
	if o == nil {
		return strings.Join([]string{"entry", string(fragment), name, id}, "|")
	}
	return strings.Join([]string{"came", string(fragment), name, id, strconv.FormatInt(o.At, 10), o.What, o.Message, o.Record}, "|")
}

func (w *work) hold(ctx context.Context, name, what string) error {
	if err := w.hub.Hold(ctx, name, Name, what); err != nil {
		return fmt.Errorf("holding for journey %s: %w", name, err)
	}
	w.held++
	return nil
}

// soonest is how far ahead a due item is armed at the least. It must not be swept
// before the state that needs it is there: no worker lives that long.
const soonest = time.Minute

// step takes an entry on and writes what comes of it: tags first, then the alarm
// clock, then all the rest at once. open tells that it can go on at once.
func (w *work) step(ctx context.Context, j journey.Journey, e journey.Entry, heads []journey.Head, p person, o *events.Occurrence) (open bool, err error) {
	out, err := w.outcome(ctx, j, e, p, o)
	if err != nil {
		return false, err
	}
	if !out.Changed && e.Revision != 0 {
		if o != nil {
			return false, nil
		}
		return false, w.arm(ctx, e) // what was armed may have come early
	}
	s := Step{Outcome: out, News: out.Entry.News(e)}
	for _, h := range heads {
		if h.Fragment == e.Fragment {
			s.Head = j.Head(out.Entry, h)
		} else if e.Revision == 0 {
			s.Others = append(s.Others, h)
		}
	}
	for _, t := range out.Tags {
		if err := w.Tags.Tag(ctx, w.workspace.ID, t); err != nil {
			return false, fmt.Errorf("tagging: %w", err)
		}
	}
	if due := out.Entry.Due; out.Entry.Open() && (due != e.Due || e.Revision == 0) {
		if err := w.arm(ctx, out.Entry); err != nil {
			return false, err
		}
	}
	if err := w.hub.Commit(ctx, s); err != nil {
		return false, fmt.Errorf("writing the step: %w", err)
	}
	w.steps += out.Entry.Count - e.Count
	w.requested += len(out.Messages)
	return out.Entry.Open() && out.Entry.Due <= w.now.UnixMilli(), nil
}

// arm sees to it that the entry is looked at when it is due.
func (w *work) arm(ctx context.Context, e journey.Entry) error {
	at := time.UnixMilli(max(e.Due, w.now.Add(soonest).UnixMilli()))
	if err := w.hub.Arm(ctx, Name, waiting(e.Fragment, e.Journey, e.ID, nil), at); err != nil {
		return fmt.Errorf("arming: %w", err)
	}
	return nil
}

// outcome asks the journey what comes next, and gets what it asks for.
func (w *work) outcome(ctx context.Context, j journey.Journey, e journey.Entry, p person, o *events.Occurrence) (journey.Outcome, error) {
	g := journey.Given{Now: w.now, View: p.view, Segments: p.segments, Codes: map[string]string{}}
	if o != nil {
		g.Occurred = []events.Occurrence{*o}
	}
	for {
		out, err := j.Step(e, g)
		if err != nil || !out.Asks() {
			return out, err
		}
		if out.Code != nil {
			if _, twice := g.Codes[out.Code.Cause]; twice {
				return out, fmt.Errorf("journey %s asks twice for one voucher", j.Name)
			}
			code, err := w.hub.FindCode(ctx, out.Code.Pool, out.Code.Cause)
			if err != nil {
				return out, fmt.Errorf("finding a voucher of %s: %w", out.Code.Pool, err)
			}
			if code == "" {
				w.empty++
			}
			g.Codes[out.Code.Cause] = code
			continue
		}
		if !g.View.Since.IsZero() && !out.Older.Before(g.View.Since) {
			return out, fmt.Errorf("journey %s asks twice for the same orders", j.Name)
		}
		if err := w.older(ctx, &p, out.Older); err != nil {
			return out, err
		}
		g.View = p.view
	}
}
