package journey

import (
	"context"
	"errors"
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
	linking   bool     // it may be somebody's whom it was not linked with yet
}

// patience is how long links that are to be made are waited for, by the age of the
// message: unify makes them in milliseconds, or when its queue gives the delivery
// again. It ends before our own queue gives the message up.
const patience = 15 * time.Minute

// looks is how often a profile is read for that before the queue gives the message
// again: the rest of the batch should not wait for what unify can't do.
const looks = 4

// whole reads a profile once it is known whose a fragment is: what a known customer
// does as a guest is heard by the journeys that she is in, and is no stranger's.
func (w *work) whole(ctx context.Context, id profile.ID) (p person, ok bool, err error) {
	for attempt := 1; ; attempt++ {
		p, ok, err = w.person(ctx, id)
		if err == nil && p.linking && w.now.Sub(w.told) < patience {
			err = fmt.Errorf("reading the profile: its links are being made: %w", profile.ErrLost)
		}
		if !errors.Is(err, profile.ErrLost) || attempt == looks {
			return p, ok, lostFor(err)
		}
		if err := w.Pause(ctx, attempt); err != nil {
			return p, false, err
		}
	}
}

// person reads the profile that a fragment belongs to. ok is false where there is
// no such fragment. While a link is being made or cut its fragments do not agree on
// who they are, and what were decided would be of nobody: that is profile.ErrLost,
// to be read again.
func (w *work) person(ctx context.Context, id profile.ID) (p person, ok bool, err error) {
	k, err := w.hub.Known(ctx, id)
	if err != nil {
		return p, false, fmt.Errorf("reading the profile: %w", err)
	}
	if len(k.Members) == 0 {
		return p, false, nil
	}
	for _, f := range k.Members {
		if !slices.Equal(f.Profile(), k.Members[0].Profile()) {
			return p, false, fmt.Errorf("reading the profile: its fragments do not agree: %w", profile.ErrLost)
		}
		p.members, p.linking = append(p.members, f.ID), p.linking || len(f.Pending) > 0
	}
	p.fragments, p.segments = k.Members, profile.InSegments(k.Memberships)
	p.view = segment.Combine(k.Members, k.Identities, profile.DefaultLimits)
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
