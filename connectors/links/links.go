// Package links reads what customers do with the links of our messages: they
// follow one, unsubscribe, choose, confirm. The stage of the same name puts it
// into the Inbox, so that it is kept, replayed and explained like any other
// fact. Nothing from outside may post to it.
package links

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

// Name is the connector's name, and that of the connection that every workspace
// has of it.
const Name = "links"

// Act is what a customer did.
type Act struct {
	Act      string `json:"act"` // click, unsubscribe, subscribe, confirm
	Fragment string `json:"fragment"`
	Message  string `json:"message"`
	Number   int    `json:"number,omitempty"` // of the link, of a click
	Link     string `json:"link,omitempty"`   // where it leads
	At       int64  `json:"at"`               // Unix ms, a full second: what is done twice within one is done once
}

// Request gives the delivery that holds the act, for the Inbox.
func (a Act) Request(received time.Time) (connector.Request, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return connector.Request{}, fmt.Errorf("encoding act: %w", err)
	}
	return connector.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		ReceivedAt: received.UTC()}, nil
}

// New describes the connector.
func New() connector.Connector {
	m := connector.Manifest{
		Name: Name, Title: "Links of messages", Rank: 1, Internal: true, Topics: []string{"click", "confirm", "subscribe", "unsubscribe"},
		Refusal: http.StatusNotFound,
	}
	return connector.Connector{Manifest: m, Source: func(s connector.Settings) (connector.Source, error) {
		if _, err := m.Fill(s); err != nil {
			return nil, err
		}
		return source{}, nil
	}}
}

type source struct{}

// Verify refuses everything: the stage puts what customers do into the Inbox
// itself, after it has read the link's token.
func (source) Verify(connector.Request, []connector.Secret) error {
	return errors.New("verifying: what customers do with links is never posted here")
}

// Key: acts on one message lie together. One of a kind, link and second is the
// same: people click twice, and mail programs try again.
func (source) Key(r connector.Request) (object, delivery string) {
	a, ok := read(r.Body)
	if !ok {
		id := connector.Digest(r.Body)
		return "act:" + id, id
	}
	return a.Fragment + "." + a.Message, a.Act + "-" + strconv.Itoa(a.Number) + "-" + strconv.FormatInt(a.At/1000, 10)
}

// Decode gives one fact for an act.
func (source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	a, ok := read(r.Body)
	if !ok {
		return nil, []connector.Fault{{Class: connector.Undecodable, Reason: `links: the body needs "act", "fragment", "message" and "at" in Unix ms`}}
	}
	what := map[string]string{"click": "clicked_at", "unsubscribe": "unsubscribed_at",
		"subscribe": "grant:email:marketing", "confirm": "grant:email:marketing"}[a.Act]
	if what == "" {
		return nil, []connector.Fault{{Class: connector.UnknownTopic, Reason: "links: an act that this version does not know"}}
	}
	f := events.NewEngagement(a.Fragment, a.Message, what, a.At)
	switch a.Act {
	case "click":
		if link := plain(a.Link); link != "" {
			f.Fields["link"] = events.Text(link)
		}
	case "unsubscribe":
		f.Fields["withdraw:email:marketing"] = f.Fields[what]
	}
	return []events.Fact{f}, nil
}

// plain is the link without its query, which may hold what a template put there of
// the customer.
func plain(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return ""
	}
	const longest = 1_000
	if s := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(); len(s) <= longest {
		return s
	}
	return ""
}

func read(body []byte) (Act, bool) {
	v, err := document.Parse(body)
	at, bad := strconv.ParseInt(v.Field("at").Text(), 10, 64)
	a := Act{Act: v.Field("act").Text(), Fragment: v.Field("fragment").Text(), Message: v.Field("message").Text(), Link: v.Field("link").Text(), At: at}
	if n := v.Field("number"); n.Exists() && bad == nil {
		a.Number, bad = strconv.Atoi(n.Text())
	}
	return a, err == nil && bad == nil && word(a.Act) && word(a.Fragment) && word(a.Message) && a.Number >= 0 &&
		at > 0 && at < 4_102_444_800_000
}

// word tells whether s is made as our ids and names are.
func word(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return s != "" && len(s) <= 90 && strings.Trim(s, letters) == ""
}
