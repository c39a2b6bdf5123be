// Package workspace is the definition of one merchant: the YAML file that an
// engineer writes, checked whole before anything of it counts.
package workspace

// Workspace is a checked definition.
type Workspace struct {
	ID          string // lower case letters, digits and dashes, at most 40
	Name        string
	Country     string // ISO 3166 two-letter code
	Currency    string // ISO 4217 code
	Zone        string // IANA time zone
	Connections map[string]Connection
	Identity    Identity
}

// Connection is one connected store, form or system.
type Connection struct {
	Name      string
	Connector string // folder name below connectors/
	Settings  map[string]string
}

// Identity says which identifiers tie nobody together.
type Identity struct {
	DeniedEmails []string // normalised
	DeniedPhones []string // normalised, or as seen where they are no numbers
}
