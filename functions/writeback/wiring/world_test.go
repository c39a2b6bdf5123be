package wiring

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/events"
	"loophub/functions/writeback"
	"loophub/infra/local/awstest"
	"loophub/shared/attribution"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/validation"
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

var environment = fields{"LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_PARAMETERS": awstest.Prefix}

// file is the workspace, but for the expressions of the properties.
const file = `
workspace: tra-sen
name: Trà Sen
country: VN
currency: VND
timezone: Asia/Ho_Chi_Minh
connections:
  crm: {connector: hubspot, settings: {app_id: "` + app + `"}}
destinations:
  hub:
    connection: crm
    when: traits.city != ""
    properties: `

const properties = `{email: traits.email, firstname: traits.first_name, loophub_segments: segments, loophub_last_result: campaign.result,
      loophub_campaign: campaign.journey, loophub_campaign_at: campaign.at, loophub_orders: outcome.count, loophub_revenue: 'outcome.net("VND")'}`

// world is a workspace with a destination at a simulated HubSpot, and the function
// as it is deployed before the local tables.
type world struct {
	t *testing.T
	*awstest.Cloud
	*simulator.Simulator
	fault func(simulator.Call) simulator.Fault
	hub   hub.Workspace
	db    *dynamodb.Client
	log   bytes.Buffer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, Cloud: awstest.New(t)}
	w.db = dynamodb.NewFromConfig(w.Cloud.Config())
	w.hub = hub.New(w.db, awstest.Hub).In("tra-sen")
	w.SetParameter(awstest.Prefix+"/tra-sen/connections/crm/credentials", `{"access_token": "`+token+`"}`)
	w.apply(properties)
	var err error
	w.Simulator, err = simulator.New(simulator.Config{Token: token, App: app, Secret: secret, Hook: hook, Specs: os.Getenv("LOOPHUB_SPECS"), Now: w.Cloud.Now,
		Properties: []string{"loophub_segments", "loophub_last_result", "loophub_campaign", "loophub_campaign_at", "loophub_orders", "loophub_revenue"}, Requests: 1 << 20,
		Fault: func(c simulator.Call) simulator.Fault {
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

// apply makes a version of the definition, with the checks that everybody's has to pass.
func (w *world) apply(properties string) {
	w.t.Helper()
	known := []connector.Manifest{hubspot.New().Manifest}
	writer := definition.NewWriter(w.db, ssm.NewFromConfig(w.Cloud.Config()), awstest.Hub, awstest.Prefix, known,
		strings.NewReader(strings.Repeat("random bytes of a test, ", 10)), validation.Checks(known)...)
	if _, err := writer.Apply(w.t.Context(), []byte(file+properties)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// know puts a customer down, as unify does.
func (w *world) know(id profile.ID, traits fields, members ...profile.ID) {
	w.t.Helper()
	f, err := w.hub.Fragment(w.t.Context(), id)
	w.must(err)
	f.ID = id
	if len(members) > 0 {
		f.Members = members
	}
	f.State.Traits = map[string]profile.Register{}
	for name, v := range traits {
		f.State.Traits[name] = profile.Register{Version: f.Version, Value: events.Text(v)}
	}
	w.must(w.hub.Commit(w.t.Context(), f, nil, []profile.Change{profile.TraitsChanged}))
}

// segments puts down what a customer is in, as the segment stage does.
func (w *world) segments(id profile.ID, names ...string) {
	w.t.Helper()
	kept, err := w.hub.Memberships(w.t.Context(), []profile.ID{id})
	w.must(err)
	kept[0].Segments = map[string]profile.Standing{"left": {Rule: "r"}}
	for _, name := range names {
		kept[0].Segments[name] = profile.Standing{Since: 1, Rule: "r"}
	}
	w.must(w.hub.CommitMemberships(w.t.Context(), kept[0], nil, nil, nil))
}

// brought puts down what messages brought from a customer, as attribution does.
func (w *world) brought(id profile.ID, o attribution.Outcome) {
	w.t.Helper()
	kept, err := w.hub.Credits(w.t.Context(), []profile.ID{id})
	w.must(err)
	kept[0].Outcome = o
	w.must(w.hub.CommitCredits(w.t.Context(), attribution.Step{Members: kept, Changed: []bool{true}, Announced: true}))
}

// pause turns the destination off or on again.
func (w *world) pause(off bool) {
	w.t.Helper()
	c, err := w.hub.Controls(w.t.Context())
	w.must(err)
	_, err = w.hub.Turn(w.t.Context(), c, workspace.Turn{Control: workspace.Control(workspace.ControlDestination, "hub"), Off: off, At: w.Cloud.Now().UnixMilli(), By: "lan"})
	w.must(err)
}

// ledgers are those of all that tests know, by fragment.
func (w *world) ledgers() map[profile.ID]plan.Ledger {
	w.t.Helper()
	l, err := w.hub.Ledgers(context.WithoutCancel(w.t.Context()), []profile.ID{lan, hoa, guest}, "hub")
	w.must(err)
	byID := map[profile.ID]plan.Ledger{}
	for _, one := range l {
		byID[one.Fragment] = one
	}
	return byID
}

// due are the moments that the stage waits for, first come first.
func (w *world) due() []hub.Due {
	w.t.Helper()
	out, err := w.db.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: aws.String(awstest.Hub), FilterExpression: aws.String("begins_with(pk, :p)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "tra-sen#d#"}}})
	w.must(err)
	var l []hub.Due
	for _, item := range out.Items {
		at, what, _ := strings.Cut(item["sk"].(*types.AttributeValueMemberS).Value, "#"+writeback.Name+"|")
		d := hub.Due{Stage: writeback.Name, What: what}
		if _, err := fmt.Sscanf(at, "%013d", &d.At); err != nil {
			w.t.Fatal(err)
		}
		l = append(l, d)
	}
	slices.SortFunc(l, func(a, b hub.Due) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.What, b.What)) })
	return l
}

// worker is one running function; what it keeps ends with it. Its gate is passed
// at each call that it makes.
type worker struct {
	*world
	lambda.Handler
	gate func(call string, effect func() error) error
}

func (w *world) worker() *worker {
	w.t.Helper()
	one := &worker{world: w, gate: func(_ string, effect func() error) error { return effect() }}
	config := w.Cloud.Config()
	config.HTTPClient = client{one}
	var err error
	one.Handler, err = join(deps.Deps{Config: config, Getenv: func(n string) string { return environment[n] }, Now: w.Cloud.Now, Log: &w.log},
		outside{nil, one, func(context.Context, time.Duration) error { return nil }, func() float64 { return 0.5 }})
	w.must(err)
	return one
}

// client is the way to AWS.
type client struct{ *worker }

func (c client) Do(r *http.Request) (response *http.Response, err error) {
	err = c.gate(r.Header.Get("X-Amz-Target"), func() error {
		var e error
		response, e = c.Cloud.Do(r)
		return e
	})
	return response, err
}

// RoundTrip is the way to HubSpot.
func (w *worker) RoundTrip(r *http.Request) (response *http.Response, err error) {
	err = w.gate("HTTP "+r.URL.Path, func() error {
		var e error
		w.announced(r)
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
	ledgers := w.ledgers()
	for _, in := range sent.Inputs {
		for name, value := range in.Properties {
			pending := in.IDProperty == name // the key names the contact
			for _, l := range ledgers {
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
	out, err := w.Invoke(ctx, queue(w.t, bodies...))
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
	one := w.worker()
	for range 50 {
		if bodies = one.run(w.t.Context(), bodies...); len(bodies) > 0 {
			w.Advance(time.Minute)
			continue
		}
		due := w.due()
		if len(due) == 0 {
			return
		}
		w.Advance(max(0, time.UnixMilli(due[0].At).Sub(w.Cloud.Now())))
		due = slices.DeleteFunc(due, func(d hub.Due) bool { return d.At > w.Cloud.Now().UnixMilli() })
		w.must(w.hub.Disarm(w.t.Context(), due))
		for _, d := range due {
			bodies = append(bodies, message(w.t, events.DueReached, events.Due{What: d.What, At: d.At}))
		}
	}
	w.t.Fatalf("it never comes to rest: due %v", w.due())
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
	for name, l := range w.ledgers() {
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
