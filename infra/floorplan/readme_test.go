package floorplan

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDependencyTable: the README gives a reason for every module that we chose, and for no other.
func TestDependencyTable(t *testing.T) {
	table, _, _ := strings.Cut(readmeAfter(t, "## Dependencies\n"), "\n\n")
	var told []string
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(row, "|")
		if len(cells) != 4 || strings.TrimSpace(cells[2]) == "" {
			t.Fatalf("the row %q is not: module, why", row)
		}
		told = append(told, modules(cells[1])...)
	}
	for _, m := range chosen(t) {
		if at := slices.Index(told, m); at < 0 {
			t.Errorf("%s of go.mod has no reason in the README's table", m)
		} else {
			told = slices.Delete(told, at, at+1)
		}
	}
	for _, m := range told {
		t.Errorf("the README's table names %s, which go.mod does not choose, or names it twice", m)
	}
}

// modules are those of a table's cell: paths separated by commas, with the modules below one of them in parentheses.
func modules(cell string) []string {
	var l []string
	for _, m := range regexp.MustCompile(`([^\s,()]+)(?: \(([^)]*)\))?`).FindAllStringSubmatch(cell, -1) {
		l = append(l, m[1])
		for _, below := range strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ' ' }) {
			l = append(l, m[1]+"/"+below)
		}
	}
	return l
}

func TestModulesAreRead(t *testing.T) {
	want := []string{"a/sdk", "a/sdk/s3", "a/sdk/sqs", "a/b", "x.dev/y/v3"}
	if got := modules(" a/sdk (s3, sqs), a/b, x.dev/y/v3 "); !slices.Equal(got, want) {
		t.Errorf("modules() = %q, want %q", got, want)
	}
}

// chosen are the modules that go.mod requires directly, as the table writes them: without GitHub's host, and the services
// of AWS by their names alone.
func chosen(t *testing.T) []string {
	t.Helper()
	see(t)
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	var l []string
	for _, r := range file.Require {
		if !r.Indirect {
			l = append(l, strings.Replace(strings.TrimPrefix(r.Path, "github.com/"), "/service/", "/", 1))
		}
	}
	return l
}

// TestReadmeShowsTheDemo: each line of the README's example stands in the demo's workspace file, in that order.
func TestReadmeShowsTheDemo(t *testing.T) {
	example, _, _ := strings.Cut(readmeAfter(t, "```yaml\n"), "```")
	b, err := os.ReadFile(filepath.Join(root, "testdata/demo/workspace.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rest := strings.Split(string(b), "\n")
	for line := range strings.Lines(example) {
		at := slices.Index(rest, strings.TrimSuffix(line, "\n"))
		if at < 0 {
			t.Fatalf("the demo has no such line, or has it elsewhere: %s", line)
		}
		rest = rest[at+1:]
	}
}

// readmeAfter is the project's README from behind a text on.
func readmeAfter(t *testing.T, text string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(b), text)
	if !found {
		t.Fatalf("the README has no %q", text)
	}
	return after
}
