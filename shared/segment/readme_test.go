package segment_test

import (
	"os"
	"strings"
	"testing"

	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// file is a workspace file with the rules of the README.
func file(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	rules, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the README shows no rules")
	}
	return "workspace: saigon\nname: Trà Lan\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\n" + rules
}

// readyMade are the rules of the README, which are tested as they stand there.
func readyMade(t testing.TB) map[string]string {
	t.Helper()
	w, err := workspace.Parse([]byte(file(t)), nil, segment.Checks)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]string{}
	for name, s := range w.Segments {
		rules[name] = s.When
	}
	return rules
}

// TestFileIsRefused: a mistake in a rule is shown where it stands in the file.
func TestFileIsRefused(t *testing.T) {
	bad := strings.Replace(file(t), `orders.within("30d").count >= 1`, `orders.within("30d").count >= 1 && traits.town == ""`, 1)
	_, err := workspace.Parse([]byte(bad), nil, segment.Checks)
	const want = `line 9, column 104: segment "bought-lately": there is no trait "town"; write birthday, city, company,`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("want %q, got %v", want, err)
	}
}
