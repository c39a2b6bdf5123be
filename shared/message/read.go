package message

import (
	"fmt"
	"slices"
	"strings"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// reading reads one text of a template: subject, HTML or text.
type reading struct {
	text    string
	html    bool
	purpose workspace.Purpose
	voucher bool // whoever gets the message has a voucher's code
	wrong   []trouble
	blocks  []block
	out     strings.Builder // what the library gets
	objects int
}

// block is an if or unless that is open.
type block struct {
	name  string
	at    int
	has   []string // variables that are there inside of it
	elsed bool
}

const (
	maxObjects = 500 // values of one text
	maxDepth   = 16  // ifs within each other
	maxLiteral = 500 // bytes of a text in quotes
	maxFilters = 10  // of one value
)

// read takes a text apart and checks it. What it gives is Liquid for the library,
// each value ended by the filter that its place needs.
func (r *reading) read() string {
	pieces, wrong := scan(r.text)
	r.wrong = append(r.wrong, wrong...)
	for _, p := range pieces {
		switch p.kind {
		case textPiece:
			r.out.WriteString(p.source)
		case objectPiece:
			r.object(p)
		case tagPiece:
			r.tag(p)
		}
	}
	for _, b := range r.blocks {
		r.fail(b.at, "the %s has no end; write {%% end%s %%}", b.name, b.name)
	}
	switch {
	case len(r.wrong) > 0: // what is open or unknown has no place
	case r.html:
		r.markup(mark(pieces))
	default:
		r.links(mark(pieces))
	}
	return r.out.String()
}

func (r *reading) fail(at int, format string, args ...any) {
	r.wrong = append(r.wrong, trouble{at, fmt.Sprintf(format, args...)})
}

// object checks {{ value | filter: argument }}.
func (r *reading) object(p piece) {
	if r.objects++; r.objects > maxObjects {
		if r.objects == maxObjects+1 {
			r.fail(p.at, "a text has at most %d values", maxObjects)
		}
		return
	}
	list, wrong := wordsOf(p.inner)
	if wrong != nil {
		r.fail(p.in+wrong.at, "%s", wrong.reason)
		return
	}
	e := &expression{reading: r, list: list, base: p.in}
	e.value()
	finish := outText
	if r.html {
		finish = outHTML
	} else if strings.Contains(p.inner, "traits.") || strings.Contains(p.inner, "event.") {
		finish = outTold
	}
	left, right := trims(p)
	r.out.WriteString("{{" + left + " " + p.inner + " | " + finish + " " + right + "}}")
}

func trims(p piece) (left, right string) {
	if p.source[2] == '-' {
		left = "-"
	}
	if p.source[len(p.source)-3] == '-' && len(p.source) > 5 {
		right = "-"
	}
	return left, right
}

// tag checks {% if … %} and what belongs to it.
func (r *reading) tag(p piece) {
	r.out.WriteString(p.source)
	name, rest, _ := strings.Cut(p.inner, " ")
	at := p.in + len(name) + 1
	top := len(r.blocks) - 1
	switch name {
	case "if", "unless":
		if len(r.blocks) == maxDepth {
			r.fail(p.at, "there are more than %d ifs within each other", maxDepth)
		}
		has := r.condition(rest, at)
		if name == "unless" {
			has = nil
		}
		r.blocks = append(r.blocks, block{name: name, at: p.at, has: has})
	case "elsif", "else":
		if top < 0 || r.blocks[top].elsed || name == "elsif" && r.blocks[top].name != "if" {
			r.fail(p.at, "this %s belongs to no {%% if %%}", name)
			return
		}
		b := &r.blocks[top]
		if b.has = nil; name == "elsif" {
			b.has = r.condition(rest, at)
			return
		}
		b.elsed = true
		r.bare(p, name, rest)
	case "endif", "endunless":
		if top < 0 || name != "end"+r.blocks[top].name {
			r.fail(p.at, "this %s ends nothing that is open here", name)
			return
		}
		r.blocks = r.blocks[:top]
		r.bare(p, name, rest)
	default:
		r.fail(p.in, "there is no {%% %s %%} in messages; there are if, elsif, else, unless and comment", name)
	}
}

func (r *reading) bare(p piece, name, rest string) {
	if strings.TrimSpace(rest) != "" {
		r.fail(p.in, "nothing can stand behind %s", name)
	}
}

// condition checks an if, and gives the variables that are there where it holds.
func (r *reading) condition(s string, at int) (has []string) {
	list, wrong := wordsOf(s)
	if wrong != nil {
		r.fail(at+wrong.at, "%s", wrong.reason)
		return nil
	}
	e := &expression{reading: r, list: list, base: at}
	return e.condition()
}

// certain tells whether everybody who gets the message has a variable; reason says
// what is wrong with its name.
func (r *reading) certain(name string) (certain bool, reason string) {
	root, rest, dotted := strings.Cut(name, ".")
	for _, b := range r.blocks {
		if slices.Contains(b.has, name) {
			certain = true
		}
	}
	switch {
	case root == "traits" && dotted:
		if !slices.Contains(profile.TraitNames(), rest) {
			return true, fmt.Sprintf("there is no trait %s; there are %s", rest, strings.Join(profile.TraitNames(), ", "))
		}
		return certain, ""
	case root == "event" && dotted && !strings.Contains(rest, "."):
		if slices.Contains([]string{"first", "last", "size"}, rest) {
			return true, fmt.Sprintf("event.%s means something else in Liquid; give the property another name", rest)
		}
		return certain, ""
	case name == "voucher.code":
		return certain || r.voucher, ""
	case name == "links.confirm" && r.purpose != workspace.Confirmation:
		return true, "links.confirm is for templates of the purpose confirmation alone"
	case slices.Contains(always, name):
		return true, ""
	}
	return true, fmt.Sprintf("there is no variable %s; there are traits.…, event.…, %s and voucher.code", name, strings.Join(always, ", "))
}

// always are the variables that every message has.
var always = []string{"orders.count", "workspace.name", "links.unsubscribe", "links.preferences", "links.confirm"}

// expression is what stands between {{ and }}, or behind if.
type expression struct {
	*reading
	list []word
	base int // byte offset of the expression in the text
}

func (e *expression) next() word {
	if len(e.list) == 0 {
		return word{}
	}
	t := e.list[0]
	e.list = e.list[1:]
	return t
}

func (e *expression) wrongAt(t word, format string, args ...any) {
	e.fail(e.base+t.at, format, args...)
}

// keywords can't be variables.
var keywords = []string{"and", "or", "contains", "true", "false", "nil", "in", "assign", "cycle", "loop", "when"}

// operand checks a variable or literal. missing tells that it may not be there.
func (e *expression) operand(t word) (missing, ok bool) {
	switch {
	case t.kind == numberWord:
	case t.kind == stringWord:
		if len(t.text) > maxLiteral {
			e.wrongAt(t, "a text in quotes has at most %d bytes", maxLiteral)
		}
	case t.kind == pathWord && (t.text == "true" || t.text == "false"):
	case t.kind == pathWord && !slices.Contains(keywords, t.text):
		certain, reason := e.certain(t.text)
		if reason != "" {
			e.wrongAt(t, "%s", reason)
		}
		return !certain, reason == ""
	default:
		e.wrongAt(t, "a variable, a text in quotes or a whole number is missing here")
		return false, false
	}
	return false, true
}

// value checks a value and its filters.
func (e *expression) value() {
	first := e.next()
	missing, ok := e.operand(first)
	if !ok {
		return
	}
	for n := 0; len(e.list) > 0; n++ {
		bar := e.next()
		if bar.kind != signWord || bar.text != "|" || n == maxFilters {
			e.wrongAt(bar, "after a value there can only be | and up to %d filters", maxFilters)
			return
		}
		name := e.next()
		f, known := filters[name.text]
		if name.kind != pathWord || !known {
			e.wrongAt(name, "there is no filter %s; there are %s", name.text, filterNames())
			return
		}
		absent, ok := e.arguments(name, f.arguments)
		if !ok {
			return
		}
		missing = missing && (name.text != "default" || absent)
	}
	if missing {
		e.wrongAt(first, `%s is not known of everybody; say what stands there instead: {{ %s | default: "…" }}`, first.text, first.text)
	}
}

// arguments checks those of one filter. absent tells that one of them may be missing.
func (e *expression) arguments(name word, want int) (absent, ok bool) {
	got := 0
	for ; len(e.list) > 0 && e.list[0].text != "|"; got++ {
		sign := e.next()
		if mark := map[bool]string{true: ":", false: ","}[got == 0]; sign.kind != signWord || sign.text != mark {
			e.wrongAt(sign, "%s is missing before this", mark)
			return false, false
		}
		missing, ok := e.operand(e.next())
		if !ok {
			return false, false
		}
		absent = absent || missing
	}
	if got != want {
		e.wrongAt(name, "the filter %s takes %d arguments, not %d", name.text, want, got)
		return false, false
	}
	return absent, true
}

// condition checks operand [sign operand] { and|or … }.
func (e *expression) condition() (has []string) {
	either := false
	for {
		first := e.next()
		if _, ok := e.operand(first); !ok {
			return nil
		}
		compared := false
		if len(e.list) > 0 && e.compares(e.list[0]) {
			e.next()
			if _, ok := e.operand(e.next()); !ok {
				return nil
			}
			compared = true
		}
		if first.kind == pathWord && !compared {
			has = append(has, first.text)
		}
		if len(e.list) == 0 {
			break
		}
		join := e.next()
		if join.kind != pathWord || join.text != "and" && join.text != "or" {
			e.wrongAt(join, "here can only be and, or, or a comparison: == != < > <= >= contains")
			return nil
		}
		either = either || join.text == "or"
	}
	if either {
		return nil
	}
	return has
}

func (e *expression) compares(t word) bool {
	return t.kind == signWord && !strings.Contains("|:,", t.text) || t.kind == pathWord && t.text == "contains"
}
