package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestScripts plays testdata/dynamodb/*.txt: requests of the protocol, and below each, indented, what comes back.
//
//	for PutItem {"TableName":"conformance-pairs"}   members that every PutItem below has, unless it has its own
//	PutItem {"Item":{"pk":{"S":"{x*2049}"},…}}      {x*2049} stands for 2,049 times x
//	  ValidationException: …                        an error with its text, and its further members in JSON
//	GetItem {"Key":{…}}
//	  {"Item":{…}}                                  or the whole reply
//
// Each file has partition keys of its own, since all share the tables of a foreign endpoint. UPDATE=1 writes what the local
// cloud says and fails, so that the difference is read.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/dynamodb/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	each(t, func(t *testing.T, w *world) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { w.on(t).play(file) })
		}
	})
}

// play runs one script.
func (w *world) play(file string) {
	w.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	defaults := map[string]object{}
	var out bytes.Buffer
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		operation, body, _ := strings.Cut(line, " ")
		if operation == "for" {
			operation, body, _ = strings.Cut(body, " ")
			defaults[operation] = w.parse(file, i, body)
			continue
		}
		r := request{operation: operation, body: maps.Clone(defaults[operation])}
		if r.body == nil {
			r.body = object{}
		}
		maps.Copy(r.body, w.parse(file, i, body))
		want := ""
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			i++
			want = strings.TrimSpace(lines[i])
		}
		got := r.normal(w.ask(operation, r.text()))
		fmt.Fprintln(&out, "  "+folded(got.String()))
		if os.Getenv("UPDATE") == "" {
			w.expect(fmt.Sprintf("%s:%d: %s", file, i, abridged([]byte(line))), r, got, w.answer(file, i, want))
		}
	}
	if os.Getenv("UPDATE") == "" || bytes.Equal(out.Bytes(), text) {
		return
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		w.Fatal(err)
	}
	w.Errorf("%s rewritten; read the difference and run again without UPDATE", file)
}

// expect compares an answer with the one that a script tells. Another implementation may differ as the table says.
func (w *world) expect(where string, r request, got, want answer) {
	w.Helper()
	x := &exchange{request: r, ours: r.normal(want), theirs: got}
	if w.foreign {
		x.resolve()
	}
	if !x.same() {
		w.Errorf("%s\n got  %.1000s\n want %.1000s", where, x.theirs, x.ours)
	}
}

var repeated = regexp.MustCompile(`\{(.)\*(\d+)\}`)

// unfolded writes out what is repeated.
func unfolded(text string) string {
	return repeated.ReplaceAllStringFunc(text, func(s string) string {
		m := repeated.FindStringSubmatch(s)
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return s
		}
		return strings.Repeat(m[1], n)
	})
}

var long = regexp.MustCompile(`x{64,}|0{64,}`)

func folded(text string) string {
	return long.ReplaceAllStringFunc(text, func(s string) string { return fmt.Sprintf("{%c*%d}", s[0], len(s)) })
}

func (w *world) parse(file string, line int, text string) object {
	w.Helper()
	var o object
	if err := json.Unmarshal([]byte(unfolded(text)), &o); err != nil {
		w.Fatalf("%s:%d: %v", file, line+1, err)
	}
	return o
}

var failure = regexp.MustCompile(`^([A-Za-z]+): (.*?)( \{"(?:Item|CancellationReasons)":.*\})?$`)

// answer reads what a script expects.
func (w *world) answer(file string, line int, text string) answer {
	w.Helper()
	if m := failure.FindStringSubmatch(text); m != nil {
		a := answer{Code: m[1], Message: unfolded(m[2]), Body: object{}}
		if m[3] != "" {
			a.Body = w.parse(file, line, m[3])
		}
		return a
	}
	return answer{Body: w.parse(file, line, text)}
}
