package message

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"loophub/shared/workspace"
)

func sound() workspace.Workspace {
	return workspace.Workspace{ID: "saigon", Name: "Trà Sen", Zone: "Asia/Ho_Chi_Minh",
		Connections: map[string]workspace.Connection{"email": {Name: "email", Connector: "ses",
			Settings: map[string]string{"from": "Trà Sen <chao@tra-sen.example>", "test_addresses": "lan@tra-sen.example, Hoa@tra-sen.example"}},
			"shop": {Name: "shop", Connector: "shopify"}},
		Templates: map[string]workspace.Template{"t": template(workspace.Content{Subject: "Chào", HTML: "<p>x</p>"})},
		Policies: workspace.Policies{Quiet: &workspace.Quiet{From: "21:00", To: "08:00"},
			Caps: []workspace.Cap{{Channel: "ses", AtMost: 3, Within: 7 * day}}, Duplicates: day},
	}
}

func refusals(w workspace.Workspace) (l []string) {
	Checks(w, func(path string, line, column int, reason string) {
		l = append(l, fmt.Sprintf("%s %d:%d %s", path, line, column, reason))
	})
	return l
}

func TestSoundWorkspacePasses(t *testing.T) {
	if l := refusals(sound()); len(l) > 0 {
		t.Error(l)
	}
}

func TestTemplateTexts(t *testing.T) {
	for text, want := range map[string]string{
		"{{ traits.first_name }}":                              "1:4 traits.first_name is not known of everybody",
		"xin\nchào {{ traits.frist_name | default: 1 }}":       "2:9 there is no trait frist_name",
		"ạạ {{ customer.name }}":                               "1:7 there is no variable customer.name",
		"{{ traits }}":                                         "there is no variable traits",
		"{{ event.size | default: 1 }}":                        "means something else",
		"{{ event.product }}":                                  "event.product is not known of everybody",
		"{{ event.a.b | default: 1 }}":                         "no variable event.a.b",
		"{{ links.confirm }}":                                  "confirmation alone",
		"{{ orders.count | shout }}":                           "1:19 there is no filter shout; there are append,",
		"{{ orders.count | plus }}":                            "takes 1 arguments, not 0",
		"{{ orders.count | plus: 1, 2 }}":                      "takes 1 arguments, not 2",
		"{{ orders.count | plus 1 }}":                          ": is missing",
		"{{ orders.count plus }}":                              "there can only be |",
		"{{ orders.count | default: traits.nope }}":            "there is no trait nope",
		"{{ traits.city | default: traits.company }}":          "traits.city is not known of everybody",
		"{{ traits.city | default: 'x }}":                      "can't stand here",
		"{{ traits.city | default: 'a}b' }}":                   "none of { } %",
		"{{ orders.count":                                      "1:1 there is no }}",
		"{{ }}":                                                "nothing between",
		"{% if orders.count":                                   "there is no %}",
		"{% if %}{% endif %}":                                  "is missing here",
		"{% if orders.count > %}x{% endif %}":                  "is missing here",
		"{% if orders.count 3 %}x{% endif %}":                  "can only be and, or",
		"{% if orders.count > 3 %}x":                           "the if has no end",
		"{% endif %}":                                          "ends nothing",
		"{% if orders.count %}x{% endunless %}":                "ends nothing",
		"{% else %}":                                           "belongs to no",
		"{% if orders.count %}{% else %}{% else %}{% endif %}": "belongs to no",
		"{% for i in (1..9) %}x{% endfor %}":                   "there is no {% for %} in messages",
		"{% include 'x' %}":                                    "there is no {% include %}",
		"{% assign x = 1 %}":                                   "there is no {% assign %}",
		"{% comment %}x":                                       "the comment has no end",
		"{% comment %}{{ x }}{% endcomment %}":                 "a comment can't hold",
		"{% if traits.city or traits.company %}{{ traits.city }}{% endif %}":            "traits.city is not known",
		"{% if traits.city == 'Huế' %}{% else %}{{ traits.city }}{% endif %}":           "traits.city is not known",
		strings.Repeat("{% if orders.count %}", 17) + strings.Repeat("{% endif %}", 17): "more than 16 ifs",
		strings.Repeat("{{ orders.count }}", 501):                                       "at most 500 values",
		strings.Repeat("x", maxContent+1):                                               "0:0 it is longer",
		"{{ loophub_html }}":                                                            "there is no variable",
		"{{ orders.count | loophub_text }}":                                             "there is no filter loophub_text",
	} {
		w := sound()
		w.Templates["t"] = template(workspace.Content{Subject: "x", Text: text})
		l := refusals(w)
		if len(l) == 0 || !strings.HasPrefix(l[0], "templates.t.contents.vi.text ") || !strings.Contains(l[0], want) {
			t.Errorf("%.60s: %q", text, l)
		}
		if strings.Contains(want, "0:0") {
			continue
		}
		if _, err := Compile(w.Templates["t"]); err == nil && !strings.Contains(want, "voucher") {
			t.Errorf("%.60s compiles all the same", text)
		}
	}
	for _, text := range []string{
		"{% if traits.city %}{{ traits.city }}{% endif %}", "{% if orders.count > 1 and traits.city %}{{ traits.city }}{% endif %}",
		"{% unless traits.city contains 'Huế' %}x{% endunless %}", "{{- workspace.name -}} {% comment %} % } {% endcomment %}",
		"a { b } % c }} %}", "{{ traits.city | default: 'Việt Nam' }}", "{{ links.unsubscribe }}", "{{ voucher.code }}",
		"{% if traits.city %}{% if orders.count < 2 %}{{ traits.city | upcase }}{% endif %}{% endif %}",
	} {
		w := sound()
		w.Templates["t"] = template(workspace.Content{Subject: "x", Text: text})
		if l := refusals(w); len(l) > 0 {
			t.Errorf("%s: %s", text, l)
		}
	}
}

