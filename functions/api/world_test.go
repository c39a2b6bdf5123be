package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	lambda "github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/functions/api"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/telemetry/telemetrytest"
	"loophub/shared/workspace"
)

// world is the stage with two workspaces behind it, whose ports can fail.
type world struct {
	segments  map[string]workspace.Segment
	journeys  map[string]workspace.Journey
	templates map[string]workspace.Template
	policies  workspace.Policies
	clock     time.Time
	stage     *api.Stage
	log       *bytes.Buffer
	stores    map[string]*store
	asked     []string // workspaces whose part of the Hub was asked for
	fail      map[string]error
	before    func(step string) // runs ahead of each call

	more     []string // connections
	put      map[delivery.Key]delivery.Sealed
	decided  map[delivery.Key][]api.Decision
	tracked  []api.Event
	refusal  string                        // of the next event
	parked   map[string][]delivery.Summary // by workspace#connection
	received map[string][]delivery.Summary
	replayed []delivery.Key
}

var now = time.Date(2026, 11, 20, 2, 14, 32, 123_456_789, time.UTC)

func newWorld() *world {
	w := &world{clock: now, journeys: map[string]workspace.Journey{"come-back": {}}, log: &bytes.Buffer{}, stores: map[string]*store{}, fail: map[string]error{},
		put: map[delivery.Key]delivery.Sealed{}, decided: map[delivery.Key][]api.Decision{},
		parked: map[string][]delivery.Summary{}, received: map[string][]delivery.Summary{}}
	for _, id := range []string{"saigon", "hanoi"} {
		w.stores[id] = newStore(w, id)
	}
	w.stage = api.New(api.Config{
		Own:         []string{"operator"},
		Definitions: w, Inbox: w, Decisions: w.decisions, Events: w.events, Log: telemetry.New(w.log, "api"),
		Hub: func(id string) api.Hub {
			w.asked = append(w.asked, id)
			return w.stores[id]
		},
		Now: func() time.Time { return w.clock },
	})
	return w
}

func (w *world) step(name string) error {
	if w.before != nil {
		w.before(name)
	}
	return w.fail[name]
}

func (w *world) key(id string) []byte { return []byte("0123456789abcdef-" + id) }

func (w *world) Authorise(_ context.Context, token string) (string, error) {
	if err := w.step("authorise"); err != nil {
		return "", err
	}
	id, secret, _ := strings.Cut(token, ".")
	if w.stores[id] == nil || secret != "secret-MARKER" {
		return "", workspace.ErrToken
	}
	return id, nil
}

func (w *world) Load(_ context.Context, id string) (workspace.Workspace, error) {
	c := map[string]workspace.Connection{}
	for _, name := range append(w.more, "operator", "pos", "shop", "web") {
		c[name] = workspace.Connection{Name: name}
	}
	c["email"] = workspace.Connection{Name: "email", Connector: "ses", Settings: map[string]string{"test_addresses": "Me@marker.example, you@marker.example"}}
	return workspace.Workspace{ID: id, Country: "VN", Zone: "Asia/Ho_Chi_Minh", Connections: c, Segments: w.segments,
		Journeys: w.journeys, Templates: w.templates, Policies: w.policies, Vouchers: map[string]workspace.Voucher{"ten": {Name: "ten"}}, Destinations: map[string]workspace.Destination{"crm": {}}}, w.step("load")
}

func (w *world) IdentityKey(_ context.Context, id string) ([]byte, error) {
	return w.key(id), w.step("key")
}

func (w *world) decisions(id string, list []api.Decision, at time.Time) (delivery.Delivery, error) {
	if err := w.step("decisions"); err != nil {
		return delivery.Delivery{}, err
	}
	body := fmt.Sprint(list, at.UnixMilli())
	k := delivery.Key{Workspace: id, Connection: "operator", Object: "decisions:" + connector.Digest([]byte(body)), Delivery: connector.Digest([]byte(body))}
	w.decided[k] = list
	return delivery.Delivery{Key: k, Request: connector.Request{Body: []byte(body), ReceivedAt: at}}, nil
}

