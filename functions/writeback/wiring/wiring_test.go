package wiring

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/infra/local/awstest"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
)

func TestJoin(t *testing.T) {
	env := fields{"LOOPHUB_HUB_TABLE": awstest.Hub, "LOOPHUB_PARAMETERS": awstest.Prefix}
	join := func(env fields) error {
		_, err := Join(deps.Deps{Config: awstest.New(t).Config(), Getenv: func(n string) string { return env[n] }, Now: time.Now},
			func(*hub.Hub) Parts { return Parts{Language: words{}} })
		return err
	}
	if err := join(env); err != nil {
		t.Error(err)
	}
	for name := range env {
		less := fields{}
		for n, v := range env {
			if n != name {
				less[n] = v
			}
		}
		if err := join(less); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if err := join(fields{"LOOPHUB_HUB_TABLE": "t", "LOOPHUB_PARAMETERS": "/p", "LOOPHUB_OUTBOUND": "hubspot"}); err == nil {
		t.Error("a simulator without a URL is taken")
	}
}

func TestSimulators(t *testing.T) {
	for text, want := range map[string]fields{
		"":                              {},
		"hubspot=http://127.0.0.1:4010": {"hubspot": "http://127.0.0.1:4010"},
		"hubspot=http://127.0.0.1:1, zoho=http://127.0.0.1:2": {"hubspot": "http://127.0.0.1:1", "zoho": "http://127.0.0.1:2"},
	} {
		got, err := simulators(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}
