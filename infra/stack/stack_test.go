package stack_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"loophub/infra/stack"
	"loophub/infra/stack/snapshot"
)

const snapshotFile = "snapshot/template.json"

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// What the template says is asserted in package snapshot, which needs neither the CDK nor Node. What remains to show
// here is that the snapshot is what the stack synthesizes.
func TestSnapshotIsCurrent(t *testing.T) {
	compare(t, normalised(t, synth(t, "loophub")))
}

// `make synth` names the template that the CDK's own command made, so that flags in cdk.json or on the command line
// can't make what is deployed differ from what is tested.
func TestFullSynthIsSnapshot(t *testing.T) {
	path := os.Getenv("LOOPHUB_TEMPLATE")
	if path == "" {
		t.Skip("infra/stack: left out, LOOPHUB_TEMPLATE names no template (make synth sets it)")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(lines(snapshot.Template()), lines(normalised(t, b))); d != "" {
		t.Errorf("what `cdk synth` made is not the snapshot (-snapshot +synth):\n%s", d)
	}
}

// Bus, log groups and parameters are named by us. A second deployment in the account must not meet the first.
func TestDeploymentsShareNoName(t *testing.T) {
	got := string(synth(t, "acme"))
	for _, name := range regexp.MustCompile(`[^"]*loophub[^"]*`).FindAllString(got, -1) {
		switch name {
		case "loophub", // the source of events, asserted below
			"loophub:stage":
		default:
			t.Errorf("deployment acme names %q", name)
		}
	}
	if n, rules := strings.Count(got, `"loophub"`), strings.Count(got, `"AWS::Events::Rule"`); n != rules || n == 0 {
		t.Errorf("deployment acme holds %d times \"loophub\", want once in each of %d rules: the source of its events", n, rules)
	}
}

// Stages is what Check and `make build` go by; a function that it leaves out would be found missing at deployment.
func TestStagesAreTheTemplates(t *testing.T) {
	var template struct {
		Resources map[string]struct{ Metadata map[string]string }
	}
	if err := json.Unmarshal(snapshot.Template(), &template); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range template.Resources {
		if s, ok := r.Metadata["loophub:stage"]; ok {
			got = append(got, s)
		}
	}
	want := stack.Stages()
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Stages() and the template (-Stages +template):\n%s", d)
	}
}

func TestCheckNamesTheStageNotBuilt(t *testing.T) {
	p := stack.Props{Build: build(t)}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(p.Build, "publish", "bootstrap")); err != nil {
		t.Fatal(err)
	}
	err := p.Check()
	if err == nil || !strings.Contains(err.Error(), "publish") || !strings.Contains(err.Error(), "make build") {
		t.Errorf("Check() = %v, want the stage and what to do", err)
	}
}

// compare fails unless got is the snapshot. With UPDATE=1 it rewrites the snapshot, and fails all the same.
func compare(t *testing.T, got []byte) {
	t.Helper()
	d := cmp.Diff(lines(snapshot.Template()), lines(got))
	if d == "" {
		return
	}
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(snapshotFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("rewrote %s; read its difference before you commit it, then run again", snapshotFile)
	}
	t.Errorf("%s is stale (-snapshot +stack); if you meant that, `make snapshot`:\n%s", snapshotFile, d)
}

// synth returns the template of a deployment with the given name.
func synth(t *testing.T, name string) []byte {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("infra/stack: left out, node is not installed")
	}
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(out), AnalyticsReporting: jsii.Bool(false)})
	stack.New(app, name, stack.Props{Build: build(t)})
	app.Synth(nil)
	b, err := os.ReadFile(filepath.Join(out, name+".template.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// build makes a folder as `make build` does, with empty binaries.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, s := range stack.Stages() {
		if err := os.Mkdir(filepath.Join(dir, s), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, s, "bootstrap"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var assetKey = regexp.MustCompile(`"[0-9a-f]{64}\.zip"`)

// normalised sorts the template's keys and forgets the hashes of what the functions run, which change with every build.
func normalised(t *testing.T, template []byte) []byte {
	t.Helper()
	var v any
	if err := json.Unmarshal(assetKey.ReplaceAll(template, []byte(`"bootstrap.zip"`)), &v); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func lines(b []byte) []string { return strings.Split(string(b), "\n") }
