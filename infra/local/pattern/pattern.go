// Package pattern matches JSON events against EventBridge patterns, which Lambda's filter criteria share.
package pattern

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Pattern is a parsed pattern. A field of the event fits if one of its matchers does; all fields must fit.
type Pattern struct {
	fields map[string]field
	either []Pattern // "$or": one of them must fit too
}

// field is a nested pattern or the matchers of a leaf.
type field struct {
	nested   *Pattern
	matchers []matcher
	wild     bool // one of the matchers is a wildcard
}

// matcher tests one value; present is false when the event lacks the field.
type matcher func(value any, present bool) bool

// ParseFilter reads a filter of Lambda's event source mappings, which know no wildcards.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html, read 2026-11.
func ParseFilter(text []byte) (Pattern, error) {
	p, err := Parse(text)
	if err == nil && p.wild() {
		err = fmt.Errorf("reading filter: Lambda's filters know no wildcards")
	}
	return p, err
}

// wild tells whether a wildcard stands anywhere in the pattern.
func (p Pattern) wild() bool {
	for _, f := range p.fields {
		if f.wild || f.nested != nil && f.nested.wild() {
			return true
		}
	}
	return slices.ContainsFunc(p.either, Pattern.wild)
}

// Parse reads a pattern and refuses every matcher that it does not know.
func Parse(text []byte) (Pattern, error) {
	var raw map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return Pattern{}, fmt.Errorf("reading event pattern: %w", err)
	}
	p, err := parse(raw)
	if err != nil {
		return Pattern{}, fmt.Errorf("reading event pattern: %w", err)
	}
	return p, nil
}

func parse(raw map[string]any) (Pattern, error) {
	if len(raw) == 0 {
		return Pattern{}, fmt.Errorf("an empty object matches nothing by AWS's rules; leave it out")
	}
	p := Pattern{fields: map[string]field{}}
	for name, v := range raw {
		if name == "$or" {
			if err := p.parseEither(v); err != nil {
				return Pattern{}, err
			}
			continue
		}
		f, err := parseField(v)
		if err != nil {
			return Pattern{}, fmt.Errorf("%s: %w", name, err)
		}
		p.fields[name] = f
	}
	return p, nil
}

func (p *Pattern) parseEither(v any) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("$or: expected a list")
	}
	for _, e := range list {
		raw, ok := e.(map[string]any)
		if !ok {
			return fmt.Errorf("$or: expected objects")
		}
		nested, err := parse(raw)
		if err != nil {
			return fmt.Errorf("$or: %w", err)
		}
		p.either = append(p.either, nested)
	}
	return nil
}

func parseField(v any) (field, error) {
	switch v := v.(type) {
	case map[string]any:
		nested, err := parse(v)
		return field{nested: &nested}, err
	case []any:
		var f field
		for _, e := range v {
			m, err := parseMatcher(e)
			if err != nil {
				return field{}, err
			}
			f.matchers = append(f.matchers, m)
			f.wild = f.wild || isWild(e)
		}
		if len(f.matchers) == 0 {
			return field{}, fmt.Errorf("an empty list matches nothing")
		}
		return f, nil
	}
	return field{}, fmt.Errorf("expected a list or an object, got %v", v)
}

func isWild(v any) bool {
	m, _ := v.(map[string]any)
	_, wild := m["wildcard"]
	return wild || m["anything-but"] != nil && isWild(m["anything-but"])
}

func parseMatcher(v any) (matcher, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return equal(v), nil
	}
	if len(m) != 1 {
		return nil, fmt.Errorf("expected one matcher, got %v", m)
	}
	for name, argument := range m {
		switch name {
		case "exists":
			want, ok := argument.(bool)
			if !ok {
				return nil, fmt.Errorf("exists: expected true or false")
			}
			return func(_ any, present bool) bool { return present == want }, nil
		case "prefix", "suffix", "equals-ignore-case", "wildcard":
			return parseText(name, argument)
		case "anything-but":
			return parseAnythingBut(argument)
		case "numeric":
			return parseNumeric(argument)
		}
		return nil, fmt.Errorf("the local cloud does not know the matcher %q", name)
	}
	panic("unreachable: the map has one element")
}

