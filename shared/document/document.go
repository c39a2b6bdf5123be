// Package document reads JSON bodies of outside systems: it keeps the
// difference between absent, null and empty, keeps digits as they came, and
// never assumes that a value has the type its documentation promises.
//
// It accepts exactly what encoding/json accepts and reads every value as that
// does (of a repeated key the last counts); a differential fuzz test holds it
// to that. It exists because decoding into structs is several times slower and
// matches keys without regard to case.
package document

import (
	"encoding/json"
	"errors"
	"iter"
	"unicode/utf8"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds. Absent is what a missing field gives.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is a JSON value, or Absent. The zero Value is Absent, and looking into
// what is no object or array gives Absent again.
type Value struct {
	t *tree
	i int
}

// tree is a parsed text: its values in the order of the text, an object's keys
// before each value.
type tree struct {
	text  []byte
	nodes []node
}

type node struct {
	start, end int32 // of the value's text; of a string without its quotes
	next       int32 // the node after this value and all that it holds
	kind       Kind
	simple     bool // a string of printable ASCII without escapes
}

// ErrSyntax says that a text is not one JSON value.
var ErrSyntax = errors.New("not valid JSON")

// Parse reads one JSON text. The Value refers to b, which must not change
// afterwards.
func Parse(b []byte) (Value, error) {
	if len(b) > 1<<30 {
		return Value{}, ErrSyntax
	}
	p := parser{tree: tree{text: b, nodes: make([]node, 0, len(b)/10+8)}}
	p.space()
	if !p.value(0) {
		return Value{}, ErrSyntax
	}
	if p.space(); p.at != len(b) {
		return Value{}, ErrSyntax
	}
	return Value{t: &p.tree}, nil
}

var absent node // never written to

func (v Value) node() *node {
	if v.t == nil {
		return &absent
	}
	return &v.t.nodes[v.i]
}

// Kind is the type of the value.
func (v Value) Kind() Kind { return v.node().kind }

// Exists tells whether the field was there, be it null.
func (v Value) Exists() bool { return v.t != nil }

// Text is the text of a string, or the digits of a number as they stand; ""
// for everything else.
func (v Value) Text() string {
	n := v.node()
	switch n.kind {
	case String:
		return v.t.unquote(n)
	case Number:
		return string(v.t.text[n.start:n.end])
	}
	return ""
}

// Span is where the value stands in the text that was parsed, quotes included.
func (v Value) Span() (start, end int) {
	n := v.node()
	if n.kind == String {
		return int(n.start) - 1, int(n.end) + 1
	}
	return int(n.start), int(n.end)
}

// True tells whether the value is true.
func (v Value) True() bool {
	n := v.node()
	return n.kind == Bool && v.t.text[n.start] == 't'
}

// Field is an object's value under name.
func (v Value) Field(name string) Value {
	found := Value{}
	if v.Kind() != Object {
		return found
	}
	nodes := v.t.nodes
	for k := v.i + 1; k < int(nodes[v.i].next); k = int(nodes[k+1].next) {
		key := &nodes[k]
		if key.simple && int(key.end-key.start) != len(name) {
			continue
		}
		if key.simple && string(v.t.text[key.start:key.end]) == name || !key.simple && v.t.unquote(key) == name {
			found = Value{v.t, k + 1}
		}
	}
	return found
}

// Items are the values of an array.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		nodes := v.t.nodes
		for i := v.i + 1; i < int(nodes[v.i].next); i = int(nodes[i].next) {
			if !yield(Value{v.t, i}) {
				return
			}
		}
	}
}

// Fields are the names and values of an object, repeated names included.
func (v Value) Fields() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		nodes := v.t.nodes
		for k := v.i + 1; k < int(nodes[v.i].next); k = int(nodes[k+1].next) {
			if !yield(v.t.unquote(&nodes[k]), Value{v.t, k + 1}) {
				return
			}
		}
	}
}

// unquote gives a string's text. What is rare (escapes, broken UTF-8) is left
// to encoding/json, so that it is read in the same way by definition.
func (t *tree) unquote(n *node) string {
	b := t.text[n.start:n.end]
	if n.simple {
		return string(b)
	}
	escaped := false
	for _, c := range b {
		escaped = escaped || c == '\\'
	}
	if !escaped && utf8.Valid(b) {
		return string(b)
	}
	var s string
	if json.Unmarshal(t.text[n.start-1:n.end+1], &s) != nil {
		return "" // the parser let no such string pass
	}
	return s
}
