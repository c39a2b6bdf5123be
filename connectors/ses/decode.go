package ses

import (
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
)

// readers read the events that tell something of a message, by their type.
var readers = map[string]func(*draft){
	"Bounce":            (*draft).bounce,
	"Click":             (*draft).click,
	"Complaint":         (*draft).complaint,
	"Delivery":          func(d *draft) { d.tell("delivered_at", d.body.Field("delivery").Field("timestamp")) },
	"DeliveryDelay":     func(*draft) {}, // SES goes on trying: nothing is decided
	"Open":              func(d *draft) { d.tell("opened_at", d.body.Field("open").Field("timestamp")) },
	"Reject":            func(d *draft) { d.tell("failed_at") },
	"Rendering Failure": func(d *draft) { d.tell("failed_at") },
	"Send":              func(d *draft) { d.tell("sent_at") },
	"Subscription":      (*draft).subscription,
}

// Decode gives one fact for an event.
func (source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	body, err := document.Parse(r.Body)
	if err != nil || body.Kind() != document.Object {
		return refuse(connector.Undecodable, "the notification holds no JSON object")
	}
	kind := body.Field("eventType").Text()
	if kind == "" && body.Field("notificationType").Exists() {
		return refuse(connector.UnknownTopic, "it is a notification of an identity, not an event of the configuration set; turn the identity's feedback notifications off")
	}
	read, known := readers[kind]
	if !known {
		return refuse(connector.UnknownTopic, "an event type that is not read; take it out of the configuration set's event destination")
	}
	d := draft{body: body, received: r.ReceivedAt, fragment: tag(body, FragmentTag), message: tag(body, MessageTag)}
	if d.fragment == "" || d.message == "" {
		return refuse(connector.Incomplete, "the mail lacks the tags "+FragmentTag+" and "+MessageTag+"; it was not sent by Loophub")
	}
	read(&d)
	return d.facts, d.faults
}

func refuse(c connector.FaultClass, reason string) ([]events.Fact, []connector.Fault) {
	return nil, []connector.Fault{{Class: c, Reason: "ses: " + reason}}
}

// draft is the fact of an event while it is read.
type draft struct {
	body              document.Value
	received          time.Time
	fragment, message string
	facts             []events.Fact
	faults            []connector.Fault
}

func (d *draft) fault(reason string) {
	d.faults = append(d.faults, connector.Fault{Class: connector.InvalidValue, Reason: "ses: " + reason})
}

// tell makes the fact: what happened, at the first of the times that can be read.
// The mail's own time is never later than its event's; where that is missing too,
// only the arrival is known.
func (d *draft) tell(what string, times ...document.Value) events.Fields {
	at := d.received.UnixMilli()
	for _, v := range append(times, d.body.Field("mail").Field("timestamp")) {
		if t, err := time.Parse(time.RFC3339Nano, v.Text()); err == nil && t.Unix() >= 0 && t.Year() < 2100 {
			at = t.UnixMilli()
			break
		}
	}
	f := events.NewEngagement(d.fragment, d.message, what, at)
	d.facts = append(d.facts, f)
	return f.Fields
}

// click: SES names the link with its query, which may hold what a shop put there
// of the customer. A link without a host (mailto:) is left out.
func (d *draft) click() {
	click := d.body.Field("click")
	f := d.tell("clicked_at", click.Field("timestamp"))
	u, err := url.Parse(click.Field("link").Text())
	if err != nil || u.Host == "" {
		return
	}
	link := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	if len(link) <= maxLink {
		f["link"] = events.Text(link)
	}
}

const maxLink = 1_000

