package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"loophub/infra/local/clock"
	"loophub/infra/local/stage"
	"loophub/shared/workspace"
)

// TestInvitation: what people are told to try is there.
func TestInvitation(t *testing.T) {
	h, err := start(t.Context(), demo(), clock.Stopped(clock.Wall().Now()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { h.stop() }()
	var out bytes.Buffer
	h.invite(&out)
	for name, posted := range map[string]bool{"shop": true, "website": true, "crm": false, "email": false, "links": false, "operator": false} {
		if strings.Contains(out.String(), "/hooks/saigon/"+name) != posted {
			t.Errorf("%s: want %v in %s", name, posted, out.String())
		}
	}
}

// TestBadFilesChangeNothing applies bad files over a running workspace: each is
// refused whole, with a line and a reason, and the running version stays.
func TestBadFilesChangeNothing(t *testing.T) {
	h, err := start(t.Context(), demo(), clock.Stopped(clock.Wall().Now()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { h.stop() }()
	text, err := os.ReadFile(demo().workspace)
	if err != nil {
		t.Fatal(err)
	}
	good := string(text)
	for _, c := range []struct{ old, new, place, reason string }{
		{`when: orders.count == 1` + "\n", `when: traits.shoe == "42"` + "\n", "first-time", `no trait "shoe"`},
		{`quà nhỏ`, `{{ traits.shoe | default: "" }}`, "come-back", "no trait shoe"},
		{`firstname: traits.first_name`, `firstname: traits.shoe`, "crm", `no trait "shoe"`},
		{`- wait: 9d # for the goal`, `- {id: again, tag: {add: x}}` + "\n      - goto: again", "win-back", "in a circle without a wait"},
		{`- wait: 9d # for the goal`, "- exit: true\n      - wait: 9d", "win-back", "no way leads to this step"},
		{`{{ traits.first_name | default: "bạn" }},</p>`, `{{ traits.first_name }},</p>`, "come-back", "not known of everybody"},
		{"              - voucher: come-back-10\n", "", "come-back", "voucher.code is not known"},
		{`at_most: 2`, `at_most: 0`, "a cap", "a whole number from 1"},
		{`within: 7d`, `within: 0d`, "a cap", "write a whole number and"},
		{`Chào {{ traits.first_name | default: "bạn" }},</p>`, `Chào <{{ traits.first_name | default: "bạn" }}></p>`, "come-back", "write &lt;"},
		{"# A small tea shop", "# \xff", "", "UTF-8"},
		{"policies:", "\x00policies:", "", "not YAML"},
		{"      - wait: 9d # for the goal", strings.Repeat("[", 20_000), "", "not YAML"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("the demo shop's file does not say %q", c.old)
		}
		// The name changes as well: if any of the file counted, this would show.
		bad := strings.Replace(strings.Replace(good, "Trà Sen Sài Gòn", "Theirs", 1), c.old, c.new, 1)
		err := h.apply(t.Context(), []byte(bad))
		var problems workspace.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%q: %v", c.new, err)
			continue
		}
		if p := problems[0]; p.Line == 0 || !strings.Contains(err.Error(), c.reason) || !strings.Contains(err.Error(), c.place) {
			t.Errorf("%.60q: %v", c.new, err)
		}
	}
	applied, err := stage.Writer(h.cloud).Apply(t.Context(), text)
	if err != nil || applied.Changed || applied.Version != 1 {
		t.Errorf("version %d counts, changed %v: %v", applied.Version, applied.Changed, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/v1/journeys", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+h.token())
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if b, err := io.ReadAll(reply.Body); err != nil || !strings.Contains(string(b), "win-back") {
		t.Errorf("%s %v", b, err)
	}
}
