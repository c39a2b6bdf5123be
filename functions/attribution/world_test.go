package attribution_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loophub/events"
	stage "loophub/functions/attribution"
	"loophub/infra/local/awstest"
	"loophub/shared/attribution"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

const (
	day    = 24 * time.Hour
	recent = 2 // orders within a fragment: others lie beside it
)

var definition = workspace.Workspace{ID: "saigon",
	Connections: map[string]workspace.Connection{"email": {Name: "email", Connector: "ses"}},
	Policies:    workspace.Policies{Attribution: workspace.Attribution{Click: map[string]time.Duration{"ses": 5 * day}, Voucher: 10 * day}},
	Journeys:    map[string]workspace.Journey{"back": {Name: "back", Goal: &workspace.Goal{Event: "order.placed", Within: 14 * day}}}}

// person is the truth about one fragment: what the other stages would have stored.
type person struct {
	messages map[string]attribution.Message
	entries  []attribution.Entry
	orders   map[string]profile.Order
}

// world is the stage over the real adapter and the local table. Messages, entries
// and vouchers are what other stages store; here they are lists.
type world struct {
	*awstest.Cloud
	hub.Workspace
	t       testing.TB
	db      *dynamodb.Client
	people  map[profile.ID]*person
	expired map[string]bool // messages whose items are gone
	issued  []attribution.Issue
	queue   []string // bodies
	log     bytes.Buffer
	limit   int
	serial  int
	asked   int // how often for messages
}

func newWorld(t testing.TB) *world {
	c := awstest.New(t)
	db := dynamodb.NewFromConfig(c.Config())
	return &world{Cloud: c, Workspace: hub.New(db, awstest.Hub).In("saigon"), t: t, db: db, people: map[profile.ID]*person{}, expired: map[string]bool{}}
}

func id(n int) profile.ID { return profile.ID("c" + strings.Repeat("a", 23) + string(rune('a'+n))) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) person(f profile.ID) *person {
	if w.people[f] == nil {
		w.people[f] = &person{messages: map[string]attribution.Message{}, orders: map[string]profile.Order{}}
	}
	return w.people[f]
}

// The stage's sources.

func (w *world) Messages(_ context.Context, f profile.ID, since time.Time) (l []attribution.Sent, err error) {
	w.asked++
	for _, name := range slices.Sorted(maps.Keys(w.person(f).messages)) {
		if m := w.people[f].messages[name]; !w.expired[name] && m.At >= since.UnixMilli() {
			m.Fragment = "" // the adapter need not say
			l = append(l, m.Sent)
		}
	}
	return l, nil
}

func (w *world) Engagement(_ context.Context, m attribution.Sent) (attribution.Engagement, error) {
	return w.person(m.Fragment).messages[m.ID].Engagement, nil
}

func (w *world) Entries(_ context.Context, f profile.ID) ([]attribution.Entry, error) {
	return slices.Clone(w.person(f).entries), nil
}

func (w *world) Issues(_ context.Context, codes []string) (l []attribution.Issue, err error) {
	for _, i := range w.issued {
		if slices.Contains(codes, i.Code) {
			l = append(l, i)
		}
	}
	return l, nil
}

func (w *world) Load(_ context.Context, id string) (workspace.Workspace, error) {
	if id != "saigon" {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	return definition, nil
}

// What happens, and what is announced of it.

func (w *world) announce(kind string, data any) {
	w.t.Helper()
	e, err := events.NewEnvelope("saigon", kind, w.Now(), data)
	w.must(err)
	body, err := events.ForQueue(e)
	w.must(err)
	w.queue = append(w.queue, body)
}

func (w *world) changed(f profile.ID, message string, parts ...string) {
	c := events.ProfileChange{Fragment: string(f), Version: 1, Profile: string(f), Parts: parts}
	if message != "" {
		c.Occurred = []events.Occurrence{{What: "message.clicked", Message: message}}
	}
	w.announce(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{c}})
}

func (w *world) send(f profile.ID, variant, template, voucher string, ago time.Duration) string {
	w.serial++
	at := w.Now().Add(-ago).UnixMilli()
	m := attribution.Message{Sent: attribution.Sent{ID: fmt.Sprintf("%011x-%d", at, w.serial), Fragment: f, Journey: "back", Variant: variant, Template: template,
		Connection: "email", At: at, Voucher: voucher}}
	w.person(f).messages[m.ID] = m
	w.announce(events.MessageDecided, events.Message{Fragment: string(f), Message: m.ID})
	return m.ID
}

func (w *world) engage(f profile.ID, message string, e attribution.Engagement) {
	m := w.person(f).messages[message]
	m.Engagement = m.Engagement.Join(e)
	w.person(f).messages[message] = m
	w.changed(f, message, "events")
}

func (w *world) enter(f profile.ID, e attribution.Entry) {
	w.serial++
	e.ID, e.Fragment = fmt.Sprint(w.serial), f
	w.person(f).entries = append(w.person(f).entries, e)
	w.announce(events.EntryChanged, events.Entry{Fragment: string(f), Journey: e.Journey, Entry: e.ID})
}

