package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/infra/local/stage"
)

// invite prints what a reader needs for a try of their own: what to send, where to
// look, and how to let time pass.
func (h *hub) invite(out io.Writer) {
	fmt.Fprintf(out, `
Your own try. All connections sign with the secret %s; the API's token is %s.
The mails: %s/outbox

  H='Authorization: Bearer %[2]s'
`, stage.Secret, h.token(), h.url)
	for _, name := range slices.Sorted(keys(h.workspace.Connections)) {
		h.inviteTo(out, name)
	}
	whom := h.someone()
	fmt.Fprintf(out, `
  # who is it, and what could not be read
  curl -s -H "$H" '%[1]s/v1/profiles?email=ban@example.vn'
  curl -s -H "$H" '%[1]s/v1/deliveries?status=parked'
`, h.url)
	if h.hubspot != nil {
		fmt.Fprintf(out, `
  # the contact in the CRM, which is simulated
  curl -s %s/simulators/hubspot/contacts/%s
`, h.url, whom)
	}
	if journeys := slices.Sorted(keys(h.workspace.Journeys)); len(journeys) > 0 {
		fmt.Fprintf(out, `
  # what a journey brought, and who would get what until the end of tomorrow
  curl -s -H "$H" %[1]s/v1/journeys/%[2]s/report
  curl -s -H "$H" %[1]s/v1/forecast
`, h.url, journeys[0])
	}
	fmt.Fprintf(out, `
  # let a day pass, with what is due in it
  curl -s %s/clock -d '{"advance":"24h"}'

Ctrl-C stops it; %s.

`, h.url, h.fate())
}

// inviteTo prints a request to a connection. To those of the deployment itself nobody
// may post, and HubSpot's simulator sends its own.
func (h *hub) inviteTo(out io.Writer, name string) {
	c := h.workspace.Connections[name]
	to := h.url + "/hooks/" + h.workspace.ID + "/" + name
	switch {
	case c.Connector == "shopify":
		fmt.Fprintf(out, `
  # a webhook as Shopify signs it
  body='{"id":1,"email":"ban@example.vn","first_name":"Bạn","updated_at":"%[1]s"}'
  curl -i %[2]s -H 'X-Shopify-Topic: customers/create' -H 'Content-Type: application/json' -d "$body" \
    -H "X-Shopify-Hmac-Sha256: $(printf %%s "$body" | openssl dgst -sha256 -hmac %[3]s -binary | base64)"
`, h.clock.Now().UTC().Format(time.RFC3339), to, stage.Secret)
	case c.Connector == "form":
		origin, _, _ := strings.Cut(c.Settings["allowed_origins"], ",")
		fmt.Fprintf(out, `
  # a form post from the website
  curl -i %s -H 'Origin: %s' -d key=%s -d email=ban@example.vn -d name='Nguyễn Bạn'
`, to, origin, c.Settings["public_key"])
	case c.Connector == "hubspot" && h.hubspot != nil:
	case slices.ContainsFunc(stage.Manifests(), func(m connector.Manifest) bool { return m.Name == c.Connector && !m.Vouched() }):
		fmt.Fprintf(out, "\n  # %s takes the webhooks of %s at %s\n", name, c.Connector, to)
	}
}

// someone is whoever got the newest mail, or the example's own customer.
func (h *hub) someone() string {
	for _, m := range h.mails("") {
		if len(m.To) > 0 {
			return m.To[0]
		}
	}
	return "ban@example.vn"
}
