package unify

import (
	"context"

	"loophub/events"
	"loophub/shared/profile"
)

// Hub is one workspace's part of the Hub table. Every method is one call, reads
// are strongly consistent, and each call may fail, or take effect and still fail.
type Hub interface {
	Log
	Fragments
	Identities
}

// Log is the set of facts.
type Log interface {
	// Facts are all facts of a record.
	Facts(ctx context.Context, record string) ([]events.Fact, error)
	// Known tells whether the log holds a fact, received then or earlier.
	Known(ctx context.Context, f events.Fact) (bool, error)
	// Put adds a fact. Of two copies the one received first stays.
	Put(ctx context.Context, f events.Fact) error
	// Index notes that facts of a record may name a fragment. It is written before
	// the first such fact, so what the log holds is always found; only what several
	// facts name together is written after them.
	// at is the fact's time, Unix ms.
	Index(ctx context.Context, fragment profile.ID, record string, at int64) error
}

// Fragments are read and written whole, guarded by their version.
type Fragments interface {
	Fragment(ctx context.Context, id profile.ID) (profile.Fragment, error)
	// Older reads orders beyond the newest: those at the places named, and with
	// ends the two newest and two oldest.
	Older(ctx context.Context, id profile.ID, own []profile.Lookup, ends bool) (profile.Older, error)
	// Commit stores a fragment that was read at f.Version, and moves older orders
	// with it, or gives profile.ErrLost. What readers should hear of goes into changes,
	// what happened to the customer just now into occurred; both are told by the write.
	Commit(ctx context.Context, f profile.Fragment, moves []profile.Move, changes []profile.Change, occurred ...events.Occurrence) error
}

// Identities are read and written whole, guarded by their version.
type Identities interface {
	Identity(ctx context.Context, id string) (profile.Identity, error)
	// CommitIdentity stores an identity that was read at i.Version, or gives profile.ErrLost.
	CommitIdentity(ctx context.Context, i profile.Identity) error
}

// attempts bounds how often a lost race is run again before the delivery goes
// to the retry queue.
const attempts = 8

// rewrites bounds how often settle writes a fragment for one batch: orders that
// move older ones take a write each.
const rewrites = 256
