package wiring

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/events"
	"loophub/functions/writeback"
	"loophub/shared/outbound"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
	plan "loophub/shared/writeback"
)

type fields = map[string]string

const (
	token  = "pat-public-test-token"
	secret = connector.Secret("loophub-public-test-secret")
	hook   = "https://hooks.tra-sen.example/hooks/tra-sen/crm"
	app    = "1160452"
	lan    = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	hoa    = profile.ID("cbbbbbbbbbbbbbbbbbbbbbbbb")
	guest  = profile.ID("gcccccccccccccccccccccccc")
)

// words is a language of a few words, to stand in for CEL.
type words struct{}

type word string

func (words) Rule(text string, _ *time.Location) (plan.Rule, error) { return word(text), nil }
func (words) Expression(text string, _ *time.Location) (plan.Expression, error) {
	return word(text), nil
}

func (w word) Holds(v segment.View, x plan.Extra, now time.Time) (bool, plan.Times, error) {
	text, times, err := w.Value(v, x, now)
	return text != "", times, err
}

// noon is when the word noon turns.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func (w word) Value(v segment.View, x plan.Extra, now time.Time) (string, plan.Times, error) {
	if w == "noon" && now.Before(noon) {
		return "before", plan.Times{Next: noon}, nil
	}
	name, trait := strings.CutPrefix(string(w), "traits.")
	switch {
	case trait:
		return v.Trait(name), plan.Times{}, nil
	case w == "segments":
		return strings.Join(x.Segments, ";"), plan.Times{}, nil
	case w == "campaign.result":
		return x.Campaign.Result, plan.Times{}, nil
	case w == "noon":
		return "after", plan.Times{}, nil
	}
	return "", plan.Times{}, fmt.Errorf("there is no %s", w)
}

