package links_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/functions/links"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/telemetry/telemetrytest"
)

var now = time.Date(2026, 11, 24, 9, 30, 15, 700_000_000, time.UTC)

// world is the stage with ports that can fail. Its tokens are "<kind>-<link>".
type world struct {
	stage   *links.Stage
	log     *bytes.Buffer
	keys    error // of Tokens
	message links.Message
	missing error   // of Messages
	inbox   []error // of the next puts
	acts    []links.Act
	stored  map[string]int // by delivery
	now     time.Time
}

func newWorld() *world {
	w := &world{log: &bytes.Buffer{}, stored: map[string]int{}, now: now,
		message: links.Message{Locale: "vi", Shop: "Trà Sen <3", Link: "https://tra-sen.example/tra?utm_source=loophub&voucher=TS10"}}
	w.stage = links.New(links.Config{Tokens: w, Messages: w, Inbox: w, Log: telemetry.New(w.log, "links"), Now: func() time.Time { return w.now },
		Acts: func(a links.Act, received time.Time) (delivery.Delivery, error) {
			w.acts = append(w.acts, a)
			id := fmt.Sprintf("%s-%d-%d", a.Did, a.Token.Link, a.At.Unix())
			return delivery.Delivery{Key: delivery.Key{Workspace: a.Token.Workspace, Connection: "links", Object: a.Token.Message, Delivery: id},
				Request: connector.Request{Body: []byte(id), ReceivedAt: received}}, nil
		}})
	return w
}

func (w *world) Read(_ context.Context, s string, now time.Time) (links.Token, error) {
	if w.keys != nil {
		return links.Token{}, w.keys
	}
	kind, number, ok := strings.Cut(s, "-")
	if !ok || kind == "panic" || !now.Equal(w.now) {
		if kind == "panic" {
			panic("token-MARKER " + s)
		}
		return links.Token{}, links.ErrToken
	}
	t := links.Token{Kind: links.Kind(kind), Workspace: "saigon", Fragment: "c1", Message: "m1"}
	var err error
	if t.Link, err = strconv.Atoi(number); err != nil {
		return links.Token{}, links.ErrToken
	}
	return t, nil
}

func (w *world) Link(context.Context, links.Token) (links.Message, error) {
	return w.message, w.missing
}

func (w *world) Put(_ context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error) {
	if len(w.inbox) > 0 {
		err := w.inbox[0]
		w.inbox = w.inbox[1:]
		if err != nil {
			return s.Key, "", err
		}
	}
	w.stored[s.Key.Delivery]++
	return s.Key, delivery.Stored, nil
}

type request struct {
	method, path, body string
	header             map[string]string
	encoded            bool
}

func (w *world) do(t testing.TB, r request) events.LambdaFunctionURLResponse {
	t.Helper()
	e := events.LambdaFunctionURLRequest{RawPath: r.path, Body: r.body, IsBase64Encoded: r.encoded, Headers: r.header}
	e.RequestContext.HTTP.Method = r.method
	out, err := w.stage.Handle(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Cache-Control", "X-Robots-Tag", "Referrer-Policy", "Content-Security-Policy", "X-Content-Type-Options"} {
		if out.Headers[name] == "" {
			t.Errorf("%s %s: no %s", r.method, r.path, name)
		}
	}
	return out
}

func (w *world) line(t testing.TB) map[string]any {
	t.Helper()
	return telemetrytest.Last(t, w.log.String())
}

func TestClick(t *testing.T) {
	w := newWorld()
	for range 3 { // within a second: one click
		r := w.do(t, request{method: "GET", path: "/l/l-2"})
		if r.StatusCode != 302 || r.Headers["Location"] != w.message.Link || r.Body != "" {
			t.Error(r)
		}
	}
	if len(w.stored) != 1 || w.acts[0].Did != links.Clicked || w.acts[0].Link != w.message.Link || w.acts[0].Token.Link != 2 ||
		!w.acts[0].At.Equal(now.Truncate(time.Second)) {
		t.Errorf("%v %+v", w.stored, w.acts)
	}
	w.now = now.Add(time.Second)
	w.do(t, request{method: "GET", path: "/l/l-2"})
	w.do(t, request{method: "GET", path: "/l/l-3"})
	if len(w.stored) != 3 {
		t.Errorf("%v", w.stored)
	}
}

