package year

import (
	"maps"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// send does what the message stage does about a message.
func (y *year) send(p *person, id string) {
	m := p.messages[id]
	if !m.Open() {
		return
	}
	c := y.gather(p, m)
	d := message.Decide(c, y.time())
	is := decided{at: y.now, request: m.Request, verb: d.Verb, reason: d.Reason}
	if !d.Until.IsZero() {
		is.until = d.Until.UnixMilli()
	}
	var err error
	switch d.Verb {
	case message.DoHold:
		y.held = append(y.held, func() { y.send(p, id) })
	case message.DoWait:
		m, err = m.Wait(d.Until, d.Reason, y.time())
		y.figures.delayed[d.Reason]++
		y.later(p, m)
	case message.DoDrop:
		m, err = m.Drop(d.Reason, y.time())
		y.figures.dropped[d.Reason]++
	case message.DoSend:
		m, err = m.Claim(message.Rendered{Locale: "en"}, y.time())
		y.must(err)
		first := p.members[0]
		before := p.sends[first]
		p.sends[first] = before.With(c.Count(y.time()))
		m, is, err = y.mail(p, m, is, d.Address)
		if m.Open() {
			p.sends[first] = p.sends[first].Without(m.ID)
		}
	}
	y.must(err)
	p.messages[id] = m
	p.diary.decided = append(p.diary.decided, is)
}

// later lets a message come again when its moment has come.
func (y *year) later(p *person, m message.Message) {
	y.due(p, m.ID, m.Until, func() { y.send(p, m.ID) })
}

// mail is the channel: it may be busy, refuse a mail for good, or not say whether it
// took it.
func (y *year) mail(p *person, m message.Message, is decided, address string) (message.Message, decided, error) {
	switch n := p.luck.IntN(1000); {
	case n < 20:
		m, err := m.Postpone(m.Room(y.time()), y.time())
		is.verb, is.reason, is.until = message.DoWait, message.Throttled, m.Until
		y.figures.delayed[message.Throttled]++
		y.later(p, m)
		return m, is, err
	case n < 24:
		m, err := m.Fail(message.Refused, y.time())
		is.verb, is.reason = message.DoDrop, message.Refused
		y.figures.dropped[message.Refused]++
		return m, is, err
	case n < 28:
		m, err := m.Lose(y.time())
		if is.reason = message.Lost; n < 26 { // it went out all the same
			is.address = address
			y.reacts(p, m, address)
		}
		return m, is, err
	}
	y.figures.sends++
	is.address = address
	m, err := m.Send("p-"+m.ID, y.time())
	y.reacts(p, m, address)
	return m, is, err
}

// gather is all that the decision looks at, and where mistakes are planted.
func (y *year) gather(p *person, m message.Message) message.Case {
	t := y.workspace.Templates[m.Template]
	c := message.Case{Workspace: y.workspace, Template: &t, Request: m.Request, View: y.look(p).View, Identities: p.identities, Rules: y.rules,
		Controls: message.Controls{StopAll: stopped.holds(y.now)}}
	for _, id := range p.members {
		c.Sends = append(c.Sends, p.sends[id])
	}
	switch y.mistake {
	case noCaps:
		c.Workspace.Policies.Caps = nil
	case noDuplicates:
		c.Workspace.Policies.Duplicates = time.Millisecond
	case noQuiet:
		c.Workspace.Policies.Quiet = nil
	case shopQuiet:
		c.View.Traits = maps.Clone(c.View.Traits)
		delete(c.View.Traits, "timezone")
	case noConsent:
		c.View.Consent = map[string]profile.Consent{"email:marketing": {Granted: 1 << 60}}
	case noStops:
		c.Identities = nil
	}
	return c
}

// hear notes what became of a message, which may tell that a lost one went out.
func (y *year) hear(p *person, f events.Fact) {
	id := f.Fields["message"].String()
	if !slices.ContainsFunc(p.engaged[id], func(o events.Fact) bool { return o.At == f.At && maps.Equal(o.Fields, f.Fields) }) {
		p.engaged[id] = append(p.engaged[id], f)
	}
	if m, told := p.messages[id].Reconcile(p.engaged[id], y.time()); told {
		p.messages[id] = m
	}
}
