package journey

import (
	"context"
	"fmt"
	"slices"
	"time"

	"loophub/shared/profile"
	"loophub/shared/segment"
)

// person is a profile as it was read.
type person struct {
	members   []profile.ID
	fragments []profile.Fragment
	view      segment.View
	segments  []string // that it is in
}

// person reads the profile that a fragment belongs to. ok is false where there is
// no such fragment. While a link is being made or cut its fragments do not agree on
// who they are, and what were decided would be of nobody: that is profile.ErrLost,
// to be read again.
func (w *work) person(ctx context.Context, id profile.ID) (p person, ok bool, err error) {
	fragments, identities, err := w.hub.Load(ctx, id)
	if err != nil {
		return p, false, fmt.Errorf("reading the profile: %w", err)
	}
	if len(fragments) == 0 {
		return p, false, nil
	}
	for _, f := range fragments {
		if !slices.Equal(f.Profile(), fragments[0].Profile()) {
			return p, false, fmt.Errorf("reading the profile: its fragments do not agree: %w", profile.ErrLost)
		}
		p.members = append(p.members, f.ID)
	}
	kept, err := w.hub.Memberships(ctx, p.members)
	if err != nil {
		return p, false, fmt.Errorf("reading memberships: %w", err)
	}
	p.fragments, p.segments = fragments, profile.InSegments(kept)
	p.view = segment.Combine(fragments, identities, profile.DefaultLimits)
	return p, true, nil
}

// older reads the orders that a rule asks for into the view.
func (w *work) older(ctx context.Context, p *person, since time.Time) error {
	var l []profile.Order
	for _, f := range p.fragments {
		if f.State.Orders == int64(len(f.State.Recent)) {
			continue
		}
		more, err := w.hub.OlderOrders(ctx, f.ID, since)
		if err != nil {
			return fmt.Errorf("reading older orders: %w", err)
		}
		l = append(l, more...)
	}
	p.view = p.view.With(l, since)
	return nil
}
