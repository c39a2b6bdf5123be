package main

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"loophub/infra/local/ses"
)

// sent is a mail of the outbox, as GET /outbox shows it.
type sent struct {
	ID      string            `json:"id"`
	At      string            `json:"at"`
	From    string            `json:"from"`
	To      string            `json:"to"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	Headers map[string]string `json:"headers"`
}

// mails are those to an address, or all of them, newest first.
func (h *hub) mails(to string) []ses.Mail {
	l := slices.Clone(h.cloud.Outbox().Mails())
	slices.Reverse(l)
	return slices.DeleteFunc(l, func(m ses.Mail) bool { return to != "" && !slices.Contains(m.To, to) })
}

var outboxPage = template.Must(template.New("outbox").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Outbox</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:50rem;padding:0 1rem}td,th{padding:.3rem .8rem .3rem 0;text-align:left}</style>
<h1>Outbox</h1>
<p>What Loophub sent on this machine. Nothing of it left it.</p>
<table><tr><th>When<th>To<th>Subject</tr>
{{range .}}<tr><td>{{.At}}<td>{{.To}}<td><a href="/outbox/{{.ID}}">{{.Subject}}</a></tr>
{{else}}<tr><td colspan="3">Nothing yet.</tr>{{end}}
</table></html>
`))

// outbox lists mails: JSON for scripts, a page for browsers.
func (h *hub) outbox(w http.ResponseWriter, r *http.Request) {
	l := []sent{}
	for _, m := range h.mails(r.URL.Query().Get("to")) {
		s := sent{ID: m.ID, At: h.local(m.At), From: readableAddress(m.From), To: strings.Join(m.To, ", "), Subject: m.Subject,
			Text: m.Text, Headers: map[string]string{}}
		for _, one := range m.Headers {
			s.Headers[one.Name] = one.Value
		}
		l = append(l, s)
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		answer(w, http.StatusOK, map[string]any{"mails": l})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = outboxPage.Execute(w, l) // a reader that has hung up needs no page
}

// open shows a mail as its recipient sees it; that is an opening.
func (h *hub) open(w http.ResponseWriter, r *http.Request) {
	for _, m := range h.mails("") {
		if m.ID != r.PathValue("id") {
			continue
		}
		_ = h.cloud.Outbox().Open(m.ID) // a mail without an HTML part tells nobody
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'")
		_, _ = w.Write([]byte(m.HTML))
		return
	}
	answer(w, http.StatusNotFound, map[string]string{"error": "there is no such mail"})
}

func readableAddress(s string) string {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name == "" {
		return s
	}
	return a.Name + " <" + a.Address + ">"
}

// read does with the newest mail to somebody what a step says: opens it, follows
// a link by its words, unsubscribes as mail programs do, keeps a part of it.
func (h *hub) read(ctx context.Context, s step) (did string, err error) {
	l := h.mails(s.Mail)
	if len(l) == 0 {
		return "", fmt.Errorf("there is no mail to %s", s.Mail)
	}
	m := l[0]
	for name, pattern := range s.Keep {
		found := regexp.MustCompile(pattern).FindString(m.Text)
		if found == "" {
			return "", fmt.Errorf("the mail %q holds nothing like %s", m.Subject, pattern)
		}
		h.memory[name] = found
		did += " keeps " + found
	}
	if s.Open {
		if err := h.cloud.Outbox().Open(m.ID); err != nil {
			return "", fmt.Errorf("opening the mail %q: %w", m.Subject, err)
		}
		did += " opens"
	}
	if s.Click != "" {
		to, err := h.visit(ctx, m, s)
		if err != nil {
			return "", err
		}
		did += " follows a link to " + to
	}
	if s.Unsubscribe {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.Trim(m.Header("List-Unsubscribe"), "<>"), strings.NewReader("List-Unsubscribe=One-Click"))
		if err != nil {
			return "", fmt.Errorf("the mail %q can't be unsubscribed from: %w", m.Subject, err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		status, _, err := send(r)
		if err != nil || status != http.StatusOK {
			return "", fmt.Errorf("unsubscribing was answered %d: %w", status, err)
		}
		did += " unsubscribes"
	}
	return "mail" + did, nil
}

// visit follows one link of a mail and tells where it leads.
func (h *hub) visit(ctx context.Context, m ses.Mail, s step) (string, error) {
	link := regexp.MustCompile(`<a [^>]*href="([^"]+)"[^>]*>` + regexp.QuoteMeta(s.Click) + `<`).FindStringSubmatch(m.HTML)
	if link == nil {
		return "", fmt.Errorf("the mail %q has no link %q", m.Subject, s.Click)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.ReplaceAll(link[1], "&amp;", "&"), nil)
	if err != nil {
		return "", fmt.Errorf("the link %q: %w", s.Click, err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return "", fmt.Errorf("following the link %q: %w", s.Click, err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return "", fmt.Errorf("the link %q was answered %d, not %d", s.Click, resp.StatusCode, http.StatusFound)
	}
	return resp.Header.Get("Location"), nil
}
