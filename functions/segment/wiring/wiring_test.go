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
	"loophub/functions/segment/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

const file = `
workspace: saigon
name: Tea
country: VN
currency: VND
timezone: Asia/Ho_Chi_Minh
connections:
  shop: {connector: till}
segments:
  fresh: {when: 'orders.within("30d").count > 0'}
  many: {when: 'orders.within("300d").count > 12'}
`

var environment = map[string]string{"LOOPHUB_HUB_TABLE": awstest.Hub}

func TestFromEventToMemberships(t *testing.T) {
	c, log := awstest.New(t), &bytes.Buffer{}
	db, parameters := dynamodb.NewFromConfig(c.Config()), ssm.NewFromConfig(c.Config())
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}},
		strings.NewReader(strings.Repeat("random bytes of a test, ", 10)), segment.Checks)
	if _, err := writer.Apply(t.Context(), []byte(file)); err != nil {
		t.Fatal(err)
	}
	const id = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	f := profile.Fragment{ID: id, State: profile.State{Orders: 13}}
	for n := range 12 {
		f.State.Recent = append(f.State.Recent, profile.Order{At: c.Now().UnixMilli() - int64(n), Record: "shop|order|" + string(rune('m'-n)), Currency: "VND"})
	}
	older := profile.Order{At: c.Now().UnixMilli() - 100, Record: "shop|order|1", Currency: "VND"}
	w := hub.New(db, awstest.Hub).In("saigon")
	if err := w.Commit(t.Context(), f, []profile.Move{{Order: older, Put: true}}, nil); err != nil {
		t.Fatal(err)
	}
	d := deps.Deps{Config: c.Config(), Now: c.Now, Log: log, Getenv: func(name string) string { return environment[name] }}
	h, err := wiring.New(d)
	if err != nil {
		t.Fatal(err)
	}
	e, err := events.NewProfileChanged("saigon", c.Now(), []events.ProfileChange{{Fragment: string(id), Version: 1, Profile: string(id), Parts: []string{"orders"}}})
	if err != nil {
		t.Fatal(err)
	}
	body, err := events.ForQueue(e)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{MessageId: "1", Body: body}, {MessageId: "2", Body: "no event"}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out, err := h.Invoke(t.Context(), payload); err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"2"}]}` {
			t.Fatalf("%s, %v", out, err)
		}
	}
	kept, err := w.Memberships(t.Context(), []profile.ID{id})
	if err != nil || kept[0].Version != 1 || !kept[0].Segments["fresh"].In() || !kept[0].Segments["many"].In() || kept[0].Armed == 0 {
		t.Fatal(kept, err)
	}
	armed := 0
	for page, err := range w.Dues(t.Context(), kept[0].Armed, kept[0].Armed) {
		if err != nil {
			t.Fatal(err)
		}
		for _, due := range page.List {
			if armed++; due != (hub.Due{Stage: "segment", What: string(id), At: kept[0].Armed}) {
				t.Error(due)
			}
		}
	}
	if armed != 1 || !strings.Contains(log.String(), `"entered":2`) || !strings.Contains(log.String(), `"stale":1`) {
		t.Error(armed, log)
	}
	for missing := range environment {
		d.Getenv = func(name string) string { return strings.TrimPrefix(environment[name], environment[missing]) }
		if _, err := wiring.New(d); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v", missing, err)
		}
	}
}
