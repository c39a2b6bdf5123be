// Package hubspot writes to the contacts of a HubSpot account and reads the
// webhooks that tell what people change there.
//
// What this app wrote comes back as a webhook like anybody's change: its source
// names the app, and is dropped here; what slips through, the ledger of what was
// written recognises.
package hubspot

import (
	"time"

	connector "loophub/connectors"
)

// New describes the connector.
func New() connector.Connector {
	m := manifest()
	return connector.Connector{
		Manifest: m,
		Source: func(s connector.Settings) (connector.Source, error) {
			s, err := m.Fill(s)
			if err != nil {
				return nil, err
			}
			return source{url: s.Values["url"], app: s.Values["app_id"], country: s.Country}, nil
		},
		Destination: func(s connector.Settings) (connector.Destination, error) {
			if _, err := m.Fill(s); err != nil {
				return nil, err
			}
			return destination{}, nil
		},
	}
}

// batch is the most inputs of one call.
const batch = 100

// topics are the subscriptions that are read.
var topics = []string{"contact.creation", "contact.deletion", "contact.merge", "contact.privacyDeletion", "contact.propertyChange"}

// traits are the contact properties that are customer fields here.
var traits = map[string]string{
	"email": "email", "firstname": "first_name", "lastname": "last_name", "phone": "phone",
	"company": "company", "city": "city", "state": "province", "hs_language": "locale",
}

func manifest() connector.Manifest {
	return connector.Manifest{
		Name:    "hubspot",
		Title:   "HubSpot",
		Rank:    1,
		Topics:  topics,
		Secrets: "HMAC-SHA256 of method, URL, body and timestamp under the app's client secret, base64, in " + signatureHeader,
		Proof:   []string{signatureHeader, timestampHeader},
		Settings: []connector.Setting{
			{Name: "app_id", Pattern: `[0-9]{1,20}`, Required: true,
				About: "the app's id at HubSpot: changes that it made itself are no news"},
			{Name: "url", Pattern: `https://[^\s#]+`,
				About: "the address as it was entered at HubSpot, where a domain of your own or a proxy stands before Loophub: it is part of what is signed"},
		},
		Setup: []string{
			"Create a private app in HubSpot (Settings, Integrations, Private Apps) with the scopes crm.objects.contacts.read, crm.objects.contacts.write, crm.schemas.contacts.read and crm.schemas.contacts.write.",
			`Store the app's access token as the connection's credentials: {"access_token": "…"}.`,
			"Store the app's client secret as the connection's secret: {secret}.",
			"Subscribe the app's webhooks to {url}: contact.creation, contact.deletion, contact.merge, contact.privacyDeletion, and contact.propertyChange for email, firstname, lastname, phone, company, city, state and hs_language.",
			"Create the contact properties that the destination writes (loophub_segments and the like): text, single line.",
		},
		Unsure: []string{
			"That changes of one's own app come as changeSource INTEGRATION with the app's id as sourceId is others' experience, not documented; the ledger of what was written recognises them anyway.",
			"That a batch holds at most 100 inputs, that one property which does not exist refuses a batch whole, and that results carry the property email, is others' experience. A batch that is refused is taken apart; a result that can't be told is looked for.",
			"That a batch read names who is not there in an error (OBJECT_NOT_FOUND) is others' experience; a reply that names nobody at all is asked for again.",
			"The rate is what third parties report for the smallest tier; replies say more, and 429 is obeyed.",
			"The events' order is not promised, nor is eventId unique: occurredAt is the version of what is said.",
			"After a merge HubSpot may answer for the old id with the new one; the old record then counts as gone, and is found again by its e-mail address.",
		},
		Pages: []connector.Page{
			{URL: "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation", Read: "2026-11-21"},
			{URL: "https://developers.hubspot.com/changelog/introducing-version-3-of-webhook-signatures", Read: "2026-11-21"},
			{URL: "https://developers.hubspot.com/changelog/new-subscription-types-for-webhooks", Read: "2026-11-22"},
		},
		Outbound: &connector.Outbound{
			Base: "https://api.hubapi.com", Bearer: "access_token", Key: "email", Property: `[a-z][a-z0-9_]{0,99}`,
			Batch: batch, Requests: 100, Per: 10 * time.Second, TimeOut: 10 * time.Second, Reply: 4 << 20, Traits: traits,
			Credentials: `{"access_token": "…"}, the token of a private app`,
		},
	}
}
