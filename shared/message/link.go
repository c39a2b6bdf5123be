package message

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"loophub/shared/token"
)

// maxLinks is how many different links a message may have.
const (
	maxLinks  = 200
	maxTarget = 2_000 // bytes of a link
)

// Signer makes the links of one message.
type Signer struct {
	Address string      // of the links stage: https://…
	Key     token.Key   // of the workspace
	Token   token.Token // workspace, fragment, message, issued
}

func (s Signer) url(k token.Kind, link int) (string, error) {
	t := s.Token
	t.Kind, t.Link = k, link
	signed, err := token.Sign(s.Key, t)
	if err != nil {
		return "", err
	}
	return token.URL(s.Address, k, signed), nil
}

// ours are the links of a message that are no click links.
type ours struct{ unsubscribe, preferences, confirm string }

func (s Signer) ours() (o ours, err error) {
	for k, to := range map[token.Kind]*string{token.Unsubscribe: &o.unsubscribe, token.Preferences: &o.preferences, token.Confirm: &o.confirm} {
		if *to, err = s.url(k, 0); err != nil {
			return ours{}, err
		}
	}
	return o, nil
}

func (o ours) has(link string) bool {
	return link == o.unsubscribe || link == o.preferences || link == o.confirm
}

// linker puts click links into a rendered message and remembers where they lead.
// A target has one number, wherever and however often it stands.
type linker struct {
	signer  Signer
	ours    ours
	targets []string
}

// click gives the click link to a target; a target that is none of the web's stays.
func (l *linker) click(target string) (string, error) {
	if l.ours.has(target) {
		return target, nil
	}
	u, err := url.Parse(strings.TrimSpace(target))
	if err != nil {
		return "", fmt.Errorf("a link of the message can't be read")
	}
	if u.Scheme = strings.ToLower(u.Scheme); u.Scheme == "" && u.Host != "" {
		u.Scheme = "https"
	}
	switch u.Scheme {
	case "http", "https":
	case "mailto", "tel", "":
		return target, nil
	default: // javascript:, data: and what may come
		return "", nil
	}
	target = u.String()
	if u.Host == "" || len(target) > maxTarget {
		return "", fmt.Errorf("a link of the message has no host, or more than %d bytes", maxTarget)
	}
	n := slices.Index(l.targets, target) + 1
	if n == 0 {
		if len(l.targets) == maxLinks {
			return "", fmt.Errorf("the message has more than %d links", maxLinks)
		}
		l.targets = append(l.targets, target)
		n = len(l.targets)
	}
	return l.signer.url(token.Click, n)
}

// html replaces the links of <a> and <area>. All else stays byte for byte.
func (l *linker) html(s string) (string, error) {
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	for z.Next() != html.ErrorToken {
		raw := string(z.Raw())
		t := z.Token()
		if (t.Type != html.StartTagToken && t.Type != html.SelfClosingTagToken) || t.Data != "a" && t.Data != "area" {
			out.WriteString(raw)
			continue
		}
		changed := false
		for i, a := range t.Attr {
			if a.Key != "href" {
				continue
			}
			link, err := l.click(a.Val)
			if err != nil {
				return "", err
			}
			t.Attr[i].Val, changed = link, changed || link != a.Val
		}
		if changed {
			raw = t.String()
		}
		out.WriteString(raw)
	}
	return out.String(), nil
}

// webLink is a link in plain text. What ends a sentence is not of it.
var webLink = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)\]}'»”]`)

// text replaces the links in plain text.
func (l *linker) text(s string) (string, error) {
	var failed error
	s = webLink.ReplaceAllStringFunc(s, func(target string) string {
		link, err := l.click(target)
		if err != nil {
			failed = err
		}
		return link
	})
	return s, failed
}
