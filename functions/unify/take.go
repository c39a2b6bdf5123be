package unify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// item is one delivery on its way through the stage.
type item struct {
	delivery delivery.Delivery
	facts    []events.Fact
	faults   []connector.Fault // what of it can't be read, to be parked
	err      error             // why it has to be tried again
	where    string            // source line of a panic over it
	last     bool              // it has been tried often enough
	gone     bool              // it has expired
	unsigned bool              // anybody may have sent it: it must not stay for ever
	start    time.Time
	counts   []telemetry.Count
}

// count adds to a metric: a line names each once.
func (i *item) count(m telemetry.Metric, n int) {
	at := slices.IndexFunc(i.counts, func(c telemetry.Count) bool { return c.Metric == m })
	if at < 0 {
		at, i.counts = len(i.counts), append(i.counts, telemetry.Count{Metric: m})
	}
	i.counts[at].N += n
}

func (i *item) fault(c connector.FaultClass, format string, args ...any) {
	i.faults = append(i.faults, connector.Fault{Class: c, Reason: fmt.Sprintf(format, args...)})
}

// reserve is left of the function's time for parking, for the retry queue and for
// the log: a batch that dies with its function takes down all that lies in it.
const reserve = 5 * time.Second

// take reads the deliveries, takes their facts in, and parks what can't be read.
// An item's err tells that it has to be tried again.
func (s *Stage) take(ctx context.Context, items []*item) {
	working, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		working, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	defer cancel()
	byWorkspace := map[string][]*item{}
	for _, i := range items {
		if i.err != nil && fault.ClassOf(i.err) == fault.Permanent && i.delivery.Delivery != "" {
			i.err = nil
			i.fault(connector.Undecodable, "the stored delivery can't be read; ask the source to send it again")
		} else if i.err == nil && !i.gone {
			i.err = s.decode(working, i)
		}
		if i.err == nil {
			byWorkspace[i.delivery.Workspace] = append(byWorkspace[i.delivery.Workspace], i)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byWorkspace)) {
		s.unify(working, id, byWorkspace[id])
	}
	for _, i := range items {
		s.park(ctx, i)
	}
}

// decode reads the facts of one delivery.
func (s *Stage) decode(ctx context.Context, i *item) error {
	k := i.delivery.Key
	w, err := s.Definitions.Load(ctx, k.Workspace)
	if err != nil && !errors.Is(err, workspace.ErrUnknown) {
		return fmt.Errorf("loading the definition: %w", err)
	}
	c, there := w.Connections[k.Connection]
	con, known := s.connectors[c.Connector]
	if err != nil || !there || !known || con.Source == nil {
		if !i.last { // ingest may have read a newer definition than this worker, or run a newer version
			return fault.New(fault.Transient, "connection %s is not known here", k.Connection)
		}
		i.fault(connector.Unconnected, "connection %s is not in the workspace's definition, or its connector is not in this version; put it back and replay", k.Connection)
		return nil
	}
	src, err := con.Source(w.SettingsOf(c))
	if err != nil {
		i.fault(connector.Unconnected, "connection %s has settings that its connector refuses; correct them and replay", k.Connection)
		return nil
	}
	i.unsigned = con.Manifest.Secrets == "" && !con.Manifest.Vouched()
	if paused, err := s.paused(ctx, con.Manifest, k); err != nil || paused {
		if paused {
			i.fault(connector.Paused, "connection %s is paused; this is taken in once it goes on", k.Connection)
		}
		return err
	}
	facts, faults := guarded(src, i.delivery.Request)
	i.faults = append(i.faults, faults...)
	for _, f := range facts {
		f.Workspace, f.Connection, f.Rank = k.Workspace, k.Connection, con.Manifest.Rank
		f.Received = i.delivery.Request.ReceivedAt.UnixMilli()
		if reason := refusal(con.Manifest, f); reason != "" {
			i.fault(connector.InvalidValue, "%s", reason)
			continue
		}
		if err := s.keep(ctx, i, f); err != nil {
			return err
		}
	}
	return nil
}

// keep takes a fact in, but for what of it is our own echo.
func (s *Stage) keep(ctx context.Context, i *item, f events.Fact) error {
	if s.Echo != nil {
		rest, ok, err := s.Echo.Own(ctx, f.Workspace, f.Connection, f)
		if err != nil {
			return fmt.Errorf("looking for our own echo: %w", err)
		}
		if !ok {
			i.count(telemetry.Echoes, 1)
			return nil
		}
		f = rest
	}
	i.facts = append(i.facts, f)
	return nil
}

// channels are the connectors whose word on a message of ours counts.
var channels = map[string]bool{"ses": true, "links": true}

// refusal says why a fact is not to be taken in, "" where it is.
func refusal(m connector.Manifest, f events.Fact) string {
	fragment, named := f.Fields["fragment"]
	_, valid := profile.ParseID(fragment.String())
	switch err := f.Validate(); {
	case err != nil:
		return err.Error()
	case f.At > f.Received+ahead.Milliseconds():
		return string(f.Kind) + ": it is dated more than 24 h after it arrived"
	case f.Kind == events.Engagement && !channels[m.Name]:
		return "message: only a channel of Loophub's own tells what became of its messages"
	case f.Kind != events.Engagement && named && !m.Internal:
		return string(f.Kind) + ": only Loophub's own API names a fragment"
	case (f.Kind == events.Engagement || named) && !valid:
		return string(f.Kind) + ": it names no fragment"
	}
	return ""
}

// paused tells whether a connection stands still. An internal one never does: by it
// come decisions of operators, and customers who unsubscribe.
func (s *Stage) paused(ctx context.Context, m connector.Manifest, k delivery.Key) (bool, error) {
	if s.Paused == nil || m.Internal {
		return false, nil
	}
	paused, err := s.Paused(ctx, k.Workspace, k.Connection)
	if err != nil {
		return false, fmt.Errorf("reading controls: %w", err)
	}
	return paused, nil
}

