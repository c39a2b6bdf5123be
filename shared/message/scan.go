package message

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Templates are Liquid, of which this part is taken: {{ values with filters }},
// if, elsif, else, unless and comment. Nothing in it repeats, stores or reads
// files, so what a template costs is bounded by its length. It is read here, with
// places; the library then renders what was found to be right.

// piece is a part of a template: text, or one {{ … }} or {% … %}.
type piece struct {
	kind   pieceKind
	source string
	inner  string // without markers
	at     int    // byte offset of source
	in     int    // byte offset of inner
}

type pieceKind byte

const (
	textPiece   pieceKind = 't'
	objectPiece pieceKind = 'o'
	tagPiece    pieceKind = 'g'
)

// trouble is something wrong at a place of a text.
type trouble struct {
	at     int // byte offset
	reason string
}

var endComment = regexp.MustCompile(`\{%-?[ \t]*endcomment[ \t]*-?%\}`)

// scan takes a template apart. What is in a comment is left out.
func scan(text string) (pieces []piece, wrong []trouble) {
	for at := 0; at < len(text); {
		open := nextMarker(text[at:])
		if open < 0 {
			return append(pieces, piece{kind: textPiece, source: text[at:], at: at}), wrong
		}
		if open > 0 {
			pieces = append(pieces, piece{kind: textPiece, source: text[at : at+open], at: at})
			at += open
		}
		p, reason := marked(text, at)
		if reason != "" {
			return pieces, append(wrong, trouble{at, reason})
		}
		at += len(p.source)
		if p.kind != tagPiece || p.inner != "comment" {
			pieces = append(pieces, p)
			continue
		}
		end := endComment.FindStringIndex(text[at:])
		if end == nil {
			return pieces, append(wrong, trouble{p.at, "the comment has no end; write {% endcomment %}"})
		}
		if nested := nextMarker(text[at : at+end[0]]); nested >= 0 {
			wrong = append(wrong, trouble{at + nested, "a comment can't hold {{ or {%; take them out"})
		}
		at += end[1]
	}
	return pieces, wrong
}

// nextMarker finds the next {{ or {%.
func nextMarker(s string) int {
	for at := 0; ; at++ {
		i := strings.IndexByte(s[at:], '{')
		if i < 0 || at+i+1 >= len(s) {
			return -1
		}
		if at += i; s[at+1] == '{' || s[at+1] == '%' {
			return at
		}
	}
}

// marked reads the {{ … }} or {% … %} that begins at a place.
func marked(text string, at int) (p piece, reason string) {
	p = piece{kind: objectPiece, at: at}
	end := "}}"
	if text[at+1] == '%' {
		p.kind, end = tagPiece, "%}"
	}
	n := strings.Index(text[at+2:], end)
	if n < 0 {
		return p, "there is no " + end + " to end what begins here"
	}
	p.source = text[at : at+2+n+2]
	inner := text[at+2 : at+2+n]
	if strings.ContainsAny(inner, "{}%\n\r") {
		return p, "between " + text[at:at+2] + " and " + end + " there can be no line break and none of { } %"
	}
	from, to := 0, len(inner)
	if strings.HasPrefix(inner, "-") {
		from++
	}
	if to > from && inner[to-1] == '-' {
		to--
	}
	trimmed := strings.TrimLeft(inner[from:to], " \t")
	p.in = at + 2 + to - len(trimmed)
	if p.inner = strings.TrimRight(trimmed, " \t"); p.inner == "" {
		return p, "there is nothing between " + text[at:at+2] + " and " + end
	}
	return p, ""
}

// place gives line and column, from 1, of a byte offset; columns count characters.
func place(text string, at int) (line, column int) {
	before := text[:min(at, len(text))]
	begin := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[begin:]) + 1
}

// word is one of the words of an expression.
type word struct {
	kind wordKind
	text string
	at   int // byte offset in the expression
}

type wordKind byte

const (
	pathWord   wordKind = 'p' // traits.city, and words such as and, or
	stringWord wordKind = 's'
	numberWord wordKind = 'n'
	signWord   wordKind = '|' // | : , == != < > <= >=
	endWord    wordKind = 0
)

var wordPattern = regexp.MustCompile(`^(?:([A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*)|("[^"]*"|'[^']*')|(-?[0-9]{1,9})|(==|!=|<=|>=|[|:,<>]))`)

// wordsOf takes an expression apart.
func wordsOf(s string) (list []word, wrong *trouble) {
	for at := 0; at < len(s); {
		if s[at] == ' ' || s[at] == '\t' {
			at++
			continue
		}
		m := wordPattern.FindStringSubmatchIndex(s[at:])
		if m == nil {
			return nil, &trouble{at, "this can't stand here; write a variable, a text in quotes, or a whole number"}
		}
		t := word{at: at, text: s[at : at+m[1]]}
		switch {
		case m[2] >= 0:
			t.kind = pathWord
		case m[4] >= 0:
			t.kind, t.text = stringWord, t.text[1:len(t.text)-1]
		case m[6] >= 0:
			t.kind = numberWord
		default:
			t.kind = signWord
		}
		list = append(list, t)
		at += m[1]
	}
	return list, nil
}
