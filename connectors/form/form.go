// Package form reads plain HTML forms that browsers post.
//
// Nothing can sign what a visitor's browser sends. What stands in for a
// signature is a public key in the form, a list of origins that a browser can't
// lie about, and a field that only robots fill; a flood is for the web firewall
// to stop. So a form's facts are claims of an unknown visitor, and are treated
// as such: a form gives consent only for what the visitor ticked.
package form

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	connector "loophub/connectors"
)

const (
	originPattern = `https?://[a-z0-9.-]+(:[0-9]{1,5})?`
	namePattern   = `[A-Za-z0-9_.\[\]-]{1,60}`
)

// New describes the connector.
func New() connector.Connector {
	m := connector.Manifest{
		Name:    "form",
		Title:   "Plain HTML form",
		Rank:    1,
		Topics:  []string{"submit"},
		Headers: []string{"Content-Type", "Referer"},
		Proof:   []string{"Origin"},
		Refusal: http.StatusForbidden,
		Answers: "303 to the next page, to scripts 200 and JSON; preflights and visits by hand are answered and not stored",
		Settings: []connector.Setting{
			{Name: "public_key", Required: true, Pattern: `[A-Za-z0-9_-]{8,100}`,
				About: "the key that the form sends, as field or query parameter named key or as the path after the URL; it is no secret"},
			{Name: "allowed_origins", Required: true, Pattern: originPattern + `(\s*,\s*` + originPattern + `)*`,
				About: "the sites that the form stands on, such as https://shop.example.vn, separated by commas"},
			{Name: "redirect", Pattern: originPattern + `(/\S*)?`,
				About: "where the visitor goes after a plain post, on an allowed origin; without it a line of thanks is shown"},
			{Name: "honeypot", Pattern: namePattern, Default: "_honeypot",
				About: "a hidden field that people leave empty; a submission that fills it is answered as usual and gives nothing"},
			{Name: "consent", Pattern: consentPattern + `(\s*,\s*` + consentPattern + `)*`,
				About: "tick boxes that grant consent, such as email:marketing=newsletter, separated by commas"},
			{Name: "confirm", Pattern: `yes|no`, Default: "no",
				About: "yes: a ticked box only asks for consent, and a message has to be confirmed before it counts (double opt-in); needs a journey that begins with the event consent.asked and sends a template of the purpose confirmation"},
			{Name: "fields", Pattern: mapPattern + `(\s*,\s*` + mapPattern + `)*`,
				About: "fields with names of their own, such as phone=so_may, separated by commas"},
			{Name: "form", Pattern: `[^\x00-\x1f]{1,100}`, About: "name of the form, for reports"},
		},
		Setup: []string{
			`Let the form post to the connection's address: <form method="post" action="{url}">.`,
			`Add <input type="hidden" name="key" value="…"> with the connection's public_key.`,
			`Add the honeypot, hidden by style and not by type: <input name="_honeypot" style="display:none" tabindex="-1" autocomplete="off">.`,
			`Optional: <input type="hidden" name="_next" value="https://…"> for the page after this form, on an allowed origin; a hidden anonymous_id; a hidden submission_id of at least 16 random letters and digits, so that a second click counts once.`,
			"From a script: post with fetch and Accept: application/json; the answer is {\"ok\":true}.",
		},
		Unsure: []string{
			"A program outside a browser can send any Origin: the form's facts are a visitor's claims, never proof.",
		},
		Pages: []connector.Page{
			{URL: "https://html.spec.whatwg.org/multipage/form-control-infrastructure.html", Read: "2026-11-21"},
			{URL: "https://fetch.spec.whatwg.org/#http-cors-protocol", Read: "2026-11-21"},
		},
	}
	return connector.Connector{Manifest: m, Source: func(s connector.Settings) (connector.Source, error) {
		s, err := m.Fill(s)
		if err != nil {
			return nil, err
		}
		return newSource(s)
	}}
}

// source reads the submissions of one form, or of several that share a key.
type source struct {
	key      string
	origins  []string
	redirect string
	honeypot string
	form     string
	country  string
	consents map[string][]string // name of a field → channel:purpose
	said     string              // what a ticked box says: grant:, or ask: where it has to be confirmed
	fields   map[string]string   // name of a field → field of the fact
}

func newSource(s connector.Settings) (connector.Source, error) {
	made := source{
		key: s.Values["public_key"], redirect: s.Values["redirect"], honeypot: s.Values["honeypot"], form: s.Values["form"],
		country: s.Country, consents: pairs(s.Values["consent"]), fields: map[string]string{}, said: "grant:",
	}
	if s.Values["confirm"] == "yes" {
		made.said = "ask:"
	}
	for o := range strings.SplitSeq(s.Values["allowed_origins"], ",") {
		made.origins = append(made.origins, strings.TrimSpace(o))
	}
	if made.redirect != "" && !made.allowed(origin(made.redirect)) {
		return nil, errors.New(`form: the setting "redirect" leads to an origin that "allowed_origins" does not hold`)
	}
	for name, fields := range pairs(s.Values["fields"]) {
		made.fields[strings.ToLower(name)] = fields[len(fields)-1]
	}
	return made, nil
}

