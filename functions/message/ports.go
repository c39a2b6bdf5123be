package message

import (
	"context"
	"time"

	"loophub/events"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Definitions are what workspaces have decided.
type Definitions interface {
	Load(ctx context.Context, id string) (workspace.Workspace, error)
	IdentityKey(ctx context.Context, id string) ([]byte, error)
}

// Hub is one workspace's part of the Hub: no method can reach another's. Reads are
// strongly consistent.
type Hub interface {
	People
	Messages
	Controls
}

// People are whom messages go to.
type People interface {
	// Load reads a whole profile by any of its fragments, ordered by id, and what is
	// stored of the addresses that it claims. No members: there is no such profile.
	Load(ctx context.Context, fragment profile.ID) (members []profile.Fragment, identities map[string]profile.Identity, err error)
	// Identities reads what is stored of addresses, by identifier.
	Identities(ctx context.Context, ids []string) (map[string]profile.Identity, error)
}

// Messages are requests and what became of them.
type Messages interface {
	// Message reads one; Stored 0 = there is none.
	Message(ctx context.Context, fragment profile.ID, id string) (message.Message, error)
	// MessageFacts are all that the channel and our own links have told of it.
	MessageFacts(ctx context.Context, m message.Message) ([]events.Fact, error)
	// Sends reads what was claimed lately, in the order of the fragments.
	Sends(ctx context.Context, fragments []profile.ID) ([]message.Sends, error)
	// CommitMessage stores what was read at m.Stored, and announces what others
	// should know; or it is profile.ErrLost.
	CommitMessage(ctx context.Context, m message.Message) error
	// CommitClaim stores a message and the first of the sends, all of it or nothing,
	// where all of the sends stand as they were read; or it is profile.ErrLost.
	CommitClaim(ctx context.Context, m message.Message, sends []message.Sends) error
}

// Controls are what operators have stopped, and what waits meanwhile.
type Controls interface {
	Stopped(ctx context.Context, r message.Request) (message.Controls, error)
	// Hold keeps a message until its control is lifted; it then comes back like one
	// whose moment has come.
	Hold(ctx context.Context, c message.Control, what string) error
	// Arm lets a message come back at a moment, or a little later.
	Arm(ctx context.Context, what string, at time.Time) error
}

// Mailer sends mails. An error that is message.ErrUncertain may have sent one all
// the same; after any other, nothing was sent.
type Mailer interface {
	Send(ctx context.Context, m message.Mail) (provider string, err error)
}
