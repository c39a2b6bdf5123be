package workspace

import (
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
)

const (
	maxTemplates = 200
	maxLocales   = 20
	maxSamples   = 50
	maxVouchers  = 200
	maxAbout     = 200
	maxSubject   = 1_000
)

func (p *parser) vouchers(n *yaml.Node) map[string]Voucher {
	return named(p, n, "vouchers", "voucher", maxVouchers, func(key, v *yaml.Node) Voucher {
		pool := Voucher{Name: key.Value}
		if empty(v) {
			return pool
		}
		if f, ok := p.fields(key, v, fmt.Sprintf("voucher %q", key.Value), "about"); ok {
			pool.About = f.line("about", maxAbout)
		}
		return pool
	})
}

func (p *parser) templates(n *yaml.Node) map[string]Template {
	return named(p, n, "templates", "template", maxTemplates, p.template)
}

func (p *parser) template(key, v *yaml.Node) Template {
	t := Template{Name: key.Value}
	f, ok := p.fields(key, v, fmt.Sprintf("template %q", t.Name), "about", "connection", "purpose", "locale", "contents", "sample")
	if !ok {
		return t
	}
	f.need("connection", "connection: email")
	f.need("purpose", "purpose: marketing")
	f.need("locale", "locale: vi")
	f.need("contents", "contents: {vi: {subject: Xin chào, text: …}}")
	t.About, t.Connection = f.line("about", maxAbout), f.name("connection")
	t.Purpose = Purpose(f.word("purpose", purposes()...))
	t.Contents = map[string]Content{}
	p.each(f.node("contents"), "contents", func(key, v *yaml.Node) {
		switch {
		case !p.locale(key, f.of):
		case len(t.Contents) == maxLocales:
			p.at(key, "%s: %q is one language too many; use at most %d", f.of, key.Value, maxLocales)
		default:
			t.Contents[key.Value] = p.content(key, v, f.of)
		}
	})
	if n, s, ok := f.value("locale"); ok && p.locale(n, f.of) {
		if _, there := t.Contents[s]; !there && len(t.Contents) > 0 {
			f.wrong(n, "locale", "it must be one of the contents, for whom no other fits: write "+choose(t.Contents))
		}
		t.Locale = s
	}
	t.Sample = p.sample(f)
	return t
}

// locale tells whether a node holds a language, and what to write if not.
func (p *parser) locale(n *yaml.Node, of string) bool {
	tag, err := language.Parse(n.Value)
	switch {
	case err != nil || tag == language.Und:
		p.at(n, "%s: there is no language %s; write a tag like vi, en or pt-BR", of, quote(n.Value))
	case tag.String() != n.Value:
		p.at(n, "%s: write the language %s as %s", of, quote(n.Value), tag)
	default:
		return true
	}
	return false
}

func (p *parser) content(key, v *yaml.Node, of string) Content {
	of = fmt.Sprintf("%s: content %q", of, key.Value)
	f, ok := p.fields(key, v, of, "subject", "html", "text")
	if !ok {
		return Content{}
	}
	c := Content{Subject: f.text("subject", maxSubject), HTML: f.text("html", MaxSize), Text: f.text("text", MaxSize)}
	if f.node("html") == nil && f.node("text") == nil {
		p.at(key, "%s is empty; give it html:, text: or both", of)
	}
	return c
}

var samplePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z0-9][a-z0-9_]*)+$`)

func (p *parser) sample(f fields) map[string]string {
	var all map[string]string
	p.each(f.node("sample"), "sample", func(key, v *yaml.Node) {
		s, ok := p.scalar(v, key.Value)
		switch {
		case !ok:
		case !samplePattern.MatchString(key.Value):
			p.at(key, "%s: %s is no variable of a template; write for example: traits.first_name: Lan", f.of, quote(key.Value))
		case len(all) == maxSamples:
			p.at(key, "%s: %q is one sample too many; use at most %d", f.of, key.Value, maxSamples)
		default:
			if all == nil {
				all = map[string]string{}
			}
			all[key.Value] = s
		}
	})
	return all
}
