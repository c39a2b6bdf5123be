package attribution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const (
	attempts = 8   // lost races in a row before the queue tries again
	writes   = 256 // of one profile for one message of the queue
	// open is how long a message's engagement is read anew, without being named.
	open = 30 * 24 * time.Hour
)

// settle counts the profile of a fragment again, until what is stored is what
// should be: a write is followed by another look. So whoever writes last has seen
// nothing change since. What dies in between comes again out of the queue.
func (s *Stage) settle(ctx context.Context, j job) error {
	w, err := s.Definitions.Load(ctx, j.workspace)
	if errors.Is(err, workspace.ErrUnknown) {
		return fault.As(fault.Permanent, fmt.Errorf("loading the definition: %w", err))
	}
	if err != nil {
		return fmt.Errorf("loading the definition: %w", err)
	}
	c := counting{Hub: s.Hub(j.workspace), job: j, windows: attribution.WindowsOf(w), now: s.Now(), limit: s.StepLimit}
	for lost, written := 0, 0; lost < attempts && written < writes; {
		step, err := c.step(ctx)
		if err == nil && step.Empty() {
			return nil
		}
		if err == nil {
			err = c.CommitCredits(ctx, step)
		}
		switch {
		case errors.Is(err, profile.ErrLost):
			lost++
			if err := s.Pause(ctx, lost); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("counting a profile: %w", err)
		default:
			lost, written, c.touch = 0, written+1, false
		}
	}
	return fault.New(fault.Transient, "counting a profile: others write it all the time")
}

// counting is one profile on its way.
type counting struct {
	Hub
	job
	windows attribution.Windows
	now     time.Time
	limit   int
}

// step reads everything and gives the next write. What is kept is read first, and
// guards the write; so nothing that was read after it can be older than what
// another worker counted with before.
func (c *counting) step(ctx context.Context) (attribution.Step, error) {
	stored, fragments, err := c.own(ctx, []profile.ID{c.fragment})
	if err != nil {
		return attribution.Step{}, err
	}
	ids := fragments[0].Profile()
	if alone := slices.Equal(ids, []profile.ID{c.fragment}); !alone {
		if stored, fragments, err = c.own(ctx, ids); err != nil {
			return attribution.Step{}, err
		}
	}
	if !c.first && len(c.messages) == 0 && !slices.ContainsFunc(stored, func(m attribution.Credits) bool { return m.Version > 0 }) {
		// Nobody ever wrote to these people: their orders are nobody's work. Whoever counts
		// their first message or entry looks once more after it was stored.
		return attribution.Step{}, nil
	}
	if at := slices.Index(ids, c.fragment); at < 0 || !slices.Equal(fragments[at].Profile(), ids) {
		return attribution.Step{}, profile.ErrLost // it was linked or cut meanwhile
	}
	// While a link is made or cut, members disagree. Those that agree are counted
	// together: so at any moment each fragment is counted in one place.
	var members []profile.Fragment
	var was []attribution.Credits
	for n, f := range fragments {
		if slices.Equal(f.Profile(), ids) {
			members, was = append(members, f), append(was, stored[n])
		}
	}
	return c.plan(ctx, members, was)
}

// own reads what is kept of fragments, and then the fragments.
func (c *counting) own(ctx context.Context, ids []profile.ID) ([]attribution.Credits, []profile.Fragment, error) {
	stored, err := c.Credits(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("reading what was counted: %w", err)
	}
	fragments, err := c.Fragments(ctx, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the fragments: %w", err)
	}
	return stored, fragments, nil
}

func (c *counting) plan(ctx context.Context, members []profile.Fragment, stored []attribution.Credits) (attribution.Step, error) {
	var p attribution.Profile
	kept := make([]attribution.Credits, len(members))
	for n := range members {
		var err error
		if kept[n], err = c.remember(ctx, stored[n]); err != nil {
			return attribution.Step{}, err
		}
		p.Messages, p.Entries = append(p.Messages, kept[n].Messages...), append(p.Entries, kept[n].Entries...)
	}
	if since, ok := p.Since(); ok {
		for _, f := range members {
			l, err := c.orders(ctx, f, since)
			if err != nil {
				return attribution.Step{}, err
			}
			p.Orders = append(p.Orders, l...)
		}
		issues, err := c.issues(ctx, p, members)
		if err != nil {
			return attribution.Step{}, err
		}
		p.Issues = issues
	}
	counts, outcome := attribution.Count(p, c.windows)
	return attribution.Plan(stored, kept, counts, outcome, c.limit, c.touch), nil
}

// remember adds to what is kept of a fragment what can have changed: messages of
// late, those that are named, and those that it did not know. Where orders alone
// are others nothing can: each message, entry and engagement has news of its own,
// which is told after it was stored.
func (c *counting) remember(ctx context.Context, was attribution.Credits) (attribution.Credits, error) {
	if !c.beside {
		return was.Remember(nil, nil), nil
	}
	since := c.now.Add(-open)
	for _, id := range c.messages {
		if at, ok := made(id); !ok {
			since = time.Time{}
		} else if t := time.UnixMilli(at); t.Before(since) {
			since = t
		}
	}
	if was.Version == 0 {
		since = time.Time{}
	}
	sent, err := c.Messages(ctx, was.Fragment, since)
	if err != nil {
		return was, fmt.Errorf("reading messages: %w", err)
	}
	entries, err := c.Entries(ctx, was.Fragment)
	if err != nil {
		return was, fmt.Errorf("reading entries: %w", err)
	}
	known := map[string]bool{}
	for _, m := range was.Messages {
		known[m.ID] = true
	}
	fresh := make([]attribution.Message, len(sent))
	for n, m := range sent {
		fresh[n].Sent = m
	}
	next := was.Remember(fresh, entries)
	for n, m := range next.Messages {
		if known[m.ID] && m.At < c.now.Add(-open).UnixMilli() && !slices.Contains(c.messages, m.ID) {
			continue
		}
		e, err := c.Engagement(ctx, m.Sent)
		if err != nil {
			return was, fmt.Errorf("reading engagement: %w", err)
		}
		next.Messages[n].Engagement = m.Engagement.Join(e)
	}
	return next, nil
}

// orders of a fragment from a moment on.
func (c *counting) orders(ctx context.Context, f profile.Fragment, since int64) ([]attribution.Order, error) {
	all := slices.Clone(f.State.Recent)
	if n := len(all); n > 0 && int64(n) < f.State.Orders && all[n-1].At >= since {
		older, err := c.OlderOrders(ctx, f.ID, time.UnixMilli(since))
		if err != nil {
			return nil, fmt.Errorf("reading older orders: %w", err)
		}
		all = append(all, older...)
	}
	var l []attribution.Order
	for _, o := range all {
		if o.At >= since {
			l = append(l, attribution.OrderOf(o))
		}
	}
	return l, nil
}

// issues looks up the codes that orders used and no message carried. A code that
// was given to somebody else is theirs.
func (c *counting) issues(ctx context.Context, p attribution.Profile, members []profile.Fragment) ([]attribution.Issue, error) {
	codes := p.Codes()
	if len(codes) == 0 {
		return nil, nil
	}
	all, err := c.Issues(ctx, codes)
	if err != nil {
		return nil, fmt.Errorf("reading vouchers: %w", err)
	}
	var ours []attribution.Issue
	for _, i := range all {
		if slices.ContainsFunc(members, func(f profile.Fragment) bool { return f.ID == i.Fragment }) {
			ours = append(ours, i)
		}
	}
	return ours, nil
}
