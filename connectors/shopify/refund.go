package shopify

import (
	"strconv"
	"strings"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
	"loophub/shared/money"
)

// refundCreated reads a refund that came on its own: one field of the order's
// record, no opinion on the others.
func (r *reading) refundCreated() {
	if !r.shape("Refund", "total_price", "variants", "shop_owner", "abandoned_checkout_url") {
		return
	}
	d, ok := r.record(events.Order, "order_id")
	if !ok {
		return
	}
	d.dated("created_at", "processed_at")
	d.refund(r.body, "")
	if len(d.fact.Fields) > 0 {
		d.add()
	}
}

// refunds reads those inside an order. An order without a currency was
// reported already.
func (d *draft) refunds(v document.Value) {
	currency := d.fact.Fields["currency"].String()
	if currency == "" {
		return
	}
	count := 0
	for one := range v.Items() {
		if count++; count > maxRefunds {
			d.r.fault(connector.InvalidValue, "more than %d refunds; the others are left out", maxRefunds)
			return
		}
		d.refund(one, currency)
	}
}

// maxRefunds is how many refunds of one order are read: each is a field.
const maxRefunds = 100

// refund puts the amount of one refund under its id. In an order the currency
// is the order's; a refund on its own names it itself.
func (d *draft) refund(v document.Value, currency string) {
	id, ok := number(v.Field("id"))
	if !ok {
		d.r.fault(connector.Incomplete, "a refund without an id; it is left out")
		return
	}
	if currency == "" {
		currency = d.r.refundCurrency(v)
	}
	if currency == "" {
		d.r.fault(connector.Incomplete, "a refund that does not name the currency of the shop's books; it is left out, orders/updated brings it")
		return
	}
	n, ok := refundAmount(v, currency)
	if !ok || n > largest || n < -largest {
		d.refuse("a refund's amount", "no amount that its currency allows", false)
		return
	}
	d.put("refund:"+id, strconv.FormatInt(n, 10))
}

// refundCurrency is the currency of the shop's books: what is not a payment names
// it beside the buyer's own. A payment names the buyer's alone, which is believed
// where it is the workspace's; else the order has to bring the refund.
func (s source) refundCurrency(v document.Value) string {
	for line := range v.Field("refund_line_items").Items() {
		if code, ok := shopMoney(line.Field("subtotal_set")); ok {
			return code
		}
	}
	for one := range v.Field("order_adjustments").Items() {
		if code, ok := shopMoney(one.Field("amount_set")); ok {
			return code
		}
	}
	if code, ok := shopMoney(v.Field("total_duties_set")); ok {
		return code
	}
	for t := range v.Field("transactions").Items() {
		if code, ok := money.Currency(t.Field("currency").Text()); ok && code == s.currency {
			return code
		}
	}
	return ""
}

func shopMoney(set document.Value) (code string, ok bool) {
	return money.Currency(set.Field("shop_money").Field("currency_code").Text())
}

// refundAmount is what was paid back. Where no payment belongs to the refund
// (lines were taken off an order that is not paid yet), or the payments are in
// the buyer's own currency, it is what the lines cost.
func refundAmount(v document.Value, currency string) (int64, bool) {
	sum, payments, ok := paidBack(v.Field("transactions"), currency)
	if payments > 0 && ok {
		return sum, true
	}
	lines, count, fits := takenBack(v.Field("refund_line_items"), currency)
	return lines, fits && (payments == 0 || count > 0)
}

// paidBack sums the refunds that went through.
func paidBack(transactions document.Value, currency string) (sum int64, payments int, ok bool) {
	for t := range transactions.Items() {
		payments++
		if code := t.Field("currency"); given(code) && !strings.EqualFold(code.Text(), currency) {
			return 0, payments, false
		}
		if t.Field("kind").Text() != "refund" || t.Field("status").Text() != "success" {
			continue
		}
		n, ok := amount(t.Field("amount"), currency)
		if !ok || sum > largest {
			return 0, payments, false
		}
		sum += n
	}
	return sum, payments, true
}

// takenBack sums the lines, with their tax.
func takenBack(items document.Value, currency string) (sum int64, count int, ok bool) {
	for line := range items.Items() {
		count++
		for _, part := range [...]document.Value{line.Field("subtotal"), line.Field("total_tax")} {
			if !given(part) {
				continue
			}
			n, ok := amount(part, currency)
			if !ok || sum > largest {
				return 0, count, false
			}
			sum += n
		}
	}
	return sum, count, true
}
