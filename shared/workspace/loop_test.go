package workspace_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/workspace"
)

const day = 24 * time.Hour

// pass finds nothing wrong.
func pass(workspace.Workspace, workspace.Refuse) {}

func whole(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLoop(t *testing.T) {
	got, err := workspace.Parse([]byte(whole(t)), known, pass)
	if err != nil {
		t.Fatal(err)
	}
	want := workspace.Workspace{
		Policies: workspace.Policies{
			Quiet:       &workspace.Quiet{From: "21:00", To: "08:00"},
			Caps:        []workspace.Cap{{Channel: "ses", Purpose: workspace.Marketing, AtMost: 3, Within: 7 * day}, {AtMost: 1, Within: 90 * time.Minute}},
			Duplicates:  day,
			Attribution: workspace.Attribution{Click: map[string]time.Duration{"ses": 5 * day}, Voucher: 30 * day},
		},
		Vouchers: map[string]workspace.Voucher{"come-back-10": {Name: "come-back-10", About: "Ten per cent off"}, "spare": {Name: "spare"}},
		Templates: map[string]workspace.Template{
			"come-back": {Name: "come-back", About: "Says hello again", Connection: "email", Purpose: workspace.Marketing, Locale: "vi",
				Contents: map[string]workspace.Content{
					"vi":    {Subject: `Chào {{ traits.first_name | default: "bạn" }}`, HTML: "<p>Trà mới về: {{ voucher.code }}</p>\n", Text: "Trà mới về"},
					"pt-BR": {Subject: "Olá", Text: "Chá novo"},
				},
				Sample: map[string]string{"traits.first_name": "Lan", "event.name": "2026"}},
			"confirm-newsletter": {Name: "confirm-newsletter", Connection: "email", Purpose: workspace.Confirmation, Locale: "en",
				Contents: map[string]workspace.Content{"en": {Subject: "Please confirm", HTML: `<a href="{{ links.confirm }}">Yes</a>`}}},
		},
		Journeys: map[string]workspace.Journey{
			"come-back": {
				Name: "come-back", About: "Wins back", Trigger: workspace.Trigger{Entered: "lapsed", When: "has(traits.city)"},
				ReEntry: workspace.ReEntry{After: 60 * day}, Holdout: 10,
				Goal: &workspace.Goal{Event: "order.placed", Within: 14 * day}, Exit: `"blocked" in tags`,
				Steps: []workspace.Step{
					{ID: "start", Split: []workspace.Variant{
						{Name: "a", Share: 60, Steps: []workspace.Step{{Voucher: "come-back-10"}, {Send: "come-back"}}},
						{Name: "b", Share: 40}}},
					{Wait: &workspace.Wait{For: 3 * day}},
					{Wait: &workspace.Wait{Until: "09:00"}},
					{Wait: &workspace.Wait{For: 14 * day, Until: "23:59"}},
					{WaitFor: &workspace.WaitFor{Event: "message.clicked", TimeOut: 2 * day,
						Then: []workspace.Step{{Tag: &workspace.Tag{Add: "won-back"}}, {Tag: &workspace.Tag{Remove: "lapsed"}}},
						Else: []workspace.Step{{Task: &workspace.Task{Title: "Call her", Note: "She likes oolong"}}}}},
					{Branch: &workspace.Branch{When: "orders.count > 3",
						Then: []workspace.Step{{Exit: true}}, Else: []workspace.Step{{Goto: "start"}}}},
				}},
			"left":     {Name: "left", Trigger: workspace.Trigger{Left: "lapsed"}, Steps: []workspace.Step{{Exit: true}}},
			"event":    {Name: "event", Trigger: workspace.Trigger{Event: "brewing-guide"}, ReEntry: workspace.ReEntry{Always: true}, Steps: []workspace.Step{{Exit: true}}},
			"birthday": {Name: "birthday", Trigger: workspace.Trigger{Date: &workspace.Date{Trait: "birthday", Before: 3 * day, At: "09:00"}}, Steps: []workspace.Step{{Voucher: "come-back-10"}, {Send: "come-back"}}},
			"called":   {Name: "called", Trigger: workspace.Trigger{API: true}, Steps: []workspace.Step{{Voucher: "come-back-10"}, {Send: "come-back"}}},
		},
		Destinations: map[string]workspace.Destination{"crm": {Name: "crm", Connection: "hubspot", When: `consent("email:marketing")`,
			Properties: map[string]string{"email": "traits.email", "loophub_revenue": `outcome.net("VND")`}}},
	}
	for _, part := range []struct{ want, got any }{
		{want.Policies, got.Policies}, {want.Vouchers, got.Vouchers}, {want.Templates, got.Templates},
		{want.Journeys, got.Journeys}, {want.Destinations, got.Destinations},
	} {
		if d := cmp.Diff(part.want, part.got); d != "" {
			t.Error(d)
		}
	}
}

func TestLoopNeedsAReader(t *testing.T) {
	for _, section := range []string{"segments", "templates", "journeys", "destinations"} {
		if _, err := workspace.Parse([]byte(whole(t)), known); err == nil || !strings.Contains(err.Error(), section+" can't be checked here") {
			t.Errorf("%s that nobody checked are let in: %v", section, err)
		}
	}
}

// TestLoopRefused: whole.yaml with one thing wrong is refused, at the place where
// the mistake stands.
func TestLoopRefused(t *testing.T) {
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			text := whole(t)
			at := strings.Index(text, tt.from)
			if at < 0 {
				t.Fatal("there is nothing to replace")
			}
			changed := text[:at] + tt.to + text[at+len(tt.from):]
			_, err := workspace.Parse([]byte(changed), known, pass)
			if err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("want %q alone, got:\n%v", tt.want, err)
			}
			var line, column int
			if _, err := scan(err.Error(), &line, &column); err != nil {
				t.Fatal(err)
			}
			stands := string([]rune(strings.Split(changed, "\n")[line-1])[column-1:])
			if !strings.HasPrefix(stands, tt.stands) {
				t.Errorf("the mistake is told at %q, want %q: %v", stands, tt.stands, err)
			}
		})
	}
}

