package workspace

import (
	"fmt"
	"maps"
	"slices"

	connector "loophub/connectors"
)

// references asks whether what names something else in the file names something
// that is there and can do what is wanted of it.
func (p *parser) references(w Workspace) {
	for name, t := range w.Templates {
		p.sends("templates."+name, w, t)
	}
	for name, d := range w.Destinations {
		at := "destinations." + name + ".connection"
		m, ok := p.connected(at, w, d.Connection, func(m connector.Manifest) bool { return m.Outbound != nil }, "can be written to")
		if ok && m.Outbound == nil {
			p.refuse(at, 0, 0, fmt.Sprintf("connection %q is of %s, which nothing is written back to", d.Connection, m.Name))
		}
	}
	for name, j := range w.Journeys {
		p.leads("journeys."+name, w, j)
	}
	p.channels(w.Policies)
}

// connected finds the connector of a connection.
func (p *parser) connected(path string, w Workspace, name string, fits func(connector.Manifest) bool, does string) (connector.Manifest, bool) {
	fit := map[string]Connection{}
	for n, c := range w.Connections {
		if m, ok := p.manifest(c.Connector); ok && fits(m) {
			fit[n] = c
		}
	}
	c, there := w.Connections[name]
	switch {
	case there:
		return p.manifest(c.Connector)
	case len(fit) == 0:
		p.refuse(path, 0, 0, fmt.Sprintf("there is no connection %s, and none that %s; add one under connections:", quote(name), does))
	default:
		missing(p, path, "connection", name, fit)
	}
	return connector.Manifest{}, false
}

func (p *parser) manifest(name string) (connector.Manifest, bool) {
	i := slices.IndexFunc(p.known, func(m connector.Manifest) bool { return m.Name == name })
	if i < 0 {
		return connector.Manifest{}, false
	}
	return p.known[i], true
}

func (p *parser) sends(path string, w Workspace, t Template) {
	m, ok := p.connected(path+".connection", w, t.Connection, func(m connector.Manifest) bool { return m.Channel != "" }, "sends messages")
	switch {
	case !ok:
	case m.Channel == "":
		p.refuse(path+".connection", 0, 0, fmt.Sprintf("connection %q is of %s, which sends no messages", t.Connection, m.Name))
	case m.Channel == "email":
		for locale, c := range t.Contents {
			if c.Subject == "" {
				p.refuse(path+".contents."+locale, 0, 0, fmt.Sprintf("content %q lacks its subject, which an e-mail needs", locale))
			}
		}
	}
}

func (p *parser) leads(path string, w Workspace, j Journey) {
	for key, segment := range map[string]string{"entered": j.Trigger.Entered, "left": j.Trigger.Left} {
		if _, there := w.Segments[segment]; segment != "" && !there {
			missing(p, path+".trigger."+key, "segment", segment, w.Segments)
		}
	}
	ids := map[string]bool{}
	for _, s := range j.Steps {
		if s.ID != "" {
			ids[s.ID] = true
		}
	}
	Walk(path+".steps", j.Steps, func(at string, s Step) {
		if _, there := w.Templates[s.Send]; s.Send != "" && !there {
			missing(p, at+".send", "template", s.Send, w.Templates)
		}
		if _, there := w.Vouchers[s.Voucher]; s.Voucher != "" && !there {
			missing(p, at+".voucher", "voucher", s.Voucher, w.Vouchers)
		}
		if s.Goto != "" && !ids[s.Goto] {
			missing(p, at+".goto", "step of the outermost list with the id", s.Goto, ids)
		}
	})
}

// channels asks whether policies speak of connectors that send.
func (p *parser) channels(all Policies) {
	send := map[string]bool{}
	for _, m := range p.known {
		if m.Channel != "" {
			send[m.Name] = true
		}
	}
	for i, c := range all.Caps {
		if c.Channel != "" && !send[c.Channel] {
			missing(p, fmt.Sprintf("policies.caps[%d].channel", i), "channel", c.Channel, send)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all.Attribution.Click)) {
		if !send[name] {
			missing(p, "policies.attribution.click."+name, "channel", name, send)
		}
	}
}

// missing refuses a name that leads nowhere.
func missing[T any](p *parser, path, what, name string, there map[string]T) {
	if len(there) == 0 {
		p.refuse(path, 0, 0, fmt.Sprintf("there is no %s %s, nor any other", what, quote(name)))
		return
	}
	p.refuse(path, 0, 0, fmt.Sprintf("there is no %s %s; write %s", what, quote(name), choose(there)))
}