// world is a workspace with a destination at a simulated HubSpot. Everything that
// outlives a worker is here; gate is passed before and after each call.
type world struct {
	t   *testing.T
	mu  sync.Mutex
	now time.Time

	*simulator.Simulator
	fault     func(simulator.Call) simulator.Fault
	def       workspace.Workspace
	fragments map[profile.ID]profile.Fragment
	extra     map[profile.ID]plan.Extra
	ledgers   map[string]plan.Ledger
	owners    fields
	due       map[string]time.Time // what → earliest moment
	paused    bool
	held      map[string]bool
	elsewhere bool // ledgers lie in a table of their own
	log       bytes.Buffer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC), fragments: map[profile.ID]profile.Fragment{}, extra: map[profile.ID]plan.Extra{},
		ledgers: map[string]plan.Ledger{}, owners: fields{}, due: map[string]time.Time{}, held: map[string]bool{}}
	w.def = workspace.Workspace{ID: "tra-sen", Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh",
		Connections: map[string]workspace.Connection{"crm": {Name: "crm", Connector: "hubspot", Settings: fields{"app_id": app}}},
		Destinations: map[string]workspace.Destination{"hub": {Name: "hub", Connection: "crm", When: "traits.city",
			Properties: fields{"email": "traits.email", "firstname": "traits.first_name", "loophub_segments": "segments", "loophub_last_result": "campaign.result"}}}}
	var err error
	w.Simulator, err = simulator.New(simulator.Config{Token: token, App: app, Secret: secret, Hook: hook, Specs: os.Getenv("LOOPHUB_SPECS"), Now: w.Now,
		Properties: []string{"loophub_segments", "loophub_last_result"}, Requests: 1 << 20, Fault: func(c simulator.Call) simulator.Fault {
			if w.fault == nil {
				return simulator.Fault{}
			}
			return w.fault(c)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range w.Problems() {
			t.Error(p)
		}
		if strings.Contains(w.log.String(), "@") || strings.Contains(w.log.String(), token) {
			t.Error("the log holds an address or a secret")
		}
	})
	return w
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// know puts a customer down.
func (w *world) know(id profile.ID, traits fields, members ...profile.ID) {
	f := w.fragments[id]
	f.ID, f.Version = id, f.Version+1
	if len(members) > 0 {
		f.Members = members
	}
	f.State.Traits = map[string]profile.Register{}
	for name, v := range traits {
		f.State.Traits[name] = profile.Register{Version: f.Version, Value: events.Text(v)}
	}
	w.fragments[id] = f
}

// worker is one running function; what it keeps ends with it.
type worker struct {
	*world
	gate func(ctx context.Context, call string, effect func() error) error
}

func (w *world) worker() *worker {
	return &worker{w, func(_ context.Context, _ string, effect func() error) error { return effect() }}
}

func (w *worker) stage() *writeback.Stage {
	return writeback.New(writeback.Config{
		Connectors: []connector.Connector{hubspot.New()}, Definitions: w, Hub: func(string) writeback.Hub { return w },
		Surroundings: w, Due: w, Controls: w, Language: words{}, Jitter: func() float64 { return 0.5 },
		Systems: outbound.New(outbound.Config{Credentials: w, Transport: w, Pause: func(context.Context, time.Duration) error { return nil },
			Log: telemetry.New(&w.log, "writeback"), Now: w.Now}),
		Log: telemetry.New(&w.log, "writeback"), Now: w.Now,
	})
}

func (w *worker) Load(_ context.Context, id string) (workspace.Workspace, error) {
	if id != w.def.ID {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	return w.def, nil
}

func (w *worker) Credentials(context.Context, string, string) (map[string]string, error) {
	return fields{"access_token": token}, nil
}

func (w *worker) Fragment(_ context.Context, id profile.ID) (profile.Fragment, error) {
	return w.fragments[id], nil
}

func (w *worker) Fragments(_ context.Context, ids []profile.ID) ([]profile.Fragment, error) {
	var l []profile.Fragment
	for _, id := range ids {
		l = append(l, w.fragments[id])
	}
	return l, nil
}

func (w *worker) Identities(context.Context, []string) (map[string]profile.Identity, error) {
	return nil, nil
}

func (w *worker) OlderOrders(context.Context, profile.ID, time.Time) ([]profile.Order, error) {
	return nil, nil
}

func (w *worker) Extra(_ context.Context, _ string, members []profile.ID, _ time.Time) (plan.Extra, error) {
	return w.extra[members[0]], nil
}

// copied takes a ledger through its stored form.
func copied(l plan.Ledger) plan.Ledger {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	c := plan.Ledger{Fragment: l.Fragment, Version: l.Version}
	if err := json.Unmarshal(b, &c); err != nil {
		panic(err)
	}
	return c
}

func (w *worker) Ledgers(ctx context.Context, members []profile.ID, destination string) (l []plan.Ledger, err error) {
	err = w.gate(ctx, "Ledgers", func() error {
		for _, m := range members {
			if one, there := w.ledgers[destination+"|"+string(m)]; there {
				l = append(l, copied(one))
			}
		}
		return nil
	})
	return l, err
}

func (w *worker) CommitLedger(ctx context.Context, destination string, l plan.Ledger) error {
	return w.gate(ctx, "CommitLedger", func() error {
		name := destination + "|" + string(l.Fragment)
		if w.ledgers[name].Version != l.Version {
			return profile.ErrLost
		}
		l = copied(l)
		l.Version++
		w.ledgers[name] = l
		return nil
	})
}

func (w *worker) Point(ctx context.Context, connection, record, _ string, id profile.ID, members []profile.ID) error {
	return w.gate(ctx, "Point", func() error {
		name := connection + "|" + record
		if o := w.owners[name]; o != "" && !slices.Contains(members, profile.ID(o)) {
			return profile.ErrLost
		}
		w.owners[name] = string(id)
		return nil
	})
}

func (w *worker) Arm(ctx context.Context, _, what string, at time.Time) error {
	return w.gate(ctx, "Arm", func() error {
		if old, there := w.due[what]; !there || at.Before(old) {
			w.due[what] = at
		}
		return nil
	})
}

func (w *worker) Paused(context.Context, string, string) (bool, error) { return w.paused, nil }

func (w *worker) Hold(_ context.Context, _, _, what string) error {
	w.held[what] = true
	return nil
}

func (w *worker) RoundTrip(r *http.Request) (response *http.Response, err error) {
	err = w.gate(r.Context(), "HTTP "+r.URL.Path, func() error {
		var e error
		if !w.elsewhere {
			w.announced(r)
		}
		response, e = w.Simulator.RoundTrip(r)
		return e
	})
	return response, err
}

// announced checks that whatever is sent was stored as pending before.
func (w *world) announced(r *http.Request) {
	body, err := r.GetBody()
	if err != nil {
		w.t.Fatal(err)
	}
	var sent struct {
		Inputs []struct {
			IDProperty string
			Properties fields
		}
	}
	if err := json.NewDecoder(body).Decode(&sent); err != nil {
		w.t.Fatal(err)
	}
	for _, in := range sent.Inputs {
		for name, value := range in.Properties {
			pending := in.IDProperty == name // the key names the contact
			for _, l := range w.ledgers {
				p, there := l.Pending[name]
				pending = pending || there && p == value
			}
			if !pending {
				w.t.Errorf("%s is sent, and no ledger says so", name)
			}
		}
	}
}

func changed(t *testing.T, ids ...profile.ID) string {
	var l []events.ProfileChange
	for _, id := range ids {
		l = append(l, events.ProfileChange{Fragment: string(id), Version: 1, Profile: string(id), Parts: []string{"traits"}})
	}
	return message(t, events.ProfileChanged, events.ProfileChanges{Changes: l})
}

func message(t *testing.T, kind string, data any) string {
	t.Helper()
	e, err := events.NewEnvelope("tra-sen", kind, time.Unix(0, 0), data)
	if err != nil {
		t.Fatal(err)
	}
	body, err := events.ForQueue(e)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// queue is the event of a queue with messages.
func queue(t *testing.T, bodies ...string) []byte {
	t.Helper()
	var e lambdaevents.SQSEvent
	for n, b := range bodies {
		e.Records = append(e.Records, lambdaevents.SQSMessage{MessageId: fmt.Sprint(n), Body: b})
	}
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// run gives messages to a worker, and gives back those that have to come again.
func (w *worker) run(ctx context.Context, bodies ...string) []string {
	w.t.Helper()
	out, err := w.stage().Invoke(ctx, queue(w.t, bodies...))
	if err != nil {
		w.t.Fatal(err)
	}
	var r lambdaevents.SQSEventResponse
	if err := json.Unmarshal(out, &r); err != nil {
		w.t.Fatal(err)
	}
	var again []string
	for _, f := range r.BatchItemFailures {
		var n int
		if _, err := fmt.Sscan(f.ItemIdentifier, &n); err != nil {
			w.t.Fatal(err)
		}
		again = append(again, bodies[n])
	}
	return again
}

// settle lets time pass and runs what is due until nothing is.
func (w *world) settle(bodies ...string) {
	w.t.Helper()
	for range 50 {
		if bodies = w.worker().run(w.t.Context(), bodies...); len(bodies) > 0 {
			w.advance(time.Minute)
			continue
		}
		next := time.Time{}
		for _, at := range w.due {
			if next.IsZero() || at.Before(next) {
				next = at
			}
		}
		if next.IsZero() {
			return
		}
		if next.After(w.Now()) {
			w.advance(next.Sub(w.Now()))
		}
		for what, at := range maps.Clone(w.due) {
			if !at.After(w.Now()) {
				delete(w.due, what)
				bodies = append(bodies, message(w.t, events.DueReached, events.Due{What: what, At: at.UnixMilli()}))
			}
		}
		slices.Sort(bodies)
	}
	w.t.Fatalf("it never comes to rest: due %v", w.due)
}

// calm checks what holds at rest: no field was written with the value that it
// had, nothing is pending, and ledgers say what HubSpot holds.
func (w *world) calm(context string) {
	w.t.Helper()
	for _, one := range w.Writes() {
		if one.Same {
			w.t.Fatalf("%s: %s of %s was written with the value %q that it had", context, one.Property, one.Contact, one.Value)
		}
	}
	held := map[string]simulator.Contact{}
	for _, c := range w.Contacts() {
		held[c.ID] = c
	}
	for name, l := range w.ledgers {
		if len(l.Pending) > 0 {
			w.t.Fatalf("%s: %s: pending %v", context, name, l.Pending)
		}
		for f, v := range l.Fields {
			if v.At > 0 && held[l.Record].Properties[f] != v.Value {
				w.t.Fatalf("%s: %s: the ledger says %s is %q, HubSpot %q", context, name, f, v.Value, held[l.Record].Properties[f])
			}
		}
	}
}

func (w *world) holds(email string, want fields) {
	w.t.Helper()
	c, ok := w.Contact(email)
	for f, v := range want {
		if !ok || c.Properties[f] != v {
			w.t.Errorf("%s: %s is %q, want %q", email, f, c.Properties[f], v)
		}
	}
}

var errDead = errors.New("the worker died")

// echoes brings the webhooks of all changes back, as ingest and unify would read
// them: verified, decoded.
func (w *world) echoes() []events.Fact {
	w.t.Helper()
	src, err := hubspot.New().Source(connector.Settings{Values: fields{"app_id": app}, Country: "VN"})
	if err != nil {
		w.t.Fatal(err)
	}
	hooks, err := w.Webhooks()
	if err != nil {
		w.t.Fatal(err)
	}
	var all []events.Fact
	for _, h := range hooks {
		if err := src.Verify(h, []connector.Secret{secret}); err != nil {
			w.t.Fatal(err)
		}
		facts, faults := src.Decode(h)
		if len(faults) > 0 {
			w.t.Fatalf("%v", faults)
		}
		all = append(all, facts...)
	}
	return all
}
