package shopify

import (
	"strings"

	connector "loophub/connectors"
)

// topic is how one kind of delivery is named and read.
type topic struct {
	family string   // deliveries of one object lie together under family:id
	ids    []string // names of the body's fields that may hold that id, in turn
	read   func(*reading)
}

var topics = func() map[string]topic {
	m := map[string]topic{}
	add := func(t topic, names ...string) {
		for _, name := range names {
			m[name] = t
		}
	}
	id := []string{"id"}
	add(topic{"order", id, (*reading).order}, "orders/create", "orders/updated", "orders/paid", "orders/cancelled",
		"orders/fulfilled", "orders/partially_fulfilled")
	add(topic{"order", id, (*reading).orderEdit}, "orders/edited")
	add(topic{"order", id, (*reading).orderDeleted}, "orders/delete")
	add(topic{"order", []string{"order_id"}, (*reading).refundCreated}, "refunds/create")
	add(topic{"customer", id, (*reading).customer}, "customers/create", "customers/update", "customers/enable", "customers/disable")
	add(topic{"customer", id, (*reading).customerDeleted}, "customers/delete")
	add(topic{"customer", []string{"admin_graphql_api_customer_kept_id"}, (*reading).customersMerged}, "customers/merge")
	add(topic{"customer", []string{"customer_id", "customerId", "id"}, (*reading).purchasingSummary}, "customers/purchasing_summary")
	add(topic{"customer", []string{"customerId"}, (*reading).tagsAdded}, "customer.tags_added")
	add(topic{"customer", []string{"customerId"}, (*reading).tagsRemoved}, "customer.tags_removed")
	consented := []string{"customer_id", "id"}
	add(topic{"customer", consented, (*reading).emailConsent}, "customers_email_marketing_consent/update")
	add(topic{"customer", consented, (*reading).smsConsent}, "customers_marketing_consent/update")
	add(topic{"customer", consented, (*reading).whatsAppConsent}, "customers_whats_app_marketing_consent/update")
	add(topic{"checkout", id, (*reading).checkout}, "checkouts/create", "checkouts/update")
	add(topic{"checkout", id, (*reading).checkoutDeleted}, "checkouts/delete")
	add(topic{"cart", id, (*reading).cart}, "carts/create", "carts/update")
	add(topic{"product", id, (*reading).product}, "products/create", "products/update")
	add(topic{"product", id, (*reading).productDeleted}, "products/delete")
	add(topic{"shop", nil, (*reading).uninstalled}, "app/uninstalled")
	add(topic{"shop", nil, (*reading).dataRequest}, "customers/data_request")
	add(topic{"shop", nil, (*reading).customerRedact}, "customers/redact")
	add(topic{"shop", nil, (*reading).shopRedact}, "shop/redact")
	return m
}()

// unknown says of a topic that is not read what the operator may do.
func (r *reading) unknown() {
	name := "a topic without a proper name"
	if word(r.topic, 80) {
		name = "the topic " + r.topic
	}
	advice := "end its subscription, or keep it here until a later version reads it"
	if strings.HasSuffix(r.topic, "_segment") {
		advice = "Loophub decides itself who is in which segment, so its subscription may be ended"
	}
	r.faults = append(r.faults, connector.Fault{Class: connector.UnknownTopic, Reason: name + " is not read; " + advice})
}
