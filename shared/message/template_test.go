package message

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/token"
	"loophub/shared/workspace"
)

var now = time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC) // 09:14 in Saigon

const lan = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")

func signer(t testing.TB) Signer {
	t.Helper()
	k, err := token.NewKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	return Signer{Address: "https://links.example", Key: k,
		Token: token.Token{Workspace: "saigon", Fragment: string(lan), Message: NewID(now, "test"), Issued: now}}
}

func values(traits ...string) Values {
	v := Values{Workspace: "Trà <Sen>", View: profile.View{ID: lan, Traits: map[string]profile.Register{}, Orders: 3}}
	for i := 0; i < len(traits); i += 2 {
		v.View.Traits[traits[i]] = profile.Register{Value: events.Text(traits[i+1])}
	}
	return v
}

func template(c workspace.Content) workspace.Template {
	return workspace.Template{Name: "t", Connection: "email", Purpose: workspace.Marketing, Locale: "vi", Contents: map[string]workspace.Content{"vi": c}}
}

func rendered(t testing.TB, w workspace.Template, locale string, v Values) Rendered {
	t.Helper()
	compiled, err := Compile(w)
	if err != nil {
		t.Fatal(err)
	}
	r, err := compiled.Render(locale, v, signer(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var shown = regexp.MustCompile(`https://links\.example/([lupc])/([A-Za-z0-9_-]+)`)

// told replaces our links by what their tokens say.
func told(t testing.TB, s string) string {
	return shown.ReplaceAllStringFunc(s, func(link string) string {
		m := shown.FindStringSubmatch(link)
		got, err := token.Read(m[2], now, func(string) (token.Key, error) { return signer(t).Key, nil })
		if err != nil {
			t.Errorf("a link of the message is not valid: %v", err)
		}
		return fmt.Sprintf("[%s%d]", m[1], got.Link)
	})
}

func TestRender(t *testing.T) {
	w := template(workspace.Content{
		Subject: `Chào {{ traits.first_name | default: "bạn" }}, trà mới về`,
		HTML: `<body><p title="{{ workspace.name }}">Chào {{ traits.first_name | default: "bạn" }}!</p>` +
			`{% if traits.city == "Huế" %}<p>Huế</p>{% elsif orders.count > 2 %}<p>Khách quen {{ orders.count }}</p>{% else %}<p>Mới</p>{% endif %}` +
			`<a href="https://tra-sen.example/tra?a=1&amp;b=2">Xem trà</a> <a href='https://tra-sen.example/b?q={{ traits.city | default: "x" | url_encode }}'>B</a>` +
			`<a href="https://tra-sen.example/tra?a=1&b=2">Lại</a><a href="mailto:chao@tra-sen.example">Thư</a></body>`,
	})
	r := rendered(t, w, "vi", values("first_name", `Lan & "Hoa" <b>`, "city", "Đà Nẵng"))
	if r.Subject != `Chào Lan & "Hoa" <b>, trà mới về` || r.Locale != "vi" {
		t.Errorf("%q", r.Subject)
	}
	if want := []string{"https://tra-sen.example/tra?a=1&b=2", "https://tra-sen.example/b?q=%C4%90%C3%A0%20N%E1%BA%B5ng"}; !slices.Equal(r.Links, want) {
		t.Errorf("%q", r.Links)
	}
	page := told(t, r.HTML)
	for _, part := range []string{`<p title="Trà &lt;Sen&gt;">Chào Lan &amp; &#34;Hoa&#34; &lt;b&gt;!</p><p>Khách quen 3</p>`,
		`<a href="[l1]">Xem trà</a> <a href="[l2]">B</a><a href="[l1]">Lại</a><a href="mailto:chao@tra-sen.example">Thư</a>`,
		`<a href="[u0]">Ngừng nhận tin</a> · <a href="[p0]">Chọn loại tin</a></p></body>`} {
		if !strings.Contains(page, part) {
			t.Errorf("%s\nlacks\n%s", page, part)
		}
	}
	text := told(t, r.Text)
	for _, part := range []string{`Chào Lan & "Hoa" <b>!`, "Xem trà ([l1])", "Ngừng nhận tin ([u0])"} {
		if !strings.Contains(text, part) {
			t.Errorf("%s\nlacks\n%s", text, part)
		}
	}
	if !strings.HasPrefix(told(t, r.Unsubscribe), "[u0]") {
		t.Error(r.Unsubscribe)
	}
}

// Rendering the same again gives the same: the second of two attempts sends nothing else.
func TestRenderIsAFunction(t *testing.T) {
	w := template(workspace.Content{Subject: "x", HTML: `<a href="https://a.example/">a</a>`, Text: "https://b.example/, https://a.example/"})
	a, b := rendered(t, w, "vi", values()), rendered(t, w, "vi", values())
	if a.HTML != b.HTML || a.Text != b.Text || !slices.Equal(a.Links, b.Links) {
		t.Error(a, b)
	}
	if want := []string{"https://a.example/", "https://b.example/"}; !slices.Equal(a.Links, want) {
		t.Errorf("%q", a.Links)
	}
	if !strings.HasPrefix(told(t, a.Text), "[l2], [l1]\n\n-- \n") {
		t.Error(told(t, a.Text))
	}
}

func TestLocales(t *testing.T) {
	w := template(workspace.Content{Subject: "vi", Text: "x"})
	w.Contents["en"] = workspace.Content{Subject: "en", Text: "x"}
	w.Contents["pt-BR"] = workspace.Content{Subject: "pt-BR", Text: "x"}
	for locale, want := range map[string]string{"vi": "vi", "vi-VN": "vi", "en-US": "en", "EN": "en", "pt-BR": "pt-BR", "pt_br": "pt-BR",
		"pt": "vi", "fr": "vi", "": "vi", "no language": "vi"} {
		if r := rendered(t, w, locale, values()); r.Locale != want || r.Subject != want {
			t.Errorf("%s: %s", locale, r.Locale)
		} else if foot := "Unsubscribe"; want == "vi" != strings.Contains(r.Text, "Ngừng") || want != "vi" != strings.Contains(r.Text, foot) {
			t.Errorf("%s: %s", locale, r.Text)
		}
	}
}

func TestFooterIsForMarketingThatLacksIt(t *testing.T) {
	const own = `<p><a href="{{ links.unsubscribe }}">Thôi</a></p>`
	for _, c := range []struct {
		purpose workspace.Purpose
		html    string
		foot    bool
	}{
		{workspace.Marketing, "<p>x</p>", true},
		{workspace.Marketing, own, false},
		{workspace.Marketing, `<p>x</p>{% if traits.city %}` + own + `{% endif %}`, true}, // not for her
		{workspace.Transactional, "<p>x</p>", false},
		{workspace.Confirmation, `<a href="{{ links.confirm }}">Vâng</a>`, false},
	} {
		w := template(workspace.Content{Subject: "x", HTML: c.html})
		w.Purpose = c.purpose
		r := rendered(t, w, "vi", values())
		if strings.Contains(r.HTML, "Ngừng nhận tin") != c.foot || (r.Unsubscribe != "") != (c.purpose == workspace.Marketing) {
			t.Errorf("%s %s: %s", c.purpose, c.html, r.HTML)
		}
		if c.purpose == workspace.Confirmation && !strings.Contains(told(t, r.HTML), `href="[c0]"`) {
			t.Error(told(t, r.HTML))
		}
	}
}

func TestHeadersCanNotBeInjected(t *testing.T) {
	w := template(workspace.Content{Subject: "Chào\n{{ traits.first_name | default: 'x' }}", Text: "x"})
	r := rendered(t, w, "vi", values("first_name", "Lan\r\nBcc: all@example.com\u2028x\x00y\u0085"+strings.Repeat("ạ", 500)))
	if strings.ContainsAny(r.Subject, "\r\n\x00\u2028\u0085") || !strings.HasPrefix(r.Subject, "Chào Lan Bcc: all@example.com x y ") {
		t.Errorf("%q", r.Subject)
	}
	if n := len([]rune(r.Subject)); n != subjectRoom {
		t.Errorf("%d characters", n)
	}
}

// TestNobodyPutsLinksIntoOurMails: who writes an address where a form asks for a name,
// under the e-mail address of somebody else, gets no link of ours to it.
func TestNobodyPutsLinksIntoOurMails(t *testing.T) {
	w := template(workspace.Content{Subject: "x", Text: `Chào {{ "bạn " | append: traits.first_name | default: "x" }}. https://tra-sen.example/?n={{ traits.first_name | default: "x" | url_encode }}`})
	r := rendered(t, w, "vi", values("first_name", "https://evil.example/x HTTPS://evil.example"))
	if want := []string{"https://tra-sen.example/?n=https%3A%2F%2Fevil.example%2Fx%20HTTPS%3A%2F%2Fevil.example"}; !slices.Equal(r.Links, want) {
		t.Errorf("%q", r.Links)
	}
	if strings.Contains(r.Text, "://evil") {
		t.Error(r.Text)
	}
}

// TestWordsStayApartInTheText: what stands apart in the HTML does in its text.
func TestWordsStayApartInTheText(t *testing.T) {
	for html, want := range map[string]string{
		`<b>Chào</b> bạn`: "Chào bạn", `<b>Chào </b>bạn`: "Chào bạn", `Ch<b>à</b>o`: "Chào", "<i>a</i>\n<i>b</i>": "a b", `a<br> b`: "a\nb",
		`<a href="https://x.example/">Trà</a> · mới`: "Trà (https://x.example/) · mới",
	} {
		if got := plain(html); got != want {
			t.Errorf("%s: %q", html, got)
		}
	}
}

func TestWhatIsMissingMakesNoMessage(t *testing.T) {
	for _, c := range []workspace.Content{
		{Subject: "x", Text: "{{ voucher.code }}"},
		{Subject: "{{ voucher.code }}", Text: "x"},
		{Subject: "x", HTML: "{{ voucher.code | upcase }}"},
		{Subject: "{{ traits.city | default: '' }}", Text: "x"},
	} {
		compiled, err := Compile(template(c))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := compiled.Render("vi", values(), signer(t)); err == nil {
			t.Errorf("%+v: %+v", c, r)
		} else if strings.Contains(err.Error(), "Trà") {
			t.Error("the error repeats a value:", err)
		}
		v := values("city", "Huế")
		v.Voucher = "TRA-1"
		if _, err := compiled.Render("vi", v, signer(t)); err != nil {
			t.Error(err)
		}
	}
}

func TestFilters(t *testing.T) {
	for expression, want := range map[string]string{
		`traits.city | upcase`:                             "ĐÀ LẠT",
		`traits.city | downcase`:                           "đà lạt",
		`traits.city | downcase | capitalize`:              "Đà lạt",
		`traits.city | append: "!" | prepend: "«"`:         "«Đà Lạt!",
		`traits.city | replace: "Lạt", "Nẵng"`:             "Đà Nẵng",
		`traits.city | remove: " Lạt"`:                     "Đà",
		`traits.city | truncate: 4`:                        "Đà …",
		`traits.city | url_encode`:                         "%C4%90%C3%A0%20L%E1%BA%A1t",
		`orders.count | plus: 1`:                           "4",
		`orders.count | minus: 10`:                         "-7",
		`traits.company | upcase | default: "ai đó"`:       "ai đó",
		`traits.company | default: traits.city`:            "Đà Lạt",
		`traits.company | default: workspace.name | strip`: "Trà <Sen>",
		`"a" | replace: "", "b"`:                           "a",
	} {
		w := template(workspace.Content{Subject: "{% if traits.city %}{{ " + expression + " }}{% endif %}", Text: "x"})
		if r := rendered(t, w, "vi", values("city", "Đà Lạt")); r.Subject != want {
			t.Errorf("%s: %q, not %q", expression, r.Subject, want)
		}
	}
}

// What grows by a factor with every filter ends at a bound.
func TestOutputIsBounded(t *testing.T) {
	grow := `{{ traits.city | default: "aaaaaaaaaa"` + strings.Repeat(` | replace: "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, 9) + " }}"
	compiled, err := Compile(template(workspace.Content{Subject: "x", Text: grow}))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := compiled.Render("vi", values(), signer(t)); err != nil || len(r.Text) > maxValue+1_000 {
		t.Error(len(r.Text), err)
	}
	if compiled, err = Compile(template(workspace.Content{Subject: "x", Text: strings.Repeat(grow, 100)})); err != nil {
		t.Fatal(err)
	}
	if _, err := compiled.Render("vi", values(), signer(t)); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
}

// Whatever a template says and a customer is called: it is refused, or it renders,
// bounded, and the customer's name is never markup.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		`<p>Chào {{ traits.first_name | default: "bạn" }}</p>`, `{% if traits.city %}{{ traits.city }}{% else %}x{% endif %}`,
		`{% comment %} x {% endcomment %}{{- orders.count -}}`, `<a href="https://x.example/?a={{ traits.city | default: 1 }}">x</a>`,
		`{{ "}}" }}`, `{% raw %}{{ x }}{% endraw %}`, `{% for i in (1..999999999) %}{{ i }}{% endfor %}`, "{{\n}}", `{{ 9999999999999999999 }}`,
		`<a title={{ traits.city | default: 1 }}>`, `{% unless a %}`, `{% include "/etc/passwd" %}`, `{{ traits.city | default: "a" | truncate: -1 }}`, `{%if%}`, `{{-}}`,
		`<a title={{ traits.city | default: 1 }}`, `<a"{{ traits.city | default: 1 }}>`, `<{{ traits.city | default: 1 }}>`,
		`<!--{{ orders.count }}-->`, `<style>{{ orders.count }}</style>`, `<a href="{{ event.url | default: 'x' }}">`,
	} {
		f.Add(s, "Lan <script>&\"'", "đà")
	}
	f.Fuzz(func(t *testing.T, text, name, city string) {
		w := template(workspace.Content{Subject: "x", HTML: text})
		compiled, err := Compile(w)
		if err != nil {
			return
		}
		const marker = "<i data-evil=\"'>"
		v := values("first_name", marker+name, "city", marker+city)
		v.Voucher, v.Event = marker, map[string]string{"url": "javascript:" + marker}
		r, err := compiled.Render("vi", v, signer(t))
		if err != nil {
			return
		}
		if len(r.HTML) > 8*maxOutput || strings.ContainsAny(r.Subject, "\r\n") {
			t.Fatalf("%d bytes", len(r.HTML))
		}
		z := html.NewTokenizer(strings.NewReader(r.HTML))
		for z.Next() != html.ErrorToken {
			for _, a := range z.Token().Attr {
				if a.Key == "data-evil" && !strings.Contains(text, "data-evil") {
					t.Fatalf("%q makes markup of a value: %s", text, r.HTML)
				}
				if a.Key == "href" && strings.HasPrefix(a.Val, "javascript:") && !strings.Contains(text, "javascript") {
					t.Fatalf("%q lets a value choose the link: %s", text, r.HTML)
				}
			}
		}
	})
}
