package message

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A value stands in the markup as one character of a range that nobody writes, and
// an if, else or endif as one behind it, so that HTML can be read before it is
// filled in.
const (
	firstMark = 0xE000
	lastMark  = firstMark + maxObjects
	ifMark    = lastMark + 1
	elseMark  = lastMark + 2
	endMark   = lastMark + 3
)

func isMark(r rune) bool { return r >= firstMark && r <= lastMark }
func isTag(r rune) bool  { return r > lastMark && r <= endMark }

// marks are the pieces of a text with a mark for each that is no text.
type marks struct {
	text  string
	at    []int    // where the values begin
	inner []string // what they say
	tags  []int    // where ifs, elses and ends begin
}

func mark(pieces []piece) marks {
	var m marks
	var b strings.Builder
	for _, p := range pieces {
		switch p.kind {
		case textPiece:
			b.WriteString(strings.Map(func(c rune) rune {
				if isMark(c) || isTag(c) {
					return ' '
				}
				return c
			}, p.source))
		case objectPiece:
			b.WriteRune(rune(firstMark + len(m.at)))
			m.at, m.inner = append(m.at, p.at), append(m.inner, p.inner)
		case tagPiece:
			c := rune(elseMark)
			if strings.HasPrefix(p.inner, "end") {
				c = endMark
			} else if strings.HasPrefix(p.inner, "if") || strings.HasPrefix(p.inner, "unless") {
				c = ifMark
			}
			b.WriteRune(c)
			m.tags = append(m.tags, p.at)
		}
	}
	m.text = b.String()
	return m
}

// place is where the first value of s begins. A character reference may look like
// the mark of a value that there is not.
func (m marks) place(s string) int {
	for _, c := range s {
		if n := int(c) - firstMark; isMark(c) && n < len(m.at) {
			return m.at[n]
		}
	}
	return 0
}

// markup checks where values stand in the HTML: in text and in quoted attributes
// they are escaped, anywhere else they could become markup. And no value chooses
// the host of a link: our name stands on the mail.
//
// What it reads is all branches of the ifs one after the other. That is what each of
// them alone is too, as long as no tag and no quotes begin in one and end outside.
func (r *reading) markup(m marks) {
	passed := 0 // ifs, elses and ends before what is read
	rest := m.text
	z := html.NewTokenizer(strings.NewReader(m.text))
	for raw := ""; z.Next() != html.ErrorToken; passed += countTags(raw) {
		raw = string(z.Raw())
		rest = rest[len(raw):]
		t := z.Token()
		switch t.Type {
		case html.TextToken:
			if i := strings.IndexByte(raw, '<'); i >= 0 && strings.ContainsFunc(raw[i:], isMark) {
				r.fail(m.place(raw[i:]), "before a value a < that begins no tag could become one; write &lt;")
			}
			continue
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
		default:
			if strings.ContainsFunc(raw, isMark) {
				r.fail(m.place(raw), "a value can't stand in an HTML comment")
			} else if !paired(raw) {
				r.fail(m.tags[passed], unpaired)
			}
			continue
		}
		if t.Type != html.EndTagToken && (t.Data == "script" || t.Data == "style") {
			tag := countTags(raw)
			z.Next() // its content, as one text
			content := string(z.Raw())
			rest = rest[len(content):]
			if t.Data == "script" || strings.ContainsFunc(content, isMark) {
				r.fail(m.place(content), "%s can't hold values, and scripts do not run in mails", t.Data)
			} else if !paired(content) {
				r.fail(m.tags[passed+tag], unpaired)
			}
			raw += content
			continue
		}
		bare, quoted := parts(raw)
		switch {
		case strings.ContainsFunc(bare, isMark):
			r.fail(m.place(bare), `inside a tag a value must stand in quotes: attribute="{{ … }}"`)
		case !paired(bare) || slices.ContainsFunc(quoted, func(s string) bool { return !paired(s) }):
			r.fail(m.tags[passed], unpaired)
		default:
			r.attributes(t, m)
		}
	}
	if rest != "" { // it would take in what we write below
		begin := rest
		if i := strings.IndexFunc(rest, func(c rune) bool { return isMark(c) || isTag(c) }); i >= 0 {
			begin = rest[:i]
		}
		r.fail(max(strings.LastIndex(r.text, begin), 0), "this tag has no end; write >")
	}
}

