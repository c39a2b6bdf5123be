package shopify

import (
	"strings"

	"loophub/shared/contact"
	"loophub/shared/document"
)

const (
	maxItems     = 50
	maxItemsText = 8 << 10
	maxTitle     = 120
	maxSKU       = 80
)

// item is one line of a sale.
type item struct {
	Product  string `json:"product,omitempty"`
	Variant  string `json:"variant,omitempty"`
	SKU      string `json:"sku,omitempty"`
	Title    string `json:"title,omitempty"`
	Quantity int64  `json:"quantity"`
	Price    int64  `json:"price"`
}

// items puts the lines, the first ones of a sale that has very many. A price or
// a quantity that can't be read leaves out the field: half a list misleads.
func (d *draft) items(v document.Value, currency string) {
	if v.Kind() != document.Array {
		return
	}
	var b strings.Builder
	b.WriteByte('[')
	count := 0
	for line := range v.Items() {
		if count == maxItems {
			break
		}
		one, ok := d.item(line, currency)
		if !ok {
			return
		}
		text := encode(one)
		if b.Len()+len(text)+2 > maxItemsText {
			break
		}
		if count > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text)
		count++
	}
	b.WriteByte(']')
	d.put("items", b.String())
}

func (d *draft) item(v document.Value, currency string) (item, bool) {
	var one item
	var ok bool
	if p := v.Field("price"); given(p) {
		if one.Price, ok = amount(p, currency); !ok {
			d.refuse("line_items.price", "no amount that its currency allows", false)
			return item{}, false
		}
	}
	if one.Quantity, ok = count(v.Field("quantity")); !ok {
		d.refuse("line_items.quantity", "no whole number", false)
		return item{}, false
	}
	one.Product, _ = number(v.Field("product_id")) // null for what is no product of the shop
	one.Variant, _ = number(v.Field("variant_id"))
	one.SKU = contact.Line(v.Field("sku").Text(), maxSKU)
	one.Title = contact.Line(v.Field("title").Text(), maxTitle)
	return one, true
}

// count reads a quantity of at most six digits; none counts as one.
func count(v document.Value) (int64, bool) {
	if !given(v) {
		return 1, true
	}
	s := v.Text()
	if !digits(s) || len(s) > 6 {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
