package validation_test

import (
	"os"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

const head = "workspace: saigon\nname: Trà Lan\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\n" +
	"connections: {email: {connector: ses}, hubspot: {connector: hubspot}}\n"

// known are connectors by the names that checks know, without their settings.
var known = []connector.Manifest{
	{Name: "ses", Channel: "email"},
	{Name: "hubspot", Outbound: &connector.Outbound{Key: "email", Property: `[a-z][a-z0-9_]*`, Traits: map[string]string{"email": "email"}}},
	{Name: "till", Settings: []connector.Setting{{Name: "shop"}, {Name: "token"}}},
}

func parse(text string) error {
	_, err := workspace.Parse([]byte(text), known, validation.Checks(known)...)
	return err
}

// TestChecks: for each kind of definition there is a check that reads it.
func TestChecks(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"segments: {a: {when: traits.town == ''}}", `line 7, column 28: segment "a": there is no trait "town"`},
		{"journeys: {a: {trigger: {api: true, when: orders.size > 1}, steps: [{exit: true}]}}", `line 7, column 49: journey "a": there is no "size"`},
		{"templates: {a: {connection: email, purpose: marketing, locale: vi, contents: {vi: {subject: Hi, text: '{{ traits.town }}'}}}}", `line 7, column 107: template "a": `},
		{"policies: {quiet_hours: {from: '21:00', to: '20:30'}}", `line 7, column 12: policies: they leave less than an hour`},
		{"destinations: {a: {connection: hubspot, properties: {email: traits.email, Sum: outcome.sum}}}", "line 7, column 80: destination \"a\": \"Sum\" is no name of a property there; it must look like [a-z][a-z0-9_]*\n" +
			`line 7, column 87: destination "a": there is no "sum"`},
	} {
		if err := parse(head + tt.text); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: want %q, got %v", tt.text, tt.want, err)
		}
	}
}

// TestShownFiles: what is shown passes all of them.
func TestShownFiles(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_, rest, _ := strings.Cut(read("../workspace/README.md"), "```yaml\n")
	loop, _, _ := strings.Cut(rest, "```")
	_, rest, _ = strings.Cut(read("../segment/README.md"), "```yaml\n")
	segments, _, _ := strings.Cut(rest, "```")
	for name, text := range map[string]string{
		"whole.yaml":              read("../workspace/testdata/whole.yaml"),
		"the README of workspace": head + "segments: {once-last-month: {when: orders.count == 1}}\n" + loop,
		"the README of segment":   head + segments,
	} {
		if err := parse(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
