// Package segment keeps who is in which segment, and announces who entered and who
// left: when a profile changed, and when only time has passed.
package segment

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Definitions says which segments there are.
type Definitions interface {
	// Load gives a workspace, or workspace.ErrUnknown.
	Load(ctx context.Context, id string) (workspace.Workspace, error)
}

// Hub is one workspace's part of the Hub. Every method but Load is one call, reads
// are strongly consistent, and each call may fail, or take effect and still fail.
type Hub interface {
	Profiles
	Memberships
}

// Profiles are read whole.
type Profiles interface {
	// Load reads a profile by any of its fragments; no members: there is none.
	Load(ctx context.Context, fragment profile.ID) (members []profile.Fragment, identities map[string]profile.Identity, err error)
	// OlderOrders are a fragment's orders beyond its newest, placed at since or later.
	OlderOrders(ctx context.Context, fragment profile.ID, since time.Time) ([]profile.Order, error)
}

// Memberships lie under fragments, those of a profile under its least one.
type Memberships interface {
	// Memberships reads what is kept under fragments, in the order of ids.
	Memberships(ctx context.Context, ids []profile.ID) ([]profile.Memberships, error)
	// CommitMemberships stores memberships, with what is to be announced of them, and
	// empties those of the profile's other fragments, all under the versions that were
	// read and while those that are held stand at theirs; or gives profile.ErrLost, and
	// nothing of it is done.
	CommitMemberships(ctx context.Context, m profile.Memberships, emptied, held []profile.Memberships, l []events.Announcement) error
	// Arm has the profile looked at again at a moment. It may come late, twice, or
	// though nobody needs it any more.
	Arm(ctx context.Context, fragment profile.ID, at time.Time) error
}

// Config is what the stage stands on.
type Config struct {
	Definitions Definitions
	Hub         func(workspace string) Hub
	Pause       func(ctx context.Context, attempt int) error // before trying again
	Log         *telemetry.Log
	Now         func() time.Time
}

// Stage is segment.
type Stage struct {
	Config

	mu       sync.Mutex
	compiled map[string]compiled // by workspace
}

// compiled are the segments of a definition.
type compiled struct {
	zone     string
	from     map[string]workspace.Segment
	segments []segment.Segment
}

// New makes the stage.
func New(c Config) *Stage { return &Stage{Config: c, compiled: map[string]compiled{}} }

// Outcomes, as the log names them.
const (
	decided telemetry.Outcome = "decided"
	failed  telemetry.Outcome = "failed" // the queue gives it again
)

// Handle takes a batch off the queue. What fails comes again, and goes to the
// dead-letter queue in the end: nothing that is not understood is acknowledged.
func (s *Stage) Handle(ctx context.Context, e lambdaevents.SQSEvent) (r lambdaevents.SQSEventResponse, err error) {
	r.BatchItemFailures = []lambdaevents.SQSBatchItemFailure{}
	for _, m := range e.Records {
		start := s.Now()
		line := telemetry.Line{Outcome: decided}
		var n counts
		if n, line.Err = s.guarded(ctx, m.Body, &line); line.Err != nil {
			line.Outcome, n.failures = failed, 1
			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
		line.Items, line.Duration = n.items, s.Now().Sub(start)
		line.Counts = []telemetry.Count{{Metric: telemetry.Entered, N: n.entered}, {Metric: telemetry.Left, N: n.left},
			{Metric: telemetry.Stale, N: n.stale}, {Metric: telemetry.Failures, N: n.failures}}
		s.Log.Write(ctx, start, line)
	}
	return r, nil
}

// counts say what became of an event.
type counts struct{ items, entered, left, stale, failures int }

func (n *counts) add(o counts) {
	n.items += o.items
	n.entered += o.entered
	n.left += o.left
	n.stale += o.stale
}

// guarded keeps a panic from taking the rest of the batch down.
func (s *Stage) guarded(ctx context.Context, body string, line *telemetry.Line) (n counts, err error) {
	defer func() {
		if recover() != nil {
			line.Where = telemetry.Where()
			err = fault.New(fault.Permanent, "panic")
		}
	}()
	return s.message(ctx, body, line)
}

// message handles one event. Where one of its changes fails, the whole comes
// again, and drops what was done.
func (s *Stage) message(ctx context.Context, body string, line *telemetry.Line) (n counts, err error) {
	e, err := events.FromQueue(body)
	if err != nil {
		return n, fault.As(fault.Permanent, err)
	}
	asks, err := questions(e)
	if err != nil {
		return n, fault.As(fault.Permanent, err)
	}
	w, err := s.Definitions.Load(ctx, e.Workspace)
	if err != nil {
		return n, fmt.Errorf("loading the definition: %w", err)
	}
	line.Workspace = e.Workspace
	segments, err := s.segments(w)
	if err != nil {
		return n, err
	}
	var errs []error
	for _, q := range asks {
		one, err := s.decide(ctx, s.Hub(e.Workspace), segments, q)
		n.add(one)
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

// question is a profile to look at.
type question struct {
	fragment, profile profile.ID // profile: whose id it had when it changed, perhaps
	version           int64      // of the fragment that has changed
	due               bool       // a moment has come
	at                int64      // that moment, Unix ms
	told              time.Time  // since when somebody waits for the answer
}

// questions reads an event.
func questions(e events.Envelope) (l []question, err error) {
	switch e.Type {
	case events.ProfileChanged:
		var d events.ProfileChanges
		if json.Unmarshal(e.Data, &d) != nil {
			return nil, errors.New("reading changes: they are none")
		}
		for _, c := range d.Changes {
			l = append(l, question{fragment: profile.ID(c.Fragment), profile: profile.ID(cmp.Or(c.Profile, c.Fragment)), version: c.Version})
		}
	case events.DueReached:
		var d events.Due
		if json.Unmarshal(e.Data, &d) != nil {
			return nil, errors.New("reading a moment: it is none")
		}
		l = []question{{fragment: profile.ID(d.What), profile: profile.ID(d.What), due: true, at: d.At}}
	default:
		return nil, errors.New("the event is none of this stage's")
	}
	for n, q := range l {
		l[n].told = e.Time
		_, ok := profile.ParseID(string(q.fragment))
		if _, too := profile.ParseID(string(q.profile)); !ok || !too {
			return nil, errors.New("the event names no fragment")
		}
	}
	return l, nil
}

// segments compiles a workspace's segments, once for each definition.
func (s *Stage) segments(w workspace.Workspace) ([]segment.Segment, error) {
	s.mu.Lock()
	c, there := s.compiled[w.ID]
	s.mu.Unlock()
	if there && c.zone == w.Zone && maps.Equal(c.from, w.Segments) {
		return c.segments, nil
	}
	l, err := segment.CompileAll(w)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compiled[w.ID] = compiled{w.Zone, w.Segments, l}
	return l, nil
}
