package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// Invoke makes Stage a lambda.Handler. The event is a JSON text around a JSON text,
// in which every quote of the body is escaped; encoding/json spends more time on it
// than the rest of the handler takes, so decodeEvent reads the few fields that count.
// What the account's own topics bring comes by the same door.
func (s *Stage) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e, body, ok := decodeEvent(payload)
	if !ok {
		e = events.LambdaFunctionURLRequest{}
		if json.Unmarshal(payload, &e) != nil {
			// The text of the error may quote the payload, and Lambda logs what is returned.
			return nil, errors.New("decoding event: it is not a function URL request")
		}
		body = []byte(e.Body)
	}
	if e.RawPath == "" { // which every request has
		if n, ok := notifications(payload); ok {
			return nil, s.receive(ctx, n)
		}
	}
	out, err := json.Marshal(s.answer(ctx, &e, body))
	if err != nil {
		return nil, fmt.Errorf("encoding reply: %w", err)
	}
	return out, nil
}

// decodeEvent reads the fields that the stage uses. It is strict: where the
// standard library would be lenient or repair something (another case of a name, a
// name twice, broken UTF-8, lone surrogates, null), it says false and the caller
// asks the standard library. What it accepts it reads like the standard library;
// a differential fuzz test holds it to that. The body is given apart, since it need
// never be a string; it may lie within payload.
func decodeEvent(payload []byte) (e events.LambdaFunctionURLRequest, body []byte, ok bool) {
	s := scanner{in: payload}
	s.object([]string{"rawPath", "rawQueryString", "headers", "requestContext", "body", "isBase64Encoded",
		"version", "cookies", "queryStringParameters"}, func(name string) {
		switch name {
		case "rawPath":
			e.RawPath = s.text()
		case "rawQueryString":
			e.RawQueryString = s.text()
		case "body":
			body = s.bytes()
		case "isBase64Encoded":
			e.IsBase64Encoded = s.boolean()
		case "headers":
			e.Headers = make(map[string]string, 24)
			s.object(nil, func(name string) {
				if _, twice := e.Headers[name]; twice {
					s.bad = true
				}
				e.Headers[name] = s.text()
			})
		case "requestContext":
			s.context(&e.RequestContext)
		default:
			s.skip(0)
		}
	})
	s.blanks()
	return e, body, !s.bad && s.at == len(s.in)
}

func (s *scanner) context(c *events.LambdaFunctionURLRequestContext) {
	s.object([]string{"requestId", "http"}, func(name string) {
		switch name {
		case "requestId":
			c.RequestID = s.text()
		case "http":
			s.object([]string{"method"}, func(name string) {
				if name == "method" {
					c.HTTP.Method = s.text()
					return
				}
				s.skip(0)
			})
		default:
			s.skip(0)
		}
	})
}

// scanner reads JSON; bad says that it met something that it leaves to others.
type scanner struct {
	in  []byte
	at  int
	bad bool
}

