// Package writeback writes what is known of customers back into the systems that
// people work in: the difference to what was last written, and nothing else.
package writeback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
	plan "loophub/shared/writeback"
)

// Definitions says which destinations there are.
type Definitions interface {
	// Load gives a workspace, or workspace.ErrUnknown.
	Load(ctx context.Context, id string) (workspace.Workspace, error)
}

// Hub is one workspace's part of the Hub table. Reads are strongly consistent, and
// each call may fail, or take effect and still fail.
type Hub interface {
	Profiles
	Ledgers
	// Arm wakes the stage at a moment. Arming twice for one moment is harmless.
	Arm(ctx context.Context, what string, at time.Time) error
	// Paused tells whether an operator has stopped a destination.
	Paused(ctx context.Context, destination string) (bool, error)
	// Hold keeps what is due until the destination goes on; then it comes again.
	Hold(ctx context.Context, destination, what string) error
}

// Profiles are read and never written here.
type Profiles interface {
	// Person reads a whole profile by any of its fragments; no members: there is none.
	Person(ctx context.Context, fragment profile.ID) (Person, error)
	OlderOrders(ctx context.Context, id profile.ID, since time.Time) ([]profile.Order, error)
}

// Person is a profile with what is known of it beside its fragments.
type Person struct {
	Members     []profile.Fragment
	Identities  map[string]profile.Identity
	Memberships []profile.Memberships
	Outcome     attribution.Outcome // what messages brought, and what came of the newest
}

// Ledgers say what was last written, and whose the records are.
type Ledgers interface {
	// Ledgers are those that the members of a profile have at a destination, in the
	// order of members.
	Ledgers(ctx context.Context, members []profile.ID, destination string) ([]plan.Ledger, error)
	// CommitLedger stores a ledger that was read at its Version, which grows by one,
	// or gives profile.ErrLost.
	CommitLedger(ctx context.Context, destination string, l plan.Ledger) error
	// Point notes whose record that is, unless it is somebody's who is none of
	// members: then it gives profile.ErrLost.
	Point(ctx context.Context, connection, record, destination string, id profile.ID, members []profile.ID) error
}

// Systems reaches outside systems.
type Systems interface {
	For(workspace, connection string, m connector.Manifest) (connector.Doer, error)
}

// Config is what the stage stands on.
type Config struct {
	Connectors  []connector.Connector
	Definitions Definitions
	Hub         func(workspace string) Hub
	Systems     Systems
	Jitter      func() float64 // between 0 and 1
	Log         *telemetry.Log
	Now         func() time.Time
}

// Stage is writeback.
type Stage struct {
	Config
	connectors map[string]connector.Connector
	plans      *plans
}

// New makes the stage.
func New(c Config) *Stage {
	s := &Stage{Config: c, connectors: map[string]connector.Connector{}, plans: &plans{byName: map[string]compiled{}}}
	for _, one := range c.Connectors {
		s.connectors[one.Manifest.Name] = one
	}
	return s
}

// Name is the stage, as the due index and what is held name it.
const Name = "writeback"

// Outcomes and metrics, as the log names them.
const (
	taken   telemetry.Outcome = "taken"
	failed  telemetry.Outcome = "failed"
	wrote   telemetry.Outcome = "wrote"
	held    telemetry.Outcome = "held"
	Records telemetry.Metric  = "records" // written
	Refused telemetry.Metric  = "records_refused"
	Delayed telemetry.Metric  = "records_delayed" // to be tried again
	Locked  telemetry.Metric  = "records_unauthorised"
)

// Invoke makes Stage a lambda.Handler for its queue.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e lambdaevents.SQSEvent
	if json.Unmarshal(payload, &e) != nil { // the error's text may quote the payload
		return nil, errors.New("decoding event: it is not a queue's")
	}
	b := batch{}
	r := lambdaevents.SQSEventResponse{BatchItemFailures: []lambdaevents.SQSBatchItemFailure{}}
	errs := map[string]error{}
	for _, m := range e.Records {
		if err := b.add(m.MessageId, m.Body); err != nil {
			errs[m.MessageId] = err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b)) {
		maps.Copy(errs, s.workspace(ctx, id, b[id]))
	}
	for _, m := range e.Records {
		line := telemetry.Line{Outcome: taken, Err: errs[m.MessageId]}
		if line.Err != nil {
			line.Outcome, line.Counts = failed, []telemetry.Count{{Metric: telemetry.Failures, N: 1}}
			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			s.Log.Write(ctx, s.Now(), line)
		}
	}
	return json.Marshal(r)
}

// batch is what the messages of one call speak of, by workspace.
type batch map[string][]wake

// wake says that something of a profile may have changed.
type wake struct {
	message     string // whose failure it is
	destination string // "" = all
	fragment    profile.ID
	came        int64    // the moment that has come, Unix ms; 0 = something happened
	parts       []string // of the profile that changed; nil = something beside it
}