func (w *world) events(of workspace.Workspace, e api.Event, at time.Time) (delivery.Delivery, string, error) {
	if w.refusal != "" {
		return delivery.Delivery{}, w.refusal, nil
	}
	w.tracked = append(w.tracked, e)
	k := delivery.Key{Workspace: of.ID, Connection: "operator", Object: "events:" + e.ID, Delivery: connector.Digest([]byte(fmt.Sprint(e.Name, e.ID, e.At)))}
	return delivery.Delivery{Key: k, Request: connector.Request{Body: []byte(e.Name), ReceivedAt: at}}, "", w.step("events")
}

func (w *world) Put(_ context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	w.put[s.Key] = s
	return s.Key, delivery.Stored, w.step("put")
}

func (w *world) Replay(_ context.Context, k delivery.Key, _ time.Time) error {
	if err := w.step("replay"); err != nil {
		return err
	}
	name := k.Workspace + "#" + k.Connection
	for _, s := range slices.Concat(w.parked[name], w.received[name]) {
		if s.Key == k {
			w.replayed = append(w.replayed, k)
			return nil
		}
	}
	return delivery.ErrAbsent
}

func (w *world) ListParked(_ context.Context, l delivery.Listing) ([]delivery.Summary, string, error) {
	return page(w.parked, "p", l, w.step("parked"))
}

func (w *world) ListReceived(_ context.Context, l delivery.Listing) ([]delivery.Summary, string, error) {
	return page(w.received, "r", l, w.step("received"))
}

func page(lists map[string][]delivery.Summary, kind string, l delivery.Listing, err error) ([]delivery.Summary, string, error) {
	if err != nil {
		return nil, "", err
	}
	name := l.Workspace + "#" + l.Connection
	from := 0
	if l.Cursor != "" {
		rest, ours := strings.CutPrefix(l.Cursor, kind+name+"-")
		if _, err := fmt.Sscan(rest, &from); !ours || err != nil || from < 0 || from > len(lists[name]) {
			return nil, "", delivery.ErrCursor
		}
	}
	list := lists[name][from:]
	if len(list) <= l.Limit {
		return list, "", nil
	}
	return list[:l.Limit], fmt.Sprint(kind, name, "-", from+l.Limit), nil
}

// decide brings what was decided to the store, as unify would.
func (w *world) decide(id string) {
	for k, list := range w.decided {
		at := w.put[k].ReceivedAt.UnixMilli()
		for _, d := range list {
			op := "tie"
			if d.Split {
				op = "split"
			}
			w.stores[id].take(events.Fact{Connection: "operator", Kind: events.Decision, Record: string(d.A + "+" + d.B), Version: at, At: at, Received: at,
				Fields: events.Fields{"op": events.Text(op), "fragment_a": events.Text(string(d.A)), "fragment_b": events.Text(string(d.B)), "by": events.Text("api")}})
		}
	}
	clear(w.decided)
}

// ask makes a request of a workspace's; its path may have a query.
func ask(method, path, workspace, body string) lambda.LambdaFunctionURLRequest {
	path, query, _ := strings.Cut(path, "?")
	e := lambda.LambdaFunctionURLRequest{RawPath: path, RawQueryString: query, Body: body, Headers: map[string]string{}}
	if workspace != "" {
		e.Headers["authorization"] = "Bearer " + workspace + ".secret-MARKER"
	}
	e.RequestContext.HTTP.Method = method
	e.RequestContext.RequestID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
	return e
}

// send sends a request twice: both answers are the same, as the document says, and
// nothing personal is logged.
func (w *world) send(t testing.TB, e lambda.LambdaFunctionURLRequest) lambda.LambdaFunctionURLResponse {
	t.Helper()
	first := w.once(t, e)
	if diff := cmp.Diff(first, w.once(t, e)); diff != "" {
		t.Error("the second answer differs", diff)
	}
	return first
}

