package shopify

import (
	"strings"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
)

// customer reads the customer record, of API versions before and from 2026-07:
// the later ones lack tags and consent, which is no opinion.
func (r *reading) customer() {
	if !r.shape("Customer", "line_items", "order_id", "order_edit", "variants", "shop_owner", "customer_id") {
		return
	}
	if !r.holds("updated_at", "created_at") {
		r.fault(connector.Incomplete, "neither updated_at nor created_at is there, so it can't be told from a deletion or a change of consent; deliver whole bodies")
		return
	}
	d, ok := r.record(events.Customer, "id")
	if !ok {
		return
	}
	address := r.body.Field("default_address")
	d.dated("updated_at", "created_at")
	d.email(r.body.Field("email"))
	d.phone(r.body.Field("phone"), d.region(address))
	d.name("first_name", "first_name", r.body.Field("first_name"))
	d.name("last_name", "last_name", r.body.Field("last_name"))
	d.boolean("verified", "verified_email", r.body.Field("verified_email"))
	d.line("state", "state", r.body.Field("state"))
	d.address(address)
	d.tags(r.body.Field("tags"))
	d.inlineConsent()
	d.add()
}

func (d *draft) region(address document.Value) string {
	if c, ok := countryCode(address.Field("country_code")); ok {
		return c
	}
	return d.r.country
}

// countryCode reads two letters in either case.
func countryCode(v document.Value) (string, bool) {
	code := strings.ToUpper(v.Text())
	ok := len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z'
	return code, ok
}

func (d *draft) address(v document.Value) {
	switch v.Kind() {
	case document.Null:
		for _, field := range []string{"country", "province", "city", "company"} {
			d.clear(field)
		}
	case document.Object:
		if code, ok := countryCode(v.Field("country_code")); ok {
			d.put("country", code)
		}
		d.line("province", "default_address.province", v.Field("province"))
		d.line("city", "default_address.city", v.Field("city"))
		d.line("company", "default_address.company", v.Field("company"))
	}
}

// tags puts the snapshot of all tags, a text with commas.
func (d *draft) tags(v document.Value) {
	var tags []string
	switch v.Kind() {
	case document.Absent:
		return
	case document.Null, document.String:
		for t := range strings.SplitSeq(v.Text(), ",") {
			tags = append(tags, contact.Line(t, maxTag))
		}
	default:
		d.refuse("tags", "no text", false)
		return
	}
	d.list("tags", "tags", tags)
}

// customerDeleted asks for the global id: without it the body of an SMS consent
// would pass for a deletion. A record that still exists has a date of creation.
func (r *reading) customerDeleted() {
	if r.shape("Customer", "created_at", "updated_at", "state", "line_items") && r.body.Field("admin_graphql_api_id").Exists() {
		r.deleted(events.Customer)
		return
	}
	if len(r.faults) == 0 {
		r.misplaced()
	}
}

// customersMerged ties the record that was kept to the one that is gone.
func (r *reading) customersMerged() {
	kept, ok := number(r.body.Field("admin_graphql_api_customer_kept_id"))
	gone, also := number(r.body.Field("admin_graphql_api_customer_deleted_id"))
	switch status := strings.ToLower(r.body.Field("status").Text()); {
	case status == "failed" || status == "requested" || status == "in_progress":
		return // nothing was merged, or not yet: another delivery says so
	case !ok || !also || kept == gone:
		r.fault(connector.Incomplete, "the kept or the deleted customer is not named")
		return
	case status != "" && status != "success" && status != "completed":
		r.fault(connector.InvalidValue, "status is unknown, so it is unclear whether anything was merged")
		return
	}
	d := r.draft(events.Decision, kept+"+"+gone)
	d.dated()
	d.put("op", "tie")
	d.put("customer_a", kept)
	d.put("customer_b", gone)
	d.put("by", "shopify")
	d.add()
}

// purchasingSummary brings a customer's sums at Shopify. Loophub counts orders
// itself, so the delivery rightly gives no fact.
func (r *reading) purchasingSummary() {
	for _, name := range []string{"customer_id", "customerId", "id"} {
		if _, ok := number(r.body.Field(name)); ok {
			return
		}
	}
	r.fault(connector.Incomplete, "the customer is not named")
}

func (r *reading) tagsAdded()   { r.tagsChanged("+") }
func (r *reading) tagsRemoved() { r.tagsChanged("-") }

// maxTags is Shopify's own limit of tags on one customer.
const maxTags = 250

func (r *reading) tagsChanged(sign string) {
	list := r.body.Field("tags")
	if list.Kind() != document.Array {
		r.misplaced()
		return
	}
	d, ok := r.record(events.Customer, "customerId")
	if !ok {
		return
	}
	d.dated("occurredAt")
	count := 0
	for t := range list.Items() {
		if count++; count > maxTags {
			r.fault(connector.InvalidValue, "more than %d tags; the others are left out", maxTags)
			break
		}
		if tag := contact.Line(t.Text(), maxTag); tag != "" {
			d.put("tag:"+tag, sign)
		}
	}
	if len(d.fact.Fields) > 0 {
		d.add()
	}
}
