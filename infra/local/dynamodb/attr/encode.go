package attr

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
)

// MarshalJSON writes {"name":{"S":"x"},…}, names in order.
func (m Map) MarshalJSON() ([]byte, error) {
	if m == nil {
		return []byte("null"), nil
	}
	return m.appendJSON(nil), nil
}

// MarshalJSON writes {"S":"x"}.
func (v Value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil), nil }

func (m Map) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, name := range m.Names() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		dst = m[name].appendJSON(dst)
	}
	return append(dst, '}')
}

func (v Value) appendJSON(dst []byte) []byte {
	dst = append(dst, '{', '"')
	dst = append(dst, v.Kind.String()...)
	dst = append(dst, '"', ':')
	switch v.Kind {
	case S, N, B:
		dst = v.appendScalar(dst)
	case Bool:
		dst = strconv.AppendBool(dst, v.True)
	case Null:
		dst = append(dst, "true"...)
	case M:
		dst = v.Map.appendJSON(dst)
	default:
		dst = append(dst, '[')
		for i, e := range v.List {
			if i > 0 {
				dst = append(dst, ',')
			}
			if v.Kind == L {
				dst = e.appendJSON(dst)
			} else {
				dst = e.appendScalar(dst)
			}
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (v Value) appendScalar(dst []byte) []byte {
	switch v.Kind {
	case N:
		dst = append(dst, '"')
		dst = append(dst, v.Num.String()...)
		return append(dst, '"')
	case B:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, []byte(v.Text))
		return append(dst, '"')
	}
	return appendString(dst, v.Text)
}

// appendString writes a JSON string. Every byte that JSON lets stand, stands.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return append(dst, '"')
}
