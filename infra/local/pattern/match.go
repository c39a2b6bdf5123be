package pattern

import (
	"encoding/json"
	"slices"
	"strings"
)

// Match tells whether the event, a JSON object, fits. What is no object fits nothing.
func (p Pattern) Match(event []byte) bool {
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(string(event)))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return false
	}
	return p.match(v)
}

func (p Pattern) match(v map[string]any) bool {
	for name, f := range p.fields {
		value, present := v[name]
		if !f.match(value, present) {
			return false
		}
	}
	return len(p.either) == 0 || slices.ContainsFunc(p.either, func(q Pattern) bool { return q.match(v) })
}

func (f field) match(v any, present bool) bool {
	switch v := v.(type) {
	case []any: // a list in the event fits if one of its elements does; an empty one is as good as absent
		if len(v) == 0 {
			return f.match(nil, false)
		}
		return slices.ContainsFunc(v, func(e any) bool { return f.match(e, true) })
	case map[string]any:
		if f.nested != nil {
			return f.nested.match(v)
		}
		// exists looks at leaves only: an object is not there for it
		return slices.ContainsFunc(f.matchers, func(m matcher) bool { return m(nil, false) })
	}
	if f.nested != nil {
		return f.nested.match(nil) // the leaves below are absent, which {"exists": false} asks for
	}
	return slices.ContainsFunc(f.matchers, func(m matcher) bool { return m(v, present) })
}
