package hubspot

import (
	"fmt"
	"slices"
	"strconv"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
)

// reading is one delivery while it is read.
type reading struct {
	source
	facts  []events.Fact
	faults []connector.Fault
}

// maxFaults is how many faults of one delivery are told.
const maxFaults = 20

func (d *reading) fault(c connector.FaultClass, format string, args ...any) {
	f := connector.Fault{Class: c, Reason: fmt.Sprintf(format, args...)}
	if len(d.faults) < maxFaults && !slices.Contains(d.faults, f) {
		d.faults = append(d.faults, f)
	}
}

// add gives a fact, which must fit the catalogue.
func (d *reading) add(f events.Fact) {
	if f.Validate() != nil {
		d.fault(connector.InvalidValue, "a fact about the %s does not fit the catalogue; please report it", f.Kind)
		return
	}
	d.facts = append(d.facts, f)
}

// event reads one event. What is missing or odd about it keeps no other from
// being read.
func (d *reading) event(e document.Value) {
	kind := e.Field("subscriptionType").Text()
	at, ok := moment(e.Field("occurredAt"))
	switch {
	case !slices.Contains(topics, kind):
		d.fault(connector.UnknownTopic, "a subscription of this kind is not read; end it, or keep it here until a later version reads it")
		return
	case !ok:
		d.fault(connector.Incomplete, "an event has no occurredAt between 1970 and 2100; deliver whole events")
		return
	case kind == "contact.merge":
		d.merged(e, at)
		return
	}
	id := e.Field("objectId").Text()
	if !number(id) {
		d.fault(connector.Incomplete, "an event names no contact as objectId; deliver whole events")
		return
	}
	f := events.Fact{Kind: events.Customer, Record: id, Version: at, At: at, Fields: events.Fields{}}
	switch kind {
	case "contact.creation":
		return // its properties come as events of their own
	case "contact.deletion":
		f.Fields["deleted"] = events.Text("true")
	case "contact.privacyDeletion":
		f.Kind, f.Record = events.Privacy, "erase:customer:"+id
		f.Fields["request"], f.Fields["customer"] = events.Text("erase"), events.Text(id)
	case "contact.propertyChange":
		d.property(&f, e)
	}
	if len(f.Fields) > 0 {
		d.add(f)
	}
}

// property reads a change of one property. Of the app's own changes only the
// e-mail address is kept, and as a statement that any other outranks: it says to
// whom the contact belongs, and nothing new.
func (d *reading) property(f *events.Fact, e document.Value) {
	name := e.Field("propertyName").Text()
	field, known := traits[name]
	if !known {
		return // nothing of ours, and no fault of the merchant's
	}
	own := e.Field("changeSource").Text() == "INTEGRATION" && e.Field("sourceId").Text() == d.app
	if own && name != key {
		return
	}
	v := e.Field("propertyValue")
	switch v.Kind() {
	case document.Null, document.String, document.Number:
	default:
		d.fault(connector.InvalidValue, "the new value of a property is no text; it is left out")
		return
	}
	d.value(f, field, v.Text())
	if own {
		if f.Fields[key].IsNull() {
			delete(f.Fields, key)
		}
		f.Version = 0
	}
}

// value puts a field; "" clears it.
func (d *reading) value(f *events.Fact, field, text string) {
	put := func(name, s string) {
		f.Fields[name] = events.Null
		if s != "" {
			f.Fields[name] = events.Text(s)
		}
	}
	const line = 255 // bytes of a text that is shown, not compared
	switch field {
	case "email":
		address, ok := contact.Email(text)
		put("email", address)
		if !ok && text != "" {
			put("email_invalid", contact.Line(text, line))
		}
	case "phone":
		n, ok := contact.Phone(text, d.country)
		put("phone", n)
		if !ok && text != "" {
			put("phone_invalid", contact.Line(text, line))
		}
	case "first_name", "last_name":
		put(field, contact.Name(text))
	default:
		put(field, contact.Line(text, line))
	}
}

// merged ties the contact that stays to those that went into it.
func (d *reading) merged(e document.Value, at int64) {
	var ids []string
	add := func(v document.Value) {
		if id := v.Text(); number(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(e.Field("newObjectId"))
	add(e.Field("primaryObjectId"))
	for v := range e.Field("mergedObjectIds").Items() {
		if len(ids) > maxMerged {
			d.fault(connector.InvalidValue, "a merge of more than %d contacts; the others are left out", maxMerged)
			break
		}
		add(v)
	}
	if len(ids) < 2 {
		d.fault(connector.Incomplete, "a merge names fewer than two contacts")
		return
	}
	for _, gone := range ids[1:] {
		d.add(events.Fact{Kind: events.Decision, Record: ids[0] + "+" + gone, Version: at, At: at, Fields: events.Fields{
			"op": events.Text("tie"), "customer_a": events.Text(ids[0]), "customer_b": events.Text(gone), "by": events.Text("hubspot")}})
	}
}

// maxMerged is the most contacts that one merge is read for: with 100 events a
// delivery stays within what one may give.
const maxMerged = 4

func moment(v document.Value) (int64, bool) {
	ms, err := strconv.ParseInt(v.Text(), 10, 64)
	return ms, err == nil && ms > 0 && ms < 4_102_444_800_000
}