func TestMarkup(t *testing.T) {
	for html, want := range map[string]string{
		`<p title={{ orders.count }}>`:                                "in quotes",
		`<p {{ orders.count }}="x">`:                                  "in quotes",
		`<p title="a" {{ orders.count }}>`:                            "in quotes",
		`<{{ orders.count }}>`:                                        "write &lt;",
		`a < {{- orders.count }}>`:                                    "write &lt;",
		`<p a"{{ orders.count }}">`:                                   "in quotes",
		`<p title=x"{{ orders.count }}">`:                             "in quotes",
		`<script/>{{ orders.count }}</script>`:                        "scripts do not run",
		`<style/>{{ orders.count }}</style>`:                          "can't hold values",
		`<iframe srcdoc="{{ orders.count }}"></iframe>`:               "attribute srcdoc",
		`<img srcset="https://x.example/ 1x, {{ orders.count }} 2x">`: "attribute srcset",
		`<meta content="0;url={{ orders.count }}">`:                   "attribute content",
		`<object data="{{ orders.count }}"></object>`:                 "a host that is written out",
		`<a href="&#xE000;">x</a><a href="&#xE1FF;">x</a>`:            "",
		`<a href="{% if orders.count > 1 %}https://x.example/{% endif %}{{ orders.count }}">x</a>`:   "a host that is written out",
		`<a href="https://x.example{% if orders.count > 1 %}/{% endif %}{{ orders.count }}">x</a>`:   "a host that is written out",
		`<a href="https://x.example/{% if orders.count > 1 %}a{% endif %}{{ orders.count }}">x</a>`:  "",
		`<p title={% if orders.count > 1 %}"{% endif %}{{ orders.count }}">`:                         "in quotes",
		"<p>x</p>\n<a title={{ orders.count }}":                                                      "2:1 this tag has no end",
		`<p>x</p><a href="https://x.example/`:                                                        "1:9 this tag has no end",
		`<p>x</p> <`:                                                                                 "",
		`<p title=="{{ orders.count }}">`:                                                            "in quotes",
		`<p ="{{ orders.count }}">`:                                                                  "in quotes",
		`<p="{{ orders.count }}">`:                                                                   "in quotes",
		`<p a = "{{ orders.count }}" b='{{ orders.count }}'c="{{ orders.count }}"/>`:                 "",
		`{% if orders.count > 1 %}<i {% else %}<b>{% endif %}{{ orders.count }}`:                     "ends in it",
		`<p title="{% if orders.count > 1 %}" class="{% endif %}{{ orders.count }}">`:                "ends in it",
		`<style>{% if orders.count > 1 %}</style>{% endif %}{{ orders.count }}`:                      "ends in it",
		`<p {% if orders.count > 1 %}class="a"{% else %}class="b"{% endif %}>{{ orders.count }}</p>`: "",
		`{% if orders.count > 1 %}<i>{{ orders.count }}</i>{% else %}<b>none</b>{% endif %}`:         "",
		`<p onclick="{{ orders.count }}">`:                                                           "attribute onclick",
		`<p style="color:{{ orders.count }}">`:                                                       "attribute style",
		`<a href="{{ event.url | default: 'x' }}">x</a>`:                                             "a host that is written out",
		`<a href="https://{{ workspace.name }}/">x</a>`:                                              "a host that is written out",
		`<a href="https://x.example{{ workspace.name }}">x</a>`:                                      "a host that is written out",
		`<a href="javascript:{{ orders.count }}">x</a>`:                                              "a host that is written out",
		`<img src="{{ workspace.name }}">`:                                                           "a host that is written out",
		`<a href="{{ links.unsubscribe }}{{ workspace.name }}">x</a>`:                                "a host that is written out",
		`<script>x</script>`:                           "scripts do not run",
		`<style>p{color: {{ orders.count }} }</style>`: "can't hold values",
		`<!-- {{ orders.count }} -->`:                  "in an HTML comment",
		`<a href="https://x.example/?n={{ orders.count }}" title='{{ workspace.name }}'>{{ workspace.name }}</a>`: "",
		`<a href="{{ links.preferences }}">x</a><a href="mailto:{{ workspace.name }}">`:                           "",
	} {
		w := sound()
		w.Templates["t"] = template(workspace.Content{Subject: "x", HTML: html})
		l := refusals(w)
		if want == "" && len(l) > 0 || want != "" && (len(l) != 1 || !strings.Contains(l[0], want)) {
			t.Errorf("%s: %q", html, l)
		}
	}
}

