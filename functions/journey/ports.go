package journey

import (
	"context"
	"time"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Definitions says which journeys there are.
type Definitions interface {
	// Load gives a workspace, or workspace.ErrUnknown.
	Load(ctx context.Context, id string) (workspace.Workspace, error)
}

// Hub is one workspace's part of the Hub. Every method is one call, reads are
// strongly consistent, and each call may fail, or take effect and still fail.
type Hub interface {
	Profiles
	Entries
	Clock
	Controls
}

// Profiles are fragments, and what lies on their addresses.
type Profiles interface {
	// Known reads a whole profile by any of its fragments. No members: there is no such profile.
	Known(ctx context.Context, fragment profile.ID) (Known, error)
	// OlderOrders are a fragment's orders beyond its newest, placed at since or later.
	OlderOrders(ctx context.Context, id profile.ID, since time.Time) ([]profile.Order, error)
	// Facts are all facts of a record.
	Facts(ctx context.Context, record string) ([]events.Fact, error)
}

// Known is a profile as it is stored.
type Known struct {
	Members     []profile.Fragment          // ordered by id
	Identities  map[string]profile.Identity // of the addresses that it claims
	Memberships []profile.Memberships       // what is kept of segments under the members, in their order
}

// Entries are people on their way, and the definitions by which they go.
type Entries interface {
	// Heads are the heads of all journeys under any of the fragments.
	Heads(ctx context.Context, fragments []profile.ID) ([]journey.Head, error)
	// Stand is a fragment, Version 0 = not stored, and the heads of all journeys under it.
	Stand(ctx context.Context, fragment profile.ID) (profile.Fragment, []journey.Head, error)
	// Entry reads an entry; Revision 0 = not stored.
	Entry(ctx context.Context, fragment profile.ID, name, id string) (journey.Entry, error)
	// Commit writes a step whole, or gives profile.ErrLost: read again.
	Commit(ctx context.Context, s Step) error
	// CommitHead writes a head alone, or gives profile.ErrLost.
	CommitHead(ctx context.Context, h journey.Head) error
	KeepJourney(ctx context.Context, version string, d journey.Definition) error
	KeptJourney(ctx context.Context, name, version string) (journey.Definition, error)
	// FindCode finds the code that a cause took, or one that nobody has; "" = the pool
	// is empty. Commit takes it.
	FindCode(ctx context.Context, pool, cause string) (string, error)
	// Properties are those that came with a wish for an entry.
	Properties(ctx context.Context, fragment profile.ID, name, id string) (properties map[string]string, at int64, err error)
}

// Step is what is written at once.
type Step struct {
	Head   journey.Head   // at the revision that was read
	Others []journey.Head // of the same journey under other members: they must stand as they were read
	News   bool           // what reports count of the entry is another: to be announced
	journey.Outcome
}

// Clock brings what is armed back at its moment, or a minute later; perhaps twice.
type Clock interface {
	Arm(ctx context.Context, stage, what string, at time.Time) error
}

// Controls are what operators have stopped.
type Controls interface {
	Paused(ctx context.Context, journey string) (bool, error)
	// Hold keeps something for when the journey goes on; then it comes back like
	// something that was armed.
	Hold(ctx context.Context, journey, stage, what string) error
}

// Tagger adds and removes tags by a delivery of its own; the same cause twice is one.
type Tagger interface {
	Tag(ctx context.Context, workspace string, t journey.Tagging) error
}
