package writeback

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// maxProperties is the most properties of one destination.
const maxProperties = 100

// Checks gives the check of a workspace's destinations: each names a connection of
// a system that is written to, properties as that system calls them, among them
// the one by which it finds records, and expressions that compile.
func Checks(connectors []connector.Connector, l Language) func(w workspace.Workspace, refuse func(path string, line, column int, reason string)) {
	return func(w workspace.Workspace, refuse func(path string, line, column int, reason string)) {
		zone, err := time.LoadLocation(w.Zone)
		if err != nil {
			zone = time.UTC // the zone itself is refused elsewhere
		}
		by := map[string]string{} // connection → destination
		for _, name := range slices.Sorted(maps.Keys(w.Destinations)) {
			c := checking{path: "destinations." + name, language: l, zone: zone, refuse: refuse}
			d := w.Destinations[name]
			out := c.connection(w, connectors, d)
			if other, taken := by[d.Connection]; taken && out != nil {
				c.at("connection", "destination %q writes to connection %q already; put the properties of both into one, so that no two write one record", other, d.Connection)
			}
			by[d.Connection] = name
			if d.When != "" {
				_, err := l.Rule(d.When, zone)
				c.problems("when", err)
			}
			c.properties(d, out)
		}
	}
}

type checking struct {
	path     string
	language Language
	zone     *time.Location
	refuse   func(path string, line, column int, reason string)
}

func (c checking) at(field, format string, args ...any) {
	c.refuse(c.path+"."+field, 0, 0, fmt.Sprintf(format, args...))
}

// connection gives what is known of the system that is written to.
func (c checking) connection(w workspace.Workspace, all []connector.Connector, d workspace.Destination) *connector.Outbound {
	one, there := w.Connections[d.Connection]
	if !there {
		c.at("connection", "there is no connection %q; name one of the workspace's connections", d.Connection)
		return nil
	}
	var can []string
	for _, k := range all {
		if k.Destination == nil {
			continue
		}
		if k.Manifest.Name == one.Connector {
			return k.Manifest.Outbound
		}
		can = append(can, k.Manifest.Name)
	}
	c.at("connection", "connection %q is of %s, to which nothing is written; name a connection of %s", d.Connection, one.Connector, strings.Join(can, " or "))
	return nil
}

func (c checking) properties(d workspace.Destination, out *connector.Outbound) {
	if len(d.Properties) == 0 {
		c.at("properties", "there is nothing to write; name properties with their expressions, such as firstname: traits.first_name")
		return
	}
	if len(d.Properties) > maxProperties {
		c.at("properties", "%d properties; a destination has at most %d", len(d.Properties), maxProperties)
	}
	if out != nil && d.Properties[out.Key] == "" {
		c.at("properties", "the property %q is missing, by which records are found; write for example %s: traits.%s", out.Key, out.Key, out.Traits[out.Key])
	}
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		if out != nil && !regexp.MustCompile(`^(?:`+out.Property+`)$`).MatchString(name) {
			c.at("properties."+name, "%q is no name of a property there; it must look like %s", name, out.Property)
		}
		_, err := c.language.Expression(d.Properties[name], c.zone)
		c.problems("properties."+name, err)
	}
}

// problems refuses a text at the places that its error names.
func (c checking) problems(field string, err error) {
	var all segment.Problems
	switch {
	case errors.As(err, &all):
		for _, p := range all {
			c.refuse(c.path+"."+field, p.Line, p.Column, p.Reason)
		}
	case err != nil:
		c.at(field, "%v", err)
	}
}