// order stores an order as unify does; nil withdraws it.
func (w *world) order(f profile.ID, record string, o *profile.Order) {
	w.t.Helper()
	var times []int64
	if was, there := w.person(f).orders[record]; there {
		times = append(times, was.At)
	}
	delete(w.people[f].orders, record)
	if o != nil {
		w.people[f].orders[record] = *o
		times = append(times, o.At)
	}
	g, err := w.Fragment(w.t.Context(), f)
	w.must(err)
	g = g.Clone()
	var older profile.Older
	if own, ends := g.State.Reads(record, o, times); len(own) > 0 || ends {
		older, err = w.Older(w.t.Context(), f, own, ends)
		w.must(err)
	}
	if changed, moves := g.State.Settle(recent, record, o, older); changed {
		w.must(w.Commit(w.t.Context(), g, moves, nil))
		w.changed(f, "", "orders")
	}
}

// belong writes one fragment's members.
func (w *world) belong(f profile.ID, members []profile.ID) {
	w.t.Helper()
	g, err := w.Fragment(w.t.Context(), f)
	w.must(err)
	g = g.Clone()
	g.SetMembers(members)
	w.must(w.Commit(w.t.Context(), g, nil, nil))
	w.changed(f, "", "identity")
}

// Running it.

func (w *world) newStage(h func(string) stage.Hub) *stage.Stage {
	return stage.New(stage.Config{Definitions: w, Hub: h, StepLimit: w.limit, Pause: func(ctx context.Context, _ int) error { return ctx.Err() },
		Log: telemetry.New(&w.log, "attribution"), Now: w.Now})
}

// handle gives one message to a stage and tells whether it is done with.
func handle(t testing.TB, s *stage.Stage, bodies ...string) (failed []string) {
	var e lambdaevents.SQSEvent
	for n, b := range bodies {
		e.Records = append(e.Records, lambdaevents.SQSMessage{MessageId: fmt.Sprint(n), Body: b})
	}
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Invoke(context.Background(), payload)
	var r lambdaevents.SQSEventResponse
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Error(err, string(out))
	}
	for _, f := range r.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

// drain handles all that waits.
func (w *world) drain() {
	w.t.Helper()
	s := w.newStage(func(string) stage.Hub { return w })
	for len(w.queue) > 0 {
		body := w.queue[0]
		w.queue = w.queue[1:]
		if failed := handle(w.t, s, body); len(failed) > 0 {
			w.t.Fatal("a message fails: ", body, w.log.String())
		}
	}
}

// tables reads all counters, and all that is kept.
func (w *world) tables() (counters, kept attribution.Counts, outcomes map[profile.ID]attribution.Outcome) {
	w.t.Helper()
	kept, outcomes = attribution.Counts{}, map[profile.ID]attribution.Outcome{}
	counters = attribution.Counts{}
	journeys := map[string]bool{}
	pages := dynamodb.NewScanPaginator(w.db, &dynamodb.ScanInput{TableName: aws.String(awstest.Hub), ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(w.t.Context())
		w.must(err)
		for _, item := range page.Items {
			p := strings.Split(item["pk"].(*types.AttributeValueMemberS).Value, "#")
			switch {
			case p[1] == "c":
				journeys[p[2]] = true
			case item["sk"].(*types.AttributeValueMemberS).Value == "CREDITS":
				l, err := w.Credits(w.t.Context(), []profile.ID{profile.ID(p[2])})
				w.must(err)
				kept.Merge(l[0].Counts)
				if !l[0].Outcome.IsZero() {
					outcomes[profile.ID(p[2])] = l[0].Outcome
				}
			}
		}
	}
	for j := range journeys {
		c, err := w.Counters(w.t.Context(), j)
		w.must(err)
		counters.Merge(c)
	}
	return counters, kept, outcomes
}

// truth is everything by profile, by the members that fragments name.
func (w *world) truth() map[profile.ID]attribution.Profile {
	w.t.Helper()
	all := map[profile.ID]attribution.Profile{}
	for f, one := range w.people {
		g, err := w.Fragment(w.t.Context(), f)
		w.must(err)
		least := g.Profile()[0]
		p := all[least]
		p.Messages = slices.AppendSeq(p.Messages, maps.Values(one.messages))
		p.Entries = append(p.Entries, one.entries...)
		for _, o := range one.orders {
			p.Orders = append(p.Orders, attribution.OrderOf(o))
		}
		for _, i := range w.issued {
			if i.Fragment == f {
				p.Issues = append(p.Issues, i)
			}
		}
		all[least] = p
	}
	return all
}

// holds tells what of the tables is not as a recount has it.
func (w *world) holds() string {
	w.t.Helper()
	counters, kept, outcomes := w.tables()
	windows := attribution.WindowsOf(definition)
	all := w.truth()
	want := map[profile.ID]attribution.Outcome{}
	for least, p := range all {
		if _, o := attribution.Count(p, windows); !o.IsZero() {
			want[least] = o
		}
	}
	return cmp.Diff(attribution.Recount(slices.Collect(maps.Values(all)), windows), counters, cmpopts.EquateEmpty()) +
		cmp.Diff(counters, kept) + cmp.Diff(want, outcomes)
}

var errDied = errors.New("the function died")
