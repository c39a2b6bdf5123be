package shop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/shopify"
	"loophub/events"
	"loophub/infra/local/stage"
)

// object is a JSON object.
type object = map[string]any

// Delivery is a webhook as a system sends it, over and over until it is acknowledged.
type Delivery struct {
	What       string // for people
	Connection string
	URL        string
	Header     http.Header
	Body       []byte
	Poison     bool // it can't be read, or not wholly: it has to be parked
}

// Request is one attempt.
func (d Delivery) Request() *http.Request {
	r, err := http.NewRequest(http.MethodPost, d.URL, bytes.NewReader(d.Body)) //nolint:noctx // the front door is a call away
	if err != nil {
		panic(fmt.Errorf("making a request: %w", err)) // its address is ours
	}
	r.Header = maps.Clone(d.Header)
	r.RequestURI = r.URL.RequestURI()
	return r
}

// Arrived is the delivery as it arrived at a moment, in the connector's words.
func (d Delivery) Arrived(at time.Time) connector.Request {
	r := connector.Request{Method: http.MethodPost, URL: d.URL, Header: d.Header.Clone(), Body: d.Body, ReceivedAt: at}
	if u, err := url.Parse(d.URL); err == nil {
		r.Query = u.Query()
	}
	return r
}

// Acknowledged tells whether an answer takes the delivery off its sender: a form's is a redirect, too.
func Acknowledged(answer *http.Response) bool {
	return answer.StatusCode >= 200 && answer.StatusCode < 400
}

// Key is where the delivery lies in the Inbox.
func (s *Shop) Key(d Delivery) (object, delivery string) {
	return s.sources[d.Connection].Key(d.Arrived(time.Time{}))
}

// Decode is what the connector reads out of a delivery that arrived at a moment.
func (s *Shop) Decode(d Delivery, at time.Time) ([]events.Fact, []connector.Fault) {
	return s.decode(d.Connection, d.Arrived(at))
}

// DecodeStored is what a connector reads out of a delivery as it is stored.
func (s *Shop) DecodeStored(d Stored) ([]events.Fact, []connector.Fault, error) {
	opened, err := d.Open()
	if err != nil {
		return nil, nil, err
	}
	facts, faults := s.decode(d.Key.Connection, opened.Request)
	return facts, faults, nil
}

func (s *Shop) decode(connection string, r connector.Request) ([]events.Fact, []connector.Fault) {
	facts, faults := s.sources[connection].Decode(r)
	for n := range facts {
		facts[n].Workspace, facts[n].Connection, facts[n].Received = s.id, connection, r.ReceivedAt.UnixMilli()
		facts[n].Rank = s.ranks[connection]
	}
	return facts, faults
}

// Customer is a customer's record in the shop.
type Customer struct {
	ID            int64
	Email, Phone  string
	First, Last   string
	City          string
	Tags          string
	Consent       string // "subscribed", "unsubscribed", "" = nothing is said
	ConsentAt     time.Time
	Born, Updated time.Time
}

func (c Customer) body() object {
	b := object{"id": c.ID, "email": c.Email, "first_name": c.First, "last_name": c.Last, "state": "enabled", "tags": c.Tags,
		"created_at": stamp(c.Born), "updated_at": stamp(c.Updated), "verified_email": true, "currency": "VND"}
	if c.Phone != "" {
		b["phone"] = c.Phone
	}
	if c.City != "" {
		b["default_address"] = object{"city": c.City, "country_code": "VN"}
	}
	if c.Consent != "" {
		b["email_marketing_consent"] = c.consent()
	}
	return b
}

func (c Customer) consent() object {
	return object{"state": c.Consent, "opt_in_level": "single_opt_in", "consent_updated_at": stamp(c.ConsentAt)}
}

// Customer tells of a customer's record.
func (s *Shop) Customer(c Customer) Delivery {
	topic := "customers/update"
	if c.Updated.Equal(c.Born) {
		topic = "customers/create"
	}
	return s.shopify(topic, fmt.Sprintf("customer %d", c.ID), c.body())
}

