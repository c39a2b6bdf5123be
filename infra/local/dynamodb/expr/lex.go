package expr

import "unicode/utf8"

// token is one lexical unit of an expression. Text is what stands in the source.
type token struct {
	kind       tokenKind
	text       string
	start, end int
}

type tokenKind uint8

const (
	endToken    tokenKind = iota
	wordToken             // attribute name, function or keyword
	nameToken             // #placeholder
	valueToken            // :placeholder
	numberToken           // list index
	symbolToken           // operator or punctuation
	badToken              // a character that no expression may hold
)

// lex splits a source into tokens, the last of which is the end.
func lex(src string) []token {
	tokens := make([]token, 0, len(src)/3+1)
	for at := 0; ; {
		for at < len(src) && (src[at] == ' ' || src[at] == '\t' || src[at] == '\n' || src[at] == '\r') {
			at++
		}
		if at == len(src) {
			return append(tokens, token{kind: endToken, text: "<EOF>", start: at, end: at})
		}
		kind, end := next(src, at)
		tokens = append(tokens, token{kind: kind, text: src[at:end], start: at, end: end})
		at = end
	}
}

func next(src string, at int) (tokenKind, int) {
	c := src[at]
	switch {
	case letter(c):
		return wordToken, run(src, at, wordByte)
	case c == '0': // no number begins with a zero but zero
		return numberToken, at + 1
	case digit(c):
		return numberToken, run(src, at, digit)
	case c == '#' || c == ':':
		if end := run(src, at+1, wordByte); end > at+1 {
			if c == '#' {
				return nameToken, end
			}
			return valueToken, end
		}
		return badToken, at + 1
	case c == '<' || c == '>':
		if at+1 < len(src) && (src[at+1] == '=' || c == '<' && src[at+1] == '>') {
			return symbolToken, at + 2
		}
		return symbolToken, at + 1
	}
	switch c {
	case '(', ')', '[', ']', ',', '.', '=', '+', '-':
		return symbolToken, at + 1
	}
	_, n := utf8.DecodeRuneInString(src[at:])
	return badToken, at + n
}

func run(src string, at int, in func(byte) bool) int {
	for at < len(src) && in(src[at]) {
		at++
	}
	return at
}

func digit(c byte) bool    { return c >= '0' && c <= '9' }
func letter(c byte) bool   { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func wordByte(c byte) bool { return letter(c) || digit(c) || c == '_' }
