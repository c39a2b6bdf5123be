package wiring_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/functions/sweep/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
)

var environment = map[string]string{"LOOPHUB_INBOX_TABLE": awstest.Inbox, "LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_SPILL_QUEUE": awstest.Queue}

func TestNew(t *testing.T) {
	c, log := awstest.New(t), &bytes.Buffer{}
	d := deps.Deps{Config: c.Config(), Now: c.Now, Log: log, Getenv: func(name string) string { return environment[name] }}
	h, err := wiring.New(d)
	if err != nil {
		t.Fatal(err)
	}
	c.Push("not a delivery")
	for range 2 { // the scheduler's event, whatever it holds
		if out, err := h.Invoke(t.Context(), []byte(`{"source":"aws.scheduler"}`)); err != nil || string(out) != "null" {
			t.Errorf("%s, %v", out, err)
		}
	}
	if c.Calls("sqs.ReceiveMessage") != 3 || !strings.Contains(log.String(), `"msg":"failed"`) {
		t.Error(c.Calls("sqs.ReceiveMessage"), log)
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

// TestIdleMinute: of two workspaces for which nothing waits, a minute is one look
// at the registry, and of each two small items, the four partitions of the hour and what is held.
func TestIdleMinute(t *testing.T) {
	c, log := awstest.New(t), &bytes.Buffer{}
	db := dynamodb.NewFromConfig(c.Config())
	writer := definition.NewWriter(db, ssm.NewFromConfig(c.Config()), awstest.Hub, awstest.Prefix, []connector.Manifest{{Name: "till"}},
		strings.NewReader(strings.Repeat("random bytes of a test, ", 100)))
	for _, id := range []string{"saigon", "hanoi"} {
		if _, err := writer.Apply(t.Context(), []byte("workspace: "+id+"\nname: Tea\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\nconnections:\n  shop: {connector: till}\n")); err != nil {
			t.Fatal(err)
		}
	}
	h, err := wiring.New(deps.Deps{Config: c.Config(), Now: c.Now, Log: log, Getenv: func(name string) string {
		if name == "LOOPHUB_SEGMENT_QUEUE" {
			return awstest.Queue
		}
		return environment[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := func() (gets, queries, writes int) {
		g, q, p := c.Calls("dynamodb.GetItem"), c.Calls("dynamodb.Query"), c.Calls("dynamodb.PutItem")
		if _, err := h.Invoke(t.Context(), []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		return c.Calls("dynamodb.GetItem") - g, c.Calls("dynamodb.Query") - q, c.Calls("dynamodb.PutItem") - p
	}
	run() // looks back a week, once
	c.Advance(10 * time.Minute)
	run()
	c.Advance(time.Minute)
	if gets, queries, writes := run(); gets != 4 || queries != 1+2*5 || writes != 0 {
		t.Error(gets, queries, writes)
	}
	// A moment that is armed is asked for once it has come.
	if err := hub.New(db, awstest.Hub).In("hanoi").Arm(t.Context(), "journey", "x", c.Now()); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	if run(); !strings.Contains(log.String(), `"failures":1`) {
		t.Error("a moment of a stage without a queue is not spoken of", log)
	}
}