// ahead is how far in the future a source's clock may be.
const ahead = 24 * time.Hour

// guarded keeps a decoder that panics from taking a batch down.
func guarded(src connector.Source, r connector.Request) (facts []events.Fact, faults []connector.Fault) {
	defer func() {
		if recover() != nil {
			facts, faults = nil, []connector.Fault{{Class: connector.Undecodable,
				Reason: "the connector broke down over it at " + telemetry.Where() + "; report this, and replay with a newer version"}}
		}
	}()
	return src.Decode(r)
}

// unify takes the facts of one workspace's deliveries in, those that came live
// first: what they say is news, whatever is replayed beside them.
func (s *Stage) unify(ctx context.Context, id string, items []*item) {
	for _, quiet := range []bool{false, true} {
		s.pass(ctx, id, quiet, slices.DeleteFunc(slices.Clone(items), func(i *item) bool { return (i.delivery.Lane != delivery.Live) != quiet }))
	}
}

// pass takes facts in: together, or each delivery's alone where something breaks
// down over one of them.
func (s *Stage) pass(ctx context.Context, id string, quiet bool, items []*item) {
	if s.together(ctx, id, quiet, items) == "" {
		return
	}
	for _, i := range items {
		i.err = nil
		if i.where = s.together(ctx, id, quiet, []*item{i}); i.where != "" {
			i.err = fault.New(fault.Permanent, "taking facts in broke down at %s", i.where)
		}
	}
}

// together takes the facts of deliveries in; where tells the source line of a panic.
func (s *Stage) together(ctx context.Context, id string, quiet bool, items []*item) (where string) {
	defer func() {
		if recover() != nil {
			where = telemetry.Where()
		}
	}()
	var facts []events.Fact
	var from []*item
	for _, i := range items {
		for _, f := range i.facts {
			facts, from = append(facts, f), append(from, i)
		}
	}
	if len(facts) == 0 {
		return ""
	}
	rules, err := s.rules(ctx, id)
	if err != nil {
		for _, i := range from {
			i.err = err
		}
		return ""
	}
	u := Unifier{Hub: s.Hub(id), Rules: rules, Pause: s.Pause, Quiet: quiet, Overgrown: func(profile.ID) { s.overgrown(ctx, id) }}
	for n, err := range u.Process(ctx, facts) {
		from[n].err = err
	}
	return ""
}

func (s *Stage) rules(ctx context.Context, id string) (profile.Rules, error) {
	w, err := s.Definitions.Load(ctx, id)
	if err != nil {
		return profile.Rules{}, fmt.Errorf("loading the definition: %w", err)
	}
	key, err := s.Definitions.IdentityKey(ctx, id)
	if err != nil {
		return profile.Rules{}, fmt.Errorf("loading the identity key: %w", err)
	}
	return profile.NewRules(key, w.Identity.DeniedEmails, w.Identity.DeniedPhones), nil
}

// park sets aside what can't be read, once the rest of the delivery is in. A
// delivery that failed often enough is parked too.
func (s *Stage) park(ctx context.Context, i *item) {
	k := i.delivery.Key
	if i.err != nil && i.last && k.Delivery != "" {
		i.fault(connector.Unprocessed, "it could not be taken in %d times, the last time because of a %s error; look for its trace in unify's log, and replay it when the cause is gone",
			receives, fault.ClassOf(i.err))
		i.err = nil
	}
	if i.err != nil || len(i.faults) == 0 {
		return
	}
	if err := s.Deliveries.Park(ctx, k, i.faults, i.unsigned, s.Now()); err != nil && !errors.Is(err, delivery.ErrAbsent) {
		i.err = fmt.Errorf("parking: %w", err)
		return
	}
	i.count(telemetry.Parked, 1)
}

// Outcomes, as the log names them.
const (
	unified telemetry.Outcome = "unified"
	parked  telemetry.Outcome = "parked"
	retried telemetry.Outcome = "retried"
	expired telemetry.Outcome = "expired"
)

func (s *Stage) log(ctx context.Context, i *item) {
	k, now := i.delivery.Key, s.Now()
	line := telemetry.Line{Outcome: unified, Err: i.err, Where: i.where, Workspace: k.Workspace, Connection: k.Connection, Delivery: k.String(),
		Trace: i.delivery.Trace, Items: len(i.facts), Duration: now.Sub(i.start), Counts: i.counts}
	switch {
	case i.err != nil:
		line.Outcome = retried
	case len(i.faults) > 0:
		line.Outcome = parked
	case i.gone:
		line.Outcome = expired
	}
	if i.err == nil && len(i.facts) > 0 {
		line.Counts = append(line.Counts, telemetry.Count{Metric: telemetry.Facts, N: len(i.facts)})
	}
	s.Log.Write(ctx, now, line)
}

// overgrown says that a profile fell apart because too many fragments would be
// one person: a shared device, or a source's mistake that a person should look at.
func (s *Stage) overgrown(ctx context.Context, workspace string) {
	s.Log.Write(ctx, s.Now(), telemetry.Line{Outcome: "overgrown", Workspace: workspace, Counts: []telemetry.Count{{Metric: telemetry.Overgrown, N: 1}}})
}

func parseMessage(body string) (delivery.Key, error) {
	ws, key, _ := strings.Cut(body, " ")
	k, err := delivery.ParseKey(ws, key)
	if err != nil {
		return k, fault.As(fault.Permanent, fmt.Errorf("reading a retry message: %w", err))
	}
	return k, nil
}

func received(m lambdaevents.SQSMessage) int {
	n, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"]) // absent = first
	return n
}
