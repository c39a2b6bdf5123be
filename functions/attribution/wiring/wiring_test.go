package wiring_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/functions/attribution/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/attribution"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
)

var environment = map[string]string{"LOOPHUB_HUB_TABLE": awstest.Hub}

const lan = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")

// TestNew: the handler as it is deployed counts what lies in the table.
func TestNew(t *testing.T) {
	c, log := awstest.New(t), &bytes.Buffer{}
	d := deps.Deps{Config: c.Config(), Now: c.Now, Log: log, Getenv: func(name string) string { return environment[name] }}
	db := dynamodb.NewFromConfig(c.Config())
	writer := definition.NewWriter(db, ssm.NewFromConfig(c.Config()), awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}},
		strings.NewReader(strings.Repeat("random bytes of a test, ", 100)))
	file := "workspace: saigon\nname: Tea\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\nconnections:\n  shop: {connector: till}\n"
	if _, err := writer.Apply(t.Context(), []byte(file)); err != nil {
		t.Fatal(err)
	}
	table := hub.New(db, awstest.Hub).In("saigon")
	at := c.Now().UnixMilli()
	o := profile.Order{At: at, Record: "shop|order|1", Total: 90_000, Currency: "VND"}
	if err := table.Commit(t.Context(), profile.Fragment{ID: lan, State: profile.State{Orders: 1, Recent: []profile.Order{o}}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	m := attribution.Credits{Fragment: lan, Messages: []attribution.Message{{
		Sent:       attribution.Sent{ID: "1", Journey: "back", Template: "ten", Connection: "shop", At: at - 9},
		Engagement: attribution.Engagement{Clicked: at - 5, Clicks: []int64{at - 5}}}}}
	if err := table.CommitCredits(t.Context(), attribution.Step{Members: []attribution.Credits{m}, Changed: []bool{true}}); err != nil {
		t.Fatal(err)
	}
	h, err := wiring.New(d)
	if err != nil {
		t.Fatal(err)
	}
	e, err := events.NewProfileChanged("saigon", c.Now(), []events.ProfileChange{{Fragment: string(lan), Version: 1, Profile: string(lan), Parts: []string{"orders"}}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := events.ForQueue(e)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{MessageId: "1", Body: body}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out, err := h.Invoke(t.Context(), payload); err != nil || string(out) != `{"batchItemFailures":[]}` {
			t.Fatalf("%s, %v, %s", out, err, log)
		}
		counters, err := table.Counters(t.Context(), "back")
		if err != nil || counters[attribution.Key{Journey: "back", Template: "ten", Measure: "net:VND"}] != 90_000 || len(counters) != 5 {
			t.Error(counters, err)
		}
	}
	for missing := range environment {
		d.Getenv = func(name string) string {
			if name == missing {
				return ""
			}
			return environment[name]
		}
		if _, err := wiring.New(d); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v", missing, err)
		}
	}
}
