package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"loophub/infra/local/clock"
	"loophub/infra/local/stage"
)

// personal finds, in the demo shop's files and mails, what no log may hold:
// addresses of people, phone numbers, voucher codes, and the tokens of links.
var personal = regexp.MustCompile(`[A-Za-z0-9._+-]+@[A-Za-z0-9-]+\.[a-z.]+[a-z]|\+84\d{9}|\b0912 345 678\b|\bSEN-[0-9A-Z]{4}\b|\bA[Q-Z][A-Za-z0-9_-]{80,}`)

// TestLogsHoldNothingPersonal plays the whole story and some requests that go wrong,
// and looks through every line of every stage, delivery keys decoded.
func TestLogsHoldNothingPersonal(t *testing.T) {
	tale, err := readStory(demo().story)
	if err != nil {
		t.Fatal(err)
	}
	h, err := start(t.Context(), demo(), clock.Stopped(tale.Begins))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { h.stop() }()
	if wrong, err := h.tell(t.Context(), tale, true, io.Discard); err != nil || wrong > 0 {
		t.Fatalf("%d checks differ, %v", wrong, err)
	}
	more := []string{"Nguyễn", "Lê Minh", "không quá nóng", "marker-of-a-body", "marker-of-a-path", "marker-of-a-query", "marker-of-a-token", stage.Secret, strings.TrimPrefix(stage.Token(""), ".")}
	for _, r := range []struct{ method, path, body, token string }{
		{"POST", "/v1/events", `{"name":"tasting.booked","id":"booking-1","email":"lan.nguyen@example.vn","properties":{"note":"marker-of-a-body SEN-7KQ2"}}`, h.token()},
		{"POST", "/v1/events", `{"name":"tasting.booked","email":"marker-of-a-body@"}`, h.token()},
		{"POST", "/v1/vouchers/come-back-10/codes", `{"codes":["SEN-7KQ2","marker of a body"]}`, h.token()},
		{"POST", "/v1/messages/test", `{"template":"come-back","to":"lan.nguyen@example.vn"}`, h.token()},
		{"GET", "/v1/profiles?email=lan.nguyen@example.vn", "", h.token()},
		{"GET", "/v1/profiles?phone=%2B84912345678&x=marker-of-a-query", "", h.token()},
		{"GET", "/v1/profiles?email=lan.nguyen@example.vn", "", "saigon.marker-of-a-token"},
		{"GET", "/v1/profiles/marker-of-a-path/why", "", h.token()},
		{"GET", "/v1/marker-of-a-path/lan.nguyen@example.vn", "", h.token()},
		{"POST", "/hooks/marker-of-a-path/shop?q=marker-of-a-query", "marker-of-a-body", ""},
		{"POST", "/hooks/saigon/shop/marker-of-a-path", `{"email":"lan.nguyen@example.vn"}`, ""},
		{"POST", "/hooks/saigon/website", "key=pk_tra_sen&email=marker-of-a-body@example.vn&name=Nguy%E1%BB%85n", ""},
		{"POST", "/hooks/saigon/crm", `[{"propertyName":"email","propertyValue":"lan.nguyen@example.vn"}]`, ""},
		{"GET", "/l/marker-of-a-path", "", ""},
		{"POST", "/u/marker-of-a-path?marker-of-a-query", "marker-of-a-body", ""},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, h.url+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+r.token)
		request.Header.Set("Origin", "https://tra-sen.example")
		request.Header.Set("Content-Type", map[bool]string{true: "application/x-www-form-urlencoded"}[strings.HasSuffix(r.path, "website")])
		request.Header.Set("X-Amzn-Trace-Id", "Root=marker-of-a-query")
		reply, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
	}
	if err := h.rest(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{demo().story, demo().workspace} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		more = append(more, personal.FindAllString(string(text), -1)...)
	}
	for _, m := range h.mails("") {
		more = append(append(more, m.Subject), personal.FindAllString(m.Text, -1)...)
	}
	slices.Sort(more)
	more = slices.Compact(more)
	if len(more) < 22 {
		t.Fatalf("only %d things to look for: %q", len(more), more)
	}
	for _, name := range stage.Names() {
		l := h.cloud.Lines("/loophub/"+name, 1_000)
		if len(l) == 0 || len(l) == 1_000 {
			t.Errorf("%s: %d lines; there must be some, and all of them", name, len(l))
		}
		for _, line := range l {
			for _, secret := range more {
				if strings.Contains(strings.ToLower(decoded(line.Text)), strings.ToLower(secret)) {
					t.Errorf("%s tells %q: %s", name, secret, line.Text)
				}
			}
			if found := personal.FindString(decoded(line.Text)); found != "" {
				t.Errorf("%s tells %q: %s", name, found, line.Text)
			}
		}
	}
	for _, line := range h.cloud.Lines("/loophub/events", 1_000) {
		for _, secret := range more {
			if strings.Contains(strings.ToLower(line.Text), strings.ToLower(secret)) {
				t.Errorf("the bus tells %q: %s", secret, line.Text)
			}
		}
	}
}

// decoded is a line as somebody reads it who decodes the keys of deliveries.
func decoded(text string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(text), &fields) != nil {
		return text
	}
	for _, v := range fields {
		if s, ok := v.(string); ok {
			for _, e := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
				if b, err := e.DecodeString(s); err == nil {
					text += " " + string(b)
				}
			}
		}
	}
	return text
}
