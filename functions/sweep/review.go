package sweep

import (
	"context"
	"errors"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
)

// Reviews are what is known of the looks at all profiles of a workspace.
type Reviews interface {
	Review(ctx context.Context) (Review, error)
	// CommitReview stores one that was read at its version, or gives profile.ErrLost.
	CommitReview(ctx context.Context, r Review) error
	// Profiles lists profiles from a place on ("" = the beginning), a page of the
	// table at a time, which may hold none. next is "" at the end.
	Profiles(ctx context.Context, after string) (ids []profile.ID, next string, err error)
}

// Review is how far all profiles were looked at since segments became others.
type Review struct {
	Version  int64
	Segments string // digest of the segments that it is for
	Begin    int64  // not before this moment, Unix ms
	After    string // place up to which profiles were looked at
	Done     bool
}

const (
	// settle is how long stages may go by the definition before: whoever changes while
	// they do is found by the review, which begins after it.
	settle = 3 * time.Minute
	// pages are read each minute and workspace, a megabyte each: about forty read units
	// a second, which a table has to spare.
	pages = 20
)

// reviews has the segment stage look at every profile of a workspace whose segments
// became others. There is no index of fragments: the table is scanned, at its
// leisure, for it is asked for when somebody edits a segment, while an index would
// cost every new fragment a write for ever.
func (s *Stage) reviews(ctx, working context.Context, l []Workspace) report {
	r := report{outcome: reviewed}
	failures := 0
	if _, there := s.Stages["segment"]; !there {
		return report{idle: true}
	}
	for _, w := range l {
		n, err := s.review(ctx, working, w)
		r.items += n
		switch {
		case err == nil || errors.Is(err, profile.ErrLost): // another run is at it
		case working.Err() != nil:
			r.outcome = stopped
		default:
			r.outcome, r.err = failed, err
			failures++
		}
	}
	r.idle = r.outcome == reviewed && r.items == 0
	r.counts = []telemetry.Count{{Metric: telemetry.Reviewed, N: r.items}, {Metric: telemetry.Failures, N: failures}}
	return r
}

// review goes on with one workspace's. What is sent is sent before the place is
// stored: a death in between sends it twice.
func (s *Stage) review(ctx, working context.Context, w Workspace) (sent int, err error) {
	hub := s.Hub(w.ID)
	r, err := hub.Review(working)
	if err != nil {
		return 0, err
	}
	now := s.Now().UnixMilli()
	switch {
	case r.Segments != w.Segments:
		return 0, hub.CommitReview(ctx, Review{Version: r.Version, Segments: w.Segments, Begin: now + settle.Milliseconds()})
	case r.Done || r.Version == 0 || now < r.Begin:
		return 0, nil
	}
	for range pages {
		if working.Err() != nil {
			return sent, working.Err()
		}
		ids, next, err := hub.Profiles(working, r.After)
		if err != nil {
			return sent, err
		}
		if err := s.look(ctx, w.ID, ids, now); err != nil {
			return sent, err
		}
		sent += len(ids)
		r.After, r.Done = next, next == ""
		if err := hub.CommitReview(ctx, r); err != nil || r.Done {
			return sent, err
		}
		r.Version++
	}
	return sent, nil
}

// look sends profiles to the segment stage.
func (s *Stage) look(ctx context.Context, workspace string, ids []profile.ID, now int64) error {
	for some := range slices.Chunk(ids, perSend) {
		l := make([]events.Envelope, len(some))
		for n, id := range some {
			var err error
			if l[n], err = envelope(workspace, string(id), now); err != nil {
				return err
			}
		}
		refused, err := s.Stages["segment"].Send(ctx, l)
		if err == nil && len(refused) > 0 {
			err = fault.New(fault.Transient, "the queue refused %d profiles", len(refused))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
