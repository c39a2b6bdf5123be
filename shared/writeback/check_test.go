package writeback

import (
	"fmt"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/shared/workspace"
)

func TestChecks(t *testing.T) {
	manifests := []connector.Manifest{{Name: "form"},
		{Name: "crm", Outbound: &connector.Outbound{Key: "email", Property: `[a-z_]{1,10}`, Traits: fields{"email": "email"}}}}
	for _, c := range []struct {
		name string
		d    map[string]workspace.Destination
		want []string
	}{
		{"fine", map[string]workspace.Destination{"a": {Connection: "hub", When: `"a" in segments`, Properties: fields{"email": "traits.email", "sum": `outcome.net("VND")`}}}, nil},
		{"a system that is not known", map[string]workspace.Destination{"a": {Connection: "web", Properties: fields{"Any": "segments"}}}, nil},
		{"one connection twice", map[string]workspace.Destination{"a": {Connection: "hub", Properties: fields{"email": "traits.email"}}, "b": {Connection: "hub", Properties: fields{"email": "traits.email"}}},
			[]string{`destinations.b.connection 0:0 destination "a" writes to connection "hub" already`}},
		{"no key", map[string]workspace.Destination{"a": {Connection: "hub", Properties: fields{"x": "segments"}}}, []string{`destinations.a.properties 0:0 the property "email" is missing, by which records are found; write for example email: traits.email`}},
		{"no name", map[string]workspace.Destination{"a": {Connection: "hub", Properties: fields{"email": "traits.email", "First Name": "segments"}}}, []string{`destinations.a.properties.First Name 0:0 "First Name" is no name`}},
		{"no expression", map[string]workspace.Destination{"a": {Connection: "hub", When: "maybe", Properties: fields{"email": "traits.mail", "sum": "1 +"}}},
			[]string{`destinations.a.when 1:1 there is no "maybe"`, `destinations.a.properties.email 1:7 there is no trait "mail"`, "destinations.a.properties.sum 1:4"}},
		{"results decide nothing", map[string]workspace.Destination{"a": {Connection: "hub", When: "outcome.count > 0", Properties: fields{"email": "traits.email"}}},
			[]string{`destinations.a.when 1:1 "outcome" can't stand in a rule`}},
	} {
		var got []string
		w := workspace.Workspace{Zone: "Asia/Ho_Chi_Minh", Destinations: c.d, Connections: map[string]workspace.Connection{
			"hub": {Name: "hub", Connector: "crm"}, "web": {Name: "web", Connector: "form"}}}
		Checks(manifests)(w, func(path string, line, column int, reason string) {
			got = append(got, fmt.Sprintf("%s %d:%d %s", path, line, column, reason))
		})
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want %q", c.name, got[i], want)
			}
		}
	}
}
