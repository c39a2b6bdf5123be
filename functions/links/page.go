package links

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/text/language"
)

// The pages. Those that ask have buttons, each with the field that it posts.
const (
	askUnsubscribe   = "ask unsubscribe"
	unsubscribedPage = "unsubscribed"
	askPreferences   = "ask preferences"
	subscribedPage   = "subscribed"
	askConfirm       = "ask confirm"
	confirmedPage    = "confirmed"
	goneLink         = "gone"
	tryAgain         = "try again"
)

type words struct {
	Title, Text string
	Buttons     []button
}

type button struct{ Name, Value, Label string }

const oneClick = "List-Unsubscribe" // the field of RFC 8058, so that the button posts what a mail program does

// texts of the pages, by language.
var texts = map[string]map[string]words{
	"vi": {
		askUnsubscribe: {Title: "Hủy nhận tin qua email?", Text: "Bạn sẽ không nhận tin khuyến mãi qua email nữa. Email về đơn hàng của bạn vẫn được gửi.",
			Buttons: []button{{oneClick, "One-Click", "Hủy nhận tin"}}},
		unsubscribedPage: {Title: "Đã hủy nhận tin", Text: "Chúng tôi sẽ không gửi tin khuyến mãi qua email cho bạn nữa."},
		askPreferences: {Title: "Tin khuyến mãi qua email", Text: "Bạn có muốn nhận tin và ưu đãi qua email không? Email về đơn hàng của bạn luôn được gửi.",
			Buttons: []button{{"marketing", "on", "Có, gửi cho tôi"}, {"marketing", "off", "Không, đừng gửi"}}},
		subscribedPage: {Title: "Đã lưu lựa chọn", Text: "Bạn sẽ nhận tin và ưu đãi qua email. Mỗi email đều có liên kết để hủy."},
		askConfirm: {Title: "Xác nhận nhận tin qua email", Text: "Bấm nút để xác nhận rằng bạn muốn nhận tin và ưu đãi qua email. Nếu không phải bạn đăng ký, hãy bỏ qua trang này.",
			Buttons: []button{{"confirm", "yes", "Xác nhận"}}},
		confirmedPage: {Title: "Cảm ơn bạn đã xác nhận", Text: "Bạn sẽ nhận tin và ưu đãi qua email. Mỗi email đều có liên kết để hủy."},
		goneLink:      {Title: "Liên kết không dùng được", Text: "Không có trang nào ở liên kết này. Hãy mở lại liên kết từ email mới nhất của bạn."},
		tryAgain:      {Title: "Xin thử lại", Text: "Chúng tôi chưa thực hiện được yêu cầu của bạn. Xin tải lại trang sau ít phút."},
	},
	"en": {
		askUnsubscribe: {Title: "Unsubscribe from email news?", Text: "You will get no more news and offers by email. Emails about your orders still reach you.",
			Buttons: []button{{oneClick, "One-Click", "Unsubscribe"}}},
		unsubscribedPage: {Title: "You are unsubscribed", Text: "We will send you no more news and offers by email."},
		askPreferences: {Title: "News by email", Text: "Would you like to get news and offers by email? Emails about your orders always reach you.",
			Buttons: []button{{"marketing", "on", "Yes, send them"}, {"marketing", "off", "No, send none"}}},
		subscribedPage: {Title: "Your choice is saved", Text: "You will get news and offers by email. Each of them has a link to unsubscribe."},
		askConfirm: {Title: "Confirm email news", Text: "Press the button to confirm that you would like to get news and offers by email. If it was not you who signed up, just leave this page.",
			Buttons: []button{{"confirm", "yes", "Confirm"}}},
		confirmedPage: {Title: "Thank you for confirming", Text: "You will get news and offers by email. Each of them has a link to unsubscribe."},
		goneLink:      {Title: "This link does not work", Text: "There is nothing here. Please open the link from your latest email again."},
		tryAgain:      {Title: "Please try again", Text: "We could not do what you asked for. Please load this page again in a few minutes."},
	},
}

// All buttons of a page look alike, so that nobody is nudged.
const style = `:root{color-scheme:light dark}
body{margin:0;padding:1.5rem;font:1.0625rem/1.6 system-ui,sans-serif;color:#1d1d1f;background:#f5f5f4}
main{max-width:34rem;margin:12vh auto 0;padding:2rem;border-radius:.75rem;background:#fff}
p.shop{margin:0;color:#57534e}
h1{margin:.25rem 0 .75rem;font-size:1.5rem;line-height:1.3}
form{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
button{font:inherit;font-weight:600;padding:.75rem 1.25rem;border:2px solid #1d4ed8;border-radius:.5rem;color:#fff;background:#1d4ed8;cursor:pointer}
button:focus-visible{outline:3px solid #f59e0b;outline-offset:2px}
@media (prefers-color-scheme:dark){body{color:#f5f5f4;background:#1c1917}main{background:#292524}p.shop{color:#a8a29e}}`

var layout = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="{{.Locale}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{{.Title}}{{with .Shop}} · {{.}}{{end}}</title>
<style>` + style + `</style>
</head>
<body>
<main>
{{with .Shop}}<p class="shop">{{.}}</p>
{{end}}<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{with .Buttons}}<form method="post">
{{range .}}<button name="{{.Name}}" value="{{.Value}}">{{.Label}}</button>
{{end}}</form>
{{end}}</main>
</body>
</html>
`))

// policy lets a page have its own style and post to where it came from, and
// nothing else.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// head is an answer without a body. The URL holds the token: it must lie in no
// cache, no index, and reach no other site.
func (v *visit) head(status int) events.LambdaFunctionURLResponse {
	return events.LambdaFunctionURLResponse{StatusCode: status, Headers: map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": policy,
	}}
}

func (v *visit) page(status int, name string) events.LambdaFunctionURLResponse {
	var b bytes.Buffer
	err := layout.Execute(&b, struct {
		words
		Locale, Shop string
	}{texts[v.locale][name], v.locale, v.about.Shop})
	if err != nil { // texts and a list of them always fit
		panic(err)
	}
	r := v.head(status)
	r.Headers["Content-Language"] = v.locale
	r.Body = b.String()
	return r
}

// known is the language of a tag that there are texts in, or "".
func known(tag string) string {
	main, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if _, ok := texts[main]; ok {
		return main
	}
	return ""
}

const maxLanguages = 200 // bytes of the header that are looked at

// fromHeader is the first language of a browser that there are texts in.
func fromHeader(accept string) string {
	tags, _, err := language.ParseAcceptLanguage(accept[:min(len(accept), maxLanguages)])
	if err != nil {
		return "en"
	}
	for _, t := range tags {
		if l := known(t.String()); l != "" {
			return l
		}
	}
	return "en"
}
