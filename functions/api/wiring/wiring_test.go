package wiring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/operator"
	"loophub/events"
	"loophub/functions/api"
	"loophub/functions/api/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/profile"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

var environment = map[string]string{"LOOPHUB_INBOX_TABLE": awstest.Inbox, "LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_PARAMETERS": awstest.Prefix}

// world is the function as it is deployed, on the local tables, with two workspaces.
type world struct {
	*awstest.Cloud
	t       testing.TB
	handler lambda.Handler
	log     bytes.Buffer
	db      *dynamodb.Client
	reader  *definition.Reader
	inbox   *inbox.Inbox
}

func newWorld(t testing.TB) *world {
	c := awstest.New(t)
	db, parameters := dynamodb.NewFromConfig(c.Config()), ssm.NewFromConfig(c.Config())
	w := &world{Cloud: c, t: t, db: db, inbox: inbox.New(db, awstest.Inbox, nil),
		reader: definition.NewReader(db, parameters, awstest.Hub, awstest.Prefix, c.Now)}
	known := []connector.Manifest{operator.New().Manifest, {Name: "till"}}
	random := strings.NewReader(strings.Repeat("random bytes of a test, ", 100))
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, known, random, validation.Checks(known)...)
	for _, id := range []string{"saigon", "saigon-2"} {
		file := "workspace: " + id + "\nname: Tea\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\nconnections:\n  shop: {connector: till}\n"
		if _, err := writer.Apply(t.Context(), []byte(file)); err != nil {
			t.Fatal(err)
		}
		if err := writer.SetTokens(t.Context(), id, []string{id + ".secret-of-sixteen"}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.handler, err = wiring.New(deps.Deps{Config: c.Config(), Getenv: func(name string) string { return environment[name] }, Now: c.Now, Log: &w.log})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// send invokes the function as Lambda does.
func (w *world) send(method, path, workspace, body string) (int, map[string]any) {
	w.t.Helper()
	e := awslambda.LambdaFunctionURLRequest{Body: body, Headers: map[string]string{"authorization": "Bearer " + workspace + ".secret-of-sixteen"}}
	e.RawPath, e.RawQueryString, _ = strings.Cut(path, "?")
	e.RequestContext.HTTP.Method = method
	payload, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.handler.Invoke(w.t.Context(), payload)
	if err != nil {
		w.t.Fatal(err)
	}
	var r awslambda.LambdaFunctionURLResponse
	var answer map[string]any
	if err := json.Unmarshal(out, &r); err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(r.Body), &answer); err != nil {
		w.t.Fatal(err)
	}
	return r.StatusCode, answer
}

func (w *world) get(path string) map[string]any {
	w.t.Helper()
	status, answer := w.send(http.MethodGet, path, "saigon", "")
	if status != http.StatusOK {
		w.t.Fatal(path, status, answer)
	}
	return answer
}

// lay stores a customer with forms and orders in saigon, as unify leaves them.
func (w *world) lay() (members []profile.ID) {
	w.t.Helper()
	key, err := w.reader.IdentityKey(w.t.Context(), "saigon")
	if err != nil {
		w.t.Fatal(err)
	}
	rules, part := profile.NewRules(key, nil, nil), hub.New(w.db, awstest.Hub).In("saigon")
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	at := w.Now().UnixMilli()
	fact := func(kind events.Kind, record string, after int64, fields ...string) events.Fact {
		f := events.Fact{Workspace: "saigon", Connection: "shop", Kind: kind, Record: record, Version: at + after, At: at + after, Received: at + after, Fields: events.Fields{}}
		for n := 0; n < len(fields); n += 2 {
			f.Fields[fields[n]] = events.Text(fields[n+1])
		}
		return f
	}
	facts := []events.Fact{fact(events.Customer, "77", 0, "email", "lan@example.com", "first_name", "Lan")}
	for n := range 7 {
		facts = append(facts, fact(events.Form, fmt.Sprint("f", n), int64(n/2), "email", "lan@example.com"))
	}
	fragments, identity := map[profile.ID]profile.Fragment{}, profile.Identity{}
	for _, f := range facts {
		s, _ := rules.Statement(f)
		if f.Kind != events.Customer {
			must(part.Index(w.t.Context(), s.Fragment, f.RecordKey(), f.Time()))
		}
		must(part.Put(w.t.Context(), f))
		g := fragments[s.Fragment]
		g.ID, g.Anchor = s.Fragment, profile.SourceOf(s.Anchor)
		g.State.Join(s)
		g.State.Claim(s.Claims, rules.Limits)
		fragments[g.ID] = g
		identity.ID = rules.Key.Identifier(profile.Identifier{Kind: profile.Email, Value: "lan@example.com"})
		identity.Claimed(g.ID, "shop", rules.Limits)
	}
	members = []profile.ID{rules.Key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: "shop", Value: "77"}),
		rules.Key.Fragment(profile.Anchor{Class: profile.GuestClass, Connection: "shop", Value: "email/lan@example.com"})}
	for _, id := range members {
		f := fragments[id]
		f.SetMembers(members)
		must(part.Commit(w.t.Context(), f, nil, nil))
	}
	must(part.CommitIdentity(w.t.Context(), identity))
	return members
}

