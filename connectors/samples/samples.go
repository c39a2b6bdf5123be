// Package samples sends deliveries that were seen elsewhere through the
// connectors or through a running hub, and compares what becomes of each with a
// committed table. The deliveries themselves are no part of this project: their
// folder is named by who runs it.
package samples

import (
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/shopify"
	"loophub/events"
	"loophub/shared/contact"
)

// Secret signs every sample. It is public and signs nothing else.
const Secret connector.Secret = "loophub-public-test-secret"

// system is what is needed to send a connector's samples as its vendor would.
type system struct {
	settings connector.Settings
	sign     func(r *connector.Request, topic, id string)
}

// systems are the connectors whose samples can be sent. Most bodies were
// written down anew by who published them, so all are signed by us.
var systems = map[string]system{
	"shopify": {
		settings: connector.Settings{
			Values:  map[string]string{"shop": "loophub-samples.myshopify.com"},
			Country: "US", Currency: "USD", Zone: "America/New_York",
		},
		sign: func(r *connector.Request, topic, id string) {
			name, value := shopify.Sign(Secret, r.Body)
			r.Header.Set(name, value)
			r.Header.Set("X-Shopify-Topic", topic)
			r.Header.Set("X-Shopify-Shop-Domain", "loophub-samples.myshopify.com")
			r.Header.Set("X-Shopify-Webhook-Id", id)
			r.Header.Set("X-Shopify-Event-Id", id)
			r.Header.Set("X-Shopify-Triggered-At", r.ReceivedAt.Format(time.RFC3339Nano))
		},
	},
}

// Settings are those that the connection for a connector's samples must have;
// ok is false where its samples can't be sent.
func Settings(name string) (s connector.Settings, ok bool) {
	sys, ok := systems[name]
	return sys.settings, ok
}

// Sign makes the request by which the vendor would have sent a body.
func Sign(name, topic, file string, body []byte, at time.Time) (connector.Request, error) {
	sys, ok := systems[name]
	if !ok {
		return connector.Request{}, fmt.Errorf("signing %s: samples of %s can't be signed", file, name)
	}
	r := connector.Request{
		Method: http.MethodPost, Query: url.Values{}, Header: http.Header{}, Body: body, ReceivedAt: at.UTC(),
	}
	r.Header.Set("Content-Type", "application/json")
	sys.sign(&r, topic, connector.Digest([]byte(file)))
	return r, nil
}

// Sample is one delivery, ready to be sent.
type Sample struct {
	File      string // within the folder, with slashes
	Connector string
	Topic     string
	Request   connector.Request
}

// Result is what became of a sample.
type Result struct {
	Kinds  []events.Kind // of the facts that it gave
	Faults []connector.Fault
	Facts  []string // the facts in words, to be printed; optional
}

// words writes a result as expected.tsv does: the kinds of fact, then
// parked:<class>, sorted; "nothing" for a delivery that rightly says nothing.
func (r Result) words() string {
	set := map[string]bool{}
	for _, k := range r.Kinds {
		set[string(k)] = true
	}
	for _, f := range r.Faults {
		set["parked:"+string(f.Class)] = true
	}
	if len(set) == 0 {
		return "nothing"
	}
	return strings.Join(slices.Sorted(maps.Keys(set)), " ")
}

//go:embed expected.tsv
var table string

// row is a line of expected.tsv: what a file gives, or "-" for what is no
// delivery, with the reason.
type row struct{ expected, reason string }

func rows() (map[string]row, error) {
	m := map[string]row{}
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		if len(cells) != 3 || cells[1] == "-" && cells[2] == "" {
			return nil, fmt.Errorf("reading expected.tsv: line %d wants a file, what it gives, and for - a reason", i+1)
		}
		if _, ok := m[cells[0]]; ok {
			return nil, fmt.Errorf("reading expected.tsv: line %d names its file a second time", i+1)
		}
		m[cells[0]] = row{cells[1], cells[2]}
	}
	return m, nil
}

