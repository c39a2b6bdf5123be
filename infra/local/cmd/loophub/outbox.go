package main

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/mail"
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

//go:embed outbox.html
var outboxHTML string

// outboxPage is the page of all mails ("list") and of one ("mail").
var outboxPage = template.Must(template.New("outbox").Parse(outboxHTML))

// mails are those to an address, or all of them, newest first.
func (h *hub) mails(to string) []ses.Mail {
	l := slices.Clone(h.cloud.Outbox().Mails())
	slices.Reverse(l)
	return slices.DeleteFunc(l, func(m ses.Mail) bool { return to != "" && !slices.Contains(m.To, to) })
}

func (h *hub) shown(m ses.Mail) sent {
	s := sent{ID: m.ID, At: h.local(m.At), From: readableAddress(m.From), To: strings.Join(m.To, ", "), Subject: m.Subject,
		Text: m.Text, Headers: map[string]string{}}
	for _, one := range m.Headers {
		s.Headers[one.Name] = one.Value
	}
	return s
}

// outbox lists mails: JSON for scripts, a page for browsers.
func (h *hub) outbox(w http.ResponseWriter, r *http.Request) {
	l := []sent{}
	for _, m := range h.mails(r.URL.Query().Get("to")) {
		l = append(l, h.shown(m))
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		answer(w, http.StatusOK, map[string]any{"mails": l})
		return
	}
	page(w, "list", l)
}

// envelope shows a mail with what a mail program shows around it.
func (h *hub) envelope(w http.ResponseWriter, r *http.Request) {
	if m, ok := h.mail(w, r); ok {
		page(w, "mail", h.shown(m))
	}
}

// open gives a mail's HTML as its recipient sees it; that is an opening.
func (h *hub) open(w http.ResponseWriter, r *http.Request) {
	m, ok := h.mail(w, r)
	if !ok {
		return
	}
	_ = h.cloud.Outbox().Open(m.ID) // a mail without an HTML part tells nobody
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'")
	_, _ = w.Write([]byte(`<!doctype html><base target="_blank">` + m.HTML)) // a reader that has hung up needs no mail
}

// mail is the one that the path names.
func (h *hub) mail(w http.ResponseWriter, r *http.Request) (ses.Mail, bool) {
	for _, m := range h.mails("") {
		if m.ID == r.PathValue("id") {
			return m, true
		}
	}
	answer(w, http.StatusNotFound, map[string]string{"error": "there is no such mail"})
	return ses.Mail{}, false
}

func page(w http.ResponseWriter, name string, v any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = outboxPage.ExecuteTemplate(w, name, v) // a reader that has hung up needs no page
}

func readableAddress(s string) string {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name == "" {
		return s
	}
	return a.Name + " <" + a.Address + ">"
}
