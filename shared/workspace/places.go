package workspace

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Check looks at a definition that parsed without a mistake and whose references
// lead somewhere, and refuses what else is wrong with it. Checks are handed in,
// since what decides about a customer stands above the workspace.
type Check func(w Workspace, refuse Refuse)

// Refuse tells of one mistake. The path leads to a value of the file, such as
// journeys.come-back.steps[0].split[1].steps[0].send; where there is none at its
// end, its nearest parent is meant. Line and column lie within that value's text,
// from 1; zero is the value as a whole.
type Refuse func(path string, line, column int, reason string)

// spot is a value of the file, with the key that it stands under.
type spot struct{ key, value *yaml.Node }

// spots finds every value of the file by its path.
func spots(root *yaml.Node) map[string]spot {
	all := map[string]spot{"": {root, root}}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				at := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
				all[at] = spot{n.Content[i], n.Content[i+1]}
				walk(at, n.Content[i+1])
			}
		case yaml.SequenceNode:
			for i, e := range n.Content {
				at := fmt.Sprintf("%s[%d]", path, i)
				all[at] = spot{e, e}
				walk(at, e)
			}
		}
	}
	walk("", root)
	return all
}

// refuse adds a problem at a path.
func (p *parser) refuse(path string, line, column int, reason string) {
	found, whole := path, false
	for {
		if _, whole = p.spots[found]; whole {
			break
		}
		found = found[:max(strings.LastIndexAny(found, ".["), 0)]
	}
	s := p.spots[found]
	at := Problem{Line: s.value.Line, Column: s.value.Column}
	if s.value.Kind != yaml.ScalarNode {
		at = Problem{Line: s.key.Line, Column: s.key.Column}
	}
	if found == path && s.value.Kind == yaml.ScalarNode && line > 0 {
		exact := false
		if at, exact = p.place(s.value, line, column); !exact {
			reason = fmt.Sprintf("at line %d, column %d of the text: %s", line, column, reason)
		}
	}
	at.Reason = strings.Join(strings.Fields(subject(path)+reason), " ")
	p.problems = append(p.problems, at)
}

// subjects are the sections of the file, each with what one of its names is.
var subjects = map[string]string{
	"connections": "connection", "segments": "segment", "vouchers": "voucher", "templates": "template",
	"journeys": "journey", "destinations": "destination",
}

// subject says whom a path is about, as a reason begins.
func subject(path string) string {
	section, rest, _ := strings.Cut(path, ".")
	one, named := subjects[section]
	switch {
	case named && rest != "":
		name, _, _ := strings.Cut(rest, ".")
		return fmt.Sprintf("%s %q: ", one, name)
	case section == "policies":
		return "policies: "
	}
	return ""
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
		return Problem{Line: n.Line + line, Column: indent + max(column, 1)}, true
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

// choose lists the names of a section, as much of them as a reason has room for.
func choose[T any](m map[string]T) string {
	names := slices.Sorted(maps.Keys(m))
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + " or another of the " + fmt.Sprint(len(names))
	}
	return oneOf(names)
}
