package attr

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of values, in AWS's words.
const (
	emptyValue  = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
	manyKinds   = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
	falseNull   = "One or more parameter values were invalid: Null attribute value types must have the value of true"
	emptyString = "One or more parameter values were invalid: An string set  may not be empty"
	emptyNumber = "One or more parameter values were invalid: An number set  may not be empty"
	emptyBinary = "One or more parameter values were invalid: Binary sets should not be empty"
	emptyName   = "One or more parameter values were invalid: Attribute name must not be empty"
)

// errShape is a value that is no JSON of the protocol at all; the request is then unreadable, not invalid.
var errShape = errors.New("attribute value has another JSON type than the protocol says")

// UnmarshalJSON reads {"name":{"S":"x"},…}.
func (m *Map) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	d := decoder{text: text}
	var err error
	*m, err = d.attributes()
	return err
}

// UnmarshalJSON reads {"S":"x"}.
func (v *Value) UnmarshalJSON(text []byte) error {
	d := decoder{text: text}
	var err error
	*v, err = d.value()
	return err
}

// decoder reads attribute values from JSON that encoding/json has already found well formed. It exists because items
// are most of what a request holds, and reading them by reflection costs more than all else in a call.
type decoder struct {
	text []byte
	at   int
}

func (d *decoder) space() {
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// open enters an object or array, if there is one.
func (d *decoder) open(bracket byte) error {
	d.space()
	if d.at >= len(d.text) || d.text[d.at] != bracket {
		return errShape
	}
	d.at++
	return nil
}

// more says whether another element follows, and steps over the comma or the closing bracket.
func (d *decoder) more(first bool) bool {
	d.space()
	switch d.text[d.at] {
	case '}', ']':
		d.at++
		return false
	case ',':
		if !first {
			d.at++
		}
	}
	return true
}

func (d *decoder) str() (string, error) {
	d.space()
	if d.at >= len(d.text) || d.text[d.at] != '"' {
		return "", errShape
	}
	plain := true
	start := d.at
	for d.at++; d.text[d.at] != '"'; d.at++ {
		if d.text[d.at] == '\\' {
			plain = false
			d.at++
		} else if d.text[d.at] >= 0x80 {
			plain = false // encoding/json replaces what is not UTF-8
		}
	}
	d.at++
	if plain {
		return string(d.text[start+1 : d.at-1]), nil
	}
	var s string
	if err := json.Unmarshal(d.text[start:d.at], &s); err != nil {
		return "", fmt.Errorf("reading string: %w", err)
	}
	return s, nil
}

// key reads a member's name and the colon.
func (d *decoder) key() (string, error) {
	s, err := d.str()
	if err != nil {
		return "", err
	}
	d.space()
	d.at++
	return s, nil
}

func (d *decoder) attributes() (Map, error) {
	if err := d.open('{'); err != nil {
		return nil, err
	}
	m := Map{}
	for first := true; d.more(first); first = false {
		name, err := d.key()
		if err != nil {
			return nil, err
		}
		v, err := d.value()
		var refused *Error
		if errors.As(err, &refused) {
			refused.Name = name // the outermost map is the last to write
		}
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, invalid(emptyName)
		}
		m[name] = v
	}
	return m, nil
}

func (d *decoder) value() (Value, error) {
	if err := d.open('{'); err != nil {
		return Value{}, err
	}
	var v Value
	for first := true; d.more(first); first = false {
		name, err := d.key()
		if err != nil {
			return Value{}, err
		}
		kind, ok := ParseKind(name)
		if !ok {
			return Value{}, fmt.Errorf("%w: %q is no type", errShape, name)
		}
		if v.Kind != None {
			return Value{}, invalid(manyKinds)
		}
		if v, err = d.content(kind); err != nil {
			return Value{}, err
		}
	}
	if v.Kind == None {
		return Value{}, invalid(emptyValue)
	}
	return v, nil
}

func (d *decoder) content(kind Kind) (v Value, err error) {
	v.Kind = kind
	switch kind {
	case S, N, B:
		return d.scalar(kind)
	case Bool:
		v.True, err = d.boolean()
	case Null:
		var is bool
		if is, err = d.boolean(); err == nil && !is {
			err = invalid(falseNull)
		}
	case M:
		v.Map, err = d.attributes()
	case L:
		v.List, err = d.list(d.value)
	default:
		v.List, err = d.list(func() (Value, error) { return d.scalar(kind.Member()) })
		if err == nil {
			err = v.distinct()
		}
	}
	return v, err
}

func (d *decoder) scalar(kind Kind) (Value, error) {
	text, err := d.str()
	if err != nil {
		return Value{}, err
	}
	v := Value{Kind: kind}
	switch kind {
	case N:
		v.Num, err = ParseNumber(text)
	case B:
		var raw []byte
		if raw, err = base64.StdEncoding.DecodeString(text); err != nil {
			err = fmt.Errorf("%w: %w", errShape, err)
		}
		v.Text = string(raw)
	default:
		v.Text = text
	}
	return v, err
}

func (d *decoder) boolean() (bool, error) {
	d.space()
	for _, word := range []string{"true", "false"} {
		if strings.HasPrefix(string(d.text[d.at:min(len(d.text), d.at+len(word))]), word) {
			d.at += len(word)
			return word == "true", nil
		}
	}
	return false, errShape
}

func (d *decoder) list(element func() (Value, error)) ([]Value, error) {
	if err := d.open('['); err != nil {
		return nil, err
	}
	list := []Value{}
	for first := true; d.more(first); first = false {
		v, err := element()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// distinct sorts the members of a set and refuses an empty set and repeated members.
func (v *Value) distinct() error {
	if len(v.List) == 0 {
		return invalid(map[Kind]string{SS: emptyString, NS: emptyNumber, BS: emptyBinary}[v.Kind])
	}
	given := slices.Clone(v.List)
	slices.SortFunc(v.List, compareMembers)
	for i := 1; i < len(v.List); i++ {
		if !v.List[i].Equal(v.List[i-1]) {
			continue
		}
		if v.Kind == NS {
			return invalid("Input collection contains duplicates")
		}
		texts := make([]string, len(given))
		for i, m := range given {
			texts[i] = m.Text
			if v.Kind == BS {
				texts[i] = base64.StdEncoding.EncodeToString([]byte(m.Text))
			}
		}
		return invalid("One or more parameter values were invalid: Input collection [" +
			strings.Join(texts, ", ") + "] contains duplicates.")
	}
	return nil
}
