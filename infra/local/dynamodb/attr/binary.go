package attr

import (
	"encoding/binary"
	"errors"
)

// errBinary is a text that AppendBinary has not written.
var errBinary = errors.New("attribute values: the bytes are cut short or no values at all")

// AppendBinary appends the map in a form that is shorter and faster than JSON, and one per value: names in order.
func (m Map) AppendBinary(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m)))
	for _, name := range m.Names() {
		dst = m[name].appendBinary(AppendText(dst, name))
	}
	return dst
}

func (v Value) appendBinary(dst []byte) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case S, B:
		return AppendText(dst, v.Text)
	case N:
		return AppendText(dst, v.Num.String())
	case Bool:
		if v.True {
			return append(dst, 1)
		}
		return append(dst, 0)
	case M:
		return v.Map.AppendBinary(dst)
	case L, SS, NS, BS:
		dst = binary.AppendUvarint(dst, uint64(len(v.List)))
		for _, e := range v.List {
			dst = e.appendBinary(dst)
		}
	}
	return dst
}

// AppendText appends a text with its length before it.
func AppendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Binary reads what the functions above have written. After the first error all reads yield nothing.
type Binary struct {
	Rest []byte
	Err  error
}

func (b *Binary) fail() {
	b.Rest, b.Err = nil, errBinary
}

// Byte reads one byte.
func (b *Binary) Byte() byte {
	if len(b.Rest) == 0 {
		b.fail()
		return 0
	}
	c := b.Rest[0]
	b.Rest = b.Rest[1:]
	return c
}

// Uint reads a number that binary.AppendUvarint wrote.
func (b *Binary) Uint() uint64 {
	n, size := binary.Uvarint(b.Rest)
	if size <= 0 {
		b.fail()
		return 0
	}
	b.Rest = b.Rest[size:]
	return n
}

// Int reads a number that binary.AppendVarint wrote.
func (b *Binary) Int() int64 {
	n, size := binary.Varint(b.Rest)
	if size <= 0 {
		b.fail()
		return 0
	}
	b.Rest = b.Rest[size:]
	return n
}

// Text reads a text.
func (b *Binary) Text() string {
	n := b.Uint()
	if n > uint64(len(b.Rest)) {
		b.fail()
		return ""
	}
	s := string(b.Rest[:n])
	b.Rest = b.Rest[n:]
	return s
}

// count reads how many elements follow; each takes a byte at least.
func (b *Binary) count() int {
	n := b.Uint()
	if n > uint64(len(b.Rest)) {
		b.fail()
		return 0
	}
	return int(n)
}

// Map reads a map.
func (b *Binary) Map() Map {
	n := b.count()
	m := make(Map, n)
	for range n {
		name := b.Text()
		m[name] = b.value()
	}
	return m
}

func (b *Binary) value() Value {
	v := Value{Kind: Kind(b.Byte())}
	switch v.Kind {
	case S, B:
		v.Text = b.Text()
	case N:
		var err error
		if v.Num, err = ParseNumber(b.Text()); err != nil {
			b.fail()
		}
	case Bool:
		v.True = b.Byte() != 0
	case Null:
	case M:
		v.Map = b.Map()
	case L, SS, NS, BS:
		n := b.count()
		v.List = make([]Value, 0, n)
		for range n {
			v.List = append(v.List, b.value())
		}
	default:
		b.fail()
	}
	return v
}