const unpaired = "an if that begins in a tag, or in its quotes, ends in it; put it around the whole tag"

func countTags(s string) (n int) {
	for _, c := range s {
		if isTag(c) {
			n++
		}
	}
	return n
}

// paired tells whether every if, else and end of s belongs to an if within it.
func paired(s string) bool {
	depth := 0
	for _, c := range s {
		switch c {
		case ifMark:
			depth++
		case endMark:
			depth--
		}
		if depth < 0 || c == elseMark && depth == 0 {
			return false
		}
	}
	return depth == 0
}

// beforeValue is what a link must begin with before a value may follow: a whole host.
var beforeValue = regexp.MustCompile(`^(?:https?://[^/?#\s\\\x{E000}-\x{E1FF}]+[/?#]|mailto:|tel:|#)`)

// Attributes that hold a link, and those that hold what is more than a text.
var (
	linked  = []string{"href", "xlink:href", "src", "action", "background", "formaction", "poster", "data", "cite", "longdesc", "ping", "lowsrc", "dynsrc", "manifest", "codebase"}
	refused = []string{"style", "srcdoc", "srcset", "imagesrcset"}
)

const writtenOut = "a link begins with a host that is written out: https://my-shop.example/…; values may follow that"

func (r *reading) attributes(t html.Token, m marks) {
	for _, a := range t.Attr {
		first := strings.IndexFunc(a.Val, func(c rune) bool { return isMark(c) && int(c)-firstMark < len(m.at) })
		if first < 0 {
			continue
		}
		name := strings.ToLower(a.Key)
		switch {
		case strings.HasPrefix(name, "on") || slices.Contains(refused, name) || name == "content" && t.Data == "meta":
			r.fail(m.place(a.Val), "a value can't stand in the attribute %s", name)
		case slices.Contains(linked, name):
			own := len([]rune(a.Val)) == 1 && strings.HasPrefix(m.inner[int([]rune(a.Val)[0])-firstMark], "links.")
			if !own && !beforeValue.MatchString(a.Val[:first]) {
				r.fail(m.place(a.Val), writtenOut)
			}
		}
	}
}

// parts takes the raw text of a tag apart as browsers do: what stands outside of
// quotes, and each text in quotes. A quote opens only where a value begins; elsewhere
// it is a letter like any other.
func parts(tag string) (bare string, quoted []string) {
	const (
		inName  = iota // of the tag
		between        // attributes
		inAttribute
		behind  // an attribute's name and a blank
		awaited // a value, behind the equals sign
		inValue // without quotes
		inQuotes
	)
	var out strings.Builder
	state, quote, from := inName, rune(0), 0
	for i, c := range tag {
		space := strings.ContainsRune(" \t\n\r\f", c)
		switch {
		case state == inQuotes:
			if c == quote {
				quoted, state = append(quoted, tag[from:i]), between
			}
			continue
		case state == awaited && (c == '"' || c == '\''):
			state, quote, from = inQuotes, c, i+1
			continue
		case state == awaited && !space:
			state = inValue
		case (state == inAttribute || state == behind) && c == '=':
			state = awaited
		case state == inAttribute && space:
			state = behind
		case state == behind && space:
		case state != awaited && space, state != inValue && state != awaited && i > 1 && c == '/':
			state = between
		case state == between || state == behind:
			state = inAttribute
		}
		out.WriteRune(c)
	}
	return out.String(), quoted
}

// openHost is a link in plain text whose host is not written out before a value.
var openHost = regexp.MustCompile(`(?i)https?:[/\\]{0,2}[^/?#\s\x{E000}-\x{E1F4}]*([\x{E000}-\x{E1F4}])`)

// links checks plain text, whose links become click links too.
func (r *reading) links(m marks) {
	for _, found := range openHost.FindAllStringSubmatch(m.text, -1) {
		r.fail(m.place(found[1]), writtenOut)
	}
}
