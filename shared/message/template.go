package message

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/osteele/liquid"
	"golang.org/x/text/language"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const (
	maxSubject  = 500      // bytes, as written
	maxContent  = 64 << 10 // bytes of HTML or text, as written
	maxOutput   = 256 << 10
	subjectRoom = 200 // characters, as sent
	traitRoom   = 300 // characters of one value
)

// engine is the library, with our filters alone within reach: what a template says
// is read by us first, and nothing else gets there.
var engine = sync.OnceValue(func() *liquid.Engine {
	e := liquid.NewEngine()
	for name, f := range filters {
		e.RegisterFilter(name, f.apply)
	}
	e.RegisterFilter(outHTML, finishHTML)
	e.RegisterFilter(outText, finishText)
	e.RegisterFilter(outTold, finishTold)
	return e
})

// Template is a template that can be rendered.
type Template struct {
	name     string
	purpose  workspace.Purpose
	locale   string
	contents map[string]content
}

type content struct{ subject, html, text *liquid.Template }

// Compile makes a template ready. One that Checks has passed compiles.
func Compile(t workspace.Template) (Template, error) {
	out := Template{name: t.Name, purpose: t.Purpose, locale: t.Locale, contents: map[string]content{}}
	for tag, c := range t.Contents {
		var one content
		for _, part := range []struct {
			text string
			html bool
			to   **liquid.Template
		}{{c.Subject, false, &one.subject}, {c.HTML, true, &one.html}, {c.Text, false, &one.text}} {
			if part.text == "" {
				continue
			}
			// Whether somebody has no voucher shows when it is rendered.
			r := &reading{text: part.text, html: part.html, purpose: t.Purpose, voucher: true}
			compiled, err := r.compile()
			if err != nil {
				return Template{}, fmt.Errorf("compiling template %s in %s: %w", t.Name, tag, err)
			}
			*part.to = compiled
		}
		out.contents[tag] = one
	}
	return out, nil
}

// compile reads a text and hands it to the library, which may panic on what it
// does not expect.
func (r *reading) compile() (t *liquid.Template, err error) {
	source := r.read()
	if len(r.wrong) > 0 {
		line, column := place(r.text, r.wrong[0].at)
		return nil, fmt.Errorf("line %d, column %d: %s", line, column, r.wrong[0].reason)
	}
	defer func() {
		if recover() != nil {
			t, err = nil, errors.New("it is not Liquid")
		}
	}()
	t, parsing := engine().ParseString(source)
	if parsing != nil {
		return nil, errors.New("it is not Liquid")
	}
	return t, nil
}

// Values are what a message is filled in with.
type Values struct {
	Workspace string // its name, for people
	View      profile.View
	Voucher   string            // code
	Event     map[string]string // properties of what triggered it
	Sample    map[string]string // of a test: traits.first_name: Lan; goes before all else
}

// Rendered is a message as it goes out.
type Rendered struct {
	Locale      string
	Subject     string
	HTML        string // "" where the template has none
	Text        string
	Links       []string // where click links lead, the first being number 1
	Unsubscribe string   // of marketing: the one-click address for the mail's header
}

// Render fills a template in for a person of that locale. Its error says what is
// missing, and repeats no value.
func (t Template) Render(locale string, v Values, s Signer) (Rendered, error) {
	tag, ok := t.content(locale)
	if !ok {
		return Rendered{}, errors.New("the template has no content")
	}
	o, err := s.ours()
	if err != nil {
		return Rendered{}, fmt.Errorf("signing links: %w", err)
	}
	c, bound := t.contents[tag], v.bind(o)
	out := Rendered{Locale: tag}
	if out.Subject, err = fill(c.subject, bound); err != nil {
		return Rendered{}, fmt.Errorf("the subject: %w", err)
	}
	if out.Subject = oneLine(out.Subject); out.Subject == "" {
		return Rendered{}, errors.New("the subject is empty")
	}
	if out.HTML, err = fill(c.html, bound); err != nil {
		return Rendered{}, fmt.Errorf("the HTML: %w", err)
	}
	if out.Text, err = fill(c.text, bound); err != nil {
		return Rendered{}, fmt.Errorf("the text: %w", err)
	}
	return out, t.finish(&out, v.Workspace, o, s)
}