func (s *scanner) blanks() {
	for s.at < len(s.in) {
		switch s.in[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// next takes the byte c, after blanks.
func (s *scanner) next(c byte) bool {
	s.blanks()
	if s.bad || s.at >= len(s.in) || s.in[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) must(c byte) {
	if !s.next(c) {
		s.bad = true
	}
}

// object calls member at each value. Of the names given, none may come twice or in
// another case.
func (s *scanner) object(names []string, member func(name string)) {
	s.must('{')
	if s.next('}') {
		return
	}
	var seen uint
	for !s.bad {
		name := s.text()
		for i, n := range names {
			if n == name {
				s.bad = s.bad || seen&(1<<i) != 0
				seen |= 1 << i
			} else if len(n) == len(name) && strings.EqualFold(n, name) {
				s.bad = true
			}
		}
		if names != nil && !ascii(name) {
			s.bad = true // might fold into one of the names
		}
		s.must(':')
		if s.bad {
			return
		}
		member(name)
		if s.next(',') {
			continue
		}
		s.must('}')
		return
	}
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (s *scanner) boolean() bool {
	s.blanks()
	switch {
	case s.literal("true"):
		return true
	case s.literal("false"):
	default:
		s.bad = true
	}
	return false
}

func (s *scanner) literal(word string) bool {
	if s.bad || !bytes.HasPrefix(s.in[s.at:], []byte(word)) {
		return false
	}
	s.at += len(word)
	return true
}

const maxDepth = 100

// skip passes over any value.
func (s *scanner) skip(depth int) {
	s.blanks()
	if s.bad || s.at >= len(s.in) || depth > maxDepth {
		s.bad = true
		return
	}
	switch c := s.in[s.at]; {
	case c == '"':
		s.text()
	case c == '{':
		s.object(nil, func(string) { s.skip(depth + 1) })
	case c == '[':
		s.at++
		if s.next(']') {
			return
		}
		for !s.bad {
			s.skip(depth + 1)
			if !s.next(',') {
				s.must(']')
				return
			}
		}
	case s.literal("true"), s.literal("false"), s.literal("null"):
	default:
		s.number()
	}
}

// number passes over -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() {
	s.one("-")
	if !s.one("0") && !s.digits() {
		s.bad = true
	}
	if s.one(".") && !s.digits() {
		s.bad = true
	}
	if s.one("eE") {
		s.one("+-")
		if !s.digits() {
			s.bad = true
		}
	}
}

func (s *scanner) one(of string) bool {
	if s.at < len(s.in) && strings.IndexByte(of, s.in[s.at]) >= 0 {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.in) && s.in[s.at] >= '0' && s.in[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

// text reads a string.
func (s *scanner) text() string { return string(s.bytes()) }

// stops are the bytes at which the plain part of a string ends.
var stops = func() (t [256]bool) {
	for c := range ' ' {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// bytes reads a string; without escapes it lies within the input.
func (s *scanner) bytes() []byte {
	s.must('"')
	if s.bad {
		return nil
	}
	from, at := s.at, s.at
	for at+8 <= len(s.in) {
		k := plain(binary.LittleEndian.Uint64(s.in[at:]))
		if at += k; k < 8 {
			break
		}
	}
	for at < len(s.in) && !stops[s.in[at]] {
		at++
	}
	s.at = at
	out := s.in[from:at]
	if at < len(s.in) && s.in[at] == '\\' {
		out = s.escaped(out)
	}
	if !s.one("\"") || !utf8.Valid(out) {
		s.bad = true
	}
	return out
}

// escaped reads a string on from its first backslash to its closing quote. It copies
// eight bytes at a time and looks only then how many of them were plain.
func (s *scanner) escaped(before []byte) []byte {
	in, at, n := s.in, s.at, len(before)
	out := make([]byte, n+8+min(len(in)-at, 8<<10))
	copy(out, before)
	for at+8 <= len(in) {
		if n+8 > len(out) {
			out = append(out, make([]byte, len(out))...)
		}
		word := binary.LittleEndian.Uint64(in[at:])
		binary.LittleEndian.PutUint64(out[n:], word)
		k := plain(word)
		at, n = at+k, n+k
		if k == 8 {
			continue
		}
		if in[at] != '\\' {
			s.at = at
			return out[:n] // the quote, or what may not stand here
		}
		if at+1 < len(in) && in[at+1] == '"' { // most escapes by far
			out[n] = '"'
			at, n = at+2, n+1
			continue
		}
		s.at = at + 1
		if out = s.escape(out[:n]); s.bad {
			return nil
		}
		at, n, out = s.at, len(out), out[:cap(out)]
	}
	s.at = at
	return s.tail(out[:n])
}

// tail is escaped for the last bytes of the input.
func (s *scanner) tail(out []byte) []byte {
	for s.at < len(s.in) && !s.bad {
		switch c := s.in[s.at]; {
		case c == '\\':
			s.at++
			out = s.escape(out)
		case stops[c]:
			return out
		default:
			out = append(out, c)
			s.at++
		}
	}
	s.bad = true
	return nil
}

// plain counts the first of eight bytes that are neither a quote, a backslash nor a
// control character.
func plain(word uint64) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := word^('"'*ones), word^('\\'*ones)
	// The lowest high bit that is set is right; those above may not be, by the borrow.
	found := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((word - ' '*ones) &^ word)
	return bits.TrailingZeros64(found&highs) / 8
}

// escape reads what follows a backslash.
func (s *scanner) escape(out []byte) []byte {
	if s.at >= len(s.in) {
		s.bad = true
		return out
	}
	c := s.in[s.at]
	s.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'n':
		return append(out, '\n')
	case 't':
		return append(out, '\t')
	case 'r':
		return append(out, '\r')
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'u':
		r := s.hex4()
		if utf16.IsSurrogate(r) {
			if !s.one("\\") || !s.one("u") {
				s.bad = true
				return out
			}
			if r = utf16.DecodeRune(r, s.hex4()); r == utf8.RuneError {
				s.bad = true
			}
		}
		return utf8.AppendRune(out, r)
	}
	s.bad = true
	return out
}

func (s *scanner) hex4() rune {
	if s.at+4 > len(s.in) {
		s.bad = true
		return 0
	}
	var r rune
	for _, c := range s.in[s.at : s.at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			s.bad = true
			return 0
		}
		r = r<<4 | rune(c)
	}
	s.at += 4
	return r
}