// What nobody clicked is no click: a look at the head, a browser's prefetch.
func TestGlances(t *testing.T) {
	w := newWorld()
	for _, r := range []request{
		{method: "HEAD", path: "/l/l-1"}, {method: "GET", path: "/l/l-1", header: map[string]string{"sec-purpose": "prefetch;prerender"}},
		{method: "GET", path: "/l/l-1", header: map[string]string{"purpose": "prefetch"}},
	} {
		if got := w.do(t, r); got.StatusCode != 302 {
			t.Error(got)
		}
	}
	if got := w.do(t, request{method: "HEAD", path: "/u/u-0"}); got.StatusCode != 200 || got.Body != "" {
		t.Error(got)
	}
	if len(w.stored) != 0 {
		t.Errorf("stored %v", w.stored)
	}
}

func TestPagesAskFirst(t *testing.T) {
	for path, want := range map[string]string{"/u/u-0": "Hủy nhận tin qua email?", "/p/p-0": "Có, gửi cho tôi", "/c/c-0": "Xác nhận"} {
		w := newWorld()
		r := w.do(t, request{method: "GET", path: path})
		if r.StatusCode != 200 || !strings.Contains(r.Body, want) || !strings.Contains(r.Body, `<html lang="vi">`) || !strings.Contains(r.Body, "Trà Sen &lt;3") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Body)
		}
		if len(w.stored) != 0 || len(w.acts) != 0 {
			t.Errorf("%s: a page that was only looked at did %v", path, w.acts)
		}
		_, shown, _ := strings.Cut(r.Body, "</style>")
		if strings.Contains(shown, "@") || strings.Contains(shown, "c1") || strings.Contains(shown, "m1") || strings.Contains(r.Body, "<script") {
			t.Errorf("%s shows too much: %s", path, r.Body)
		}
	}
}

func TestPosts(t *testing.T) {
	form := map[string]string{"content-type": "application/x-www-form-urlencoded"}
	for name, c := range map[string]struct {
		request
		status int
		did    links.Did
		page   string
	}{
		"one click of a mail program": {request{method: "POST", path: "/u/u-0", body: "List-Unsubscribe=One-Click", header: form}, 200, links.Unsubscribed, "Đã hủy nhận tin"},
		"without a body":              {request{method: "POST", path: "/u/u-0"}, 200, links.Unsubscribed, "Đã hủy nhận tin"},
		"as multipart":                {request{method: "POST", path: "/u/u-0", body: "--x\r\n", encoded: true}, 200, links.Unsubscribed, "Đã hủy nhận tin"},
		"yes":                         {request{method: "POST", path: "/p/p-0", body: "marketing=on", header: form}, 200, links.Subscribed, "Đã lưu lựa chọn"},
		"no":                          {request{method: "POST", path: "/p/p-0", body: "marketing=off", header: form}, 200, links.Unsubscribed, "Đã hủy nhận tin"},
		"no, in Base64":               {request{method: "POST", path: "/p/p-0", body: base64.StdEncoding.EncodeToString([]byte("marketing=off")), encoded: true}, 200, links.Unsubscribed, "Đã hủy nhận tin"},
		"neither":                     {request{method: "POST", path: "/p/p-0", body: "marketing=maybe"}, 400, "", "Có, gửi cho tôi"},
		"nothing":                     {request{method: "POST", path: "/p/p-0"}, 400, "", "Có, gửi cho tôi"},
		"no form":                     {request{method: "POST", path: "/p/p-0", body: "%zz"}, 400, "", "Có, gửi cho tôi"},
		"no Base64":                   {request{method: "POST", path: "/p/p-0", body: "###", encoded: true}, 400, "", "Có, gửi cho tôi"},
		"too much":                    {request{method: "POST", path: "/p/p-0", body: "marketing=on&x=" + strings.Repeat("a", 5000)}, 400, "", "Có, gửi cho tôi"},
		"confirm":                     {request{method: "POST", path: "/c/c-0", body: "confirm=yes", header: form}, 200, links.Confirmed, "Cảm ơn bạn đã xác nhận"},
	} {
		w := newWorld()
		for range 2 {
			r := w.do(t, c.request)
			if r.StatusCode != c.status || !strings.Contains(r.Body, c.page) {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.Body)
			}
		}
		switch {
		case c.did == "" && len(w.stored) != 0:
			t.Errorf("%s: %v", name, w.stored)
		case c.did != "" && (len(w.stored) != 1 || w.acts[0].Did != c.did || w.acts[0].Token.Fragment != "c1" || w.acts[0].Token.Message != "m1"):
			t.Errorf("%s: %v %+v", name, w.stored, w.acts)
		}
	}
}

