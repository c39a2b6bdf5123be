package workspace

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxSegments is the most segments that a workspace can have.
const maxSegments = 1_000

func (p *parser) segments(n *yaml.Node, zone string) map[string]Segment {
	where, err := time.LoadLocation(zone)
	if err != nil {
		where = time.UTC // the zone itself is refused already
	}
	var all map[string]Segment
	p.each(n, "segments", func(key, v *yaml.Node) {
		switch {
		case !ValidID(key.Value):
			p.at(key, "segment %s: its name stands in events and URLs; use up to 40 lower-case letters, digits and dashes", quote(key.Value))
		case len(all) == maxSegments:
			p.at(key, "segment %q is one too many; a workspace has at most %d", key.Value, maxSegments)
		default:
			if all == nil {
				all = map[string]Segment{}
			}
			all[key.Value] = p.segment(key, v, where)
		}
	})
	return all
}

func (p *parser) segment(key, v *yaml.Node, zone *time.Location) Segment {
	s := Segment{Name: key.Value}
	m := p.mapping(v, fmt.Sprintf("segment %q", s.Name), "about", "when")
	if m == nil {
		return s
	}
	if about := m["about"]; about != nil {
		if s.About, _ = p.scalar(about, "about"); len(s.About) > 200 {
			p.at(about, "segment %q: %q is too long; use at most 200 bytes", s.Name, "about")
		}
	}
	when := m["when"]
	if when == nil {
		p.at(key, "segment %q lacks its rule; write for example: when: orders.count > 3", s.Name)
		return s
	}
	if when.Kind != yaml.ScalarNode {
		p.at(when, "segment %q: its rule must be a text; put it in quotes", s.Name)
		return s
	}
	if !empty(when) {
		s.When = when.Value
	}
	if len(p.checks) == 0 {
		p.at(when, "segment %q: its rule can't be checked here; apply the file with a program that knows rules", s.Name)
	}
	for _, check := range p.checks {
		check(s.Name, s.When, zone, func(line, column int, reason string) {
			at, exact := p.place(when, line, column)
			if !exact {
				reason = fmt.Sprintf("at line %d, column %d of the rule: %s", line, column, reason)
			}
			at.Reason = fmt.Sprintf("segment %q: %s", s.Name, reason)
			p.problems = append(p.problems, at)
		})
	}
	return s
}

// place finds a line and column of a text in the file that holds it. exact is
// false where the text is written in another way there, folded or with escapes:
// then it is where the text begins.
func (p *parser) place(n *yaml.Node, line, column int) (at Problem, exact bool) {
	begin := Problem{Line: n.Line, Column: n.Column}
	if n.Style&yaml.LiteralStyle != 0 {
		indent := -1
		for i := n.Line; indent < 0 && i < len(p.lines); i++ {
			if text := strings.TrimLeft(string(p.lines[i]), " "); strings.TrimSpace(text) != "" {
				indent = len(p.lines[i]) - len(text)
			}
		}
		if indent < 0 || n.Line+line > len(p.lines) {
			return begin, false
		}
		return Problem{Line: n.Line + line, Column: indent + column}, true
	}
	written, quotes := strings.NewReplacer(), 0
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		written, quotes = strings.NewReplacer(`'`, `''`), 1
	case n.Style&yaml.DoubleQuotedStyle != 0:
		written, quotes = strings.NewReplacer(`"`, `\"`, `\`, `\\`), 1
	case n.Style&yaml.FoldedStyle != 0:
		return begin, false
	}
	value := []rune(n.Value)
	if line != 1 || column < 1 || column > len(value)+1 || n.Line > len(p.lines) {
		return begin, false
	}
	before := []rune(written.Replace(string(value[:column-1])))
	raw := []rune(string(p.lines[n.Line-1]))
	from := n.Column - 1 + quotes
	if from+len(before) > len(raw) || string(raw[from:from+len(before)]) != string(before) {
		return begin, false
	}
	return Problem{Line: n.Line, Column: from + len(before) + 1}, true
}