// add reads one message. Every message may come twice, late and out of order: it
// only says where to look.
func (b batch) add(message, body string) error {
	e, err := events.FromQueue(body)
	if err != nil {
		return err
	}
	var d struct {
		Changes  []events.ProfileChange `json:"changes"`
		Fragment string                 `json:"fragment"`
		What     string                 `json:"what"`
		At       int64                  `json:"at"`
	}
	if json.Unmarshal(e.Data, &d) != nil {
		return fmt.Errorf("reading %s: its data is malformed", e.Type)
	}
	var l []wake
	switch e.Type {
	case events.ProfileChanged:
		for _, c := range d.Changes {
			l = append(l, wake{fragment: profile.ID(c.Fragment), parts: c.Parts})
		}
	case events.SegmentEntered, events.SegmentLeft, events.OutcomeChanged:
		l = []wake{{fragment: profile.ID(d.Fragment)}}
	case events.MessageDecided: // outcome.changed follows where a destination can be shown anything of it
	case events.DueReached:
		at, fragment, _ := strings.Cut(d.What, "|")
		l = []wake{{destination: at, fragment: profile.ID(fragment), came: d.At}}
	default:
		return fmt.Errorf("an event %s is not for this stage", e.Type)
	}
	for _, w := range l {
		if _, ok := profile.ParseID(string(w.fragment)); !ok {
			return fmt.Errorf("reading %s: it names no fragment", e.Type)
		}
		w.message = message
		b[e.Workspace] = append(b[e.Workspace], w)
	}
	return nil
}

// What names a profile at a destination, for what is due.
func What(destination string, id profile.ID) string { return destination + "|" + string(id) }

// workspace looks at the profiles of one workspace's messages, and tells which
// messages have to come again.
func (s *Stage) workspace(ctx context.Context, id string, wakes []wake) map[string]error {
	errs := map[string]error{}
	fail := func(of []wake, err error) {
		for _, w := range of {
			errs[w.message] = err
		}
	}
	w, err := s.Definitions.Load(ctx, id)
	if errors.Is(err, workspace.ErrUnknown) {
		return nil // it was taken away: nothing is written for it any more
	}
	if err != nil {
		fail(wakes, fmt.Errorf("loading the definition: %w", err))
		return errs
	}
	for _, name := range slices.Sorted(maps.Keys(w.Destinations)) {
		var of []wake
		for _, one := range wakes {
			if one.destination == "" || one.destination == name {
				of = append(of, one)
			}
		}
		if of = s.concerned(w, w.Destinations[name], of); len(of) == 0 {
			continue
		}
		maps.Copy(errs, s.destination(ctx, w, w.Destinations[name], of))
	}
	return errs
}

// concerned leaves out the wakes that can't change anything for a destination: what it reads of a profile is as it was.
// Of a destination that can't be read all are left, so that each is told so.
func (s *Stage) concerned(w workspace.Workspace, d workspace.Destination, wakes []wake) []wake {
	con, known := s.connectors[w.Connections[d.Connection].Connector]
	if !known || con.Manifest.Outbound == nil {
		return wakes
	}
	p, err := s.plans.of(w, d, con.Manifest.Outbound.Key)
	if err != nil {
		return wakes
	}
	return slices.DeleteFunc(wakes, func(o wake) bool { return o.parts != nil && !p.Concerns(o.parts) })
}

// destination looks at profiles for one destination.
func (s *Stage) destination(ctx context.Context, w workspace.Workspace, d workspace.Destination, wakes []wake) map[string]error {
	start := s.Now()
	errs := map[string]error{}
	j, err := s.job(ctx, w, d)
	if err == nil && j == nil {
		err = s.hold(ctx, w, d, wakes)
	}
	if err != nil || j == nil {
		for _, one := range wakes {
			if err != nil {
				errs[one.message] = err
			}
		}
		return errs
	}
	for n, one := range wakes {
		if err := j.take(ctx, one); err != nil {
			errs[one.message] = err
		}
		if len(j.entries) == j.out.Batch || n == len(wakes)-1 {
			maps.Copy(errs, j.write(ctx))
		}
	}
	s.Log.Write(ctx, start, telemetry.Line{Outcome: wrote, Workspace: w.ID, Connection: d.Connection, Items: len(wakes),
		Duration: s.Now().Sub(start), Counts: j.counts})
	return errs
}

// hold keeps what a paused destination would have got.
func (s *Stage) hold(ctx context.Context, w workspace.Workspace, d workspace.Destination, wakes []wake) error {
	for _, one := range wakes {
		if err := s.Hub(w.ID).Hold(ctx, d.Name, What(d.Name, one.fragment)); err != nil {
			return fmt.Errorf("holding for %s: %w", d.Name, err)
		}
	}
	s.Log.Write(ctx, s.Now(), telemetry.Line{Outcome: held, Workspace: w.ID, Connection: d.Connection, Items: len(wakes)})
	return nil
}
