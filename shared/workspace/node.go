package workspace

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mapping reads a mapping whose keys are among allowed. It is nil where n is none.
func (p *parser) mapping(n *yaml.Node, what string, allowed ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.at(n, "%s must be a list of `key: value` lines; allowed keys are %s", what, strings.Join(allowed, ", "))
		return nil
	}
	if p.asked != nil {
		p.asked[n] = allowed
	}
	m := map[string]*yaml.Node{}
	p.each(n, what, func(k, v *yaml.Node) {
		for _, a := range allowed {
			if k.Value == a {
				m[a] = v
				return
			}
		}
		p.at(k, "%s has no key %s; allowed are %s", what, quote(k.Value), strings.Join(allowed, ", "))
	})
	return m
}

// each calls f for the pairs of a mapping, once per key. Nothing and an empty
// value are an empty mapping.
func (p *parser) each(n *yaml.Node, what string, f func(k, v *yaml.Node)) {
	if n == nil || empty(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		p.at(n, "%q must hold indented `name: value` lines", what)
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch line, twice := first[k.Value]; {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!merge":
			p.at(k, "a key must be a plain word; write the lines out instead of using anchors, aliases or merges")
		case twice:
			p.at(k, "%s stands here a second time, first in line %d; remove one of them", quote(k.Value), line)
		default:
			first[k.Value] = k.Line
			f(k, v)
		}
	}
}

// list reads a list of texts.
func (p *parser) list(n *yaml.Node, what string) []*yaml.Node {
	if n == nil || empty(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.at(n, "%q must be a list, such as [\"a\", \"b\"]", what)
		return nil
	}
	var out []*yaml.Node
	for _, e := range n.Content {
		if _, ok := p.scalar(e, what); ok {
			out = append(out, e)
		}
	}
	return out
}

// scalar reads a text as it stands in the file: 0123 keeps its zero, and
// surrounding blanks are gone.
func (p *parser) scalar(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		p.at(n, "%q must be a single text on one line, without lists, anchors or aliases", what)
		return "", false
	}
	if empty(n) {
		return "", true
	}
	n.Value = strings.TrimSpace(n.Value)
	return n.Value, true
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// quote shows a value of the file in a reason, cut so that a reason stays a line.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}
