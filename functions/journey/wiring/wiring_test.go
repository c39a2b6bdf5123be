package wiring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	connector "loophub/connectors"
	"loophub/connectors/operator"
	"loophub/events"
	"loophub/functions/journey/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const (
	lan  = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	aDay = 24 * time.Hour
)

var environment = map[string]string{"LOOPHUB_INBOX_TABLE": awstest.Inbox, "LOOPHUB_HUB_TABLE": awstest.Hub}

// world is the function as it is deployed, on the local tables.
type world struct {
	*awstest.Cloud
	t       testing.TB
	handler lambda.Handler
	log     bytes.Buffer
	hub     hub.Workspace
	db      *dynamodb.Client
	began   time.Time
}

func newWorld(t testing.TB) *world {
	c := awstest.New(t)
	w := &world{Cloud: c, t: t, db: dynamodb.NewFromConfig(c.Config()), began: c.Now()}
	w.hub = hub.New(w.db, awstest.Hub).In("saigon")
	def := workspace.Workspace{ID: "saigon", Zone: "Asia/Ho_Chi_Minh", Vouchers: map[string]workspace.Voucher{"ten": {}},
		Templates: map[string]workspace.Template{"gift": {Connection: "email", Purpose: workspace.Marketing}},
		Journeys: map[string]workspace.Journey{"come-back": {Trigger: workspace.Trigger{Entered: "lost"}, Steps: []workspace.Step{
			{Voucher: "ten"}, {Send: "gift"}, {Wait: &workspace.Wait{For: 3 * aDay}}, {Tag: &workspace.Tag{Add: "reminded"}}, {Task: &workspace.Task{Title: "Call"}}}}}}
	body, err := json.Marshal(def)
	w.must(err)
	// As definition.Writer leaves it.
	_, err = w.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(awstest.Hub), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "saigon#definition"}, "sk": &types.AttributeValueMemberS{Value: "CURRENT"},
		"fv": &types.AttributeValueMemberN{Value: "1"}, "v": &types.AttributeValueMemberN{Value: "1"},
		"y": &types.AttributeValueMemberS{Value: "-"}, "d": &types.AttributeValueMemberS{Value: string(body)}}})
	w.must(err)
	f := profile.Fragment{ID: lan}
	f.SetMembers([]profile.ID{lan})
	w.must(w.hub.Commit(t.Context(), f, nil, nil))
	in := profile.Memberships{Fragment: lan, Segments: map[string]profile.Standing{"lost": {Since: 1}}}
	w.must(w.hub.CommitMemberships(t.Context(), in, nil, nil, nil))
	w.handler, err = wiring.New(deps.Deps{Config: c.Config(), Getenv: func(name string) string { return environment[name] }, Now: c.Now, Log: &w.log})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// tell invokes the function as its queue does; ok tells that the message is done.
func (w *world) tell(kind string, data any) (ok bool) {
	w.t.Helper()
	e, err := events.NewEnvelope("saigon", kind, w.Now(), data)
	w.must(err)
	body, err := events.ForQueue(e)
	w.must(err)
	payload, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{MessageId: "m", Body: body}}})
	w.must(err)
	out, err := w.handler.Invoke(w.t.Context(), payload)
	w.must(err)
	var r lambdaevents.SQSEventResponse
	w.must(json.Unmarshal(out, &r))
	return len(r.BatchItemFailures) == 0
}

func (w *world) entered() bool {
	w.t.Helper()
	return w.tell(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: "lost", At: w.began.UnixMilli(), Cause: events.ByTime})
}

// sweep lets everything come that is armed until now.
func (w *world) sweep() bool {
	w.t.Helper()
	done := true
	for page, err := range w.hub.Dues(w.t.Context(), w.began.UnixMilli(), w.Now().UnixMilli()) {
		w.must(err)
		for _, d := range page.List {
			done = w.tell(events.DueReached, events.Due{What: d.What, At: d.At}) && done
		}
	}
	return done
}

func (w *world) entries() []journey.Entry {
	w.t.Helper()
	l, err := w.hub.Entries(w.t.Context(), []profile.ID{lan}, "come-back")
	w.must(err)
	return l
}