func (w *world) once(t testing.TB, e lambda.LambdaFunctionURLRequest) lambda.LambdaFunctionURLResponse {
	t.Helper()
	r, err := w.stage.Handle(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	conform(t, e, r)
	if strings.Contains(strings.ToLower(w.log.String()), "marker") {
		t.Fatal("the log holds a secret or an address: ", w.log)
	}
	return r
}

// get sends a GET of saigon's that has an answer.
func (w *world) get(t testing.TB, path string) map[string]any {
	t.Helper()
	r := w.send(t, ask(http.MethodGet, path, "saigon", ""))
	if r.StatusCode != http.StatusOK {
		t.Fatal(path, r.StatusCode, r.Body)
	}
	return decode(t, r)
}

func decode(t testing.TB, r lambda.LambdaFunctionURLResponse) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.Body), &m); err != nil {
		t.Fatal(err, r.Body)
	}
	return m
}

func code(t testing.TB, r lambda.LambdaFunctionURLResponse) string {
	t.Helper()
	e, _ := decode(t, r)["error"].(map[string]any)
	c, _ := e["code"].(string)
	return c
}

// line is the last line of the log.
func (w *world) line(t testing.TB) map[string]any {
	t.Helper()
	return telemetrytest.Last(t, w.log.String())
}

var errTable = errors.New("table down: lan@marker.example")

// Facts of a small shop. Minute n of the day is their time.
func minute(n int) int64 { return now.Truncate(24*time.Hour).UnixMilli() + int64(n)*60_000 }

func fact(connection string, kind events.Kind, record string, at int, fields ...string) events.Fact {
	f := events.Fact{Connection: connection, Kind: kind, Record: record, Version: minute(at), At: minute(at), Received: minute(at) + 5, Fields: events.Fields{}}
	for n := 0; n < len(fields); n += 2 {
		f.Fields[fields[n]] = events.Text(fields[n+1])
	}
	return f
}

func customer(id string, at int, fields ...string) events.Fact {
	return fact("shop", events.Customer, id, at, fields...)
}

func order(id string, at int, fields ...string) events.Fact {
	return fact("shop", events.Order, id, at, append([]string{"ordered_at", fmt.Sprint(minute(at)), "total", "250000", "currency", "VND"}, fields...)...)
}

// lan has an account, an order as a guest of the till and a form post.
func lan() []events.Fact {
	gift := order("2", 30, "customer", "77", "email", "gift@marker.example", "total", "99000")
	gift.Fields["refund:9"] = events.Text("9000")
	till := fact("pos", events.Order, "T-1", 40, "ordered_at", fmt.Sprint(minute(40)), "total", "1250", "currency", "USD", "phone", "+84903117428")
	till.Fields["customer"] = events.Null
	return []events.Fact{
		till,
		customer("77", 10, "email", "lan@marker.example", "phone", "+84903117428", "first_name", "Lan", "verified", "true", "tags", `["khách quen","vip"]`,
			"grant:email:marketing", fmt.Sprint(minute(10))),
		order("1", 20, "customer", "77", "email", "lan@marker.example", "number", "#1001"),
		gift,
		fact("web", events.Form, "f1", 50, "email", "lan@marker.example", "form", "guide", "withdraw:email:marketing", fmt.Sprint(minute(50))),
		fact("shop", events.Checkout, "c1", 60, "customer", "77", "started_at", fmt.Sprint(minute(60)), "total", "70000", "currency", "VND"),
	}
}

func (w *world) profileOf(t testing.TB, path string) (id string, members []string) {
	t.Helper()
	list, _ := w.get(t, path)["profiles"].([]any)
	if len(list) != 1 {
		t.Fatalf("%s: %d profiles", path, len(list))
	}
	p, _ := list[0].(map[string]any)
	for _, m := range p["members"].([]any) {
		members = append(members, m.(string))
	}
	return p["id"].(string), members
}
