// Package shopify reads the webhooks of Shopify shops and of Shopify POS.
//
// Only the body is signed. Topic, shop and times in the headers are not, so a
// signed body is never read as something else than what it looks like: see
// shape. What a body says never depends on which of a kind's topics brought it.
package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

// The headers that are read.
const (
	signatureHeader = "X-Shopify-Hmac-Sha256"
	shopHeader      = "X-Shopify-Shop-Domain"
	topicHeader     = "X-Shopify-Topic"
	webhookHeader   = "X-Shopify-Webhook-Id"
	eventHeader     = "X-Shopify-Event-Id"
	triggeredHeader = "X-Shopify-Triggered-At"
)

// New describes the connector.
func New() connector.Connector {
	m := connector.Manifest{
		Name:    "shopify",
		Title:   "Shopify and Shopify POS",
		Rank:    1,
		Topics:  slices.Sorted(maps.Keys(topics)),
		Secrets: "HMAC-SHA256 of the raw body under the app's client secret, base64, in " + signatureHeader,
		Headers: []string{topicHeader, webhookHeader, eventHeader, triggeredHeader},
		Proof:   []string{signatureHeader},
		Settings: []connector.Setting{{
			Name: "shop", Required: true, Pattern: `[a-z0-9-]+\.myshopify\.com`,
			About: "the shop's own domain at Shopify, such as my-shop.myshopify.com; deliveries of another shop are refused",
		}},
		Setup: []string{
			"Create an app for the shop (Shopify admin: Settings, Apps, Develop apps) with read access to customers, orders, checkouts and products, and approval for protected customer data.",
			"Store the app's client secret as the connection's secret: {secret}.",
			"Subscribe the app to the topics that are read, except orders/edited, with the address {url}, format JSON, without a filter of fields, in shopify.app.toml or by webhookSubscriptionCreate.",
			"Set the three mandatory privacy topics (customers/data_request, customers/redact, shop/redact) to {url} in the app's configuration.",
			"From API version 2026-07 on customers/* carries neither tags nor consent: subscribe to customer.tags_* and the three consent topics too.",
			"Optional: a script of the shop may put the browser's anonymous id into the cart attribute " + anonymousNote + ".",
		},
		Unsure: []string{
			"The bodies of customers_whats_app_marketing_consent/update and customers/purchasing_summary were read in documentation only, never captured; those of customers/merge and orders/edited are from general knowledge.",
			"A POS order was not seen whole: source_name pos, a location_id and a customer that is null are what others report.",
			"customer.tags_added and customer.tags_removed have the same body and the topic is not signed: who holds a signed body and knows the URL could send one as the other. The same goes for orders/delete and products/delete, and for a shop/update body sent as app/uninstalled.",
			"Webhooks made in Shopify admin (Settings, Notifications) are said to be signed with the secret shown there; add it as a second secret.",
		},
		Pages: []connector.Page{
			{URL: "https://shopify.dev/docs/api/webhooks/2026-07", Read: "2026-11-21"},
			{URL: "https://shopify.dev/docs/apps/build/webhooks/verify-deliveries", Read: "2026-11-21"},
			{URL: "https://shopify.dev/docs/apps/build/webhooks/best-practices", Read: "2026-11-21"},
			{URL: "https://shopify.dev/changelog/updates-to-webhook-retry-mechanism", Read: "2026-11-21"},
		},
	}
	return connector.Connector{Manifest: m, Source: func(s connector.Settings) (connector.Source, error) {
		s, err := m.Fill(s)
		if err != nil {
			return nil, err
		}
		return source{shop: s.Values["shop"], country: s.Country, currency: s.Currency}, nil
	}}
}

// source reads the deliveries of one shop.
type source struct {
	shop     string
	country  string
	currency string // the workspace's
}

// Verify compares the signature over the raw body under each secret, then the
// shop, which is not signed but must not contradict the connection.
func (s source) Verify(r connector.Request, secrets []connector.Secret) error {
	given := r.Header.Get(signatureHeader)
	if given == "" {
		return errors.New("verifying: the header " + signatureHeader + " is missing")
	}
	matched := false
	for _, secret := range secrets {
		if secret != "" && subtle.ConstantTimeCompare([]byte(signature(secret, r.Body)), []byte(given)) == 1 {
			matched = true
		}
	}
	if !matched {
		return errors.New("verifying: " + signatureHeader + " matches the body under none of the connection's secrets")
	}
	if shop := r.Header.Get(shopHeader); shop != "" && !strings.EqualFold(shop, s.shop) {
		return errors.New("verifying: " + shopHeader + " names another shop than the connection's setting")
	}
	return nil
}

func signature(secret connector.Secret, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Sign gives the signature header that Shopify would send with a body: for
// tests, samples and the demo.
func Sign(secret connector.Secret, body []byte) (header, value string) {
	return signatureHeader, signature(secret, body)
}

// Key names the object by the topic's family and the id in the body, and the
// delivery by X-Shopify-Webhook-Id, which a retry repeats. X-Shopify-Event-Id is
// shared by all deliveries of one action of the merchant, so it needs the topic
// beside it.
func (s source) Key(r connector.Request) (object, delivery string) {
	name := r.Header.Get(topicHeader)
	t := topics[name] // of an unknown topic the zero value, which has no family
	object = "other:" + connector.Digest(r.Body)
	if t.family != "" {
		object = t.family
		if len(t.ids) > 0 {
			object += ":" + s.objectID(t, r.Body)
		}
	}
	switch webhook, event := r.Header.Get(webhookHeader), r.Header.Get(eventHeader); {
	case webhook != "":
		return object, token(webhook)
	case event != "":
		return object, token(event) + "." + token(name)
	}
	return object, connector.Digest(r.Body)
}

func (s source) objectID(t topic, body []byte) string {
	for _, name := range t.ids {
		text, _ := document.Peek(body, name)
		if id, ok := identifier(text); ok {
			return id
		}
	}
	return connector.Digest(body)
}

// token keeps a header that is an id as it stands, and a digest of any other.
func token(s string) string {
	if !word(s, 80) {
		return connector.Digest([]byte(s))
	}
	return strings.ReplaceAll(s, "/", ".")
}

// word tells whether s is made of the characters of ids and topics alone.
func word(s string, limit int) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("-_.=/", rune(c)) {
			return false
		}
	}
	return s != "" && len(s) <= limit
}

// Decode reads a verified delivery.
func (s source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	d := reading{source: s, topic: r.Header.Get(topicHeader), received: r.ReceivedAt.UnixMilli()}
	t, ok := topics[d.topic]
	if !ok {
		d.unknown()
		return nil, d.faults
	}
	body, err := document.Parse(r.Body)
	if err != nil || body.Kind() != document.Object {
		d.fault(connector.Undecodable, "the body is no JSON object; look for a proxy that cuts or rewrites deliveries")
		return nil, d.faults
	}
	d.body = body
	d.triggered = d.trigger(r.Header.Get(triggeredHeader))
	t.read(&d)
	return d.valid(), d.faults
}