// TestNoLinkOfOurs: whatever is wrong, the same page, and nothing changes.
func TestNoLinkOfOurs(t *testing.T) {
	page := ""
	for _, r := range []request{
		{method: "GET", path: "/l/forged"}, {method: "GET", path: "/u/forged"}, {method: "POST", path: "/u/forged"}, {method: "POST", path: "/c/forged"},
		{method: "GET", path: "/u/l-1"}, {method: "POST", path: "/u/l-1"}, {method: "POST", path: "/c/u-0"}, {method: "POST", path: "/p/c-0", body: "marketing=on"},
		{method: "POST", path: "/l/l-1"}, {method: "PUT", path: "/u/u-0"}, {method: "DELETE", path: "/c/c-0"}, {method: "method-MARKER", path: "/u/u-0"},
		{method: "GET", path: "/"}, {method: "GET", path: ""}, {method: "GET", path: "/u"}, {method: "GET", path: "/u/"}, {method: "GET", path: "/x/u-0"},
		{method: "POST", path: "/u/u-0/more"}, {method: "GET", path: "/l/l-" + strings.Repeat("0", 600) + "1"}, {method: "GET", path: "//evil.example/l/l-1"},
	} {
		w := newWorld()
		got := w.do(t, r)
		if page == "" {
			page = got.Body
		}
		if got.StatusCode != 404 || got.Body != page || len(w.stored) != 0 || got.Headers["Location"] != "" {
			t.Errorf("%s %s: %d, stored %v", r.method, r.path, got.StatusCode, w.stored)
		}
		if l := w.line(t); l["msg"] != "refused" || l["refused"] != 1.0 || strings.Contains(w.log.String(), "MARKER") {
			t.Errorf("%s %s: %v", r.method, r.path, l)
		}
	}
	if !strings.Contains(page, "This link does not work") {
		t.Error(page)
	}
}

