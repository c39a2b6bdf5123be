// Package publish announces what the Hub table committed: the table is the
// outbox, so what is committed is announced, at least once.
package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/telemetry"
)

// Bus carries events. failed are the positions of those that it did not take;
// err says that it took none.
type Bus interface {
	Put(ctx context.Context, l []events.Envelope) (failed []int, err error)
}

// Config is what the stage stands on.
type Config struct {
	Bus   Bus
	Pause func(ctx context.Context, attempt int) error // before trying again
	Log   *telemetry.Log
	Now   func() time.Time
}

// Stage is publish.
type Stage struct{ Config }

// New makes the stage.
func New(c Config) *Stage { return &Stage{c} }

const (
	perEvent = 100      // changes packed into one event
	maxBytes = 48 << 10 // of one event's changes, so that ten fit one call
	tries    = 3
)

// Invoke makes Stage a lambda.Handler for the Hub's stream.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var e lambdaevents.DynamoDBEvent
	if json.Unmarshal(payload, &e) != nil { // the error's text may quote the payload
		return nil, errors.New("decoding event: it is not a table's stream")
	}
	start := s.Now()
	failed, announced, err := s.publish(ctx, e)
	line := telemetry.Line{Outcome: "published", Err: err, Items: announced, Duration: s.Now().Sub(start),
		Counts: []telemetry.Count{{Metric: telemetry.Announced, N: announced}}}
	r := lambdaevents.DynamoDBEventResponse{BatchItemFailures: []lambdaevents.DynamoDBBatchItemFailure{}}
	if failed != "" {
		line.Outcome = "retried"
		line.Counts = append(line.Counts, telemetry.Count{Metric: telemetry.Failures, N: 1})
		r.BatchItemFailures = append(r.BatchItemFailures, lambdaevents.DynamoDBBatchItemFailure{ItemIdentifier: failed})
	}
	s.Log.Write(ctx, start, line)
	return json.Marshal(r)
}

// publish announces a batch. failed is the sequence number from which the stream
// has to give it again, "" when all is announced.
func (s *Stage) publish(ctx context.Context, e lambdaevents.DynamoDBEvent) (failed string, announced int, err error) {
	parcels := pack(changes(e))
	if len(parcels) == 0 {
		return "", 0, nil
	}
	rest := parcels
	for attempt := 1; ; attempt++ {
		var left []parcel
		left, err = s.send(ctx, rest)
		for _, p := range rest {
			announced += len(p.changes)
		}
		for _, p := range left {
			announced -= len(p.changes)
		}
		if rest = left; len(rest) == 0 {
			return "", announced, nil
		}
		if attempt == tries {
			break
		}
		if waited := s.Pause(ctx, attempt); waited != nil {
			err = waited
			break
		}
	}
	if err == nil {
		err = fmt.Errorf("the bus refused %d events", len(rest))
	}
	first := rest[0]
	for _, p := range rest {
		if p.order < first.order {
			first = p
		}
	}
	return first.sequence, announced, err
}

// send puts parcels on the bus and gives those that it did not take.
func (s *Stage) send(ctx context.Context, parcels []parcel) (left []parcel, err error) {
	envelopes := make([]events.Envelope, len(parcels))
	for n, p := range parcels {
		if envelopes[n], err = events.NewProfileChanged(p.workspace, p.at, p.changes); err != nil {
			return parcels, err
		}
	}
	failed, err := s.Bus.Put(ctx, envelopes)
	if err != nil {
		return parcels, fmt.Errorf("putting events: %w", err)
	}
	for _, n := range failed {
		left = append(left, parcels[n])
	}
	return left, nil
}

// change is what one fragment has to say after a batch.
type change struct {
	events.ProfileChange
	workspace string
	at        time.Time
	order     int    // of the batch's first record of the fragment
	sequence  string // of that record
}

// changes folds a batch into one change per fragment: its newest version, and
// all parts that any of its records names.
func changes(e lambdaevents.DynamoDBEvent) []change {
	var l []change
	at := map[string]int{}
	for n, r := range e.Records {
		c, ok := read(r)
		if !ok {
			continue // bookkeeping, or not a fragment
		}
		c.order, c.sequence = n, r.Change.SequenceNumber
		k := c.workspace + "#" + c.Fragment
		i, seen := at[k]
		if !seen {
			at[k] = len(l)
			l = append(l, c)
			continue
		}
		for _, p := range c.Parts {
			if !slices.Contains(l[i].Parts, p) {
				l[i].Parts = append(l[i].Parts, p)
			}
		}
		l[i].Version, l[i].Profile, l[i].at = c.Version, c.Profile, c.at
	}
	return l
}

// read takes the few attributes that it announces off a fragment's new image.
func read(r lambdaevents.DynamoDBEventRecord) (change, bool) {
	image := r.Change.NewImage
	text := func(name string) string {
		if v, ok := image[name]; ok && v.DataType() == lambdaevents.DataTypeString {
			return v.String()
		}
		return ""
	}
	pk := strings.Split(text("pk"), "#")
	v, ok := image["v"]
	if len(pk) != 3 || pk[1] != "g" || text("ev") == "" || !ok || v.DataType() != lambdaevents.DataTypeNumber {
		return change{}, false
	}
	version, err := strconv.ParseInt(v.Number(), 10, 64)
	if err != nil {
		return change{}, false
	}
	return change{ProfileChange: events.ProfileChange{Fragment: pk[2], Version: version, Profile: text("p"),
		Parts: strings.Split(text("ev"), ",")}, workspace: pk[0], at: r.Change.ApproximateCreationDateTime.Time}, true
}

// parcel is one event to be: changes of one workspace.
type parcel struct {
	workspace string
	changes   []events.ProfileChange
	at        time.Time
	order     int
	sequence  string
	bytes     int
}

// pack puts changes together per workspace, up to the limits of one event.
func pack(l []change) []parcel {
	var done []parcel
	open := map[string]int{}
	for _, c := range l {
		size := 120 + len(c.Fragment) + len(c.Profile) + 12*len(c.Parts)
		i, ok := open[c.workspace]
		if !ok || len(done[i].changes) == perEvent || done[i].bytes+size > maxBytes {
			i = len(done)
			open[c.workspace] = i
			done = append(done, parcel{workspace: c.workspace, order: c.order, sequence: c.sequence})
		}
		p := &done[i]
		p.changes, p.bytes = append(p.changes, c.ProfileChange), p.bytes+size
		if c.at.After(p.at) {
			p.at = c.at
		}
	}
	return done
}
