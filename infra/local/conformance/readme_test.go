package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of differences in the README of infra/local is written from the list that the comparison goes by. UPDATE=1
// rewrites it and fails, so that the difference is read.
func TestREADMEListsTheDifferences(t *testing.T) {
	const file, begin, end = "../README.md", "<!-- differences -->\n", "<!-- end of differences -->"
	var want strings.Builder
	want.WriteString("| here | DynamoDB Local | decided by |\n|---|---|---|\n")
	for _, d := range differences {
		fmt.Fprintf(&want, "| %s | %s | %s |\n", d.here, d.there, d.page)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("the README has no place for the differences")
	}
	if got == want.String() {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the README lists\n%s\nthe comparison goes by\n%s", got, want.String())
	}
	if err := os.WriteFile(file, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Fatal("README.md rewritten; read the difference and run again without UPDATE")
}
