package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	connector "loophub/connectors"
	"loophub/events"

	"github.com/google/go-cmp/cmp"
)

// fixture is one request with what it must give. Its folder holds headers.txt
// (a line "METHOD rest?query" if it is not a plain POST, then headers), one file
// body.*, and want.json.
type fixture struct {
	name    string
	dir     string
	request connector.Request
}

// want is the golden of a fixture.
type want struct {
	Object   string            `json:"object"`
	Delivery string            `json:"delivery"`
	Answer   *answer           `json:"answer,omitempty"`
	Facts    []fact            `json:"facts"`
	Faults   []connector.Fault `json:"faults"`
}

type fact struct {
	Kind    events.Kind   `json:"kind"`
	Record  string        `json:"record"`
	Version int64         `json:"version"`
	At      int64         `json:"at"`
	Fields  events.Fields `json:"fields"`
}

type answer struct {
	Final  bool        `json:"final"`
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   string      `json:"body,omitempty"`
}

// Load reads the request of one fixture's folder, for a connector's own tests.
func Load(dir string) (connector.Request, error) {
	r := connector.Request{Method: http.MethodPost, Header: http.Header{}, Query: url.Values{}, ReceivedAt: Received}
	head, err := os.ReadFile(filepath.Join(dir, "headers.txt"))
	if err != nil {
		return r, fmt.Errorf("reading fixture: %w; write the headers of the request, one a line, without the signature", err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(head)), "\n") {
		name, value, isHeader := strings.Cut(line, ": ")
		if isHeader {
			r.Header.Add(name, value)
			continue
		}
		method, target, _ := strings.Cut(line, " ")
		rest, query, _ := strings.Cut(target, "?")
		if r.Query, err = url.ParseQuery(query); err != nil || i > 0 {
			return r, fmt.Errorf("reading fixture %s: line %d of headers.txt is no header such as Content-Type: application/json", dir, i+1)
		}
		r.Method, r.Rest = method, rest
	}
	bodies, err := filepath.Glob(filepath.Join(dir, "body.*"))
	if err != nil || len(bodies) != 1 {
		return r, fmt.Errorf("reading fixture %s: %d files body.*; one is needed, such as body.json", dir, len(bodies))
	}
	if r.Body, err = os.ReadFile(bodies[0]); err != nil {
		return r, fmt.Errorf("reading fixture: %w", err)
	}
	return r, nil
}

func load(dir string) ([]fixture, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading fixtures: %w", err)
	}
	var fixtures []fixture
	for _, e := range entries {
		f := fixture{name: e.Name(), dir: filepath.Join(dir, e.Name())}
		if !e.IsDir() || e.Name() == "fuzz" { // the fuzzer's own corpus lies beside
			continue
		}
		if f.request, err = Load(f.dir); err != nil {
			return nil, err
		}
		fixtures = append(fixtures, f)
	}
	if len(fixtures) == 0 {
		return nil, fmt.Errorf("reading fixtures: %s holds none; make a folder for each topic, with headers.txt and body.json", dir)
	}
	return fixtures, nil
}

// topic finds the topic that a fixture's name begins with.
func (b *bench) topic(f fixture) (string, bool) {
	for _, topic := range b.manifest.Topics {
		slug := strings.ReplaceAll(topic, "/", "_")
		if f.name == slug || strings.HasPrefix(f.name, slug+"-") {
			return topic, true
		}
	}
	return "", false
}

// onePerTopic are the first fixtures of every topic.
func (b *bench) onePerTopic() []fixture {
	seen := map[string]bool{}
	var picked []fixture
	for _, f := range b.fixtures {
		topic, _ := b.topic(f)
		if !seen[topic] {
			seen[topic] = true
			picked = append(picked, f)
		}
	}
	return picked
}

func (b *bench) topicsHaveFixtures() {
	covered := map[string]bool{}
	for _, f := range b.fixtures {
		topic, ok := b.topic(f)
		if !ok && !strings.HasPrefix(f.name, "unknown") {
			b.fail("fixture %s: no topic of the manifest is named so; a fixture of a topic that is not read begins with unknown", f.name)
		}
		covered[topic] = true
	}
	for _, topic := range b.manifest.Topics {
		if !covered[topic] {
			b.fail("topic %s has no fixture %s", topic, strings.ReplaceAll(topic, "/", "_"))
		}
	}
}

func (b *bench) fixturesGiveGoldens() {
	for _, f := range b.fixtures {
		r := f.request
		if b.Update && b.Sign != nil {
			r = b.signed(r, b.Secret)
			if err := os.WriteFile(filepath.Join(f.dir, "headers.txt"), head(r), 0o644); err != nil {
				b.fail("%s: writing headers: %v", f.name, err)
			}
		}
		got, err := b.golden(r)
		if err != nil {
			b.fail("%s: %v", f.name, err)
			continue
		}
		file := filepath.Join(f.dir, "want.json")
		old, err := os.ReadFile(file)
		if bytes.Equal(old, got) {
			continue
		}
		if !b.Update && os.IsNotExist(err) {
			b.fail("%s: there is no want.json; UPDATE=1 go test writes it and the signature: read both", f.name)
			continue
		}
		if !b.Update {
			b.fail("%s: want.json (-) and what is decoded (+) differ; UPDATE=1 rewrites it:\n%s", f.name,
				cmp.Diff(strings.Split(string(old), "\n"), strings.Split(string(got), "\n")))
			continue
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			b.fail("%s: writing golden: %v", f.name, err)
		}
		b.fail("%s: want.json was rewritten; read its difference and run again", f.name)
	}
}

func head(r connector.Request) []byte {
	var out strings.Builder
	if r.Method != http.MethodPost || r.Rest != "" || len(r.Query) > 0 {
		out.WriteString(r.Method + " " + r.Rest)
		if len(r.Query) > 0 {
			out.WriteString("?" + r.Query.Encode())
		}
		out.WriteString("\n")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			out.WriteString(name + ": " + v + "\n")
		}
	}
	return []byte(out.String())
}

func (b *bench) golden(r connector.Request) ([]byte, error) {
	facts, faults := b.source.Decode(r)
	w := want{Facts: []fact{}, Faults: faults}
	w.Object, w.Delivery = b.source.Key(r)
	for _, f := range facts {
		w.Facts = append(w.Facts, fact{f.Kind, f.Record, f.Version, f.At, f.Fields})
	}
	if a, ok := b.source.(connector.Answerer); ok {
		if response, final, ok := a.Answer(r); ok {
			w.Answer = &answer{final, response.Status, response.Header, string(response.Body)}
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(w); err != nil {
		return nil, fmt.Errorf("encoding golden: %w", err)
	}
	return out.Bytes(), nil
}
