package message

import (
	"errors"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue bounds what one value takes in a message, in bytes.
const maxValue = 4 << 10

// filters are those that templates may use, with the number of their arguments.
// They are ours and not the library's: none makes more than maxValue of anything,
// and none turns what is missing into something.
var filters = map[string]struct {
	arguments int
	apply     any
}{
	"default":    {1, func(v, other any) any { return orDefault(v, other) }},
	"upcase":     {0, onText(strings.ToUpper)},
	"downcase":   {0, onText(strings.ToLower)},
	"capitalize": {0, onText(capitalize)},
	"strip":      {0, onText(strings.TrimSpace)},
	"url_encode": {0, onText(urlEncode)},
	"append":     {1, func(v, s any) any { return onText(func(x string) string { return x + plainText(s) })(v) }},
	"prepend":    {1, func(v, s any) any { return onText(func(x string) string { return plainText(s) + x })(v) }},
	"remove":     {1, func(v, s any) any { return onText(func(x string) string { return replace(x, plainText(s), "") })(v) }},
	"replace": {2, func(v, old, by any) any {
		return onText(func(x string) string { return replace(x, plainText(old), plainText(by)) })(v)
	}},
	"truncate": {1, func(v, n any) any { return onText(func(x string) string { return truncate(x, n) })(v) }},
	"plus":     {1, func(v, n any) any { return onNumbers(v, n, func(a, b int64) int64 { return a + b }) }},
	"minus":    {1, func(v, n any) any { return onNumbers(v, n, func(a, b int64) int64 { return a - b }) }},
}

// filterNames are for people who wrote another.
func filterNames() string { return strings.Join(slices.Sorted(maps.Keys(filters)), ", ") }

// The filters that end every value. What is missing there makes no message.
const (
	outHTML = "loophub_html"
	outText = "loophub_text"
	outTold = "loophub_told" // of text, where a customer or a form said it
)

var errMissing = errors.New("a value is missing")

func finish(escape func(string) string) func(any) (any, error) {
	return func(v any) (any, error) {
		if v == nil {
			return nil, errMissing
		}
		return escape(plainText(v)), nil
	}
}

var (
	finishHTML = finish(html.EscapeString)
	finishText = finish(func(s string) string { return s })
	// The links of a text become ours, and nobody gets one by giving it as a name.
	finishTold = finish(func(s string) string { return strings.ReplaceAll(s, "://", ": //") })
)

func orDefault(v, other any) any {
	if v == nil || v == false || v == "" {
		return other
	}
	return v
}

// onText leaves what is missing missing.
func onText(f func(string) string) func(any) any {
	return func(v any) any {
		if v == nil {
			return nil
		}
		return clip(f(plainText(v)))
	}
}

func onNumbers(v, n any, f func(a, b int64) int64) any {
	a, okA := integer(plainText(v))
	b, okB := integer(plainText(n))
	if !okA || !okB {
		return v
	}
	return f(a, b)
}

// plainText writes a value as it stands in a message.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return clip(v)
	}
	return clip(fmt.Sprint(v))
}

// clip cuts a text between two characters.
func clip(s string) string {
	if len(s) <= maxValue {
		return s
	}
	s = s[:maxValue]
	for !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]) && len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return strings.ToValidUTF8(s, "")
}

// replace stops once it has made enough.
func replace(s, old, by string) string {
	if old == "" {
		return s
	}
	var b strings.Builder
	for b.Len() <= maxValue {
		before, after, found := strings.Cut(s, old)
		b.WriteString(before)
		if !found {
			break
		}
		b.WriteString(by)
		s = after
	}
	return b.String()
}

func truncate(s string, n any) string {
	length, ok := integer(plainText(n))
	if !ok || length < 1 || int64(utf8.RuneCountInString(s)) <= length {
		return s
	}
	return string([]rune(s)[:length-1]) + "…"
}

func capitalize(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

// urlEncode writes a text as it may stand in the path or query of a link.
func urlEncode(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}
