// Package attribution counts what messages and journeys brought: it keeps, of
// each profile, what it contributes to the counters, and changes both together.
package attribution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Definitions say how long a touch counts.
type Definitions interface {
	// Load gives a workspace, or workspace.ErrUnknown.
	Load(ctx context.Context, id string) (workspace.Workspace, error)
}

// Hub is one workspace's part of the Hub. Reads are strongly consistent.
type Hub interface {
	Profiles
	Ledger
	Sources
}

// Profiles are fragments and their orders.
type Profiles interface {
	// Fragments reads fragments in the order of ids; Version 0 = not stored.
	Fragments(ctx context.Context, ids []profile.ID) ([]profile.Fragment, error)
	// OlderOrders are a fragment's orders beyond its newest, placed at since or later.
	OlderOrders(ctx context.Context, id profile.ID, since time.Time) ([]profile.Order, error)
}

// Ledger is what was counted.
type Ledger interface {
	// Credits reads in the order of ids; Version 0 = nothing is kept.
	Credits(ctx context.Context, ids []profile.ID) ([]attribution.Credits, error)
	// CommitCredits writes a step whole, or gives profile.ErrLost.
	CommitCredits(ctx context.Context, s attribution.Step) error
}

// Sources are what is counted.
type Sources interface {
	// Messages are those that were sent from a fragment, or may have been: all whose
	// ids were made at since or later. What was dropped or waits is not among them.
	Messages(ctx context.Context, fragment profile.ID, since time.Time) ([]attribution.Sent, error)
	// Engagement is all that the log tells of a message.
	Engagement(ctx context.Context, m attribution.Sent) (attribution.Engagement, error)
	// Entries are a fragment's entries into journeys.
	Entries(ctx context.Context, fragment profile.ID) ([]attribution.Entry, error)
	// Issues are those of the codes that are vouchers of ours.
	Issues(ctx context.Context, codes []string) ([]attribution.Issue, error)
}

// Config is what the stage stands on.
type Config struct {
	Definitions Definitions
	Hub         func(workspace string) Hub
	Pause       func(ctx context.Context, attempt int) error // before trying again
	Log         *telemetry.Log
	Now         func() time.Time
	// StepLimit is the most that one write holds; 0 = as a transaction of the table.
	StepLimit int
}

// Stage is attribution.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage {
	if c.StepLimit == 0 {
		c.StepLimit = 100
	}
	return &Stage{c}
}

// Outcomes, as the log names them.
const (
	counted telemetry.Outcome = "counted"
	ignored telemetry.Outcome = "ignored" // nothing of it concerns the stage
	retried telemetry.Outcome = "retried"
)

// job is a fragment whose profile has to be counted again.
type job struct {
	workspace string
	fragment  profile.ID
	messages  []string // named: their engagement is read, however old they are
	touch     bool     // it may belong to another profile now
	first     bool     // a message or an entry is told of, perhaps its first
	beside    bool     // messages, entries or what became of them may be others, and not orders alone
	from      []int    // messages of the batch that ask for it
}

