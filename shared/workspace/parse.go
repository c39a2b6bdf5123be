package workspace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	connector "loophub/connectors"
)

// MaxSize is the most that a workspace file may hold. It lies in one item of the
// Hub table, whose limit is 400 KB.
const MaxSize = 128 << 10

// Problem is one thing that is wrong with a workspace file.
type Problem struct {
	Line, Column int // 1-based; 0 = the file as a whole
	Reason       string
}

func (p Problem) String() string {
	switch {
	case p.Line == 0:
		return p.Reason
	case p.Column == 0:
		return fmt.Sprintf("line %d: %s", p.Line, p.Reason)
	}
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Reason)
}

// Problems is everything that is wrong with a workspace file, in its order.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Parse reads a workspace file whole and checks it against the connectors that
// exist. Its error is a Problems with every mistake, each with its place and
// with what to write instead; no reason repeats the value of a sensitive setting.
//
// Besides the connections of the file, the result has one for each internal
// connector, under the connector's own name: what operators do arrives there.
//
// Mistakes come in the order in which they make sense: first those of the file as
// written, then names that lead nowhere, then what checks refuse, which may so rely
// on the rest. Without a check, a file that has rules or templates is refused.
func Parse(text []byte, known []connector.Manifest, checks ...Check) (Workspace, error) {
	p := &parser{known: known, checks: checks, lines: bytes.Split(text, []byte("\n"))}
	root := p.document(text)
	if root == nil {
		return Workspace{}, p.problems
	}
	p.spots = spots(root)
	w := p.workspace(root)
	for _, check := range p.stages() {
		if len(p.problems) == 0 {
			check(w)
		}
	}
	if len(p.problems) > 0 {
		slices.SortStableFunc(p.problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return Workspace{}, p.problems
	}
	return w, nil
}

// stages of a check, each done where those before it found nothing wrong.
func (p *parser) stages() []func(Workspace) {
	return []func(Workspace){p.references, p.checkable, func(w Workspace) {
		for _, check := range p.checks {
			check(w, p.refuse)
		}
	}}
}

// checkable refuses what nobody is there to check.
func (p *parser) checkable(w Workspace) {
	for section, filled := range map[string]bool{
		"segments": len(w.Segments) > 0, "templates": len(w.Templates) > 0, "journeys": len(w.Journeys) > 0, "destinations": len(w.Destinations) > 0,
	} {
		if filled && len(p.checks) == 0 {
			p.refuse(section, 0, 0, section+" can't be checked here; apply the file with a program that knows rules and templates")
		}
	}
}

type parser struct {
	known    []connector.Manifest
	checks   []Check
	lines    [][]byte // of the file
	spots    map[string]spot
	asked    map[*yaml.Node][]string // where a test wants to know: the keys that each mapping may have
	problems Problems
}

func (p *parser) at(n *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, Problem{n.Line, n.Column, fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// document reads the one YAML document that the file must be.
func (p *parser) document(text []byte) *yaml.Node {
	if len(text) > MaxSize {
		p.problems = Problems{{Reason: fmt.Sprintf("the file is larger than %d KB; a workspace needs far less", MaxSize>>10)}}
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, next yaml.Node
	if err := d.Decode(&doc); err != nil {
		p.syntax(err, text)
		return nil
	}
	if err := d.Decode(&next); !errors.Is(err, io.EOF) {
		if err != nil {
			p.syntax(err, text)
		} else {
			p.at(&next, "a second document begins here; keep one workspace per file and remove the line ---")
		}
		return nil
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		p.problems = Problems{{Reason: "the file holds nothing; begin with a line like: workspace: my-shop"}}
		return nil
	}
	return doc.Content[0]
}

// syntax turns the library's error into a problem with its line. Its texts quote
// no content beyond a character or an anchor's name.
func (p *parser) syntax(err error, text []byte) {
	if errors.Is(err, io.EOF) {
		p.problems = Problems{{Reason: "the file is empty; begin with a line like: workspace: my-shop"}}
		return
	}
	problem := Problem{Line: unreadable(text), Reason: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		problem.Line, _ = strconv.Atoi(m[1]) // the expression admits digits only; an absurd number stays 0
		problem.Reason = strings.TrimPrefix(err.Error()[len(m[0]):], "yaml: ")
		if wanted, ok := strings.CutPrefix(problem.Reason, "did not find "); ok {
			// Of these the library counts lines from 0, and names where the list or
			// mapping begins.
			problem.Line = min(problem.Line+1, 1+bytes.Count(bytes.TrimRight(text, " \t\r\n"), []byte("\n")))
			problem.Reason = "missing, here or in what begins here: " + strings.TrimPrefix(wanted, "expected ")
		}
	}
	if strings.Contains(problem.Reason, "mapping values are not allowed") {
		problem.Reason = "a colon with a blank behind it, within a text without quotes"
	}
	problem.Reason = "not YAML: " + problem.Reason + "; check indentation (spaces, no tabs), quotes and colons"
	p.problems = append(p.problems, problem)
}

// unreadable is the first line that holds what no text does, which the library does
// not say; 0 where all of it is text.
func unreadable(text []byte) int {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if !utf8.Valid(line) || bytes.ContainsFunc(line, func(c rune) bool { return c < ' ' && !strings.ContainsRune("\t\r\n", c) || c == 0x7f }) {
			return n
		}
	}
	return 0
}

var (
	countryPattern  = regexp.MustCompile(`^[A-Z]{2}$`)
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
)

func (p *parser) workspace(root *yaml.Node) Workspace {
	m := p.mapping(root, "the file", "workspace", "name", "country", "currency", "timezone", "connections", "identity",
		"policies", "segments", "vouchers", "templates", "journeys", "destinations")
	var w Workspace
	if m == nil {
		return w
	}
	w.ID = p.required(root, m, "workspace", "saigon", func(s string) string {
		if !ValidID(s) {
			return "use up to 40 lower-case letters, digits and dashes, beginning with a letter or digit"
		}
		return ""
	})
	w.Name = p.required(root, m, "name", "Trà Lan", func(s string) string {
		if len(s) > 200 {
			return "use at most 200 bytes"
		}
		return ""
	})
	w.Country = p.required(root, m, "country", "VN", func(s string) string {
		if r, err := language.ParseRegion(s); !countryPattern.MatchString(s) || err != nil || !r.IsCountry() {
			return "use the two-letter code of ISO 3166, such as VN, US or DE"
		}
		return ""
	})
	w.Currency = p.required(root, m, "currency", "VND", func(s string) string {
		if _, err := currency.ParseISO(s); !currencyPattern.MatchString(s) || err != nil {
			return "use the three-letter code of ISO 4217, such as VND, USD or EUR"
		}
		return ""
	})
	w.Zone = p.required(root, m, "timezone", "Asia/Ho_Chi_Minh", func(s string) string {
		if _, err := time.LoadLocation(s); err != nil || s == "Local" {
			return "use a name of the IANA time zone database, such as Asia/Ho_Chi_Minh or Europe/Paris"
		}
		return ""
	})
	w.Connections = p.connections(m["connections"])
	w.Identity = p.identity(m["identity"], w.Country)
	w.Policies = p.policies(m["policies"])
	w.Segments = p.segments(m["segments"])
	w.Vouchers = p.vouchers(m["vouchers"])
	w.Templates = p.templates(m["templates"])
	w.Journeys = p.journeys(m["journeys"])
	w.Destinations = p.destinations(m["destinations"])
	return w
}

func (p *parser) required(root *yaml.Node, m map[string]*yaml.Node, key, example string, check func(string) string) string {
	n := m[key]
	if n == nil {
		p.at(root, "%q is missing; write for example: %s: %s", key, key, example)
		return ""
	}
	s, ok := p.scalar(n, key)
	if !ok {
		return ""
	}
	if s == "" {
		p.at(n, "%q is empty; write for example: %s: %s", key, key, example)
		return ""
	}
	if advice := check(s); advice != "" {
		p.at(n, "%q can't be %s; %s", key, quote(s), advice)
		return ""
	}
	return s
}
