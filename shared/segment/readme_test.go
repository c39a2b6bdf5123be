package segment_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// readyMade are the rules of the README, which are tested as they stand there.
func readyMade(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	block, _, ok := strings.Cut(rest, "```")
	var file struct {
		Segments map[string]struct{ About, When string }
	}
	if err := yaml.Unmarshal([]byte(block), &file); err != nil || !ok {
		t.Fatal("reading the README's rules:", err)
	}
	rules := map[string]string{}
	for name, s := range file.Segments {
		rules[name] = s.When
	}
	return rules
}
