// Package workspace is the definition of one merchant: the YAML file that an
// engineer writes, checked whole before anything of it counts.
package workspace

import (
	"errors"

	connector "loophub/connectors"
)

// ErrUnknown says that there is no such workspace.
var ErrUnknown = errors.New("no such workspace")

// ErrToken says that an API token is none of a workspace's.
var ErrToken = errors.New("the token is not valid")

// Workspace is a checked definition. Its JSON form is what the Hub table keeps.
type Workspace struct {
	Version     int                   `json:"-"`         // as it was applied, from 1; 0 = it never was
	ID          string                `json:"workspace"` // lower case letters, digits and dashes, at most 40
	Name        string                `json:"name"`
	Country     string                `json:"country"`  // ISO 3166 two-letter code
	Currency    string                `json:"currency"` // ISO 4217 code
	Zone        string                `json:"timezone"` // IANA time zone
	Connections map[string]Connection `json:"connections"`
	Identity    Identity              `json:"identity"`
	Segments    map[string]Segment    `json:"segments,omitempty"`

	Policies     Policies               `json:"policies,omitzero"`
	Vouchers     map[string]Voucher     `json:"vouchers,omitempty"`
	Templates    map[string]Template    `json:"templates,omitempty"`
	Journeys     map[string]Journey     `json:"journeys,omitempty"`
	Destinations map[string]Destination `json:"destinations,omitempty"`
}

// Connection is one connected store, form or system.
type Connection struct {
	Name      string            `json:"name"`
	Connector string            `json:"connector"` // folder name below connectors/
	Settings  map[string]string `json:"settings"`
}

// Segment is a group of customers, and the rule that says who is in it.
type Segment struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"` // for people
	When  string `json:"when"`
}

// SettingsOf gives a connection's settings as its connector takes them.
func (w Workspace) SettingsOf(c Connection) connector.Settings {
	return connector.Settings{Values: c.Settings, Country: w.Country, Currency: w.Currency, Zone: w.Zone}
}

// Identity says which identifiers tie nobody together.
type Identity struct {
	DeniedEmails []string `json:"denied_emails,omitempty"` // normalised
	DeniedPhones []string `json:"denied_phones,omitempty"` // normalised, or as seen where they are no numbers
}

// ValidID tells whether s can be the id of a workspace or the name of a
// connection or segment: what asks for anything else need not be looked up.
func ValidID(s string) bool {
	if s == "" || len(s) > 40 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
