package workspace_test

import (
	"errors"
	"strings"
	"testing"
	_ "time/tzdata"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/shared/workspace"
)

var known = []connector.Manifest{
	{Name: "till", Settings: []connector.Setting{
		{Name: "shop", About: "the shop's domain", Required: true, Pattern: `[a-z0-9-]+\.till\.example`},
		{Name: "token", About: "the till's access token", Sensitive: true, Pattern: `tk_[a-z0-9]+`},
		{Name: "channel", About: "where it sells", Default: "pos"},
	}},
	{Name: "ping"},
	{Name: "ses", Channel: "email"},
	{Name: "hubspot", Outbound: &connector.Outbound{}},
	{Name: "clerk", Internal: true},
}

const good = `
workspace: saigon
name: Trà Lan
country: VN
currency: VND
timezone: Asia/Ho_Chi_Minh
connections:
  shop:
    connector: till
    settings: {shop: tra-lan.till.example, token: tk_1}
  bell: {connector: ping}
identity:
  denied_emails: [Shop@tra-lan.example]
  denied_phones: [0000000000, "khách 1"]
`

func TestParse(t *testing.T) {
	got, err := workspace.Parse([]byte(good), known)
	if err != nil {
		t.Fatal(err)
	}
	want := workspace.Workspace{
		ID: "saigon", Name: "Trà Lan", Country: "VN", Currency: "VND", Zone: "Asia/Ho_Chi_Minh",
		Connections: map[string]workspace.Connection{
			"shop": {Name: "shop", Connector: "till", Settings: map[string]string{
				"shop": "tra-lan.till.example", "token": "tk_1", "channel": "pos"}},
			"bell":  {Name: "bell", Connector: "ping", Settings: map[string]string{}},
			"clerk": {Name: "clerk", Connector: "clerk", Settings: map[string]string{}},
		},
		Identity: workspace.Identity{
			DeniedEmails: []string{"shop@tra-lan.example"}, DeniedPhones: []string{"0000000000", "khách 1"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, from, to string // good with from replaced by to
		want           []string
	}{
		{"unknown key", "name: Trà Lan", "nam: Trà Lan", []string{
			`line 2, column 1: "name" is missing; write for example: name: Trà Lan`,
			`line 3, column 1: the file has no key "nam"; allowed are workspace, name,`}},
		{"upper case id", "workspace: saigon", "workspace: Saigon", []string{`line 2, column 12: "workspace" can't be "Saigon"; use up to 40 lower-case`}},
		{"country", "country: VN", "country: VX", []string{`line 4, column 10: "country" can't be "VX"; use the two-letter code`}},
		{"currency", "currency: VND", "currency: đồng", []string{`line 5, column 11: "currency" can't be "đồng"; use the three-letter`}},
		{"zone", "Asia/Ho_Chi_Minh", "Asia/Saigon City", []string{`line 6, column 11: "timezone" can't be "Asia/Saigon City"; use a name of the IANA`}},
		{"zone of the machine", "Asia/Ho_Chi_Minh", "Local", []string{`line 6, column 11: "timezone" can't be "Local"`}},
		{"empty value", "name: Trà Lan", "name:", []string{`line 3, column 6: "name" is empty; write for example`}},
		{"list for a text", "name: Trà Lan", "name: [a]", []string{`line 3, column 7: "name" must be a single text`}},
		{"alias", "name: Trà Lan", "name: *x", []string{`not YAML: unknown anchor 'x'`}},
		{"merge", "bell: {connector: ping}", "bell: {<<: {connector: ping}}", []string{
			`line 11, column 3: connection "bell" lacks its connector; write: connector: hubspot, ping, ses or till`, `line 11, column 10: a key must be a plain word`}},
		{"twice", "name: Trà Lan", "name: a\nname: b", []string{`line 4, column 1: "name" stands here a second time, first in line 3; remove one`}},
		{"no connector", "{connector: ping}", "{connector: pong}", []string{`line 11, column 21: connection "bell": there is no connector "pong"; write hubspot, ping, ses or till`}},
		{"internal connector", "{connector: ping}", "{connector: clerk}", []string{`there is no connector "clerk"`}},
		{"name of an internal connector", "bell:", "clerk:", []string{`line 11, column 3: connection "clerk" is always there for operators; choose another name`}},
		{"connection without body", "bell: {connector: ping}", "bell:", []string{`connection "bell" must be a list of`}},
		{"connection name", "bell:", "Bell 1:", []string{`connection "Bell 1": its name stands in URLs`}},
		{"setting missing", "shop: tra-lan.till.example, ", "", []string{`line 8, column 3: connection "shop" lacks the setting "shop" (the shop's domain); add it under settings:`}},
		{"setting unknown", "token: tk_1", "tokn: tk_1", []string{`line 10, column 44: connection "shop": till has no setting "tokn"; write shop, token or channel`}},
		{"settings of a connector without", "{connector: ping}", "{connector: ping, settings: {a: b}}", []string{`ping has no setting "a"; it has none, so remove the line`}},
		{"pattern", "tra-lan.till.example", "tra-lan.example", []string{`line 10, column 22: connection "shop": setting "shop" can't be "tra-lan.example"; give the shop's domain (pattern`}},
		{"pattern of a sensitive setting", "tk_1", "hunter2", []string{`setting "token" does not look like the till's access token`}},
		{"e-mail", "Shop@tra-lan.example", "Shop", []string{`line 13, column 19: "Shop" is not an e-mail address`}},
		{"phone", `"khách 1"`, `"khách"`, []string{`line 14, column 31: "khách" holds no digit`}},
		{"denied not a list", "[Shop@tra-lan.example]", "a@b.example", []string{`"denied_emails" must be a list`}},
		{"identity not a mapping", "identity:\n  denied_emails: [Shop@tra-lan.example]\n  denied_phones: [0000000000, \"khách 1\"]", "identity: x", []string{`identity must be a list of`}},
		{"second document", "identity:", "---\nidentity:", []string{`line 12, column 1: a second document begins here`}},
		{"tab", "  bell:", "\tbell:", []string{"line 11: not YAML: found character that cannot start any token; check indentation"}},
		{"several at once", "country: VN\ncurrency: VND", "country: vn\ncurrency: vnd", []string{"line 4, column 10", "line 5, column 11"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.from, tt.to, 1)
			if text == good {
				t.Fatal("the test changes nothing")
			}
			_, err := workspace.Parse([]byte(text), known)
			var problems workspace.Problems
			if !errors.As(err, &problems) || len(problems) != len(tt.want) {
				t.Fatalf("want %d problems, got:\n%v", len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("problem %d: want %q in:\n%v", i, want, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a sensitive value stands in the reason")
			}
		})
	}
}

func TestParseRefusesWhatIsNoFile(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "the file is empty",
		"# nothing\n":                            "the file is empty",
		"- a\n":                                  "line 1, column 1: the file must be a list of `key: value` lines",
		"a: [":                                   "line 1: not YAML: missing, here or in what begins here: node content; check",
		"a: b\nc: [d\n":                          "line 2: not YAML: missing, here or in what begins here: ',' or ']'; check",
		"a:\n  b: {c: d\n  e: f\n":               "line 2: not YAML: missing,",
		"a: b\n- c\n":                            "line 2: not YAML: missing, here or in what begins here: key; check",
		strings.Repeat("#", workspace.MaxSize+1): "the file is larger than 128 KB",
		strings.Repeat("[", 20_000):              "not YAML",
		"\x00":                                   "not YAML",
		"workspace: \xff":                        "not YAML",
	} {
		if _, err := workspace.Parse([]byte(text), known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: want %q, got %v", text, want, err)
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{"a": true, "tra-lan-2": true, strings.Repeat("a", 40): true,
		"": false, "-a": false, "A": false, "a#b": false, "a/b": false, strings.Repeat("a", 41): false, "à": false} {
		if workspace.ValidID(id) != want {
			t.Errorf("%q: want %v", id, want)
		}
	}
}

// FuzzParse holds what Parse accepts to its promises, and its refusals to theirs.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(good + "segments: {a: {when: 'x'}}"))
	f.Add([]byte(good + "segments:\n  a:\n    when: |\n      x"))
	f.Add([]byte(whole(f)))
	f.Add([]byte("a: &b [*b]"))
	f.Add([]byte("? {a: b}\n: c"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := workspace.Parse(text, known, noX)
		if err != nil {
			var problems workspace.Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("not problems: %v", err)
			}
			for _, p := range problems {
				if p.Reason == "" || p.Line < 0 || !utf8.ValidString(p.Reason) || strings.Contains(p.Reason, "\n") {
					t.Fatalf("no reason to show: %#v", p)
				}
			}
			return
		}
		if !workspace.ValidID(w.ID) || w.Name == "" || w.Zone == "" || len(w.Country) != 2 || len(w.Currency) != 3 {
			t.Fatalf("incomplete: %+v", w)
		}
		for name, c := range w.Connections {
			if c.Name != name || !workspace.ValidID(name) || c.Connector == "" || c.Settings == nil {
				t.Fatalf("connection %q: %+v", name, c)
			}
			if c.Connector == "till" && c.Settings["shop"] == "" {
				t.Fatalf("connection %q lacks a required setting", name)
			}
		}
		for name, j := range w.Journeys {
			if len(j.Steps) == 0 || j.Name != name {
				t.Fatalf("journey %q: %+v", name, j)
			}
			workspace.Walk("", j.Steps, func(at string, s workspace.Step) {
				if _, there := w.Templates[s.Send]; s.Send != "" && !there {
					t.Fatalf("journey %q%s sends what is not there", name, at)
				}
			})
		}
	})
}