func TestProfileAndTimeline(t *testing.T) {
	w := newWorld(t)
	members := w.lay()
	list := w.get("/v1/profiles?email=Lan@example.com")["profiles"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != string(members[0]) || len(list[0].(map[string]any)["members"].([]any)) != 2 {
		t.Fatal(list)
	}
	for limit := 1; limit < 10; limit++ {
		seen, cursor := map[any]bool{}, ""
		for range 20 {
			page := w.get(fmt.Sprintf("/v1/profiles/%s/timeline?limit=%d%s", members[1], limit, cursor))
			for _, e := range page["entries"].([]any) {
				record := e.(map[string]any)["record"]
				if seen[record] {
					t.Error("twice: ", record)
				}
				seen[record] = true
			}
			next, more := page["next_cursor"].(string)
			if !more {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(next)
		}
		if len(seen) != 8 {
			t.Errorf("pages of %d: %v", limit, seen)
		}
	}
	for _, path := range []string{"/v1/profiles?email=lan@example.com", "/v1/profiles?id=" + string(members[0])} {
		if _, answer := w.send(http.MethodGet, path, "saigon-2", ""); len(answer["profiles"].([]any)) != 0 {
			t.Error("another workspace's: ", answer)
		}
	}
	if status, _ := w.send(http.MethodGet, "/v1/profiles?email=lan@example.com", "saigon-3", ""); status != 401 {
		t.Error(status)
	}
	if strings.Contains(w.log.String(), "lan") {
		t.Error("logged: ", w.log.String())
	}
}

// An unmerge lies in the Inbox as the operator's connector reads it; asking again
// in the same moment changes nothing.
func TestUnmergeIsADelivery(t *testing.T) {
	w := newWorld(t)
	members := w.lay()
	path, body := "/v1/profiles/"+string(members[0])+"/unmerge", `{"connection":"shop","customer":"77"}`
	var key string
	for range 2 {
		status, answer := w.send(http.MethodPost, path, "saigon", body)
		if status != 202 || answer["decisions"] != 1.0 || key != "" && answer["delivery"] != key {
			t.Fatal(status, answer)
		}
		key = answer["delivery"].(string)
	}
	k, err := delivery.ParseKey("saigon", key)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.inbox.Get(t.Context(), k, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	source, err := operator.New().Source(connector.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	facts, faults := source.Decode(d.Request)
	if len(facts) != 1 || len(faults) != 0 || facts[0].Validate() != nil || facts[0].Fields["op"].String() != "split" || facts[0].Version != w.Now().UnixMilli() {
		t.Error(facts, faults)
	}
	pair, _, ok := profile.Rules{}.Decision(facts[0])
	if !ok || pair != profile.Pair(members[0], members[1]) {
		t.Error(pair)
	}
}

// TestTrackedEvents: what is answered 202 is read by the operator's connector as it
// was sent; what that can't take is refused at once. Sent again with its id, it is
// the delivery that is there.
func TestTrackedEvents(t *testing.T) {
	w := newWorld(t)
	members := w.lay()
	source, err := operator.New().Source(connector.Settings{Country: "VN", Currency: "VND"})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for round := range 2 {
		for body, fields := range map[string]int{
			`{"name":"tasting.booked","id":"b-17","email":"Lan@Example.com","value":5,"properties":{"guests":2}}`: 5,
			`{"name":"tasting.booked","id":"b-18","phone":"0903117428"}`:                                          2,
			`{"name":"page.viewed","anonymous_id":"d-81f2"}`:                                                      2,
			`{"name":"tasting.missed","id":"b-19","profile":"` + string(members[1]) + `"}`:                        2,
		} {
			status, answer := w.send(http.MethodPost, "/v1/events", "saigon", body)
			if status != http.StatusAccepted {
				t.Fatal(body, status, answer)
			}
			k, err := delivery.ParseKey("saigon", answer["delivery"].(string))
			if err != nil {
				t.Fatal(err)
			}
			if again := keys[k.String()]; again != (round == 1 && strings.Contains(body, `"id"`)) {
				t.Errorf("round %d: %s: there already: %v", round, body, again)
			}
			keys[k.String()] = true
			d, err := w.inbox.Get(t.Context(), k, w.Now())
			if err != nil {
				t.Fatal(err)
			}
			facts, faults := source.Decode(d.Request)
			if len(facts) != 1 || len(faults) != 0 || facts[0].Validate() != nil || len(facts[0].Fields) != fields || facts[0].At != d.Request.ReceivedAt.UnixMilli() {
				t.Error(body, facts, faults)
			}
		}
		w.Advance(time.Minute)
	}
	if len(keys) != 5 {
		t.Errorf("%d deliveries", len(keys))
	}
	for body, word := range map[string]string{
		`{"name":"a","email":"lan"}`: "email",
		`{"name":"a"}`:               "nobody",
		`{"name":"a","email":"lan@example.com","profile":"` + string(members[0]) + `"}`: "alone",
		`{"name":"a","email":"lan@example.com","id":"lan@example.com"}`:                 "id is",
		`{"name":"a","email":"lan@example.com","at":"2099-01-01T00:00:00Z"}`:            "at is",
		`{"name":"a","email":"lan@example.com","currency":"VND"}`:                       "currency",
		`{"name":"a","email":"lan@example.com","properties":{"một":"1"}}`:               "property",
		`{"name":"a","email":"lan@example.com","value":-5}`:                             "value",
	} {
		status, answer := w.send(http.MethodPost, "/v1/events", "saigon", body)
		e, _ := answer["error"].(map[string]any)
		if message, _ := e["message"].(string); status != http.StatusBadRequest || !strings.Contains(message, word) {
			t.Error(body, status, answer)
		}
	}
}

func TestParkedAndReplayed(t *testing.T) {
	w := newWorld(t)
	var k delivery.Key
	for n := range 3 {
		k = delivery.Key{Workspace: "saigon", Connection: "shop", Object: fmt.Sprint("order-", n), Delivery: "d"}
		d := delivery.Delivery{Key: k, Request: connector.Request{Method: "POST", Body: []byte("{}"), ReceivedAt: w.Now()}}
		if _, _, err := w.inbox.Put(t.Context(), delivery.Seal(d)); err != nil {
			t.Fatal(err)
		}
		if err := w.inbox.Park(t.Context(), k, []delivery.Fault{{Class: connector.UnknownTopic, Reason: "topic x"}}, false, w.Now()); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Second)
	}
	first := w.get("/v1/deliveries?limit=2")
	next := w.get("/v1/deliveries?limit=2&cursor=" + url.QueryEscape(first["next_cursor"].(string)))
	if len(first["deliveries"].([]any)) != 2 || len(next["deliveries"].([]any)) != 1 || next["next_cursor"] != nil {
		t.Error(first, next)
	}
	if status, answer := w.send(http.MethodGet, "/v1/deliveries?cursor="+url.QueryEscape(first["next_cursor"].(string)), "saigon-2", ""); status != 400 {
		t.Error(status, answer)
	}
	replay := "/v1/deliveries/" + k.String() + "/replay"
	if status, answer := w.send(http.MethodPost, replay, "saigon-2", ""); status != 404 {
		t.Error(status, answer)
	}
	for range 2 {
		if status, answer := w.send(http.MethodPost, replay, "saigon", ""); status != 202 {
			t.Error(status, answer)
		}
	}
	parked, received := w.get("/v1/deliveries?connection=shop"), w.get("/v1/deliveries?connection=shop&status=received")
	if len(parked["deliveries"].([]any)) != 2 || len(received["deliveries"].([]any)) != 1 {
		t.Error(parked, received)
	}
}

// The operator's connector takes as many decisions at once as the API makes.
func TestAllDecisionsFit(t *testing.T) {
	d := operator.Decisions{By: "api", At: time.Now().UnixMilli()}
	for n := range api.MaxDecisions {
		d.Decisions = append(d.Decisions, operator.Decision{Op: "split", A: "c", B: fmt.Sprint("g", n)})
	}
	r, err := d.Request()
	if err != nil {
		t.Fatal(err)
	}
	source, err := operator.New().Source(connector.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if facts, faults := source.Decode(r); len(facts) != api.MaxDecisions || len(faults) != 0 {
		t.Error(len(facts), faults)
	}
}

func TestTableFails(t *testing.T) {
	w := newWorld(t)
	w.lay()
	w.get("/healthz")
	for call, status := range map[string]int{"ProvisionedThroughputExceededException": 503, "AccessDeniedException": 500} {
		w.Fault = func(name string) *awstest.Fault {
			if name == "dynamodb.BatchGetItem" {
				return &awstest.Fault{Status: 400, Code: call}
			}
			return nil
		}
		if got, answer := w.send(http.MethodGet, "/v1/profiles?email=lan@example.com", "saigon", ""); got != status || answer["error"] == nil {
			t.Error(call, got, answer)
		}
	}
}

func TestMissingVariable(t *testing.T) {
	for missing := range environment {
		_, err := wiring.New(deps.Deps{Config: awstest.New(t).Config(), Now: time.Now, Getenv: func(name string) string {
			if name == missing {
				return ""
			}
			return environment[name]
		}})
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Error(missing, err)
		}
	}
}

// TestJourneys: a workspace without journeys has an empty list, and no report.
func TestJourneys(t *testing.T) {
	w := newWorld(t)
	if l, ok := w.get("/v1/journeys")["journeys"].([]any); !ok || len(l) != 0 {
		t.Error(l)
	}
	if status, answer := w.send(http.MethodGet, "/v1/journeys/come-back/report", "saigon", ""); status != http.StatusNotFound {
		t.Error(status, answer)
	}
}

// TestControls: what is turned through the API lies in the workspace's part of the table.
func TestControls(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ path, body string }{
		{"/v1/controls/sends", `{"stopped":true}`}, {"/v1/controls/connections/shop", `{"paused":true}`}, {"/v1/controls/sends", `{"stopped":false}`},
	} {
		for range 2 {
			if status, answer := w.send(http.MethodPut, c.path, "saigon", c.body); status != http.StatusOK {
				t.Fatal(c, status, answer)
			}
		}
		w.Advance(time.Second)
	}
	var told []string
	for cursor, more := "", true; more; {
		page := w.get("/v1/controls/history?limit=1" + cursor)
		for _, turn := range page["turns"].([]any) {
			m := turn.(map[string]any)
			told = append(told, fmt.Sprint(m["kind"], " ", m["name"], " ", m["off"]))
		}
		next, ok := page["next_cursor"].(string)
		cursor, more = "&cursor="+next, ok
	}
	if want := []string{"sends <nil> false", "connections shop true", "sends <nil> true"}; !slices.Equal(told, want) {
		t.Errorf("history %q, want %q", told, want)
	}
	controls, err := hub.New(w.db, awstest.Hub).In("saigon").Controls(t.Context())
	if err != nil || controls.StopAll() || !controls.Paused(workspace.ControlConnection, "shop") {
		t.Error(controls, err)
	}
	if other, err := hub.New(w.db, awstest.Hub).In("saigon-2").Controls(t.Context()); err != nil || other.Version != 0 {
		t.Error(other, err)
	}
}
