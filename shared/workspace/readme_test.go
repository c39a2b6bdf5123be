package workspace_test

import (
	"os"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/shared/workspace"
)

// The file that the README shows can be applied.
func TestReadmeIsRight(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	shown, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the README shows no file")
	}
	file := "workspace: saigon\nname: Trà Lan\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\n" +
		"connections: {email: {connector: ses}, hubspot: {connector: hubspot}}\nsegments: {once-last-month: {when: orders.count == 1}}\n" + shown
	w, err := workspace.Parse([]byte(file), []connector.Manifest{{Name: "ses", Channel: "email"}, {Name: "hubspot", Outbound: &connector.Outbound{}}}, pass)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Journeys["come-back"].Steps) != 4 || w.Policies.Quiet == nil || len(w.Destinations) != 1 {
		t.Errorf("%+v", w)
	}
	if err := valid(t, published(t), file); err != nil {
		t.Error(err)
	}
}
