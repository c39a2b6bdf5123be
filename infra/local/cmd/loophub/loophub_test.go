package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
	"loophub/infra/local/runtimeapi"
	"loophub/infra/local/stage"
	"loophub/infra/local/store"
)

const root = "../../../../"

func demo() options {
	return options{workspace: root + demoWorkspace, story: root + "testdata/demo/story.yaml"}
}

// TestStory plays the demo shop and checks every figure through the public API.
func TestStory(t *testing.T) {
	var out bytes.Buffer
	if err := story(t.Context(), demo(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
}

// TestStoryFindsDifferences: a story that expects something else fails, and says where.
func TestStoryFindsDifferences(t *testing.T) {
	o := demo()
	o.story = filepath.Join(t.TempDir(), "story.yaml")
	text := `
begins: 2026-10-03T09:00:00+07:00
acts:
  - act: nothing happens
    steps:
      - check: nobody is there
        get: /v1/profiles?email=lan.nguyen@example.vn
        want: {profiles: [{orders: {count: 1}}]}
`
	if err := os.WriteFile(o.story, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := story(t.Context(), o, &out)
	if err == nil || !strings.Contains(out.String(), "profiles: 1 items are wanted, there are 0") {
		t.Errorf("error %v, output %s", err, out.String())
	}
}

func TestDifferences(t *testing.T) {
	want := map[string]any{"a": "*", "l": []any{map[string]any{"n": 1}}}
	for _, c := range []struct {
		got  any
		want int
	}{
		{map[string]any{"a": "x", "l": []any{map[string]any{"n": 1.0, "more": true}}}, 0},
		{map[string]any{"a": "", "l": []any{map[string]any{"n": 1.0}}}, 1},
		{map[string]any{"l": []any{map[string]any{"n": 2.0}}}, 2},
		{map[string]any{"a": "x", "l": []any{}}, 1},
		{"text", 1},
	} {
		if got := differences("", want, c.got); len(got) != c.want {
			t.Errorf("%v: differences %q, want %d", c.got, got, c.want)
		}
	}
}

// TestRefusals: what can't start says in one line what to do.
func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	held := t.TempDir()
	holder, err := store.Open(held, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("workspace: saigon\nname: x\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\nconections: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "name a command"},
		{[]string{"fly"}, `there is no command "fly"`},
		{[]string{"run", "-port", port, "-workspace", root + demoWorkspace}, "port " + port + " is in use; choose another"},
		{[]string{"run", "-port", "0", "-workspace", bad}, "bad.yaml:6:1: "},
		{[]string{"run", "-port", "0", "-workspace", "nowhere.yaml"}, "reading the workspace file: open nowhere.yaml"},
		{[]string{"samples"}, "name the folder of payloads"},
		{[]string{"story", "-data", root}, "-data is for run"},
		{[]string{"run", "-data", held}, held + ": another process uses it: pid"},
		{[]string{"apply", "-workspace", root + demoWorkspace}, "name the Hub table"},
	} {
		err := command(t.Context(), c.args, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("loophub %v: %v, want %q", c.args, err, c.want)
		}
	}
}

// TestBootstraps plays the story with the compiled functions: each stage is the
// binary that is deployed (but for the processor), a process of its own under a
// Lambda Runtime API, and speaks to the local cloud over the loopback.
func TestBootstraps(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: it compiles every stage")
	}
	folder := t.TempDir()
	for _, name := range stage.Names() {
		build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(folder, name, "bootstrap"), "loophub/functions/"+name+"/lambda")
		if b, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, b)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endpoint, err := listen(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	systems, err := listen(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	handlers := map[string]lambda.Factory{}
	for _, name := range stage.Names() {
		handlers[name] = stage.Told(simulated(systems), runtimeapi.Process(ctx, filepath.Join(folder, name, "bootstrap"), "http://"+endpoint.Addr().String(), variables))
	}
	front, err := listen(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHub(ctx, nil, local.Options{Handlers: handlers, Clock: clock.Wall()}, address(front))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { h.stop() }()
	door := &http.Server{Handler: h.cloud.Endpoint()}
	defer door.Close()
	go door.Serve(endpoint) //nolint:errcheck // it ends with Close
	serve(h, front, h.console())
	text, err := os.ReadFile(demo().workspace)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.apply(ctx, text); err != nil {
		t.Fatal(err)
	}
	if err := h.simulate(systems); err != nil {
		t.Fatal(err)
	}
	tale, err := readStory(demo().story)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	tale.Acts = tale.Acts[:1] // processes live by the wall's clock: time can't pass for them
	if wrong, err := h.tell(ctx, tale, true, &out); err != nil || wrong > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// variables are what the template may give a function.
var variables = []string{"LOOPHUB_INBOX_TABLE", "LOOPHUB_HUB_TABLE", "LOOPHUB_BUS", "LOOPHUB_SPILL_QUEUE", "LOOPHUB_RETRY_QUEUE",
	"LOOPHUB_OVERFLOW_BUCKET", "LOOPHUB_PARAMETERS", "LOOPHUB_SEGMENT_QUEUE", "LOOPHUB_JOURNEY_QUEUE", "LOOPHUB_MESSAGE_QUEUE",
	"LOOPHUB_WRITEBACK_QUEUE", "LOOPHUB_CONFIGURATION_SET", "LOOPHUB_LINKS_URL", stage.Outbound}

// TestSamples sends the payloads that lie beside the project through a hub.
func TestSamples(t *testing.T) {
	dir := os.Getenv("LOOPHUB_SAMPLES")
	if dir == "" {
		t.Skip("left out: LOOPHUB_SAMPLES names no folder of payloads")
	}
	var out bytes.Buffer
	if err := sendSamples(t.Context(), options{dir: dir}, &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}