// Consent tells what a customer says of marketing by e-mail.
func (s *Shop) Consent(c Customer) Delivery {
	return s.shopify("customers_email_marketing_consent/update", fmt.Sprintf("consent of %d: %s", c.ID, c.Consent),
		object{"customer_id": c.ID, "email_address": c.Email, "email_marketing_consent": c.consent()})
}

// Order is an order as the shop knows it at a moment.
type Order struct {
	ID        int64
	Customer  *Customer // nil = a guest's, or nobody's
	Email     string
	Phone     string
	First     string
	Total     int64 // in VND
	Placed    time.Time
	Updated   time.Time
	Cancelled time.Time
	Code      string
	Refunds   map[int64]int64 // by id
}

// Order tells of an order.
func (s *Shop) Order(o Order) Delivery {
	topic := "orders/updated"
	switch {
	case !o.Cancelled.IsZero():
		topic = "orders/cancelled"
	case o.Updated.Equal(o.Placed):
		topic = "orders/create"
	}
	b := object{"id": o.ID, "currency": "VND", "total_price": strconv.FormatInt(o.Total, 10), "name": fmt.Sprintf("#%d", o.ID),
		"created_at": stamp(o.Placed), "processed_at": stamp(o.Placed), "updated_at": stamp(o.Updated), "cancelled_at": nil,
		"financial_status": "paid", "source_name": "web", "test": false}
	if o.Email != "" {
		b["email"] = o.Email
	}
	if o.Phone != "" {
		b["phone"] = o.Phone
	}
	if o.First != "" {
		b["billing_address"] = object{"first_name": o.First}
	}
	if c := o.Customer; c != nil {
		b["customer"] = object{"id": c.ID, "email": c.Email, "first_name": c.First, "last_name": c.Last,
			"created_at": stamp(c.Born)}
	}
	if !o.Cancelled.IsZero() {
		b["cancelled_at"] = stamp(o.Cancelled)
	}
	if o.Code != "" {
		b["discount_codes"] = []any{object{"code": o.Code, "amount": "1000", "type": "fixed_amount"}}
	}
	return s.shopify(topic, fmt.Sprintf("order %d", o.ID), b)
}

// Product tells of a product: it concerns nobody.
func (s *Shop) Product(id int64, updated time.Time) Delivery {
	return s.shopify("products/update", fmt.Sprintf("product %d", id), object{"id": id, "title": fmt.Sprintf("Trà %d", id),
		"status": "active", "vendor": "Trà Sen", "product_type": "tea", "variants": []any{},
		"created_at": stamp(updated.Add(-time.Hour)), "updated_at": stamp(updated)})
}

// Again is the same body under an id of its own, as a shop sends it that was asked to by two apps.
func (s *Shop) Again(d Delivery) Delivery {
	if d.Connection != "shop" {
		return d
	}
	s.serial++
	d.Header = d.Header.Clone()
	d.Header.Set("X-Shopify-Webhook-Id", fmt.Sprintf("%s-%d", s.id, s.serial))
	return d
}

// Refund tells of a refund of an order.
func (s *Shop) Refund(id, order, amount int64, at time.Time) Delivery {
	minor := strconv.FormatInt(amount, 10)
	money := object{"shop_money": object{"amount": minor, "currency_code": "VND"}}
	return s.shopify("refunds/create", fmt.Sprintf("refund %d of order %d", id, order), object{"id": id, "order_id": order,
		"created_at": stamp(at), "processed_at": stamp(at),
		"transactions":      []any{object{"id": id*10 + 1, "amount": minor, "currency": "VND", "kind": "refund", "status": "success"}},
		"refund_line_items": []any{object{"id": id*10 + 2, "quantity": 1, "subtotal_set": money}}})
}

