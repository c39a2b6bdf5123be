package workspace

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// longest is ten years: nothing waits or looks back further.
const longest = 3_650 * 24 * time.Hour

var units = map[string]time.Duration{"min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// Duration reads a span of time as people write it, like 90min, 36h, 30d or 2w. A
// day is 24 hours long, whatever clocks do.
func Duration(text string) (time.Duration, bool) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	unit, known := units[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 32)
	if !known || err != nil || n < 1 || strconv.FormatInt(n, 10) != digits || time.Duration(n) > longest/unit {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

var clockPattern = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// fields are the values of one mapping of the file, read by their keys.
type fields struct {
	*parser
	of     string     // what it is, in reasons: journey "come-back": wait_for
	place  *yaml.Node // where something that is missing is told
	values map[string]*yaml.Node
}

// fields reads a mapping with the keys allowed. ok is false where n is none.
func (p *parser) fields(place, n *yaml.Node, of string, allowed ...string) (f fields, ok bool) {
	m := p.mapping(n, of, allowed...)
	return fields{p, of, place, m}, m != nil
}

// node is the value of a key; nil where it is missing or empty.
func (f fields) node(key string) *yaml.Node {
	if n := f.values[key]; n != nil && !empty(n) {
		return n
	}
	return nil
}

// need tells that a key is missing or holds nothing, with an example of how to write it.
func (f fields) need(key, example string) {
	if n := f.node(key); n == nil || n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		f.at(f.place, "%s lacks %q; write for example: %s", f.of, key, example)
	}
}

// wrong tells that the value of a key can't be what it is.
func (f fields) wrong(n *yaml.Node, key, advice string) {
	f.at(n, "%s: %q can't be %s; %s", f.of, key, quote(n.Value), advice)
}

// value is a key's text, trimmed; ok is false where there is none.
func (f fields) value(key string) (n *yaml.Node, s string, ok bool) {
	if n = f.node(key); n == nil {
		return nil, "", false
	}
	s, ok = f.scalar(n, key)
	return n, s, ok
}

// line is a short text for people.
func (f fields) line(key string, most int) string {
	n, s, ok := f.value(key)
	switch {
	case !ok:
	case len(s) > most:
		f.at(n, "%s: %q is too long; use at most %d bytes", f.of, key, most)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }):
		f.at(n, "%s: %q must be one line of text", f.of, key)
	}
	return s
}

// text is a text as it stands, blanks included: a rule or a template, whose
// mistakes are told by their place in it.
func (f fields) text(key string, most int) string {
	n := f.node(key)
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		f.at(n, "%s: %q must be a text; put it in quotes", f.of, key)
		return ""
	}
	if len(n.Value) > most {
		f.at(n, "%s: %q has %d bytes; use at most %d", f.of, key, len(n.Value), most)
	}
	return n.Value
}

// name is the name of something else in the file. Whether that is there is asked
// once all of the file is read.
func (f fields) name(key string) string {
	n, s, ok := f.value(key)
	if ok && !ValidID(s) {
		f.wrong(n, key, "a name has up to 40 lower-case letters, digits and dashes")
	}
	return s
}

// word reads a value that is one of a few words.
func (f fields) word(key string, words ...string) string {
	n, s, ok := f.value(key)
	if !ok {
		return ""
	}
	for _, w := range words {
		if s == w {
			return s
		}
	}
	f.wrong(n, key, "write "+oneOf(words))
	return ""
}

const durationAdvice = "write a whole number and min, h, d or w, such as 90min, 36h, 30d or 2w, up to ten years"

func (f fields) duration(key string, most time.Duration) time.Duration {
	n := f.node(key)
	if n == nil {
		return 0
	}
	return f.span(n, key, most)
}

// span reads the duration that a node holds.
func (f fields) span(n *yaml.Node, key string, most time.Duration) time.Duration {
	s, ok := f.scalar(n, key)
	if !ok {
		return 0
	}
	d, ok := Duration(s)
	switch {
	case !ok:
		f.wrong(n, key, durationAdvice)
	case d > most:
		f.wrong(n, key, fmt.Sprintf("use at most %dd", most/(24*time.Hour)))
	}
	return d
}

// clock is a time of day.
func (f fields) clock(key string) string {
	n, s, ok := f.value(key)
	if ok && !clockPattern.MatchString(s) {
		f.wrong(n, key, `write a time of day of 24 hours, such as "09:00" or "21:30"`)
	}
	return s
}

func (f fields) number(key string, least, most int) int {
	n, s, ok := f.value(key)
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(s)
	if n.Tag != "!!int" || err != nil || i < least || i > most || strconv.Itoa(i) != s {
		f.wrong(n, key, fmt.Sprintf("write a whole number from %d to %d, without quotes", least, most))
		return 0
	}
	return i
}

// yes is a key that is there with the value true, or not at all.
func (f fields) yes(key string) bool {
	n, s, ok := f.value(key)
	if !ok {
		return false
	}
	if n.Tag != "!!bool" || s != "true" {
		f.wrong(n, key, "write true, or remove the line")
		return false
	}
	return true
}

// occurrences are what happens to customers by Loophub's own words.
var occurrences = []string{
	"order.placed", "checkout.started", "form.submitted", "consent.asked", "message.delivered", "message.opened",
	"message.clicked", "message.bounced", "message.complained", "message.unsubscribed",
}

var ownEvent = regexp.MustCompile(`^(order|checkout|form|consent|message)\.`)

// event is the name of something that happens: one of ours, or the merchant's own.
func (f fields) event(key string) string {
	s := f.line(key, 100)
	if ownEvent.MatchString(s) && !slices.Contains(occurrences, s) {
		f.wrong(f.node(key), key, "of these there are "+strings.Join(occurrences, ", "))
	}
	return s
}

// elements are those of a list, each of which may be anything.
func (f fields) elements(key string, most int) []*yaml.Node {
	n := f.node(key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		f.at(n, "%s: %q must be a list, each element on a line that begins with a dash", f.of, key)
		return nil
	}
	if len(n.Content) > most {
		f.at(n, "%s: %q has %d elements; use at most %d", f.of, key, len(n.Content), most)
		return nil
	}
	return n.Content
}

// named reads a section of the file: names, each with what it stands for.
func named[T any](p *parser, n *yaml.Node, section, one string, most int, read func(key, v *yaml.Node) T) map[string]T {
	var all map[string]T
	p.each(n, section, func(key, v *yaml.Node) {
		switch {
		case !ValidID(key.Value):
			p.at(key, "%s %s: its name stands in events and URLs; use up to 40 lower-case letters, digits and dashes", one, quote(key.Value))
		case len(all) == most:
			p.at(key, "%s %q is one too many; a workspace has at most %d", one, key.Value, most)
		default:
			if all == nil {
				all = map[string]T{}
			}
			all[key.Value] = read(key, v)
		}
	})
	return all
}
