package workspace

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	connector "loophub/connectors"
	"loophub/shared/contact"
)

func (p *parser) connections(n *yaml.Node) map[string]Connection {
	all := map[string]Connection{}
	for _, m := range p.known {
		if m.Internal {
			all[m.Name] = Connection{Name: m.Name, Connector: m.Name, Settings: defaults(m)}
		}
	}
	p.each(n, "connections", func(key *yaml.Node, v *yaml.Node) {
		switch _, taken := all[key.Value]; {
		case !ValidID(key.Value):
			p.at(key, "connection %s: its name stands in URLs; use up to 40 lower-case letters, digits and dashes", quote(key.Value))
		case taken:
			p.at(key, "connection %q is always there for operators; choose another name", key.Value)
		default:
			all[key.Value] = p.connection(key, v)
		}
	})
	return all
}

func (p *parser) connection(key, v *yaml.Node) Connection {
	c := Connection{Name: key.Value, Settings: map[string]string{}}
	m := p.mapping(v, fmt.Sprintf("connection %q", c.Name), "connector", "settings")
	if m == nil {
		return c
	}
	name := m["connector"]
	if name == nil {
		p.at(key, "connection %q lacks its connector; write: connector: %s", c.Name, oneOf(p.names()))
		return c
	}
	var ok bool
	if c.Connector, ok = p.scalar(name, "connector"); !ok {
		return c
	}
	i := slices.IndexFunc(p.known, func(m connector.Manifest) bool { return m.Name == c.Connector && !m.Internal })
	if i < 0 {
		p.at(name, "connection %q: there is no connector %s; write %s", c.Name, quote(c.Connector), oneOf(p.names()))
		return c
	}
	c.Settings = p.settings(key, c.Name, m["settings"], p.known[i])
	return c
}

func (p *parser) settings(key *yaml.Node, connection string, n *yaml.Node, m connector.Manifest) map[string]string {
	out, seen := defaults(m), map[string]bool{}
	p.each(n, "settings", func(k *yaml.Node, v *yaml.Node) {
		i := slices.IndexFunc(m.Settings, func(s connector.Setting) bool { return s.Name == k.Value })
		if i < 0 {
			p.at(k, "connection %q: %s has no setting %s; %s", connection, m.Name, quote(k.Value), settingNames(m))
			return
		}
		s := m.Settings[i]
		seen[s.Name] = true
		value, ok := p.scalar(v, s.Name)
		if !ok {
			return
		}
		if advice := checkSetting(s, value); advice != "" {
			p.at(v, "connection %q: setting %q %s", connection, s.Name, advice)
			return
		}
		out[s.Name] = value
	})
	for _, s := range m.Settings {
		if s.Required && !seen[s.Name] && s.Default == "" {
			p.at(key, "connection %q lacks the setting %q (%s); add it under settings:", connection, s.Name, s.About)
		}
	}
	return out
}

// checkSetting says what is wrong with a value, or nothing. It never repeats a
// sensitive one.
func checkSetting(s connector.Setting, value string) string {
	if value == "" {
		if s.Required {
			return fmt.Sprintf("is empty; give %s", s.About)
		}
		return ""
	}
	if s.Pattern == "" {
		return ""
	}
	whole, err := regexp.Compile(`^(?:` + s.Pattern + `)$`)
	if err != nil {
		return "can't be checked: its pattern in the connector's manifest is no regular expression; report this as a bug of the connector"
	}
	if whole.MatchString(value) {
		return ""
	}
	if s.Sensitive {
		return fmt.Sprintf("does not look like %s (pattern %s)", s.About, s.Pattern)
	}
	return fmt.Sprintf("can't be %s; give %s (pattern %s)", quote(value), s.About, s.Pattern)
}

func defaults(m connector.Manifest) map[string]string {
	out := map[string]string{}
	for _, s := range m.Settings {
		if s.Default != "" {
			out[s.Name] = s.Default
		}
	}
	return out
}

func settingNames(m connector.Manifest) string {
	names := make([]string, len(m.Settings))
	for i, s := range m.Settings {
		names[i] = s.Name
	}
	if len(names) == 0 {
		return "it has none, so remove the line"
	}
	return "write " + oneOf(names)
}

// names of the connectors that a workspace file may use.
func (p *parser) names() []string {
	var names []string
	for _, m := range p.known {
		if !m.Internal {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}

func oneOf(names []string) string {
	switch len(names) {
	case 0:
		return "the name of a connector"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func (p *parser) identity(n *yaml.Node, country string) Identity {
	var i Identity
	if n == nil || empty(n) {
		return i
	}
	m := p.mapping(n, "identity", "denied_emails", "denied_phones")
	for _, e := range p.list(m["denied_emails"], "denied_emails") {
		s, ok := contact.Email(e.Value)
		if !ok {
			p.at(e, "%s is not an e-mail address; write one like shop@example.com", quote(e.Value))
			continue
		}
		i.DeniedEmails = append(i.DeniedEmails, s)
	}
	for _, e := range p.list(m["denied_phones"], "denied_phones") {
		if !strings.ContainsAny(e.Value, "0123456789") {
			p.at(e, "%s holds no digit; write a phone number in quotes, as customers give it", quote(e.Value))
			continue
		}
		number, ok := contact.Phone(e.Value, country)
		if !ok {
			number = e.Value // no number at all: it can't become an identity either
		}
		i.DeniedPhones = append(i.DeniedPhones, number)
	}
	return i
}