// Junk is something that nobody can read, signed as it should be: of the n-th kind.
func (s *Shop) Junk(n int) Delivery {
	kinds := []func() Delivery{
		func() Delivery { return s.shopifyRaw("orders/create", "no JSON", []byte(`{"id": 5, "total_price": `)) },
		func() Delivery { return s.shopify("themes/publish", "an unknown topic", object{"id": 7}) },
		func() Delivery {
			return s.shopify("orders/create", "no id", object{"currency": "VND", "total_price": "5000"})
		},
		func() Delivery {
			return s.shopify("customers/update", "a customer without a time", object{"id": 9})
		},
		func() Delivery { return s.shopifyRaw("orders/create", "a list", []byte(`[1,2,3]`)) },
		func() Delivery {
			return s.shopify("orders/create", "an impossible amount", object{"id": 900000 + n, "currency": "VND",
				"total_price": "12.345678", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"})
		},
	}
	d := kinds[n%len(kinds)]()
	d.Poison = true
	return d
}

func (s *Shop) shopify(topic, what string, body object) Delivery {
	b, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Errorf("encoding %s: %w", what, err)) // it holds texts, numbers and maps
	}
	return s.shopifyRaw(topic, what, b)
}

func (s *Shop) shopifyRaw(topic, what string, body []byte) Delivery {
	s.serial++
	h := http.Header{"Content-Type": {"application/json"}}
	name, signature := shopify.Sign(stage.Secret, body)
	h.Set(name, signature)
	h.Set("X-Shopify-Topic", topic)
	h.Set("X-Shopify-Webhook-Id", fmt.Sprintf("%s-%d", s.id, s.serial))
	h.Set("X-Shopify-Shop-Domain", s.Workspace.Connections["shop"].Settings["shop"])
	return Delivery{What: what, Connection: "shop", URL: s.hook("shop"), Header: h, Body: body}
}

// Form is a post of the website's form.
func (s *Shop) Form(fields map[string]string) Delivery {
	s.serial++
	settings := s.Workspace.Connections["website"].Settings
	v := url.Values{"key": {settings["public_key"]}, "submission_id": {fmt.Sprintf("submission-%s-%06d", s.id, s.serial)}}
	for name, text := range fields {
		v.Set(name, text)
	}
	return Delivery{What: "form of " + fields["email"], Connection: "website", URL: s.hook("website"), Body: []byte(v.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {settings["allowed_origins"]}}}
}

// Echoes are the webhooks of the CRM since the last time: of what people changed, and of what we wrote.
func (s *Shop) Echoes() ([]Delivery, error) {
	l, err := s.CRM.Webhooks()
	if err != nil {
		return nil, fmt.Errorf("taking the CRM's webhooks: %w", err)
	}
	var out []Delivery
	for _, r := range l {
		s.serial++
		what := fmt.Sprintf("webhook %d of the CRM", s.serial)
		out = append(out, Delivery{What: what, Connection: "crm", URL: r.URL, Header: r.Header, Body: r.Body})
	}
	return out, nil
}

// API is a request to the API.
func (s *Shop) API(method, path string, body any) *http.Request {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			panic(fmt.Errorf("encoding a request: %w", err)) // it holds texts, numbers and maps
		}
	}
	r, err := http.NewRequest(method, Address+path, bytes.NewReader(b)) //nolint:noctx // as above
	if err != nil {
		panic(fmt.Errorf("making a request: %w", err))
	}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// Links are the addresses in a mail that lead to us.
func Links(html string) []string {
	var l []string
	for rest := html; ; {
		_, after, ok := strings.Cut(rest, `href="`)
		if !ok {
			return l
		}
		link, more, _ := strings.Cut(after, `"`)
		if rest = more; strings.HasPrefix(link, Address) {
			l = append(l, strings.ReplaceAll(link, "&amp;", "&"))
		}
	}
}

// Follow is what a browser asks for when somebody follows a link.
func Follow(link string) *http.Request { return visit(http.MethodGet, link, "") }

// Unsubscribe is what a mail program sends when its reader wants no more: link is the mail's List-Unsubscribe.
func Unsubscribe(link string) *http.Request {
	return visit(http.MethodPost, strings.Trim(link, "<>"), "List-Unsubscribe=One-Click")
}

func visit(method, link, body string) *http.Request {
	r, err := http.NewRequest(method, link, strings.NewReader(body)) //nolint:noctx // as above
	if err != nil {
		panic(fmt.Errorf("making a request: %w", err)) // the link is one of ours
	}
	r.RequestURI = r.URL.RequestURI()
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