// TestHostsOfLinksInText: links in plain text become click links like those of HTML.
func TestHostsOfLinksInText(t *testing.T) {
	for text, want := range map[string]string{
		`https://{{ orders.count }}/a`: "a host that is written out", `https://x.example{{ orders.count }}/`: "a host that is written out",
		`https:{{ orders.count }}`: "a host that is written out", `HTTPS://{% if orders.count > 1 %}x{% endif %}{{ orders.count }}`: "a host that is written out",
		`https://x.example/{{ orders.count }}?n={{ orders.count }}`: "", `https://x.example {{ orders.count }}`: "", `{{ links.unsubscribe }}`: "",
	} {
		w := sound()
		w.Templates["t"] = template(workspace.Content{Subject: "x", Text: text})
		l := refusals(w)
		if want == "" && len(l) > 0 || want != "" && (len(l) != 1 || !strings.Contains(l[0], want)) {
			t.Errorf("%s: %q", text, l)
		}
	}
}

func TestDefinitions(t *testing.T) {
	at := func(change func(*workspace.Template)) func(*workspace.Workspace) {
		return func(w *workspace.Workspace) {
			x := w.Templates["t"]
			change(&x)
			w.Templates["t"] = x
		}
	}
	for want, change := range map[string]func(*workspace.Workspace){
		"templates.t.connection 0:0 there is no connection":      at(func(x *workspace.Template) { x.Connection = "mail" }),
		"templates.t.connection 0:0 connection \"shop\" can't":   at(func(x *workspace.Template) { x.Connection = "shop" }),
		"templates.t.purpose 0:0 write marketing":                at(func(x *workspace.Template) { x.Purpose = "test" }),
		"templates.t.locale 0:0 there is no content for \"en\"":  at(func(x *workspace.Template) { x.Locale = "en" }),
		"templates.t.contents 0:0 there is no content":           at(func(x *workspace.Template) { x.Contents = nil }),
		"templates.t.contents.tiếng 0:0 \"tiếng\" is no":         at(func(x *workspace.Template) { x.Contents["tiếng"] = x.Contents["vi"] }),
		"templates.t.contents.vi 0:0 VI and vi are the same":     at(func(x *workspace.Template) { x.Contents["VI"] = x.Contents["vi"] }),
		"templates.t.contents.vi.subject 0:0 the subject is":     at(func(x *workspace.Template) { x.Contents["vi"] = workspace.Content{Text: "x"} }),
		"templates.t.contents.vi 0:0 there is neither html nor":  at(func(x *workspace.Template) { x.Contents["vi"] = workspace.Content{Subject: "x"} }),
		"templates.t.contents.vi 0:0 a confirmation needs its":   at(func(x *workspace.Template) { x.Purpose = workspace.Confirmation }),
		"templates.t.sample.traits.name 0:0 no template has":     at(func(x *workspace.Template) { x.Sample = map[string]string{"traits.name": "Lan"} }),
		"policies.caps[0].at_most 0:0 write a number from 1":     func(w *workspace.Workspace) { w.Policies.Caps[0].AtMost = 0 },
		"policies.caps[0].at_most 0:0 write a number from 1 to ": func(w *workspace.Workspace) { w.Policies.Caps[0].AtMost = maxSends },
		"policies.caps[0].within 0:0 write a span":               func(w *workspace.Workspace) { w.Policies.Caps[0].Within = 0 },
		"policies.caps[0].within 0:0 write a span of":            func(w *workspace.Workspace) { w.Policies.Caps[0].Within = 401 * day },
		"policies.caps[0].channel 0:0 \"sms\" sends no":          func(w *workspace.Workspace) { w.Policies.Caps[0].Channel = "sms" },
		"policies.caps[0].purpose 0:0 write":                     func(w *workspace.Workspace) { w.Policies.Caps[0].Purpose = "spam" },
		"policies.quiet_hours 0:0 they leave no hour":            func(w *workspace.Workspace) { w.Policies.Quiet = &workspace.Quiet{From: "08:00", To: "08:00"} },
		"policies.quiet_hours 0:0 they leave less than an hour":  func(w *workspace.Workspace) { w.Policies.Quiet = &workspace.Quiet{From: "08:30", To: "08:00"} },
		"policies.quiet_hours.from 0:0 \"9pm\" is no time":       func(w *workspace.Workspace) { w.Policies.Quiet.From = "9pm" },
		"policies.quiet_hours.to 0:0 \"24:00\" is no time":       func(w *workspace.Workspace) { w.Policies.Quiet.To = "24:00" },
		"policies.duplicates 0:0":                                func(w *workspace.Workspace) { w.Policies.Duplicates = -1 },
		"policies.attribution.click.sms 0:0 \"sms\" sends no": func(w *workspace.Workspace) {
			w.Policies.Attribution.Click = map[string]time.Duration{"sms": day}
		},
		"policies.attribution.voucher 0:0 write a span": func(w *workspace.Workspace) { w.Policies.Attribution.Voucher = -1 },
	} {
		w := sound()
		change(&w)
		if l := refusals(w); len(l) != 1 || !strings.HasPrefix(l[0], want) {
			t.Errorf("%s: %q", want, l)
		}
	}
}

