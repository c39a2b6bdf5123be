package workspace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/workspace"
)

// noX refuses every x in a segment's rule, at its place.
func noX(w workspace.Workspace, refuse workspace.Refuse) {
	for name, s := range w.Segments {
		for n, line := range strings.Split(s.When, "\n") {
			for column, r := range []rune(line) {
				if r == 'x' {
					refuse("segments."+name+".when", n+1, column+1, "no x in "+w.Zone)
				}
			}
		}
	}
}

func TestSegments(t *testing.T) {
	const segments = `
segments:
  loyal: {about: More than three orders, when: orders.count > 3}
  members: {when: '"member" in tags'}
  both:
    when: |
      a &&
      b
`
	w, err := workspace.Parse([]byte(good+segments), known, noX)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]workspace.Segment{
		"loyal":   {Name: "loyal", About: "More than three orders", When: "orders.count > 3"},
		"members": {Name: "members", When: `"member" in tags`},
		"both":    {Name: "both", When: "a &&\nb\n"},
	}
	if d := cmp.Diff(want, w.Segments); d != "" {
		t.Error(d)
	}
	if _, err := workspace.Parse([]byte(good+segments), known); err == nil || !strings.Contains(err.Error(), `segments can't be checked here`) {
		t.Error("rules that nobody checked are let in:", err)
	}
	if w, err := workspace.Parse([]byte(good+"segments:\n"), known); err != nil || w.Segments != nil {
		t.Error("a file without rules needs no check:", err)
	}
}

// TestSegmentsRefused: the reason stands where the mistake is, however YAML writes the rule.
func TestSegmentsRefused(t *testing.T) {
	head := strings.Count(good, "\n") + 1 // the line of segments:
	for _, tt := range []struct {
		text         string
		line, column int // of the first problem, from the line of segments:
		want         string
	}{
		{"  a: {when: é x}", 1, 15, `segment "a": no x in Asia/Ho_Chi_Minh`},
		{"  a:\n    when: ab  x", 2, 15, "no x"},
		{"  a: {when: 'it''s x'}", 1, 20, "no x"},
		{`  a: {when: "\"b\" x"}`, 1, 20, "no x"},
		{`  a: {when: "\u0041x"}`, 1, 13, "at line 1, column 2 of the text: no x"},
		{"  a:\n    when: |\n      ab\n      c x\n", 4, 9, "no x"},
		{"  a:\n    when: |-\n\n      ab\n        x\n", 5, 9, "no x"},
		{"  a:\n    when: >\n      ab\n      c x\n", 2, 11, "at line 1, column 6 of the text: no x"},
		{"  a:\n    when: ab\n      x\n", 2, 11, "at line 1, column 4 of the text: no x"},
		{"  A: {when: a}", 1, 3, "its name stands in events and URLs"},
		{"  a: {}", 1, 3, `segment "a" lacks "when"; write for example: when: orders.count > 3`},
		{"  a: {when: }", 1, 3, `segment "a" lacks "when"`},
		{"  a:", 1, 5, `segment "a" must be a list of`},
		{"  a: {wenn: a, when: b}", 1, 7, `segment "a" has no key "wenn"; allowed are about, when`},
		{"  a: {when: [b]}", 1, 13, `"when" must be a text`},
		{"  a: b", 1, 6, `segment "a" must be a list of`},
		{"  a: {about: " + strings.Repeat("y", 201) + ", when: a}", 1, 14, "use at most 200 bytes"},
		{"  a: {when: " + strings.Repeat("y", 2_049) + "}", 1, 13, "has 2049 bytes; use at most 2048"},
		{"  a: {when: b}\n  a: {when: b}", 2, 3, "a second time"},
		{many(1_001), 1_001, 3, "one too many"},
	} {
		_, err := workspace.Parse([]byte(good+"segments:\n"+tt.text), known, noX)
		place := fmt.Sprintf("line %d, column %d: ", head+tt.line, tt.column)
		if err == nil || !strings.HasPrefix(err.Error(), place) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: want %s%s, got %v", tt.text, place, tt.want, err)
		}
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {when: a}\n", i)
	}
	return b.String()
}
