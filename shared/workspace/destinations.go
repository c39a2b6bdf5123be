package workspace

import (
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v3"
)

const (
	maxDestinations = 20
	maxProperties   = 100
	maxRule         = 2 << 10 // bytes; what rules cost is checked by what reads them
)

var propertyPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

func (p *parser) destinations(n *yaml.Node) map[string]Destination {
	return named(p, n, "destinations", "destination", maxDestinations, p.destination)
}

func (p *parser) destination(key, v *yaml.Node) Destination {
	d := Destination{Name: key.Value}
	f, ok := p.fields(key, v, fmt.Sprintf("destination %q", d.Name), "connection", "when", "properties")
	if !ok {
		return d
	}
	f.need("connection", "connection: hubspot")
	f.need("properties", "properties: {email: traits.email}")
	d.Connection, d.When, d.Properties = f.name("connection"), f.text("when", maxRule), map[string]string{}
	p.each(f.node("properties"), "properties", func(key, v *yaml.Node) {
		switch {
		case !propertyPattern.MatchString(key.Value):
			p.at(key, "%s: property %s: use its name in the system's API, of letters, digits and _", f.of, quote(key.Value))
		case v.Kind != yaml.ScalarNode || empty(v):
			p.at(v, "%s: property %q must be an expression, such as traits.email", f.of, key.Value)
		case len(v.Value) > maxRule:
			p.at(v, "%s: property %q has %d bytes; use at most %d", f.of, key.Value, len(v.Value), maxRule)
		case len(d.Properties) == maxProperties:
			p.at(key, "%s: property %q is one too many; use at most %d", f.of, key.Value, maxProperties)
		default:
			d.Properties[key.Value] = v.Value
		}
	})
	return d
}
