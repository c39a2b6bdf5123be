package wiring_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/functions/unify/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/profile"
	"loophub/shared/writeback"
)

// TestEchoes: of what HubSpot tells, that which we wrote there ourselves is no
// fact; what people change is. It runs on the function as it is deployed.
func TestEchoes(t *testing.T) {
	cloud, log := awstest.New(t), &bytes.Buffer{}
	db, parameters := dynamodb.NewFromConfig(cloud.Config()), ssm.NewFromConfig(cloud.Config())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, []connector.Manifest{hubspot.New().Manifest},
		strings.NewReader(strings.Repeat("random bytes of a test, ", 10)))
	_, err := writer.Apply(t.Context(), []byte("workspace: saigon\nname: Tea\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\n"+
		"connections:\n  crm: {connector: hubspot, settings: {app_id: '7'}}\n"))
	must(err)
	const secret, hook = "loophub-public-test-secret", "https://hooks.example/saigon/crm"
	account, err := simulator.New(simulator.Config{Secret: secret, Hook: hook, Now: cloud.Now})
	must(err)
	part := hub.New(db, awstest.Hub).In("saigon")
	source, err := hubspot.New().Source(connector.Settings{Values: map[string]string{"app_id": "7"}, Country: "VN"})
	must(err)
	environment := map[string]string{"LOOPHUB_INBOX_TABLE": awstest.Inbox, "LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_RETRY_QUEUE": awstest.Queue,
		"LOOPHUB_OVERFLOW_BUCKET": awstest.Bucket, "LOOPHUB_PARAMETERS": awstest.Prefix}
	stage, err := wiring.New(deps.Deps{Config: cloud.Config(), Now: cloud.Now, Log: log, Getenv: func(name string) string { return environment[name] }})
	must(err)
	deliver := func() {
		t.Helper()
		hooks, err := account.Webhooks()
		must(err)
		var e lambdaevents.SQSEvent
		for _, r := range hooks {
			k := delivery.Key{Workspace: "saigon", Connection: "crm"}
			k.Object, k.Delivery = source.Key(r)
			_, _, err := inbox.New(db, awstest.Inbox, nil).Put(t.Context(), delivery.Seal(delivery.Delivery{Key: k, Request: r}))
			must(err)
			e.Records = append(e.Records, lambdaevents.SQSMessage{MessageId: k.Delivery, EventSource: "aws:sqs", Body: k.Workspace + " " + k.String()})
		}
		payload, err := json.Marshal(e)
		must(err)
		if out, err := stage.Invoke(t.Context(), payload); err != nil || len(hooks) != 1 || string(out) != `{"batchItemFailures":[]}` {
			t.Fatalf("%d webhooks: %s, %v", len(hooks), out, err)
		}
	}
	said := func(id string) map[string]string {
		t.Helper()
		facts, err := part.Facts(t.Context(), "crm|customer|"+id)
		must(err)
		l := map[string]string{}
		for _, f := range facts {
			for name, v := range f.Fields {
				l[name] = v.String()
			}
		}
		return l
	}
	const lan = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	id := account.Edit("lan@example.vn", nil)
	deliver()
	before := said(id)
	must(part.CommitLedger(t.Context(), "hub", writeback.Ledger{Fragment: lan, Record: id,
		Fields: map[string]writeback.Written{"firstname": {Value: "Lan", At: cloud.Now().UnixMilli()}, "city": {Value: "Huế", At: cloud.Now().UnixMilli()}}}))
	must(part.Point(t.Context(), "crm", id, "hub", lan, []profile.ID{lan}))
	account.Edit("lan@example.vn", map[string]string{"firstname": "Lan", "city": "Huế"})
	deliver()
	if diff := cmp.Diff(before, said(id)); diff != "" || before["email"] != "lan@example.vn" || !strings.Contains(log.String(), `"echo":2`) {
		t.Errorf("what we wrote ourselves is taken in: %s\n%s", diff, log)
	}
	account.Edit("lan@example.vn", map[string]string{"firstname": "Lan Anh"})
	deliver()
	before["first_name"] = "Lan Anh"
	if diff := cmp.Diff(before, said(id)); diff != "" {
		t.Errorf("what a person changed: %s", diff)
	}
}