func equal(want any) matcher {
	return func(v any, present bool) bool {
		if !present {
			return false
		}
		a, ok1 := number(v)
		b, ok2 := number(want)
		if ok1 && ok2 {
			return a.Cmp(b) == 0
		}
		return v == want // strings, booleans, null; objects never reach a matcher
	}
}

func parseText(name string, argument any) (matcher, error) {
	want, ok := argument.(string)
	if !ok {
		return nil, fmt.Errorf("%s: expected a text, got %v", name, argument)
	}
	if name == "wildcard" && (strings.Contains(want, "**") || strings.Contains(want, `\`)) {
		return nil, fmt.Errorf("wildcard: AWS refuses ** and the local cloud knows no escapes: %q", want)
	}
	test := map[string]func(have, want string) bool{
		"prefix":             strings.HasPrefix,
		"suffix":             strings.HasSuffix,
		"equals-ignore-case": strings.EqualFold,
		"wildcard":           wildcard,
	}[name]
	return func(v any, present bool) bool {
		have, ok := v.(string)
		return present && ok && test(have, want)
	}, nil
}

// wildcard compares with a text in which "*" stands for any run.
func wildcard(have, want string) bool {
	parts := strings.Split(want, "*")
	if len(parts) == 1 {
		return have == want
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(have) < len(first)+len(last) || !strings.HasPrefix(have, first) || !strings.HasSuffix(have, last) {
		return false
	}
	have = have[len(first) : len(have)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(have, part)
		if i < 0 {
			return false
		}
		have = have[i+len(part):]
	}
	return true
}

func parseAnythingBut(argument any) (matcher, error) {
	if nested, ok := argument.(map[string]any); ok {
		for name := range nested {
			if !slices.Contains([]string{"prefix", "suffix", "equals-ignore-case", "wildcard"}, name) {
				return nil, fmt.Errorf("anything-but: the local cloud does not know the matcher %q within", name)
			}
		}
		m, err := parseMatcher(nested)
		if err != nil {
			return nil, fmt.Errorf("anything-but: %w", err)
		}
		return func(v any, present bool) bool { return present && !m(v, true) }, nil
	}
	list, ok := argument.([]any)
	if !ok {
		list = []any{argument}
	}
	var none []matcher
	for _, v := range list {
		switch v.(type) {
		case string, json.Number:
		default:
			return nil, fmt.Errorf("anything-but: expected texts or numbers, got %v", v)
		}
		none = append(none, equal(v))
	}
	return func(v any, present bool) bool {
		return present && !slices.ContainsFunc(none, func(m matcher) bool { return m(v, true) })
	}, nil
}

func parseNumeric(argument any) (matcher, error) {
	list, ok := argument.([]any)
	if !ok || len(list) != 2 && len(list) != 4 {
		return nil, fmt.Errorf("numeric: expected one or two pairs of comparison and number, got %v", argument)
	}
	var tests []func(*big.Rat) bool
	for i := 0; i < len(list); i += 2 {
		bound, ok := number(list[i+1])
		if !ok {
			return nil, fmt.Errorf("numeric: %v is no number", list[i+1])
		}
		var holds func(sign int) bool
		switch list[i] {
		case "=":
			holds = func(s int) bool { return s == 0 }
		case "<":
			holds = func(s int) bool { return s < 0 }
		case "<=":
			holds = func(s int) bool { return s <= 0 }
		case ">":
			holds = func(s int) bool { return s > 0 }
		case ">=":
			holds = func(s int) bool { return s >= 0 }
		default:
			return nil, fmt.Errorf("numeric: the local cloud does not know the comparison %v", list[i])
		}
		tests = append(tests, func(n *big.Rat) bool { return holds(n.Cmp(bound)) })
	}
	return func(v any, present bool) bool {
		n, ok := number(v)
		return present && ok && !slices.ContainsFunc(tests, func(t func(*big.Rat) bool) bool { return !t(n) })
	}, nil
}

func number(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	// An exponent of many digits would make a number of as many: no event has one, and none shall cost us that.
	if !ok || len(n) > 64 || strings.ContainsAny(string(n), "eE") && len(n[strings.IndexAny(string(n), "eE"):]) > 5 {
		return nil, false
	}
	return new(big.Rat).SetString(string(n))
}
