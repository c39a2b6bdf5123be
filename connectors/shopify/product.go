package shopify

import (
	"strings"

	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
)

// product reads an item of the shop's catalogue.
func (r *reading) product() {
	if !r.shape("Product", "line_items", "order_id", "email", "shop_owner", "customer_id") {
		return
	}
	d, ok := r.record(events.Product, "id")
	if !ok {
		return
	}
	d.dated("updated_at", "created_at")
	d.line("title", "title", r.body.Field("title"))
	d.line("handle", "handle", r.body.Field("handle"))
	d.line("vendor", "vendor", r.body.Field("vendor"))
	d.line("category", "product_type", r.body.Field("product_type"))
	d.line("status", "status", r.body.Field("status"))
	d.tags(r.body.Field("tags"))
	d.variants(r.body.Field("variants"))
	d.add()
}

// variant is one article of a product. A product has no currency, so the price
// stays the text that Shopify writes.
type variant struct {
	ID    string `json:"id,omitempty"`
	SKU   string `json:"sku,omitempty"`
	Title string `json:"title,omitempty"`
	Price string `json:"price,omitempty"`
}

// variants puts the first ones, as many as fit.
func (d *draft) variants(v document.Value) {
	if v.Kind() != document.Array {
		return
	}
	var b strings.Builder
	b.WriteByte('[')
	for one := range v.Items() {
		id, _ := number(one.Field("id"))
		text := encode(variant{
			ID:    id,
			SKU:   contact.Line(one.Field("sku").Text(), maxSKU),
			Title: contact.Line(first(one.Field("title"), one.Field("option1")).Text(), maxTitle),
			Price: contact.Line(one.Field("price").Text(), 40),
		})
		if b.Len()+len(text)+2 > maxItemsText {
			break
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	b.WriteByte(']')
	d.put("variants", b.String())
}

func (r *reading) productDeleted() {
	if r.bare("Product") {
		r.deleted(events.Product)
	}
}