// Invoke makes Stage a lambda.Handler for its queue.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e lambdaevents.SQSEvent
	if json.Unmarshal(payload, &e) != nil || len(e.Records) == 0 { // the error's text may quote the payload
		return nil, errors.New("decoding event: it is not a queue's")
	}
	failed := map[int]bool{}
	jobs := jobs{}
	for n, m := range e.Records {
		start := s.Now()
		envelope, err := events.FromQueue(m.Body)
		asked := 0
		if err == nil {
			asked, err = jobs.take(n, envelope)
		}
		if err != nil { // nobody can read it: the dead-letter queue keeps it for a person
			failed[n] = true
			s.log(ctx, start, telemetry.Line{Outcome: retried, Err: fault.As(fault.Permanent, err)})
		} else if asked == 0 {
			s.log(ctx, start, telemetry.Line{Outcome: ignored, Workspace: envelope.Workspace})
		}
	}
	for _, j := range jobs.list {
		start := s.Now()
		line := telemetry.Line{Outcome: counted, Workspace: j.workspace}
		if line.Where, line.Err = s.guarded(ctx, *j); line.Err != nil {
			line.Outcome = retried
			for _, n := range j.from {
				failed[n] = true
			}
		}
		s.log(ctx, start, line)
	}
	r := lambdaevents.SQSEventResponse{BatchItemFailures: []lambdaevents.SQSBatchItemFailure{}}
	for n, m := range e.Records {
		if failed[n] {
			r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return json.Marshal(r)
}

func (s *Stage) log(ctx context.Context, start time.Time, line telemetry.Line) {
	line.Duration = s.Now().Sub(start)
	if line.Err != nil {
		line.Counts = append(line.Counts, telemetry.Count{Metric: telemetry.Failures, N: 1})
	}
	s.Log.Write(ctx, start, line)
}

// guarded keeps one profile's panic from the others of the batch.
func (s *Stage) guarded(ctx context.Context, j job) (where string, err error) {
	defer func() {
		if recover() != nil {
			where, err = telemetry.Where(), fault.New(fault.Permanent, "panic")
		}
	}()
	return "", s.settle(ctx, j)
}

// jobs are what a batch asks for, each fragment once.
type jobs struct {
	list []*job
	at   map[string]*job
}

func (l *jobs) add(n int, workspace, fragment string, touch bool, messages ...string) error {
	id, ok := profile.ParseID(fragment)
	if !ok {
		return errors.New("reading an event: it names no fragment")
	}
	k := workspace + "#" + fragment
	if l.at[k] == nil {
		if l.at == nil {
			l.at = map[string]*job{}
		}
		l.at[k] = &job{workspace: workspace, fragment: id}
		l.list = append(l.list, l.at[k])
	}
	j := l.at[k]
	j.touch, j.messages, j.from = j.touch || touch, append(j.messages, messages...), append(j.from, n)
	j.beside = j.beside || touch || len(messages) > 0
	return nil
}

// beside adds a fragment of which more than orders may be another.
func (l *jobs) beside(workspace, fragment string) { l.at[workspace+"#"+fragment].beside = true }

// first adds a fragment of whom something is to be counted from now on.
func (l *jobs) first(n int, workspace, fragment string, messages ...string) error {
	if err := l.add(n, workspace, fragment, false, messages...); err != nil {
		return err
	}
	l.at[workspace+"#"+fragment].first = true
	l.beside(workspace, fragment)
	return nil
}

// take reads an event of the batch's message n and tells how many fragments it
// asks for.
func (l *jobs) take(n int, e events.Envelope) (asked int, err error) {
	malformed := fmt.Errorf("reading %s: its data is not as that type has it", e.Type)
	switch e.Type {
	case events.ProfileChanged:
		var d events.ProfileChanges
		if json.Unmarshal(e.Data, &d) != nil {
			return 0, malformed
		}
		for _, c := range d.Changes {
			identity, engaged := slices.Contains(c.Parts, "identity"), slices.Contains(c.Parts, "events")
			if !identity && !engaged && !slices.Contains(c.Parts, "orders") {
				continue
			}
			var named []string
			for _, o := range c.Occurred {
				if o.Message != "" {
					named = append(named, o.Message)
				}
			}
			if err := l.add(n, e.Workspace, c.Fragment, identity, named...); err != nil {
				return asked, err
			}
			if engaged {
				l.beside(e.Workspace, c.Fragment)
			}
			asked++
		}
		return asked, nil
	case events.MessageDecided:
		var d events.Message
		if json.Unmarshal(e.Data, &d) != nil {
			return 0, malformed
		}
		return 1, l.first(n, e.Workspace, d.Fragment, d.Message)
	case events.EntryChanged:
		var d events.Entry
		if json.Unmarshal(e.Data, &d) != nil {
			return 0, malformed
		}
		return 1, l.first(n, e.Workspace, d.Fragment)
	}
	return 0, nil // a type that a rule sends and this version does not know concerns others
}

// made tells when a message's id was made: its first 11 digits are Unix ms, hex.
func made(message string) (at int64, ok bool) {
	if len(message) < 11 {
		return 0, false
	}
	at, err := strconv.ParseInt(message[:11], 16, 64)
	return at, err == nil
}
