// Package attr holds DynamoDB's attribute values: their types, their JSON, their order and their size.
package attr

import (
	"slices"
	"strings"
)

// Kind is the type of a value.
type Kind uint8

// The kinds. None is the kind of a value that is absent.
const (
	None Kind = iota
	S
	N
	B
	Bool
	Null
	M
	L
	SS
	NS
	BS
)

var kindNames = [...]string{None: "", S: "S", N: "N", B: "B", Bool: "BOOL", Null: "NULL", M: "M", L: "L", SS: "SS", NS: "NS", BS: "BS"}

// String is the type descriptor, for example "BOOL".
func (k Kind) String() string { return kindNames[k] }

// ParseKind reads a type descriptor.
func ParseKind(name string) (Kind, bool) {
	i := slices.Index(kindNames[1:], name)
	return Kind(i + 1), i >= 0
}

// Set says whether the kind is one of the three sets.
func (k Kind) Set() bool { return k >= SS }

// Member is the kind of a set's members.
func (k Kind) Member() Kind {
	switch k {
	case SS:
		return S
	case NS:
		return N
	case BS:
		return B
	}
	return None
}

// Value is one attribute value. Values are never changed once built: who changes an item copies what lies above.
type Value struct {
	Kind Kind
	True bool    // BOOL
	Text string  // S: the string; B: the bytes
	Num  Number  // N
	List []Value // L: the elements; SS, NS, BS: the members, sorted and distinct
	Map  Map     // M
}

// Map is the attributes of an item or of a nested map.
type Map map[string]Value

// Error is a value that DynamoDB refuses, in AWS's words. It becomes a ValidationException.
type Error struct {
	Message string
	Name    string // the top-level name under which the value stood, if it was read from a map
}

func (e *Error) Error() string { return e.Message }

func invalid(message string) error { return &Error{Message: message} }

// String is the value of a string.
func String(s string) Value { return Value{Kind: S, Text: s} }

// NumberValue is the value of a number.
func NumberValue(n Number) Value { return Value{Kind: N, Num: n} }

// Equal says whether two values have the same kind and content.
func (v Value) Equal(w Value) bool {
	if v.Kind != w.Kind {
		return false
	}
	switch v.Kind {
	case S, B:
		return v.Text == w.Text
	case N:
		return v.Num == w.Num
	case Bool:
		return v.True == w.True
	case M:
		return v.Map.Equal(w.Map)
	case L, SS, NS, BS:
		return slices.EqualFunc(v.List, w.List, Value.Equal)
	}
	return true
}

// Equal says whether two maps hold equal values under the same names.
func (m Map) Equal(o Map) bool {
	if len(m) != len(o) {
		return false
	}
	for name, v := range m {
		w, ok := o[name]
		if !ok || !v.Equal(w) {
			return false
		}
	}
	return true
}

// Compare orders two values of one scalar kind: strings by their UTF-8 bytes, numbers by value, binaries by unsigned
// bytes. Other pairs have no order.
func (v Value) Compare(w Value) (int, bool) {
	if v.Kind != w.Kind {
		return 0, false
	}
	switch v.Kind {
	case S, B:
		return strings.Compare(v.Text, w.Text), true
	case N:
		return v.Num.Compare(w.Num), true
	}
	return 0, false
}

// compareMembers orders members of one set.
func compareMembers(v, w Value) int {
	c, _ := v.Compare(w)
	return c
}

// Contains says whether a set has a member.
func (v Value) Contains(member Value) bool {
	if v.Kind.Member() != member.Kind {
		return false
	}
	_, found := slices.BinarySearchFunc(v.List, member, compareMembers)
	return found
}

// Union is the set of the members of either of two sets of one kind.
func (v Value) Union(w Value) Value {
	members := slices.Concat(v.List, w.List)
	slices.SortFunc(members, compareMembers)
	v.List = slices.CompactFunc(members, Value.Equal)
	return v
}

// Without is the set of the members of v that w lacks.
func (v Value) Without(w Value) Value {
	v.List = slices.DeleteFunc(slices.Clone(v.List), w.Contains)
	return v
}

// Names lists the names of a map in order.
func (m Map) Names() []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
