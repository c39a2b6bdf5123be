package message

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// A value stands in the markup as one character of a range that nobody writes, so
// that HTML can be read before it is filled in.
const (
	firstMark = 0xE000
	lastMark  = firstMark + maxObjects
)

func isMark(r rune) bool { return r >= firstMark && r <= lastMark }

// markup checks where values stand in the HTML: in text and in quoted attributes
// they are escaped, anywhere else they could become markup. And no value chooses
// the host of a link: our name stands on the mail.
func (r *reading) markup(pieces []piece) {
	var b strings.Builder
	var objects []piece
	for _, p := range pieces {
		switch p.kind {
		case textPiece:
			b.WriteString(strings.Map(func(c rune) rune {
				if isMark(c) {
					return ' '
				}
				return c
			}, p.source))
		case objectPiece:
			b.WriteRune(rune(firstMark + len(objects)))
			objects = append(objects, p)
		}
	}
	at := func(s string) int { // the first value in it
		for _, c := range s {
			if isMark(c) && int(c)-firstMark < len(objects) {
				return objects[int(c)-firstMark].at
			}
		}
		return 0
	}
	z := html.NewTokenizer(strings.NewReader(b.String()))
	for z.Next() != html.ErrorToken {
		raw := string(z.Raw())
		t := z.Token()
		if t.Type != html.StartTagToken && t.Type != html.SelfClosingTagToken && t.Type != html.EndTagToken {
			if t.Type != html.TextToken && strings.ContainsFunc(raw, isMark) {
				r.fail(at(raw), "a value can't stand in an HTML comment")
			}
			continue
		}
		if slices.Contains([]string{"script", "style"}, t.Data) && t.Type == html.StartTagToken {
			z.Next() // its content, as one text
			if content := string(z.Raw()); t.Data == "script" || strings.ContainsFunc(content, isMark) {
				r.fail(at(content), "%s can't hold values, and scripts do not run in mails", t.Data)
			}
			continue
		}
		if bad := unquoted(raw); bad != "" {
			r.fail(at(bad), `inside a tag a value must stand in quotes: attribute="{{ … }}"`)
			continue
		}
		r.attributes(t, objects, at)
	}
}

// beforeValue is what a link must begin with before a value may follow: a whole host.
var beforeValue = regexp.MustCompile(`^(?:https?://[^/?#\s\\]+[/?#]|mailto:|tel:|#)`)

func (r *reading) attributes(t html.Token, objects []piece, at func(string) int) {
	for _, a := range t.Attr {
		first := strings.IndexFunc(a.Val, isMark)
		if first < 0 {
			continue
		}
		name := strings.ToLower(a.Key)
		switch {
		case strings.HasPrefix(name, "on") || name == "style":
			r.fail(at(a.Val), "a value can't stand in the attribute %s", name)
		case slices.Contains([]string{"href", "src", "action", "background", "srcset", "formaction", "poster"}, name):
			mark := []rune(a.Val)
			own := len(mark) == 1 && strings.HasPrefix(objects[int(mark[0])-firstMark].inner, "links.")
			if !own && !beforeValue.MatchString(a.Val[:first]) {
				r.fail(at(a.Val), "a link begins with a host that is written out: https://my-shop.example/…; values may follow that")
			}
		}
	}
}

// unquoted gives the part of a tag from the first value on that stands outside of
// quotes, "" where there is none.
func unquoted(tag string) string {
	quote := rune(0)
	for i, c := range tag {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case isMark(c):
			return tag[i:]
		}
	}
	return ""
}
