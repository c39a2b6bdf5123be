package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

const (
	signatureHeader = "X-Hubspot-Signature-V3" // X-HubSpot-Signature-v3, in canonical form
	timestampHeader = "X-Hubspot-Request-Timestamp"
)

// source reads the webhooks of one app.
type source struct {
	url     string // as entered at HubSpot; "" = as the request names it
	app     string
	country string
}

// oldest is how old a signed request may be; a clock may be as far ahead.
const oldest = 5 * time.Minute

// Verify compares version 3 of the signature: method, URL, body and timestamp.
func (s source) Verify(r connector.Request, secrets []connector.Secret) error {
	given, stamp := r.Header.Get(signatureHeader), r.Header.Get(timestampHeader)
	if given == "" || stamp == "" {
		return errors.New("verifying: the headers " + signatureHeader + " and " + timestampHeader + " are needed")
	}
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("verifying: " + timestampHeader + " is no time in milliseconds")
	}
	if age := r.ReceivedAt.Sub(time.UnixMilli(ms)); age > oldest || age < -oldest {
		return errors.New("verifying: " + timestampHeader + " is more than five minutes away")
	}
	matched := 0
	for _, url := range s.addresses(r) {
		for _, secret := range secrets {
			if secret != "" {
				matched |= subtle.ConstantTimeCompare([]byte(signature(secret, r.Method, url, r.Body, stamp)), []byte(given))
			}
		}
	}
	if matched != 1 {
		return errors.New("verifying: " + signatureHeader + " matches under none of the connection's secrets; does the setting url say what is entered at HubSpot?")
	}
	return nil
}

// addresses are the forms in which HubSpot may have signed the URL: some escapes
// are said to be undone before it is.
func (s source) addresses(r connector.Request) []string {
	url := s.url
	if url == "" {
		url = r.URL
	}
	if plain := unescaped.Replace(url); plain != url {
		return []string{url, plain}
	}
	return []string{url}
}

var unescaped = strings.NewReplacer("%3A", ":", "%2F", "/", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")",
	"%2A", "*", "%2C", ",", "%3B", ";", "%3a", ":", "%2f", "/", "%2a", "*", "%2c", ",", "%3b", ";")

func signature(secret connector.Secret, method, url string, body []byte, stamp string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range [][]byte{[]byte(method), []byte(url), body, []byte(stamp)} {
		mac.Write(part)
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Sign puts the headers on r that HubSpot would send with it to a URL: for tests,
// the simulator and the demo.
func Sign(r *connector.Request, secret connector.Secret, url string) {
	stamp := strconv.FormatInt(r.ReceivedAt.UnixMilli(), 10)
	r.Header.Set(timestampHeader, stamp)
	r.Header.Set(signatureHeader, signature(secret, r.Method, url, r.Body, stamp))
}

// Key names the contact where a delivery speaks of one alone, and the delivery by
// what its events are: a retry counts its attempts in the body.
func (s source) Key(r connector.Request) (object, delivery string) {
	whole := connector.Digest(r.Body)
	body, err := document.Parse(r.Body)
	if err != nil || body.Kind() != document.Array {
		return "other:" + whole, whole
	}
	var ids strings.Builder
	object = ""
	for e := range body.Items() {
		of := "contacts"
		if id := e.Field("objectId").Text(); number(id) {
			of = "contact:" + id
		}
		if object == "" {
			object = of
		}
		if object != of {
			object = "contacts"
		}
		for _, name := range []string{"eventId", "subscriptionId", "subscriptionType", "objectId", "occurredAt", "propertyName"} {
			ids.WriteString(e.Field(name).Text() + "\n")
		}
		start, end := e.Field("propertyValue").Span()
		ids.Write(r.Body[start:end])
	}
	if object == "" {
		return "other:" + whole, whole
	}
	return object, connector.Digest([]byte(ids.String()))
}

// number tells what is an id: digits, and not too many.
func number(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// most events of one delivery; HubSpot sends up to 100.
const most = 100

// Decode reads a verified delivery.
func (s source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	d := reading{source: s}
	body, err := document.Parse(r.Body)
	if err != nil || body.Kind() != document.Array {
		d.fault(connector.Undecodable, "the body is no JSON array of events; look for a proxy that rewrites deliveries")
		return nil, d.faults
	}
	n := 0
	for e := range body.Items() {
		if n++; n > most {
			d.fault(connector.InvalidValue, "more than %d events in one delivery; the others are left out", most)
			break
		}
		d.event(e)
	}
	return d.facts, d.faults
}