// finish puts footer and click links into what was filled in.
func (t Template) finish(out *Rendered, shop string, o ours, s Signer) error {
	foot := footingOf(out.Locale)
	if t.purpose == workspace.Marketing {
		out.Unsubscribe = o.unsubscribe
		if out.HTML != "" && !strings.Contains(out.HTML, o.unsubscribe) {
			out.HTML = foot.underHTML(out.HTML, shop, o)
		}
		if out.Text != "" && !strings.Contains(out.Text, o.unsubscribe) {
			out.Text = foot.underText(out.Text, shop, o)
		}
	}
	l := &linker{signer: s, ours: o}
	var err error
	if out.HTML, err = l.html(out.HTML); err != nil {
		return err
	}
	if out.Text == "" {
		out.Text = plain(out.HTML) // whose links are replaced already
	} else if out.Text, err = l.text(out.Text); err != nil {
		return err
	}
	if out.Text == "" && out.HTML == "" {
		return errors.New("the message is empty")
	}
	out.Links = l.targets
	return nil
}

// content finds the content for a locale: of that very tag, else of its language,
// else the template's own.
func (t Template) content(locale string) (tag string, ok bool) {
	tags := slices.Sorted(maps.Keys(t.contents))
	if want, err := language.Parse(locale); err == nil && locale != "" {
		for _, tag := range tags {
			if have, err := language.Parse(tag); err == nil && have == want {
				return tag, true
			}
		}
		for _, tag := range tags {
			if have, err := language.Parse(tag); err == nil && have.String() == languageOf(locale) {
				return tag, true
			}
		}
	}
	_, ok = t.contents[t.locale]
	return t.locale, ok
}

func (v Values) bind(o ours) map[string]any {
	traits, event := map[string]any{}, map[string]any{}
	for name, r := range v.View.Traits {
		if s := r.Value.String(); s != "" {
			traits[name] = room(s, traitRoom)
		}
	}
	for name, s := range v.Event {
		if s != "" {
			event[name] = room(s, traitRoom)
		}
	}
	voucher := map[string]any{}
	if v.Voucher != "" {
		voucher["code"] = v.Voucher
	}
	bound := map[string]any{
		"traits": traits, "event": event, "voucher": voucher,
		"orders":    map[string]any{"count": v.View.Orders},
		"workspace": map[string]any{"name": v.Workspace},
		"links":     map[string]any{"unsubscribe": o.unsubscribe, "preferences": o.preferences, "confirm": o.confirm},
	}
	for name, s := range v.Sample {
		root, rest, _ := strings.Cut(name, ".")
		if m, ok := bound[root].(map[string]any); ok && root != "links" {
			m[rest] = room(s, traitRoom)
			if n, isNumber := integer(s); isNumber && root == "orders" {
				m[rest] = n
			}
		}
	}
	return bound
}

// fill renders one part; what the library panics on is an error.
func fill(t *liquid.Template, bound map[string]any) (s string, err error) {
	if t == nil {
		return "", nil
	}
	defer func() {
		if recover() != nil {
			s, err = "", errors.New("it can't be filled in")
		}
	}()
	w := &bounded{}
	if failed := t.FRender(w, bound); failed != nil {
		if strings.Contains(failed.Error(), errMissing.Error()) {
			return "", errMissing
		}
		return "", errors.New("it can't be filled in")
	}
	if w.over {
		return "", fmt.Errorf("it is larger than %d KB", maxOutput>>10)
	}
	return strings.ToValidUTF8(w.String(), ""), nil
}

// bounded takes no more than maxOutput. It gives no error, since the library
// panics on one.
type bounded struct {
	strings.Builder
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.over = b.over || b.Len()+len(p) > maxOutput; !b.over {
		b.Builder.Write(p)
	}
	return len(p), nil
}

func (b *bounded) WriteString(s string) (int, error) { return b.Write([]byte(s)) }

// oneLine makes a subject of it: a line break would begin another header.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return room(strings.Join(strings.Fields(s), " "), subjectRoom)
}

// room cuts a text to so many characters.
func room(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return truncate(s, int64(n))
}