// A voucher's code needs no default where every way to the send passes a voucher.
func TestVoucherBeforeSend(t *testing.T) {
	voucher, send, exit := workspace.Step{Voucher: "p"}, workspace.Step{Send: "t"}, workspace.Step{Exit: true}
	list := func(s ...workspace.Step) []workspace.Step { return s }
	branch := func(a, b []workspace.Step) workspace.Step {
		return workspace.Step{Branch: &workspace.Branch{When: "true", Then: a, Else: b}}
	}
	for name, c := range map[string]struct {
		steps []workspace.Step
		sure  bool
	}{
		"before":                {list(voucher, send), true},
		"none":                  {list(send), false},
		"after":                 {list(send, voucher), false},
		"after once":            {list(voucher, send, send), true},
		"on one way":            {list(branch(list(voucher), nil), send), false},
		"on both ways":          {list(branch(list(voucher), list(voucher)), send), true},
		"the other way exits":   {list(branch(list(voucher), list(exit)), send), true},
		"within its way":        {list(branch(list(voucher, send), nil)), true},
		"split":                 {list(workspace.Step{Split: []workspace.Variant{{Steps: list(voucher, send)}, {Steps: list(send)}}}), false},
		"goto past it":          {list(branch(list(workspace.Step{Goto: "s"}), nil), voucher, workspace.Step{ID: "s", Send: "t"}), false},
		"goto back":             {list(workspace.Step{ID: "a", Voucher: "p"}, send, workspace.Step{Goto: "a"}), true},
		"goto back to the send": {list(voucher, workspace.Step{ID: "s", Send: "t"}, workspace.Step{WaitFor: &workspace.WaitFor{Else: list(workspace.Step{Goto: "s"})}}), true},
	} {
		w := sound()
		w.Templates["t"] = template(workspace.Content{Subject: "x", Text: "{{ voucher.code }}"})
		w.Journeys = map[string]workspace.Journey{"j": {Steps: c.steps}, "k": {Steps: list(voucher, send)}}
		if l := refusals(w); (len(l) == 0) != c.sure {
			t.Errorf("%s: %q", name, l)
		}
	}
}