// Run sends every sample below dir by send, says one line for each, and gives
// an error if any file gave something else than the table says, or if table and
// folder don't hold the same files. Folders of systems that have no connector
// are named once and left out.
func Run(dir string, at time.Time, send func(Sample) (Result, error), say func(format string, args ...any)) error {
	expected, err := rows()
	if err != nil {
		return err
	}
	topics, err := manifest(dir)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return fmt.Errorf("listing samples: %w", err)
	}
	if len(files) == 0 {
		return fmt.Errorf("listing samples: %s holds none; name a folder with one folder per system", dir)
	}
	wrong, left := 0, map[string]int{}
	for _, path := range files {
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return fmt.Errorf("listing samples: %w", err)
		}
		name := filepath.ToSlash(rel)
		system, _, _ := strings.Cut(name, "/")
		if _, ok := systems[system]; !ok {
			left[system]++
			continue
		}
		want, known := expected[name]
		delete(expected, name)
		line, ok := one(path, name, system, topics[name], at, want, known, send)
		say("%s\n", line)
		if !ok {
			wrong++
		}
	}
	for _, system := range slices.Sorted(maps.Keys(left)) {
		say("%s\n", leftOut(system, left[system]))
	}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		say("%s: in the table, but not in the folder\n", name)
		wrong++
	}
	if wrong > 0 {
		return fmt.Errorf("%d samples gave something else than connectors/samples/expected.tsv says", wrong)
	}
	return nil
}

// leftOut says why a system's files are not sent.
func leftOut(system string, n int) string {
	files, why := fmt.Sprintf("%d files", n), "there is no connector for it yet"
	if n == 1 {
		files = "1 file"
	}
	if _, ok := all.Find(system); ok {
		why = "its connector has no entry in systems of connectors/samples/samples.go"
	}
	return system + ": " + files + " left out, " + why
}

// one sends a sample and tells what became of it, and whether that was expected.
func one(path, name, system, topic string, at time.Time, want row, known bool, send func(Sample) (Result, error)) (string, bool) {
	if known && want.expected == "-" {
		return name + ": not sent, " + want.reason, true
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return name + ": " + err.Error(), false
	}
	if topic = topicOf(system, name, topic); topic == "" {
		return name + ": its topic is unknown; name it in MANIFEST.tsv, or give it a line with - and a reason", false
	}
	r, err := Sign(system, topic, name, body, at)
	if err != nil {
		return err.Error(), false
	}
	got, err := send(Sample{File: name, Connector: system, Topic: topic, Request: r})
	if err != nil {
		return name + ": " + err.Error(), false
	}
	line := fmt.Sprintf("%s (%s): %s", name, topic, got.words())
	ok := known && got.words() == want.expected
	switch {
	case !known:
		line += "; NOT IN THE TABLE"
	case !ok:
		line += "; EXPECTED " + want.expected
	}
	for _, f := range got.Faults {
		line += "\n    " + f.Reason
	}
	for _, f := range got.Facts {
		line += "\n    " + f
	}
	return line, ok
}

// manifest reads the topics that dir's MANIFEST.tsv names: file in the first
// column, topic in the fourth. A folder without one is fine.
func manifest(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "MANIFEST.tsv"))
	if os.IsNotExist(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the samples' manifest: %w", err)
	}
	topics := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if cells := strings.Split(line, "\t"); len(cells) > 3 {
			topics[cells[0]] = cells[3]
		}
	}
	return topics, nil
}

// topicOf takes the manifest's word if it is a topic, else the file's name,
// which begins with the topic and ends in a number.
func topicOf(system, file, named string) string {
	c, _ := all.Find(system)
	if slices.Contains(c.Manifest.Topics, named) {
		return named
	}
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	if i := strings.LastIndexByte(base, '-'); i > 0 {
		base = base[:i]
	}
	for _, topic := range c.Manifest.Topics {
		if strings.ReplaceAll(topic, "/", "_") == base {
			return topic
		}
	}
	return ""
}

// Decode is a send that needs no hub: the connector verifies and decodes.
func Decode(s Sample) (Result, error) {
	c, ok := all.Find(s.Connector)
	if !ok {
		return Result{}, fmt.Errorf("no connector is named %s", s.Connector)
	}
	source, err := c.Source(systems[s.Connector].settings)
	if err != nil {
		return Result{}, fmt.Errorf("making the source: %w", err)
	}
	if err := source.Verify(s.Request, []connector.Secret{Secret}); err != nil {
		return Result{}, err
	}
	facts, faults := source.Decode(s.Request)
	r := Result{Faults: faults}
	for _, f := range facts {
		r.Kinds = append(r.Kinds, f.Kind)
		r.Facts = append(r.Facts, Describe(f))
	}
	return r, nil
}

// Describe writes a fact on one line, long values cut.
func Describe(f events.Fact) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s:", f.Kind, f.Record)
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		text := "null"
		if v := f.Fields[name]; !v.IsNull() {
			text = contact.Line(v.String(), 60)
		}
		b.WriteString(" " + name + "=" + text)
	}
	return b.String()
}
