package wiring

import (
	"maps"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/aws/deps"
)

// TestNew: the function as it is deployed in a local cloud, over a socket.
func TestNew(t *testing.T) {
	w := newWorld(t)
	w.know(lan, lansTraits)
	server := httptest.NewServer(w.Simulator)
	defer server.Close()
	start := func(env fields) (*worker, error) {
		h, err := New(deps.Deps{Config: w.Cloud.Config(), Getenv: func(n string) string { return env[n] }, Now: w.Cloud.Now, Log: &w.log})
		return &worker{world: w, Handler: h}, err
	}
	env := maps.Clone(environment)
	env["LOOPHUB_OUTBOUND"] = "hubspot=" + server.URL
	one, err := start(env)
	if err != nil {
		t.Fatal(err)
	}
	if again := one.run(t.Context(), changed(t, lan)); len(again) > 0 {
		t.Error("the message comes again")
	}
	w.holds("lan@example.vn", fields{"firstname": "Lan"})
	for name := range environment {
		less := maps.Clone(environment)
		delete(less, name)
		if _, err := start(less); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	env["LOOPHUB_OUTBOUND"] = "hubspot"
	if _, err := start(env); err == nil {
		t.Error("a simulator without a URL is taken")
	}
}

// TestVendorsDocument: what the stage sends, and what the simulator answers, is as
// the vendor's document says. All tests here hold it to that where it is at hand.
func TestVendorsDocument(t *testing.T) {
	if os.Getenv("LOOPHUB_SPECS") == "" {
		t.Skip("LOOPHUB_SPECS is not set: no call of this stage is held to the vendor's OpenAPI document")
	}
	w := newWorld(t)
	w.know(lan, lansTraits)
	w.settle(changed(t, lan))
	if n := w.Simulator.Calls(); n != 2 || len(w.Problems()) > 0 {
		t.Errorf("%d calls: %q", n, w.Problems())
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
