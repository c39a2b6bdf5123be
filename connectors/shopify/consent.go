package shopify

import (
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

// The channels of consent, and where bodies say it.
const (
	emailState    = "email_marketing_consent"
	smsState      = "sms_marketing_consent"
	whatsAppState = "whats_app_marketing_consent"
)

func (r *reading) emailConsent() {
	r.consentTopic("email", emailState, func(d *draft) {
		if v := first(r.body.Field("email_address"), r.body.Field("email")); given(v) {
			d.email(v)
		}
	})
}

func (r *reading) smsConsent()      { r.consentTopic("sms", smsState, (*draft).consentPhone) }
func (r *reading) whatsAppConsent() { r.consentTopic("whatsapp", whatsAppState, (*draft).consentPhone) }

// consentPhone takes a number that is there; these topics don't clear one.
func (d *draft) consentPhone() {
	if v := first(d.r.body.Field("phone"), d.r.body.Field("phone_number")); given(v) {
		d.phone(v, d.r.country)
	}
}

func (r *reading) consentTopic(channel, name string, address func(*draft)) {
	state := r.body.Field(name)
	if state.Kind() != document.Object || r.body.Field("created_at").Exists() {
		r.misplaced()
		return
	}
	id := "customer_id"
	if !r.body.Field(id).Exists() {
		id = "id"
	}
	d, ok := r.record(events.Customer, id)
	if !ok {
		return
	}
	d.fact.Version, d.fact.At = r.triggered, r.triggered
	if ms, ok := stamp(consentDate(state).Text()); ok && ms <= r.received+clockSkew {
		d.fact.Version, d.fact.At = ms, ms
	}
	address(d)
	d.consent(channel, state)
	if len(d.fact.Fields) > 0 {
		d.add()
	}
}

func consentDate(state document.Value) document.Value {
	return first(state.Field("consent_updated_at"), state.Field("updated_at"))
}

// consent puts a grant only for a state that is dated in the signed body. A
// withdrawal counts even without a date: from the time of the delivery.
func (d *draft) consent(channel string, state document.Value) {
	date := consentDate(state)
	ms, dated := stamp(date.Text())
	dated = dated && ms <= d.r.received+clockSkew
	if given(date) && !dated {
		d.refuse("the date of a consent", "no date, or one in the future", false)
	}
	switch strings.ToLower(state.Field("state").Text()) {
	case "subscribed":
		if dated {
			d.say("grant", channel, ms)
		}
	case "unsubscribed", "redacted", "invalid":
		if !dated {
			ms = d.r.moment()
		}
		d.say("withdraw", channel, ms)
	case "not_subscribed", "pending", "":
	default:
		d.refuse("the state of a consent", "unknown", false)
	}
}

func (d *draft) say(what, channel string, ms int64) {
	d.put(what+":"+channel+":marketing", strconv.FormatInt(ms, 10))
}

// inlineConsent reads what bodies before 2026-07 carry in the customer itself.
func (d *draft) inlineConsent() {
	for _, c := range [...]struct{ channel, name string }{{"email", emailState}, {"sms", smsState}, {"whatsapp", whatsAppState}} {
		switch v := d.r.body.Field(c.name); v.Kind() {
		case document.Absent, document.Null:
		case document.Object:
			d.consent(c.channel, v)
		default:
			d.r.fault(connector.InvalidValue, "%s is no object; it is left out", c.name)
		}
	}
	if !d.r.body.Field(emailState).Exists() {
		d.legacyConsent()
	}
}

// signUp is how long after a record's birth a date still belongs to it.
const signUp = int64(time.Minute / time.Millisecond)

// legacyConsent reads the flag of old bodies. A dated true grants. A dated false
// withdraws, unless its date is that of the record's creation: a box that was
// left empty at sign-up takes nothing back.
func (d *draft) legacyConsent() {
	flag := d.r.body.Field("accepts_marketing")
	ms, ok := stamp(d.r.body.Field("accepts_marketing_updated_at").Text())
	if flag.Kind() != document.Bool || !ok || ms > d.r.received+clockSkew {
		return
	}
	if flag.True() {
		d.say("grant", "email", ms)
		return
	}
	if born, ok := stamp(d.r.body.Field("created_at").Text()); ok && ms > born+signUp {
		d.say("withdraw", "email", ms)
	}
}
