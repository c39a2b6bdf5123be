package shopify

import (
	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
	"loophub/shared/money"
)

// checkout reads a checkout that was begun or changed.
func (r *reading) checkout() {
	if !r.shape("Checkout", noSale...) || !r.shape("Checkout", "order_number", "financial_status") {
		return
	}
	if !r.holds("token", "created_at") { // checkouts/delete has neither
		r.misplaced()
		return
	}
	r.buyer()
	d, ok := r.record(events.Checkout, "id")
	if !ok {
		return
	}
	d.dated("updated_at", "created_at")
	d.sale(r.body.Field("total_price"))
	d.person()
	d.time("started_at", "created_at", r.body.Field("created_at"), false)
	d.time("completed_at", "completed_at", r.body.Field("completed_at"), false)
	d.id("cart", "cart_token", r.body.Field("cart_token"))
	d.url(r.body.Field("abandoned_checkout_url"))
	d.add()
}

// url puts an address whole or not at all: half of one leads nowhere.
func (d *draft) url(v document.Value) {
	s, ok := d.scalar("url", "abandoned_checkout_url", v)
	if !ok {
		return
	}
	if len(s) > 1000 || s != contact.Line(s, 1000) {
		d.refuse("abandoned_checkout_url", "too long or no URL", false)
		return
	}
	d.put("url", s)
}

// checkoutDeleted has a cart's token but no dates; a checkout that still exists
// has both.
func (r *reading) checkoutDeleted() {
	if !r.holds("cart_token") {
		r.misplaced()
		return
	}
	if r.shape("Checkout", "created_at", "updated_at", "admin_graphql_api_id", "tax_exemptions", "customer_id", "sms_marketing_consent") {
		r.deleted(events.Checkout)
	}
}

// cart reads what lies in a cart. It names no person; its id is a token.
func (r *reading) cart() {
	if !r.shape("Cart", "email", "total_price", "order_id", "variants", "shop_owner", "customer_id", "tax_exemptions") {
		return
	}
	lines := r.body.Field("line_items")
	id, ok := identifier(first(r.body.Field("token"), r.body.Field("id")).Text())
	if !ok || lines.Kind() != document.Array {
		r.fault(connector.Incomplete, "token or line_items is missing; deliver whole bodies")
		return
	}
	d := r.draft(events.Cart, id)
	d.dated("updated_at", "created_at")
	if currency, ok := cartCurrency(lines); ok {
		d.put("currency", currency)
		d.items(lines, currency)
	} else if emptied(lines) {
		d.put("items", "[]")
	}
	d.add()
}

// cartCurrency is the currency that the first line names; a cart has none.
func cartCurrency(lines document.Value) (string, bool) {
	for line := range lines.Items() {
		return money.Currency(line.Field("price_set").Field("shop_money").Field("currency_code").Text())
	}
	return "", false
}

// emptied tells of a cart that was emptied. Of one whose prices have no currency
// nothing is known but that it changed.
func emptied(lines document.Value) bool {
	for range lines.Items() {
		return false
	}
	return true
}