// bounce: only what is permanent stops further mails. A full mailbox or an
// automatic answer is transient.
func (d *draft) bounce() {
	bounce := d.body.Field("bounce")
	kind := "transient"
	switch bounce.Field("bounceType").Text() {
	case "Permanent":
		kind = "permanent"
	case "Transient", "Undetermined":
	default:
		d.fault("a bounce of a type that is not known; it is taken as transient")
	}
	f := d.tell("bounced_at", bounce.Field("timestamp"))
	f["bounce"] = events.Text(kind)
	recipients := bounce.Field("bouncedRecipients")
	if kind != "permanent" && !some(recipients) {
		return // automatic answers may name nobody
	}
	if d.recipient(f, recipients) && kind == "permanent" {
		f["withdraw:email:bounced"] = f["bounced_at"]
	}
}

func some(list document.Value) bool {
	for range list.Items() {
		return true
	}
	return false
}

// complaint: a customer who calls a mail spam gets no more of them. The report
// "not-spam" says the opposite: somebody took the mail out of the spam folder.
func (d *draft) complaint() {
	complaint := d.body.Field("complaint")
	if complaint.Field("complaintFeedbackType").Text() == "not-spam" {
		return
	}
	f := d.tell("complained_at", complaint.Field("timestamp"), complaint.Field("arrivalDate"))
	// Whoever it was, the message's own customer gets no more marketing.
	f["withdraw:email:marketing"] = f["complained_at"]
	if d.recipient(f, complaint.Field("complainedRecipients")) {
		f["withdraw:email:complained"] = f["complained_at"]
	}
}

// recipient puts the address that the event is about, and tells whether it could.
// We send each mail to one address; one that can't be read would suppress nobody.
func (d *draft) recipient(f events.Fields, list document.Value) bool {
	var given []string
	for r := range list.Items() {
		if given = append(given, r.Field("emailAddress").Text()); len(given) > 1 {
			break
		}
	}
	if len(given) != 1 {
		d.fault("the event names no recipient, or several; no address is suppressed for it")
		return false
	}
	address, ok := contact.Email(bare(given[0]))
	if !ok {
		d.fault("the event's recipient is not an e-mail address; nothing is suppressed for it")
		return false
	}
	f["email"] = events.Text(address)
	return true
}

// bare takes an address out of "Name <address>", which some receivers report.
func bare(s string) string {
	if _, rest, ok := strings.Cut(s, "<"); ok {
		s, _, _ = strings.Cut(rest, ">")
	}
	return s
}

const maxTopics = 20 // that SES keeps of one contact list

// subscription is what a customer chose on SES's own pages, by topic: a topic is
// a purpose. Only what the customer switched on grants: other topics are listed
// as they were.
func (d *draft) subscription() {
	s := d.body.Field("subscription")
	now, before := s.Field("newTopicPreferences"), s.Field("oldTopicPreferences")
	var out, in []string
	if now.Field("unsubscribeAll").True() {
		out = append(out, "marketing")
	}
	old := maps.Collect(topics(before))
	n := 0
	for topic, status := range topics(now) {
		switch n++; {
		case n > maxTopics:
		case status == "OptOut":
			out = append(out, topic)
		case status == "OptIn" && old[topic] == "OptOut" && !now.Field("unsubscribeAll").True():
			in = append(in, topic)
		}
	}
	if n > maxTopics {
		d.fault("more than " + strconv.Itoa(maxTopics) + " topics; the others are left out")
	}
	if len(out)+len(in) == 0 {
		return
	}
	f := d.tell("unsubscribed_at", s.Field("timestamp"))
	at := f["unsubscribed_at"]
	for _, topic := range out {
		f["withdraw:email:"+topic] = at
	}
	for _, topic := range in {
		if !slices.Contains(out, topic) {
			f["grant:email:"+topic] = at
		}
	}
	if len(out) == 0 {
		delete(f, "unsubscribed_at")
	}
}

// topics are names and states of a set of preferences; a name that can't be a
// purpose is left out.
func topics(preferences document.Value) iter.Seq2[string, string] {
	return func(yield func(topic, status string) bool) {
		for t := range preferences.Field("topicSubscriptionStatus").Items() {
			topic := strings.ToLower(t.Field("topicName").Text())
			if word(topic) && !yield(topic, t.Field("subscriptionStatus").Text()) {
				return
			}
		}
	}
}
