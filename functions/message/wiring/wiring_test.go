package wiring_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	lambda "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/functions/message/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

var environment = map[string]string{"LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_PARAMETERS": awstest.Prefix,
	"LOOPHUB_CONFIGURATION_SET": "loophub", "LOOPHUB_LINKS_URL": "https://links.example"}

const lan = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")

func TestNew(t *testing.T) {
	c := awstest.New(t)
	d := deps.Deps{Config: c.Config(), Now: c.Now, Log: &bytes.Buffer{}}
	for name := range environment {
		for _, bad := range []string{"", "no address"} {
			if bad != "" && name != "LOOPHUB_LINKS_URL" {
				continue
			}
			d.Getenv = func(asked string) string {
				if asked == name {
					return bad
				}
				return environment[asked]
			}
			if _, err := wiring.New(d); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s is %q: %v", name, bad, err)
			}
		}
	}
}

// On the real tables: a request that may not be sent is dropped, one that is
// stopped is held, and nothing reaches the channel.
func TestOnTheTables(t *testing.T) {
	c, log := awstest.New(t), &bytes.Buffer{}
	db, parameters := dynamodb.NewFromConfig(c.Config()), ssm.NewFromConfig(c.Config())
	writer := definition.NewWriter(db, parameters, awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}}, strings.NewReader(strings.Repeat("random bytes of a test, ", 100)))
	file := "workspace: saigon\nname: Tea\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\nconnections:\n  shop: {connector: till}\n"
	if _, err := writer.Apply(t.Context(), []byte(file)); err != nil {
		t.Fatal(err)
	}
	h, err := wiring.New(deps.Deps{Config: c.Config(), Now: c.Now, Log: log, Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		t.Fatal(err)
	}
	table := hub.New(db, awstest.Hub).In("saigon")
	if err := table.Commit(t.Context(), profile.Fragment{ID: lan}, nil, nil); err != nil {
		t.Fatal(err)
	}
	r := message.Request{ID: message.NewID(c.Now(), "1"), Fragment: lan, Connection: "shop", Template: "t", Purpose: workspace.Marketing, At: c.Now().Add(-time.Hour).UnixMilli()}
	if _, err := table.Request(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	controls, err := table.Turn(t.Context(), workspace.Controls{}, workspace.Turn{Control: workspace.ControlAll, Off: true})
	if err != nil {
		t.Fatal(err)
	}
	invoke := func() {
		t.Helper()
		e, err := events.NewEnvelope("saigon", events.MessageRequested, c.Now(), events.Message{Fragment: string(lan), Message: r.ID})
		if err != nil {
			t.Fatal(err)
		}
		body, err := events.ForQueue(e)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(lambda.SQSEvent{Records: []lambda.SQSMessage{{MessageId: "1", Body: body}}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err := h.Invoke(t.Context(), payload); err != nil || string(out) != `{"batchItemFailures":[]}` {
			t.Fatalf("%s, %v, %s", out, err, log)
		}
	}
	invoke()
	if m, err := table.Message(t.Context(), lan, r.ID); err != nil || !m.Is(message.Requested) || !strings.Contains(log.String(), `"msg":"held"`) {
		t.Error(m, err, log)
	}
	if _, err := table.Turn(t.Context(), controls, workspace.Turn{Control: workspace.ControlAll}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		invoke()
		if m, err := table.Message(t.Context(), lan, r.ID); err != nil || m.Reason != message.NoChannel || !m.Is(message.Dropped) {
			t.Error(m, err, log)
		}
	}
}
