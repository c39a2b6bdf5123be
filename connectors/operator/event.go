package operator

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
	"loophub/shared/money"
)

// Event is something that a person did, under a name that the merchant chose.
type Event struct {
	Name        string            `json:"name"`                   // as events.ValidName has it
	ID          string            `json:"id,omitempty"`           // the caller's own; said again it is the same event. "" = none
	At          int64             `json:"at,omitempty"`           // Unix ms; 0 = when it is received
	Email       string            `json:"email,omitempty"`        // whom it is about: addresses and device,
	Phone       string            `json:"phone,omitempty"`        //
	AnonymousID string            `json:"anonymous_id,omitempty"` //
	Fragment    string            `json:"fragment,omitempty"`     // or else a fragment
	Properties  map[string]string `json:"properties,omitempty"`
	Product     string            `json:"product,omitempty"`
	Value       *int64            `json:"value,omitempty"` // minor units
	Currency    string            `json:"currency,omitempty"`
}

// Request gives the delivery that holds the event, for the Inbox.
func (e Event) Request(at time.Time) (connector.Request, error) {
	return request(map[string][]Event{"events": {e}}, at)
}

var (
	eventID      = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`)
	propertyName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,60}$`)
	fragmentName = regexp.MustCompile(`^[cgn][a-z2-7]{24}$`)
)

func fragmentID(s string) bool { return fragmentName.MatchString(s) }

const (
	maxProperties = 50
	maxProperty   = 1_000 // bytes of a value
	maxDevice     = 100
	ahead         = 24 * time.Hour // that the caller's clock may be
)

// only gives the id of a list's one event.
func only(list document.Value) (id string, ok bool) {
	n := 0
	for v := range list.Items() {
		id = v.Field("id").Text()
		n++
	}
	return id, n == 1 && eventID.MatchString(id)
}

// event reads one event. Nothing of it is taken if a part can't be: the API tells
// its caller so, who can send it again.
func (s source) event(v document.Value, r connector.Request) (events.Fact, string) {
	at := r.ReceivedAt.UnixMilli()
	if v.Field("at").Exists() {
		var ok bool
		if at, ok = moment(v.Field("at")); !ok || at > r.ReceivedAt.Add(ahead).UnixMilli() {
			return events.Fact{}, "at is no time up to a day ahead"
		}
	}
	id := v.Field("id").Text()
	if id != "" && !eventID.MatchString(id) {
		return events.Fact{}, "id is up to 100 letters, digits and . _ : -"
	}
	if id == "" {
		start, end := v.Span()
		id = connector.Digest(r.Body[start:end])
	}
	f := events.Fact{Kind: events.Event, Record: id, Version: at, At: at, Fields: events.Fields{}}
	name := v.Field("name").Text()
	if !events.ValidName(name) {
		return f, "name is up to 60 lower-case letters, digits, dots, dashes and underscores, such as tasting.booked, and does not begin as Loophub's own do: order. checkout. form. consent. message. segment."
	}
	f.Fields["name"] = events.Text(name)
	for _, read := range []func(document.Value, events.Fields) string{s.whom, properties, s.worth} {
		if fault := read(v, f.Fields); fault != "" {
			return f, fault
		}
	}
	if f.Validate() != nil {
		return f, "a text in it is no valid UTF-8, or too long"
	}
	return f, ""
}

// whom reads whom an event is about.
func (s source) whom(v document.Value, to events.Fields) string {
	if text := v.Field("email").Text(); text != "" {
		address, ok := contact.Email(text)
		if !ok {
			return "email is no e-mail address"
		}
		to["email"] = events.Text(address)
	}
	if text := v.Field("phone").Text(); text != "" {
		number, ok := contact.Phone(text, s.country)
		if !ok {
			return "phone is no phone number; write it with its country's code"
		}
		to["phone"] = events.Text(number)
	}
	if text := v.Field("anonymous_id").Text(); text != "" {
		if len(text) > maxDevice || strings.ContainsAny(text, "@ |#") {
			return "anonymous_id is no id of a device"
		}
		to["anonymous_id"] = events.Text(text)
	}
	fragment := v.Field("fragment").Text()
	named := len(to) > 1 // the name is there
	switch {
	case fragment == "" && !named:
		return "it says of nobody; give an email, a phone, an anonymous_id or a profile"
	case fragment != "" && named:
		return "a profile stands alone, without email, phone and anonymous_id"
	case fragment != "" && !fragmentID(fragment):
		return "profile is no profile's id"
	case fragment != "":
		to["fragment"] = events.Text(fragment)
	}
	return ""
}

func properties(v document.Value, to events.Fields) string {
	given := v.Field("properties")
	if given.Exists() && given.Kind() != document.Object {
		return "properties is an object of texts"
	}
	n := 0
	for name, value := range given.Fields() {
		if n++; n > maxProperties {
			return "more than " + strconv.Itoa(maxProperties) + " properties"
		}
		if !propertyName.MatchString(name) {
			return "a property's name is up to 60 letters, digits and . _ -"
		}
		if value.Kind() != document.String || len(value.Text()) > maxProperty {
			return "a property's value is a text of up to 1,000 bytes"
		}
		to["property:"+name] = events.Text(value.Text())
	}
	return ""
}

// worth reads what an event is about, and what it is worth.
func (s source) worth(v document.Value, to events.Fields) string {
	if product := v.Field("product").Text(); product != "" {
		if len(product) > 200 {
			return "product is no id"
		}
		to["product"] = events.Text(product)
	}
	value, currency := v.Field("value"), v.Field("currency").Text()
	if !value.Exists() {
		if currency != "" {
			return "a currency goes with a value"
		}
		return ""
	}
	n, err := strconv.ParseInt(value.Text(), 10, 64)
	if err != nil || n < 0 || n > maxValue {
		return "value is a whole number of the currency's minor units"
	}
	if currency == "" {
		currency = s.currency
	}
	code, ok := money.Currency(currency)
	if !ok {
		return "currency is a code such as VND"
	}
	to["value"], to["currency"] = events.Text(strconv.FormatInt(n, 10)), events.Text(code)
	return ""
}

const maxValue = 10_000_000_000_000
