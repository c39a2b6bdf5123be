package simulation

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	bug    = flag.String("bug", "", "the mistake that TestMistake plants")
	plants = flag.Bool("mistakes", false, "whether TestMistakes plants all of them, which takes minutes")
)

const root = "../.."

// TestMistakesAreCurrent: what is to be replaced stands where the table says, once.
func TestMistakesAreCurrent(t *testing.T) {
	if len(mistakes) < 20 {
		t.Errorf("only %d mistakes", len(mistakes))
	}
	names := map[string]bool{}
	for _, m := range mistakes {
		if names[m.name] || m.why == "" {
			t.Errorf("%s: its name is another's, or it says no reason", m.name)
		}
		names[m.name] = true
		if _, err := m.text(); err != nil {
			t.Error(err)
		}
	}
}

// text is the file with the mistake in it.
func (m mistake) text() ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, fmt.Errorf("planting %s: %w", m.name, err)
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 || m.old == m.new {
		return nil, fmt.Errorf("planting %s: what it replaces stands %d times in %s; the table is stale", m.name, n, m.file)
	}
	return bytes.Replace(text, []byte(m.old), []byte(m.new), 1), nil
}

// TestMistake plants the mistake that -bug names, and succeeds when a world finds it.
func TestMistake(t *testing.T) {
	if *bug == "" {
		t.Skip("-bug names no mistake")
	}
	n := slices.IndexFunc(mistakes, func(m mistake) bool { return m.name == *bug })
	if n < 0 {
		var names []string
		for _, m := range mistakes {
			names = append(names, m.name)
		}
		t.Fatalf("there is no mistake %q, but\n  %s", *bug, strings.Join(names, "\n  "))
	}
	plant(t, mistakes[n])
}

// TestMistakes plants all, two at a time, and proves that each is found, by worlds that find nothing without it.
func TestMistakes(t *testing.T) {
	if !*plants {
		t.Skip("left out without -mistakes: it compiles every mistake")
	}
	t.Run("none", func(t *testing.T) {
		out, err := lives(t, build(t, nil), *worlds)
		if err != nil {
			t.Fatalf("without a mistake:\n%s", out)
		}
	})
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			plant(t, m)
		})
	}
}

// found is the first line of a world that failed, and how to see it again.
var found = regexp.MustCompile(`(?s)(promise \d: [^\n]*).*?(make simulate WORLDS=1 SEED=\d+)`)

// plant compiles a mistake and has the worlds find it.
func plant(t *testing.T, m mistake) {
	t.Helper()
	out, err := lives(t, build(t, &m), *worlds)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	hit := found.FindStringSubmatch(out)
	if err == nil || hit == nil {
		t.Errorf("%s (%s): %d worlds from seed %d on found nothing\n%s", m.name, m.why, *worlds, *seed, out)
		return
	}
	t.Logf("%s is found: %s\n  %s BUG=%s", m.name, hit[1], hit[2], m.name)
}

// build compiles these tests, with a mistake or without.
func build(t *testing.T, m *mistake) string {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "worlds")
	args := []string{"test", "-c", "-o", binary}
	if m != nil {
		text, err := m.text()
		if err != nil {
			t.Fatal(err)
		}
		original, err := filepath.Abs(filepath.Join(root, m.file))
		if err != nil {
			t.Fatal(err)
		}
		replaced, overlay := filepath.Join(folder, "replaced.go"), filepath.Join(folder, "overlay.json")
		list, err := json.Marshal(map[string]map[string]string{"Replace": {original: replaced}})
		if err == nil {
			err = errors.Join(os.WriteFile(replaced, text, 0o600), os.WriteFile(overlay, list, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "-overlay", overlay)
	}
	c := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	return binary
}

// lives has a binary let worlds live, up to the first that finds something.
func lives(t *testing.T, binary string, n int) (string, error) {
	t.Helper()
	args := []string{"-test.run", "^TestWorlds$", "-first", "-worlds", fmt.Sprint(n), "-seed", fmt.Sprint(*seed)}
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := c.CombinedOutput()
	return string(out), err
}
