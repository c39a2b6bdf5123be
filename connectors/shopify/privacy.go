package shopify

import (
	"regexp"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

// The three privacy topics are told apart by what the signed body holds, never
// by the topic alone: a request for access must not become one for erasure.

func (r *reading) dataRequest() {
	if !r.ofShop(r.body.Field("shop_domain")) || !r.holds("orders_requested", "data_request") || r.holds("orders_to_redact") {
		r.misplacedOnce()
		return
	}
	record := "access"
	if id, ok := number(r.body.Field("data_request").Field("id")); ok {
		record = "access:" + id
	}
	r.personal("access", record, r.body.Field("orders_requested"))
}

func (r *reading) customerRedact() {
	if !r.ofShop(r.body.Field("shop_domain")) || !r.holds("orders_to_redact") || r.holds("orders_requested", "data_request") {
		r.misplacedOnce()
		return
	}
	r.personal("erase", "erase", r.body.Field("orders_to_redact"))
}

func (r *reading) shopRedact() {
	if !r.ofShop(r.body.Field("shop_domain")) || !r.holds("shop_id") ||
		r.holds("customer", "orders_to_redact", "orders_requested", "data_request", "id") {
		r.misplacedOnce()
		return
	}
	d := r.draft(events.Privacy, "erase_shop")
	d.dated()
	d.put("request", "erase_shop")
	d.add()
}

// personal gives a request about one customer.
func (r *reading) personal(request, record string, orders document.Value) {
	id, ok := number(r.body.Field("customer").Field("id"))
	if !ok {
		r.fault(connector.Incomplete, "the customer has no id; look the person up in Shopify admin and answer the request by hand")
		return
	}
	if record == request {
		record += ":customer:" + id
	}
	d := r.draft(events.Privacy, record)
	d.dated()
	d.put("request", request)
	d.put("customer", id)
	var list []string
	for o := range orders.Items() {
		if n, ok := number(o); ok {
			list = append(list, n)
		}
	}
	d.list("orders", "orders", list)
	d.add()
}

// uninstalled says that the shop removed the app. The body is the shop, whose
// e-mail address and phone number are its owner's: nobody's profile.
func (r *reading) uninstalled() {
	domain := first(r.body.Field("myshopify_domain"), r.body.Field("domain"))
	if !r.ofShop(domain) || !r.holds("shop_owner", "plan_name", "myshopify_domain") || r.holds("line_items", "tax_exemptions", "customer") {
		r.misplacedOnce()
		return
	}
	d := r.draft(events.App, "app")
	d.dated("updated_at")
	if r.triggered > d.fact.Version { // updated_at may be long before the removal
		d.fact.Version, d.fact.At = r.triggered, r.triggered
	}
	d.put("status", "uninstalled")
	d.add()
}

// holds tells whether the body has any of the fields.
func (r *reading) holds(names ...string) bool {
	for _, name := range names {
		if r.body.Field(name).Exists() {
			return true
		}
	}
	return false
}

var shopDomain = regexp.MustCompile(`^[a-z0-9-]+\.myshopify\.com$`)

// ofShop tells whether a domain in a signed body is the connection's own.
func (r *reading) ofShop(v document.Value) bool {
	s := v.Text()
	if !shopDomain.MatchString(s) || s == r.shop {
		return true // own domains and documentation's placeholders prove nothing
	}
	r.fault(connector.Undecodable, "the body is another shop's; give each shop a connection of its own")
	return false
}

// misplacedOnce reports the wrong kind unless something was reported already.
func (r *reading) misplacedOnce() {
	if len(r.faults) == 0 {
		r.misplaced()
	}
}