// pairs reads "field=name, …" as name → fields.
func pairs(s string) map[string][]string {
	m := map[string][]string{}
	for p := range strings.SplitSeq(s, ",") {
		if field, name, ok := strings.Cut(strings.TrimSpace(p), "="); ok {
			m[name] = append(m[name], field)
		}
	}
	return m
}

// origin is scheme, host and port of a URL, "" for what has none.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

func (s source) allowed(o string) bool { return o != "" && slices.Contains(s.origins, o) }

// sender is the origin of the page that the form stands on: a browser names it
// in Origin, in old ones in Referer alone.
func sender(h http.Header) string {
	if o := h.Get("Origin"); o != "" {
		return strings.ToLower(o)
	}
	return origin(h.Get("Referer"))
}

// Verify compares the public key and the origin. Secrets play no part.
func (s source) Verify(r connector.Request, _ []connector.Secret) error {
	if r.Method != http.MethodPost {
		return errors.New("verifying: forms are posted")
	}
	if o := sender(r.Header); o == "" {
		return errors.New("verifying: neither Origin nor Referer names the form's page")
	} else if !s.allowed(o) {
		return errors.New("verifying: the form's page is on an origin that allowed_origins does not hold")
	}
	given, _ := parse(r)
	first, _, _ := strings.Cut(r.Rest, "/")
	matched := 0
	for _, k := range []string{first, r.Query.Get("key"), given.first("key")} {
		matched |= subtle.ConstantTimeCompare([]byte(k), []byte(s.key))
	}
	if matched != 1 {
		return errors.New("verifying: neither the field key, the query nor the path holds the connection's public_key")
	}
	return nil
}

// Key: a submission is an object of its own. Its form may name it, so that a
// second click is the same; else it is told from others by what was sent and when.
func (s source) Key(r connector.Request) (object, delivery string) {
	given, _ := parse(r)
	if id := given.first("submission_id"); submissionID(id) {
		return "form:" + id, id
	}
	id := connector.Digest(r.Body) + "-" + strconv.FormatInt(r.ReceivedAt.UnixMilli(), 10)
	return "form:" + id, id
}

// submissionID accepts what can't be guessed, nor be an address or a number.
func submissionID(s string) bool {
	letters := 0
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		case c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(s) >= 16 && len(s) <= 64 && letters > 0
}

// Answer gives browsers what they need: the preflight of a fetch, the way on
// after a post, and words for who opens the address by hand.
func (s source) Answer(r connector.Request) (response connector.Response, final, ok bool) {
	switch r.Method {
	case http.MethodOptions:
		o := sender(r.Header)
		if !s.allowed(o) {
			return words(http.StatusForbidden, "This form may not be used from here.\n"), true, true
		}
		h := cors(o)
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", "Accept, Content-Type")
		h.Set("Access-Control-Max-Age", "86400")
		return connector.Response{Status: http.StatusNoContent, Header: h}, true, true
	case http.MethodPost:
		return s.thanks(r), false, true
	}
	response = words(http.StatusMethodNotAllowed, "This address takes the posts of a form; there is nothing to see.\n")
	response.Header.Set("Allow", "POST, OPTIONS")
	return response, true, true
}

// thanks is the reply once a submission is stored.
func (s source) thanks(r connector.Request) connector.Response {
	if o := sender(r.Header); s.allowed(o) && scripted(r.Header) {
		h := cors(o)
		h.Set("Content-Type", "application/json")
		return connector.Response{Status: http.StatusOK, Header: h, Body: []byte(`{"ok":true}`)}
	}
	given, _ := parse(r)
	next := given.first("_next")
	if !s.allowed(origin(next)) {
		next = s.redirect
	}
	if next == "" {
		return words(http.StatusOK, "Thank you. Your message has arrived.\n")
	}
	u, err := url.Parse(next)
	if err != nil {
		return words(http.StatusOK, "Thank you. Your message has arrived.\n")
	}
	return connector.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {u.String()}}}
}

// scripted tells whether a script waits for the reply, not a person.
func scripted(h http.Header) bool {
	return strings.Contains(h.Get("Accept"), "application/json") || h.Get("Sec-Fetch-Mode") == "cors"
}

func cors(origin string) http.Header {
	return http.Header{"Access-Control-Allow-Origin": {origin}, "Vary": {"Origin"}}
}

func words(status int, text string) connector.Response {
	return connector.Response{Status: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(text)}
}

// record names the fact of a submission, by its key without the prefix.
func (s source) record(r connector.Request) string {
	_, delivery := s.Key(r)
	return delivery
}

// fingerprint shortens a name that is too long for a field without letting two
// such names fall together.
func fingerprint(s string) string {
	d := sha256.Sum256([]byte(s))
	return fmt.Sprintf("%x", d[:4])
}
