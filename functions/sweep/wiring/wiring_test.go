package wiring_test

import (
	"bytes"
	"strings"
	"testing"

	"loophub/functions/sweep/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/deps"
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
