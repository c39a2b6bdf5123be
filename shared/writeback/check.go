package writeback

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	connector "loophub/connectors"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// Checks gives the check of a workspace's destinations: no two write to one
// connection, properties are called as that system calls them, among them is the
// one by which it finds records, and rules and expressions compile.
func Checks(manifests []connector.Manifest) workspace.Check {
	return func(w workspace.Workspace, refuse workspace.Refuse) {
		zone, err := time.LoadLocation(w.Zone)
		if err != nil {
			zone = time.UTC // the zone itself is refused where it stands
		}
		by := map[string]string{} // connection → destination
		for _, name := range slices.Sorted(maps.Keys(w.Destinations)) {
			d := w.Destinations[name]
			c := checking{path: "destinations." + name, zone: zone, refuse: refuse}
			if other, taken := by[d.Connection]; taken {
				c.at("connection", "destination %q writes to connection %q already; put the properties of both into one, so that no two write one record", other, d.Connection)
			}
			by[d.Connection] = name
			if d.When != "" {
				_, err := segment.CompileRule(d.When, zone, segment.SegmentWords)
				c.problems("when", err)
			}
			c.properties(d, outbound(manifests, w.Connections[d.Connection].Connector))
		}
	}
}

// outbound describes a system that is written to; the zero value asks for nothing.
func outbound(manifests []connector.Manifest, name string) connector.Outbound {
	for _, m := range manifests {
		if m.Name == name && m.Outbound != nil {
			return *m.Outbound
		}
	}
	return connector.Outbound{Property: ".*"}
}

type checking struct {
	path   string
	zone   *time.Location
	refuse workspace.Refuse
}

func (c checking) at(field, format string, args ...any) {
	c.refuse(c.path+"."+field, 0, 0, fmt.Sprintf(format, args...))
}

func (c checking) properties(d workspace.Destination, out connector.Outbound) {
	if _, there := d.Properties[out.Key]; !there && out.Key != "" {
		c.at("properties", "the property %q is missing, by which records are found; write for example %s: traits.%s", out.Key, out.Key, out.Traits[out.Key])
	}
	called := regexp.MustCompile(`^(?:` + out.Property + `)$`)
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		if !called.MatchString(name) {
			c.at("properties."+name, "%q is no name of a property there; it must look like %s", name, out.Property)
		}
		_, err := segment.CompileExpression(d.Properties[name], c.zone)
		c.problems("properties."+name, err)
	}
}

// problems refuses a text at the places that its error names.
func (c checking) problems(field string, err error) {
	segment.Refuse(err, func(line, column int, reason string) { c.refuse(c.path+"."+field, line, column, reason) })
}
