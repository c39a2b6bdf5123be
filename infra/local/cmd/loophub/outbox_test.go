package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"loophub/infra/local/clock"
)

// TestAfterTheStory: what a reader is invited to do is there.
func TestAfterTheStory(t *testing.T) {
	tale, err := readStory(demo().story)
	if err != nil {
		t.Fatal(err)
	}
	h, err := start(t.Context(), demo(), clock.Stopped(tale.Begins))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { h.stop() }()
	if _, err := h.tell(t.Context(), tale, false, io.Discard); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	h.invite(&out)
	for _, want := range []string{"/outbox", "/hooks/saigon/shop", "/hooks/saigon/website", "/contacts/lan.nguyen@example.vn", "/win-back/report", "/forecast", "/clock"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the invitation does not name %s", want)
		}
	}
	for _, closed := range []string{"/hooks/saigon/email", "/hooks/saigon/links", "/hooks/saigon/crm", "/hooks/saigon/operator"} {
		if strings.Contains(out.String(), closed) {
			t.Errorf("the invitation names %s, to which nobody may post", closed)
		}
	}
	mail := "/outbox/" + h.mails("")[0].ID
	for path, want := range map[string]string{
		"/":                  "Outbox",
		"/outbox":            `<a href="` + mail + `">Chào Lan, `,
		mail:                 `src="` + mail + `/html"`,
		mail + "/html":       "<p>Chào Lan,</p>",
		"/outbox/none":       "there is no such mail",
		"/outbox?to=nobody@": "Nothing was sent",
		"/simulators/hubspot/contacts/lan.nguyen@example.vn": `"loophub_revenue":"270000"`,
	} {
		if got := visited(t, h.url+path); !strings.Contains(got, want) {
			t.Errorf("%s: %s\nit does not hold %s", path, got, want)
		}
	}
}

// visited is what a browser gets, redirects followed.
func visited(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
