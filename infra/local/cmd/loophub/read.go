package main

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"loophub/infra/local/ses"
)

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