// count counts items whose sort key begins with a prefix.
func (w *world) count(prefix string) int {
	w.t.Helper()
	out, err := w.db.Query(w.t.Context(), &dynamodb.QueryInput{TableName: aws.String(awstest.Hub), KeyConditionExpression: aws.String("pk = :p AND begins_with(sk, :s)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "saigon#g#" + string(lan)}, ":s": &types.AttributeValueMemberS{Value: prefix}}})
	w.must(err)
	return len(out.Items)
}

func TestJourney(t *testing.T) {
	w := newWorld(t)
	_, err := w.hub.Upload(t.Context(), "ten", []string{"AAA", "BBB"})
	w.must(err)
	for range 2 {
		if !w.entered() {
			t.Fatal(w.log.String())
		}
	}
	l := w.entries()
	if len(l) != 1 || l[0].Status != journey.Active || l[0].Due != w.began.Add(3*aDay).UnixMilli() || w.count("m#") != 1 {
		t.Fatal(l, w.log.String())
	}
	w.Advance(3*aDay - time.Second)
	if !w.sweep() || w.count("t#") != 0 {
		t.Error("too early: ", w.entries())
	}
	w.Advance(30 * time.Second)
	for range 2 {
		if !w.sweep() {
			t.Fatal(w.log.String())
		}
	}
	if l = w.entries(); l[0].Status != journey.Finished || w.count("t#") != 1 || w.count("m#") != 1 {
		t.Error(l)
	}
	if free, used, err := w.hub.CountCodes(t.Context(), "ten"); free != 1 || used != 1 || err != nil {
		t.Error(free, used, err)
	}
	w.tagged(l[0])
	if s := w.log.String(); !strings.Contains(s, `"stage":"journey"`) || strings.Contains(s, "AAA") || strings.Contains(s, `"msg":"failed"`) {
		t.Error(s)
	}
}

// tagged holds the delivery to what the operator's connector reads.
func (w *world) tagged(e journey.Entry) {
	w.t.Helper()
	source, err := operator.New().Source(connector.Settings{})
	w.must(err)
	r, err := operator.Tags{Tags: []operator.Tag{{Fragment: string(lan), Add: "reminded", Cause: e.ID + ".4.3"}}, By: "journey"}.Request(w.Now())
	w.must(err)
	k := delivery.Key{Workspace: "saigon", Connection: operator.Name}
	k.Object, k.Delivery = source.Key(r)
	d, err := inbox.New(w.db, awstest.Inbox, nil).Get(w.t.Context(), k, w.Now())
	w.must(err)
	facts, faults := source.Decode(d.Request)
	if len(facts) != 1 || len(faults) != 0 || facts[0].Fields["tag:reminded"].String() != "+" || facts[0].Fields["fragment"].String() != string(lan) {
		w.t.Error(facts, faults)
	}
}

// TestPausedJourney: what comes is held under the control, and begins later.
func TestPausedJourney(t *testing.T) {
	w := newWorld(t)
	pause := workspace.Turn{Control: workspace.Control(workspace.ControlJourney, "come-back"), Off: true}
	controls, err := w.hub.Turn(t.Context(), workspace.Controls{}, pause)
	w.must(err)
	if !w.entered() || len(w.entries()) != 0 {
		t.Fatal(w.entries(), w.log.String())
	}
	out, err := w.db.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String(awstest.Hub), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "saigon#h#journey|come-back"}}})
	w.must(err)
	if len(out.Items) != 1 {
		t.Fatal(out.Items)
	}
	pause.Off = false
	_, err = w.hub.Turn(t.Context(), controls, pause)
	w.must(err)
	stage, what, _ := strings.Cut(out.Items[0]["sk"].(*types.AttributeValueMemberS).Value, "|")
	w.Advance(time.Hour)
	if stage != "journey" || !w.tell(events.DueReached, events.Due{What: what}) || len(w.entries()) != 1 {
		t.Error(stage, what, w.log.String())
	}
}

// TestEveryCallFails: each call of the way fails once, before or after its effect,
// and the message comes again: the table is the one without a failure.
func TestEveryCallFails(t *testing.T) {
	run := func(fail int, after bool) (calls int, end string) {
		w := newWorld(t)
		_, err := w.hub.Upload(t.Context(), "ten", []string{"AAA"})
		w.must(err)
		w.Fault = func(string) *awstest.Fault {
			if calls++; calls != fail {
				return nil
			}
			return &awstest.Fault{Status: 500, Code: "InternalServerError", After: after}
		}
		deliver := func(f func() bool) {
			for range 3 {
				if f() {
					return
				}
			}
			t.Fatal("it fails for good: ", w.log.String())
		}
		deliver(w.entered)
		w.Advance(3*aDay + time.Second)
		id := journey.Cause{Way: journey.ByEntered, Name: "lost", Record: string(lan), At: w.began.UnixMilli()}.Entry("come-back")
		due := events.Due{What: "entry|" + string(lan) + "|come-back|" + id}
		deliver(func() bool { return w.tell(events.DueReached, due) })
		w.Fault = nil
		e := w.entries()
		return calls, fmt.Sprint(len(e), e[0].Status, e[0].Count, w.count("m#"), w.count("t#"), *e[0].Voucher)
	}
	calls, want := run(0, false)
	if calls < 15 {
		t.Fatal(calls)
	}
	for n := 1; n <= calls; n++ {
		for _, after := range []bool{false, true} {
			if _, got := run(n, after); got != want {
				t.Errorf("call %d failed (after effect: %v): %s, want %s", n, after, got, want)
			}
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
