package message

import (
	"html"
	"strings"

	"golang.org/x/text/language"
)

// footing is what stands under marketing mails that do not say it themselves.
type footing struct{ why, unsubscribe, preferences string }

var footings = map[string]footing{
	"vi": {"Bạn nhận được thư này vì đã đồng ý nhận tin của", "Ngừng nhận tin", "Chọn loại tin"},
	"en": {"You get this mail because you agreed to hear from", "Unsubscribe", "Choose what you get"},
}

// footingOf gives the words in a mail's language, English where there are none.
func footingOf(locale string) footing {
	if f, ok := footings[languageOf(locale)]; ok {
		return f
	}
	return footings["en"]
}

func languageOf(locale string) string {
	t, err := language.Parse(locale)
	if err != nil {
		return ""
	}
	b, _ := t.Base()
	return b.String()
}

// underHTML puts the footer at the end of the body.
func (f footing) underHTML(page, shop string, o ours) string {
	foot := `<p style="margin:32px 0 0;font:12px/1.5 sans-serif;color:#666666">` + html.EscapeString(f.why+" "+shop) + `.<br>` +
		`<a href="` + html.EscapeString(o.unsubscribe) + `">` + f.unsubscribe + `</a> · ` +
		`<a href="` + html.EscapeString(o.preferences) + `">` + f.preferences + `</a></p>`
	for _, end := range []string{"</body>", "</html>"} {
		if i := strings.LastIndex(strings.ToLower(page), end); i >= 0 && len(strings.ToLower(page)) == len(page) {
			return page[:i] + foot + page[i:]
		}
	}
	return page + foot
}

func (f footing) underText(text, shop string, o ours) string {
	return strings.TrimRight(text, "\n") + "\n\n-- \n" + f.why + " " + shop + ".\n" +
		f.unsubscribe + ": " + o.unsubscribe + "\n" + f.preferences + ": " + o.preferences + "\n"
}
