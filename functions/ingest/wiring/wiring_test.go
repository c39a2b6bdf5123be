package wiring_test

import (
	"bytes"
	"strings"
	"testing"

	"loophub/functions/ingest/wiring"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/deps"
)

var environment = map[string]string{
	"LOOPHUB_INBOX_TABLE":     awstest.Inbox,
	"LOOPHUB_HUB_TABLE":       awstest.Hub,
	"LOOPHUB_SPILL_QUEUE":     awstest.Queue,
	"LOOPHUB_OVERFLOW_BUCKET": awstest.Bucket,
	"LOOPHUB_PARAMETERS":      awstest.Prefix,
}

func TestNew(t *testing.T) {
	c, log := awstest.New(t), &bytes.Buffer{}
	d := deps.Deps{Config: c.Config(), Now: c.Now, Log: log, Getenv: func(name string) string { return environment[name] }}
	h, err := wiring.New(d)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := h.Invoke(t.Context(), []byte(`{"rawPath":"/hooks/saigon/shop","body":"","headers":{}}`))
		if err != nil || !strings.Contains(string(out), `"statusCode":404`) {
			t.Errorf("%s, %v", out, err)
		}
	}
	if c.Calls("dynamodb.GetItem") != 1 || strings.Count(log.String(), `"msg":"unknown"`) != 2 {
		t.Error(log)
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
