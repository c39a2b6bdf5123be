package samples

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/events"
)

var at = time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)

// The samples lie outside this project; LOOPHUB_SAMPLES names their folder.
func TestSamples(t *testing.T) {
	dir := os.Getenv("LOOPHUB_SAMPLES")
	if dir == "" {
		t.Skip("LOOPHUB_SAMPLES is not set: no folder of samples to read")
	}
	if err := Run(dir, at, Decode, func(format string, args ...any) { t.Logf(strings.TrimSpace(format), args...) }); err != nil {
		t.Error(err)
	}
}

// folder makes a folder of samples with the files that the table names, each
// with a body, so that Run is tried without anybody's samples.
func folder(t *testing.T, bodies map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	expected, err := rows()
	if err != nil {
		t.Fatal(err)
	}
	for name := range expected {
		if _, ok := bodies[name]; !ok {
			bodies[name] = "{}"
		}
	}
	for name, body := range bodies {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// obedient answers as the table says.
func obedient(t *testing.T) func(Sample) (Result, error) {
	expected, err := rows()
	if err != nil {
		t.Fatal(err)
	}
	return func(s Sample) (Result, error) {
		var r Result
		for word := range strings.FieldsSeq(expected[s.File].expected) {
			if class, ok := strings.CutPrefix(word, "parked:"); ok {
				r.Faults = append(r.Faults, connector.Fault{Class: connector.FaultClass(class), Reason: "because"})
			} else if word != "nothing" {
				r.Kinds = append(r.Kinds, events.Kind(word))
			}
		}
		return r, nil
	}
}

func TestRun(t *testing.T) {
	var lines strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&lines, format, args...) }
	dir := folder(t, map[string]string{"haravan/orders_create-1.json": "{}", "haravan/orders_create-2.json": "{}"})
	if err := Run(dir, at, obedient(t), say); err != nil {
		t.Errorf("%v\n%s", err, lines.String())
	}
	for _, part := range []string{
		"haravan: 2 files left out", "shopify/rest_order-1.json: not sent", "orders_create-1.json (orders/create): customer order\n", "\n    because\n",
	} {
		if !strings.Contains(lines.String(), part) {
			t.Errorf("%q is missing in:\n%s", part, lines.String())
		}
	}
}

func TestRunFindsWhatIsNotExpected(t *testing.T) {
	for about, change := range map[string]func(dir string, send *func(Sample) (Result, error)) error{
		"another kind of fact": func(_ string, send *func(Sample) (Result, error)) error {
			was := *send
			*send = func(s Sample) (Result, error) {
				r, err := was(s)
				if s.Topic == "orders/create" {
					r.Kinds = append(r.Kinds, events.Cart)
				}
				return r, err
			}
			return nil
		},
		"a hub that refuses": func(_ string, send *func(Sample) (Result, error)) error {
			*send = func(Sample) (Result, error) { return Result{}, fmt.Errorf("answered 401") }
			return nil
		},
		"a file that the table does not name": func(dir string, _ *func(Sample) (Result, error)) error {
			return os.WriteFile(filepath.Join(dir, "shopify", "orders_paid-7.json"), []byte("{}"), 0o644)
		},
		"a file without a topic": func(dir string, _ *func(Sample) (Result, error)) error {
			return os.WriteFile(filepath.Join(dir, "shopify", "moon-1.json"), []byte("{}"), 0o644)
		},
		"a file that is gone": func(dir string, _ *func(Sample) (Result, error)) error {
			return os.Remove(filepath.Join(dir, "shopify", "orders_create-1.json"))
		},
	} {
		dir, send := folder(t, map[string]string{}), obedient(t)
		if err := change(dir, &send); err != nil {
			t.Fatal(err)
		}
		if err := Run(dir, at, send, func(string, ...any) {}); err == nil {
			t.Errorf("%s: is let pass", about)
		}
	}
	if Run(t.TempDir(), at, Decode, func(string, ...any) {}) == nil {
		t.Error("an empty folder is let pass")
	}
}

func TestTopicOf(t *testing.T) {
	for _, c := range []struct{ file, named, want string }{
		{"shopify/orders_create-1.json", "orders/create", "orders/create"},
		{"shopify/x-1.json", "orders/paid", "orders/paid"},
		{"shopify/customer.tags_added-1.json", "", "customer.tags_added"},
		{"shopify/customers_email_marketing_consent_update-12.json", "what a manifest says", "customers_email_marketing_consent/update"},
		{"shopify/rest_order-1.json", "REST backfill", ""},
	} {
		if got := topicOf("shopify", c.file, c.named); got != c.want {
			t.Errorf("%s, %q: %q; want %q", c.file, c.named, got, c.want)
		}
	}
}

// Every sample is signed so that its connector lets it through.
func TestSign(t *testing.T) {
	for name := range systems {
		s, ok := Settings(name)
		if !ok || s.Values == nil {
			t.Errorf("%s has no settings", name)
		}
		r, err := Sign(name, "orders/create", name+"/x-1.json", []byte(`{"id":1}`), at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(Sample{File: "x", Connector: name, Request: r}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Sign("haravan", "x", "x", nil, at); err == nil {
		t.Error("a system without a connector is signed")
	}
}
