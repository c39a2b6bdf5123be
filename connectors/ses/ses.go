// Package ses reads what Amazon SES tells of the mails that we sent through it:
// sent, delivered, opened, clicked, bounced, called spam.
//
// SES publishes to a topic of the deployment's own account, which calls the
// ingest function under its resource policy. So nothing is signed, and nobody can
// post here: a stranger who could would bounce or unsubscribe whom he likes.
package ses

import (
	"errors"
	"net/http"
	"strings"

	connector "loophub/connectors"
	"loophub/shared/document"
)

// The tags of a mail by which its events find their way back. Tags hold letters,
// digits, - and _ alone, and no personal data: SES shows them in its console.
const (
	WorkspaceTag  = "loophub-workspace"
	ConnectionTag = "loophub-connection"
	FragmentTag   = "loophub-fragment"
	MessageTag    = "loophub-message"
)

const (
	mailbox = `[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`
	named   = `[^<>"(),:;@\\\[\]\x00-\x1f]{1,100} <` + mailbox + `>`
)

// New describes the connector.
func New() connector.Connector {
	m := connector.Manifest{
		Name: "ses", Title: "Amazon SES", Rank: 1, Platform: true, Channel: "email",
		Topics: []string{"bounce", "click", "complaint", "delivery", "delivery_delay", "open", "reject", "rendering_failure",
			"send", "subscription"},
		Headers: []string{connector.PlatformID},
		Refusal: http.StatusNotFound,
		Settings: []connector.Setting{
			{Name: "from", Required: true, Pattern: named, About: "who the mails come from, such as Trà Sen <chao@tra-sen.example>, at a domain that SES has verified"},
			{Name: "reply_to", Pattern: mailbox, About: "where replies go; without it, to the sender"},
			{Name: "test_addresses", Pattern: mailbox + `(\s*,\s*` + mailbox + `)*`,
				About: "addresses that test sends may go to, separated by commas"},
		},
		Setup: []string{
			"In the SES console, verify the domain of the sender's address: DKIM by the three CNAME records, and a MAIL FROM domain.",
			"Request production access for SES in the region of the deployment; before that, mails reach verified addresses alone.",
			"Deploy: the stack makes the configuration set, the topic and the permission by which the events come back.",
		},
		Unsure: []string{
			"The fixtures follow the vendor's examples; none was recorded from a sender of ours. Complaints, subscriptions, delays and rendering failures are to be compared first.",
			"Bounces of type Undetermined are taken as transient: SES itself does not suppress such an address.",
		},
		Pages: []connector.Page{
			{URL: "https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html", Read: "2026-11-22"},
		},
	}
	return connector.Connector{Manifest: m, Address: address, Source: func(s connector.Settings) (connector.Source, error) {
		if _, err := m.Fill(s); err != nil {
			return nil, err
		}
		return source{}, nil
	}}
}

type source struct{}

// address reads the tags of the mail that the event is about.
func address(r connector.Request) (workspace, connection string, ok bool) {
	body, err := document.Parse(r.Body)
	if err != nil {
		return "", "", false
	}
	workspace, connection = tag(body, WorkspaceTag), tag(body, ConnectionTag)
	return workspace, connection, workspace != "" && connection != ""
}

// Verify refuses everything: events come from the account's own topic.
func (source) Verify(connector.Request, []connector.Secret) error {
	return errors.New("verifying: events of SES come by the deployment's own topic, never by a post")
}

// Key: events of one message lie together; the topic's id of an event is the same
// in all of its retries.
func (source) Key(r connector.Request) (object, delivery string) {
	if delivery = r.Header.Get(connector.PlatformID); !word(delivery) {
		delivery = connector.Digest(r.Body)
	}
	body, err := document.Parse(r.Body)
	fragment, message := tag(body, FragmentTag), tag(body, MessageTag)
	if err != nil || fragment == "" || message == "" {
		return "event:" + delivery, delivery
	}
	return fragment + "." + message, delivery
}

// tag is the value of one of our own tags, "" where it is missing or is not what
// we write into one.
func tag(body document.Value, name string) string {
	for v := range body.Field("mail").Field("tags").Field(name).Items() {
		if word(v.Text()) {
			return v.Text()
		}
		return ""
	}
	return ""
}

// word tells whether s is made as our ids and names are: so it is nobody's
// address, and can stand in a key.
func word(s string) bool {
	return s != "" && len(s) <= maxWord && strings.Trim(s, letters) == ""
}

const (
	maxWord = 90 // two of them make a record's id
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
)
