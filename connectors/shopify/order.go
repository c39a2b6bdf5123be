package shopify

import (
	"strconv"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
	"loophub/shared/money"
)

// order reads the whole order that every topic about an order carries, but
// orders/edited and orders/delete.
func (r *reading) order() {
	if !r.shape("Order", noSale...) || !r.shape("Order", "abandoned_checkout_url") {
		return
	}
	r.buyer()
	d, ok := r.record(events.Order, "id")
	if !ok {
		return
	}
	d.dated("updated_at", "created_at")
	d.sale(first(r.body.Field("total_price"), r.body.Field("current_total_price")))
	d.person()
	d.time("ordered_at", "created_at", first(r.body.Field("processed_at"), r.body.Field("created_at")), true)
	d.time("cancelled_at", "cancelled_at", r.body.Field("cancelled_at"), false)
	d.line("number", "name", first(r.body.Field("name"), r.body.Field("order_number")))
	d.line("financial_status", "financial_status", r.body.Field("financial_status"))
	d.line("fulfillment_status", "fulfillment_status", r.body.Field("fulfillment_status"))
	d.id("location", "location_id", r.body.Field("location_id"))
	// The id and not the token: checkouts/delete names nothing else.
	d.id("checkout", "checkout_id", first(r.body.Field("checkout_id"), r.body.Field("checkout_token")))
	d.discounts(r.body.Field("discount_codes"))
	d.boolean("test", "test", r.body.Field("test"))
	d.refunds(r.body.Field("refunds"))
	d.add()
}

// noSale are fields of bodies that are neither orders nor checkouts.
var noSale = []string{"order_id", "order_edit", "variants", "shop_owner", "shop_id", "tax_exemptions", "sms_marketing_consent"}

func (d *draft) discounts(v document.Value) {
	if v.Kind() != document.Array {
		return
	}
	var codes []string
	for c := range v.Items() {
		codes = append(codes, contact.Line(c.Field("code").Text(), maxLine))
	}
	d.list("discount_codes", "discount_codes", codes)
}

func (r *reading) orderDeleted() {
	if r.bare("Order") {
		r.deleted(events.Order)
	}
}

// bare tells whether the body holds an id and nothing else, as deletions do: a
// whole body under such a topic is another delivery, sent again.
func (r *reading) bare(kind string) bool {
	for name := range r.body.Fields() {
		if name != "id" && name != "admin_graphql_api_id" {
			r.misplaced()
			return false
		}
	}
	return r.shape(kind)
}

// deleted marks the record with the body's id as deleted.
func (r *reading) deleted(k events.Kind) {
	if d, ok := r.record(k, "id"); ok {
		d.dated()
		d.put("deleted", "true")
		d.add()
	}
}

// orderEdit names what was added to and removed from an order, not what it
// costs now: orders/updated brings that.
func (r *reading) orderEdit() {
	if r.body.Field("order_edit").Kind() != document.Object {
		r.misplaced()
		return
	}
	r.fault(connector.Incomplete, "an edit is announced without the order's new amounts; subscribe to orders/updated, which brings them, and end this subscription")
}

// sale puts what orders and checkouts have in common: customer, currency,
// total, items, channel.
func (d *draft) sale(total document.Value) {
	body := d.r.body
	switch c := body.Field("customer"); c.Kind() {
	case document.Null:
		d.clear("customer")
	case document.Object:
		if id, ok := number(c.Field("id")); ok {
			d.put("customer", id)
		}
	}
	d.line("channel", "source_name", body.Field("source_name"))
	currency, ok := d.currency()
	if !ok {
		if given(total) && !d.withheld {
			d.r.fault(connector.Incomplete, "amounts without a currency; they are left out, deliver whole bodies")
		}
		return
	}
	d.total(total, currency)
	d.items(body.Field("line_items"), currency)
}

// currency puts the currency of the shop's books, which all amounts but the
// presentment ones are in.
func (d *draft) currency() (code string, ok bool) {
	v := d.r.body.Field("currency")
	if !given(v) {
		return "", false
	}
	if code, ok = money.Currency(v.Text()); !ok {
		d.refuse("currency", "no currency of ISO 4217", true)
		return "", false
	}
	d.put("currency", code)
	return code, true
}

func (d *draft) total(v document.Value, currency string) {
	if !v.Exists() {
		return
	}
	if empty(v) {
		d.clear("total")
		return
	}
	n, ok := amount(v, currency)
	if !ok {
		d.refuse("total_price", "no amount that its currency allows", true)
		return
	}
	d.put("total", strconv.FormatInt(n, 10))
}

// person puts who bought, as the sale itself names them. A delivery address may
// be somebody else's, so no phone number is taken from one.
func (d *draft) person() {
	body := d.r.body
	billing, customer := body.Field("billing_address"), body.Field("customer")
	d.email(first(body.Field("email"), body.Field("contact_email")))
	d.phone(body.Field("phone"), d.region(billing))
	named := billing
	if !given(billing.Field("first_name")) && !given(billing.Field("last_name")) {
		named = customer
	}
	d.name("first_name", "first_name", named.Field("first_name"))
	d.name("last_name", "last_name", named.Field("last_name"))
	d.line("locale", "customer_locale", body.Field("customer_locale"))
	for note := range body.Field("note_attributes").Items() {
		if note.Field("name").Text() == anonymousNote {
			d.anonymous(note.Field("value"))
		}
	}
}

// anonymousNote is the cart attribute in which a script of the shop may pass
// the browser's anonymous id on.
const anonymousNote = "loophub_anonymous_id"

func (d *draft) anonymous(v document.Value) {
	s := v.Text()
	if !word(s, 100) {
		d.refuse(anonymousNote, "no id of letters, digits and dashes", false)
		return
	}
	d.put("anonymous_id", s)
}

// buyer gives what a sale says about its customer's record. The customer object
// inside a sale may be old, so its version is the record's birth: any delivery
// of the record itself outranks it, and sales say it again and again without a
// new fact. It therefore only ever gives what is there, never Null.
func (r *reading) buyer() {
	c := r.body.Field("customer")
	id, ok := number(c.Field("id"))
	if !ok {
		return
	}
	d := r.draft(events.Customer, id)
	if born, ok := stamp(c.Field("created_at").Text()); ok {
		d.fact.Version, d.fact.At = born, born
	}
	for _, name := range []string{"email", "phone", "first_name", "last_name"} {
		v := c.Field(name)
		if !given(v) {
			continue
		}
		switch name {
		case "email":
			d.email(v)
		case "phone":
			d.phone(v, r.country)
		default:
			d.name(name, "customer."+name, v)
		}
	}
	for name, v := range d.fact.Fields {
		if v.IsNull() {
			delete(d.fact.Fields, name)
		}
	}
	if len(d.fact.Fields) > 0 {
		d.add()
	}
}
