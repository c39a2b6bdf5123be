// Package all knows every connector. Its list is generated from the folders
// below connectors/, so that adding a system adds a folder and one line.
package all

//go:generate go run ./gen
//go:generate go run ./gen/readmes

import (
	connector "loophub/connectors"
)

// Find gives the connector of that name.
func Find(name string) (connector.Connector, bool) {
	for _, c := range Connectors() {
		if c.Manifest.Name == name {
			return c, true
		}
	}
	return connector.Connector{}, false
}