// TestPlaces: what a check refuses by its path is told where it stands.
func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		path         string
		line, column int
		stands, want string
	}{
		{"journeys.come-back.steps[0].split[0].steps[1].send", 0, 0, "come-back}]}", `journey "come-back": no`},
		{"journeys.come-back.steps[0].split[0].steps[1].send", 1, 3, "me-back}]}", `journey "come-back": no`},
		{"journeys.come-back.exit", 1, 14, "tags'", `journey "come-back": no`},
		{"journeys.come-back.steps[5].branch.when", 1, 8, "count > 3", `journey "come-back": no`},
		{"journeys.come-back.steps[1].wait.for", 0, 0, "3d", `journey "come-back": no`},
		{"journeys.come-back.steps[9].send", 4, 2, "steps:", `journey "come-back": no`},
		{"journeys.come-back", 0, 0, "come-back:", `journey "come-back": no`},
		{"templates.come-back.contents.vi.html", 1, 16, "{{ voucher.code }}", `template "come-back": no`},
		{"templates.come-back.contents.vi.subject", 1, 6, "{{ traits", `template "come-back": no`},
		{"templates.come-back.sample.traits.first_name", 0, 0, "Lan", `template "come-back": no`},
		{"policies.caps[1].at_most", 0, 0, "1,", "policies: no"},
		{"destinations.crm.properties.email", 1, 8, "email,", `destination "crm": no`},
		{"destinations.crm.properties", 0, 0, "properties:", `destination "crm": no`},
		{"nothing.of.this[2]", 3, 3, "workspace:", "no"},
	} {
		text := whole(t)
		_, err := workspace.Parse([]byte(text), known, pass, func(_ workspace.Workspace, refuse workspace.Refuse) {
			refuse(tt.path, tt.line, tt.column, "no")
		})
		var problems workspace.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Reason != tt.want {
			t.Errorf("%s: want %q, got %v", tt.path, tt.want, err)
			continue
		}
		p := problems[0]
		if stands := string([]rune(strings.Split(text, "\n")[p.Line-1])[p.Column-1:]); !strings.HasPrefix(stands, tt.stands) {
			t.Errorf("%s is told at %q, want %q", tt.path, stands, tt.stands)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1min": time.Minute, "90min": 90 * time.Minute, "36h": 36 * time.Hour, "30d": 30 * day, "2w": 14 * day, "3650d": 3650 * day,
		"": 0, "d": 0, "3": 0, "0d": 0, "-1d": 0, "+1d": 0, "03d": 0, "1.5h": 0, "3 d": 0, "3D": 0, "1m": 0, "1y": 0, "3651d": 0, "99999999999w": 0,
	} {
		if got, ok := workspace.Duration(text); got != want || ok != (want > 0) {
			t.Errorf("%q: want %v, got %v %v", text, want, got, ok)
		}
	}
}
