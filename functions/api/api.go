// Package api is what people and scripts ask: profiles and their history, what
// became of deliveries and messages, the decisions that only a person can make, and
// events that scripts tell of. It reads the Hub; a decision or an event is a
// delivery in the Inbox like any other. What it writes to the Hub are controls,
// test sends, voucher codes, and wishes for an entry into a journey.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	hub "loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Definitions says whose token a token is, and what that workspace has decided.
type Definitions interface {
	// Authorise gives the workspace of a token, or workspace.ErrToken.
	Authorise(ctx context.Context, token string) (id string, err error)
	Load(ctx context.Context, id string) (workspace.Workspace, error)
	IdentityKey(ctx context.Context, id string) ([]byte, error)
}

// Hub is one workspace's part of the Hub: no method can reach another's. Reads are
// strongly consistent.
type Hub interface {
	Profiles
	History
	Counters
	Messages
	Controls
	Journeys
	Vouchers
	Ahead
}

// Profiles are fragments and what ties them.
type Profiles interface {
	// Fragments reads fragments in the order of ids; Version 0 = not stored.
	Fragments(ctx context.Context, ids []profile.ID) ([]profile.Fragment, error)
	Identities(ctx context.Context, ids []string) (map[string]profile.Identity, error)
	// OlderOrders are a fragment's orders beyond its newest, placed at since or later.
	OlderOrders(ctx context.Context, id profile.ID, since time.Time) ([]profile.Order, error)
	// Memberships are what is kept of segments under fragments, in the order of ids.
	Memberships(ctx context.Context, ids []profile.ID) ([]profile.Memberships, error)
}

// History is the log of facts, and where it speaks of a fragment.
type History interface {
	// Facts are all facts of a record.
	Facts(ctx context.Context, record string) ([]hub.Fact, error)
	// Timeline lists the records that may concern a fragment, newest first, from
	// the first one after before on (zero = from the newest). A customer's own
	// record is not among them; a record may come twice, at different times.
	Timeline(ctx context.Context, fragment profile.ID, before Indexed, limit int) (records []Indexed, more bool, err error)
}

// Indexed is a record in a fragment's history. Newer ones come first; of the same
// moment, greater records do.
type Indexed struct {
	At     int64  // Unix ms, of the fact that named the fragment first
	Record string // connection|kind|record
}

// Inbox lists deliveries, takes decisions as deliveries, and replays.
type Inbox interface {
	Put(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error)
	// Replay is delivery.ErrAbsent where there is no such delivery.
	Replay(ctx context.Context, k delivery.Key, now time.Time) error
	// ListParked and ListReceived are delivery.ErrCursor for a cursor that they did not give.
	ListParked(ctx context.Context, l delivery.Listing) (page []delivery.Summary, next string, err error)
	ListReceived(ctx context.Context, l delivery.Listing) (page []delivery.Summary, next string, err error)
}

// Decision says of two fragments that they are one person, or are not.
type Decision struct {
	Split bool
	A, B  profile.ID
}

// Config is what the stage stands on.
type Config struct {
	Definitions Definitions
	Hub         func(workspace string) Hub
	Inbox       Inbox
	// Decisions writes decisions as the delivery that unify will read them from.
	// It takes up to MaxDecisions.
	Decisions func(workspace string, list []Decision, at time.Time) (delivery.Delivery, error)
	// Events writes an event as such a delivery; refusal says what of it can't be
	// taken, for the caller.
	Events func(w workspace.Workspace, e Event, now time.Time) (d delivery.Delivery, refusal string, err error)
	Own    []string // connections that every workspace has: nobody can pause them
	Log    *telemetry.Log
	Now    func() time.Time
}

// Limits of a request.
const (
	MaxBody      = 64 << 10 // bytes
	MaxDecisions = 100      // that one call makes
	maxLimit     = 100      // entries of a page
	maxCursor    = 8 << 10  // bytes
)

// maxReply keeps an answer below the 6 MB that a function may give: it is written as
// a text within JSON, where every quote takes two bytes.
const maxReply = 2_900_000

// Stage is the API.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage { return &Stage{c} }

// Outcomes, as the log names them.
const (
	answered telemetry.Outcome = "answered"
	refused  telemetry.Outcome = "refused" // no valid token
	invalid  telemetry.Outcome = "invalid" // the request asks for something that there is not, or in a way that can't be
	failed   telemetry.Outcome = "failed"  // not the caller's doing
)

// Handle answers one request. Its error is always nil: what goes wrong is answered.
func (s *Stage) Handle(ctx context.Context, e events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
	start := s.Now().UTC()
	h := &handling{Stage: s, event: &e, now: start.Truncate(time.Millisecond)}
	h.line.Trace = trace(e.RequestContext.RequestID)
	reply := h.guarded(ctx)
	h.line.Status = reply.StatusCode
	h.line.Duration = s.Now().Sub(start)
	s.Log.Write(ctx, start, h.line)
	return reply, nil
}

// handling is one request on its way.
type handling struct {
	*Stage
	event *events.LambdaFunctionURLRequest
	now   time.Time
	line  telemetry.Line
	args  map[string]string // what the path's pattern names

	workspace workspace.Workspace // whose token it is
	by        string              // the token, as a history tells of it
	rules     profile.Rules
	hub       Hub
}

// guarded keeps a panic from taking the function down.
func (h *handling) guarded(ctx context.Context) (reply events.LambdaFunctionURLResponse) {
	defer func() {
		if recover() != nil {
			h.line.Where = telemetry.Where()
			reply = h.fail(fault.New(fault.Permanent, "panic"))
		}
	}()
	return h.handle(ctx)
}

func (h *handling) handle(ctx context.Context) events.LambdaFunctionURLResponse {
	r, err := h.route()
	if err != nil {
		return h.refuse(err)
	}
	if most := cmp.Or(r.body, MaxBody); bodySize(h.event) > most {
		return h.refuse(&problem{status: http.StatusRequestEntityTooLarge, code: "too_large",
			message: fmt.Sprintf("the body is larger than %d KB; send less at once", most>>10)})
	}
	if !r.open {
		if err := h.authorise(ctx); err != nil {
			return h.refuse(err)
		}
	}
	answer, err := r.serve(h, ctx)
	if err != nil {
		return h.refuse(err)
	}
	return h.answer(r.status, answer)
}

// authorise finds out whose token the request carries; from there on, nothing of
// another workspace is within reach.
func (h *handling) authorise(ctx context.Context) error {
	token, given := bearer(h.event.Headers)
	if !given {
		return unauthorized("send the workspace's API token as Authorization: Bearer <token>", `Bearer realm="loophub"`)
	}
	id, err := h.Definitions.Authorise(ctx, token)
	if errors.Is(err, workspace.ErrToken) {
		return unauthorized("the token is not valid; take one of the workspace's API tokens", `Bearer realm="loophub", error="invalid_token"`)
	}
	if err != nil {
		return fmt.Errorf("reading the token: %w", err)
	}
	h.line.Workspace, h.by = id, fingerprint(token)
	if h.workspace, err = h.Definitions.Load(ctx, id); err != nil {
		return fmt.Errorf("loading the definition: %w", err)
	}
	key, err := h.Definitions.IdentityKey(ctx, id)
	if err != nil {
		return fmt.Errorf("loading the identity key: %w", err)
	}
	h.rules = profile.NewRules(key, h.workspace.Identity.DeniedEmails, h.workspace.Identity.DeniedPhones)
	h.hub = h.Hub(id)
	return nil
}