// A link leads to where the message's own link leads, and nowhere else.
func TestLinksThatLeadNowhere(t *testing.T) {
	for _, link := range []string{"", "javascript:alert(1)", "//evil.example", "/relative", "https://", "data:text/html,x", "https://exa mple.com/%zz", "\x00"} {
		w := newWorld()
		w.message.Link = link
		if r := w.do(t, request{method: "GET", path: "/l/l-1"}); r.StatusCode != 404 || r.Headers["Location"] != "" || len(w.stored) != 0 {
			t.Errorf("%q: %+v", link, r)
		}
	}
	w := newWorld()
	w.missing = links.ErrUnknown
	if r := w.do(t, request{method: "GET", path: "/l/l-1"}); r.StatusCode != 404 || len(w.stored) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestWhatFails(t *testing.T) {
	down := errors.New("down-MARKER")
	for name, c := range map[string]struct {
		prepare func(*world)
		request
		status int
		msg    string
		stored int
	}{
		"a click that is not stored":           {func(w *world) { w.inbox = []error{down, down} }, request{method: "GET", path: "/l/l-1"}, 302, "lost", 0},
		"a click at the second attempt":        {func(w *world) { w.inbox = []error{down} }, request{method: "GET", path: "/l/l-1"}, 302, "clicked", 1},
		"a target that can't be read":          {func(w *world) { w.missing = down }, request{method: "GET", path: "/l/l-1"}, 503, "failed", 0},
		"a key that can't be read":             {func(w *world) { w.keys = down }, request{method: "POST", path: "/u/u-0"}, 503, "failed", 0},
		"an unsubscribe that is not stored":    {func(w *world) { w.inbox = []error{down, down} }, request{method: "POST", path: "/u/u-0"}, 503, "failed", 0},
		"an unsubscribe at the second attempt": {func(w *world) { w.inbox = []error{down} }, request{method: "POST", path: "/u/u-0"}, 200, "acted", 1},
		"a confirmation that is not stored":    {func(w *world) { w.inbox = []error{down, down} }, request{method: "POST", path: "/c/c-0"}, 503, "failed", 0},
		"an unsubscribe from an old message":   {func(w *world) { w.missing = links.ErrUnknown }, request{method: "POST", path: "/u/u-0"}, 200, "acted", 1},
		"an unsubscribe, the message unread":   {func(w *world) { w.missing = down }, request{method: "POST", path: "/u/u-0"}, 200, "acted", 1},
		"a panic":                              {func(*world) {}, request{method: "POST", path: "/u/panic-0"}, 503, "failed", 0},
	} {
		w := newWorld()
		c.prepare(w)
		r := w.do(t, c.request)
		if l := w.line(t); r.StatusCode != c.status || l["msg"] != c.msg || len(w.stored) != c.stored {
			t.Errorf("%s: %d %v, %d stored", name, r.StatusCode, l, len(w.stored))
		}
		if r.StatusCode == 503 && (r.Headers["Retry-After"] == "" || !strings.Contains(r.Body, "try again") && !strings.Contains(r.Body, "Xin thử lại")) {
			t.Errorf("%s: nobody is asked to try again: %+v", name, r)
		}
		if strings.Contains(w.log.String()+r.Body, "MARKER") {
			t.Errorf("%s: tells what it should not: %s %s", name, w.log, r.Body)
		}
	}
}

func TestLanguages(t *testing.T) {
	for _, c := range []struct{ message, header, want string }{
		{"vi", "en-US,en;q=0.9", "vi"}, {"vi-VN", "", "vi"}, {"en", "vi", "en"}, {"EN-gb", "vi", "en"}, {"fr", "vi-VN,vi;q=0.9,en;q=0.8", "vi"}, {"", "fr, vi;q=0.5, en;q=0.4", "vi"},
		{"", "fr", "en"}, {"", "", "en"}, {"", "\xff;;;q=9", "en"}, {"", strings.Repeat("vi,", 10_000), "vi"}, {"", "de;q=0.9, en;q=0.2, vi;q=0.3", "vi"},
	} {
		w := newWorld()
		w.message.Locale = c.message
		r := w.do(t, request{method: "GET", path: "/u/u-0", header: map[string]string{"accept-language": c.header}})
		if r.Headers["Content-Language"] != c.want || !strings.Contains(r.Body, `<html lang="`+c.want+`">`) {
			t.Errorf("%q, %.30q: %s", c.message, c.header, r.Headers["Content-Language"])
		}
	}
}

// TestPagesStayAsTheyWereLookedAt: UPDATE=1 writes them, to be looked at in a browser, and fails.
func TestPagesStayAsTheyWereLookedAt(t *testing.T) {
	for name, r := range map[string]request{
		"unsubscribe": {method: "GET", path: "/u/u-0"}, "unsubscribed": {method: "POST", path: "/u/u-0"}, "preferences": {method: "GET", path: "/p/p-0"},
		"subscribed": {method: "POST", path: "/p/p-0", body: "marketing=on"}, "confirm": {method: "GET", path: "/c/c-0"},
		"confirmed": {method: "POST", path: "/c/c-0"}, "gone": {method: "GET", path: "/u/forged"}, "again": {method: "POST", path: "/u/u-0"},
	} {
		for _, locale := range []string{"vi", "en"} {
			w := newWorld()
			w.message.Locale, w.message.Shop = locale, "Trà Sen"
			if name == "again" {
				w.inbox = []error{errors.New("down"), errors.New("down")}
			}
			r.header = map[string]string{"accept-language": locale}
			got := w.do(t, r).Body
			file := filepath.Join("testdata", name+"."+locale+".html")
			want, err := os.ReadFile(file)
			if err == nil && string(want) == got {
				continue
			}
			t.Errorf("%s is another page (%v)", file, err)
			if os.Getenv("UPDATE") == "1" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func FuzzHandle(f *testing.F) {
	f.Add("GET", "/l/l-1", "", "vi", false)
	f.Add("POST", "/u/u-0", "List-Unsubscribe=One-Click", "", false)
	f.Add("POST", "/p/x", "marketing=on", "en", true)
	f.Fuzz(func(t *testing.T, method, path, body, languages string, encoded bool) {
		w := newWorld()
		r := w.do(t, request{method: method, path: path, body: body, header: map[string]string{"accept-language": languages}, encoded: encoded})
		valid := strings.HasPrefix(path, "/l/l-") || strings.HasPrefix(path, "/u/u-") || strings.HasPrefix(path, "/p/p-") || strings.HasPrefix(path, "/c/c-") ||
			!strings.HasPrefix(path, "/")
		if !valid && (r.StatusCode < 400 || len(w.stored) > 0) {
			t.Errorf("%s %q: %d, stored %v", method, path, r.StatusCode, w.stored)
		}
		if r.StatusCode == 302 && r.Headers["Location"] != w.message.Link {
			t.Errorf("leads to %q", r.Headers["Location"])
		}
		if method != "POST" && len(w.acts) > 0 && w.acts[0].Did != links.Clicked {
			t.Errorf("%s does %v", method, w.acts)
		}
	})
}
