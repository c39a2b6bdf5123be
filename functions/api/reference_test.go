package api_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/functions/api"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// reference is one person to whom everything happens, by a clock that ticks every
// minute: no index of moments, no order of them, just looking again and again.
type reference struct {
	t        testing.TB
	store    *store
	of       workspace.Workspace
	id       profile.ID
	fragment profile.Fragment
	view     segment.View
	segments []segment.Segment
	journeys []journey.Journey

	kept     profile.Memberships
	entries  []journey.Entry // by journey at most one is open; the newest last
	messages []message.Message
	sends    message.Sends
	begun    map[string]bool // entries by their id
	log      []string
}

func newReference(t testing.TB, w *world, id profile.ID) *reference {
	s := w.stores["saigon"]
	p := &reference{t: t, store: s, of: must(w.Load(t.Context(), "saigon")), id: id, fragment: s.fragments[id], begun: map[string]bool{}}
	p.view = segment.Combine([]profile.Fragment{p.fragment}, s.identities, s.rules.Limits)
	p.segments = must(segment.CompileAll(p.of))
	for _, name := range []string{"back", "birthday", "bye"} {
		d, _ := journey.Of(p.of, name)
		p.journeys = append(p.journeys, must(journey.Compile(d)))
	}
	return p
}

// lay brings the person to where the stages left him less than a minute ago.
func (p *reference) lay(r *rand.Rand) {
	began := time.UnixMilli(minute(134))
	turned := p.turn(began)
	p.kept, p.log = turned.After, nil
	p.kept.Fragment, p.kept.Version = p.id, 1
	arm := func(stage, what string, at int64) {
		p.store.dues = append(p.store.dues, api.Due{Stage: stage, What: what, At: time.UnixMilli(at).UTC()})
	}
	if !turned.Next.IsZero() {
		arm("segment", string(p.id), turned.Next.UnixMilli())
	}
	if n := r.IntN(900); n > 0 { // one that is stale
		arm("segment", string(p.id), minute(140+n))
	}
	if _, day, ok := p.journeys[1].Days(p.view, began); ok {
		arm("journey", "date|birthday|"+string(p.id), day.At.UnixMilli())
	}
	if r.IntN(2) == 0 {
		j := p.journeys[0]
		c := journey.Cause{Way: journey.ByEntered, Name: "lapsed", Fragment: p.id, Record: string(p.id), At: minute(60 + r.IntN(60))}
		p.enter(j, c, nil, time.UnixMilli(minute(125)))
		e := p.entries[0]
		arm("journey", strings.Join([]string{"entry", string(p.id), "back", e.ID}, "|"), e.Due)
		e.Revision = 1
		p.entries[0] = e
		p.store.entries, p.store.heads = append(p.store.entries, e), append(p.store.heads, j.Head(e, journey.Head{}))
	}
	p.messages, p.sends.List, p.log = nil, nil, nil // what was asked for was dropped
	if r.IntN(3) == 0 {
		m := message.Message{Stored: 1, Status: message.Waiting, Reason: message.Throttled, Until: minute(150 + r.IntN(30)), Request: message.Request{
			ID: message.NewID(began, string(p.id)), Fragment: p.id, Connection: "email", Template: "again", Purpose: workspace.Marketing, At: minute(130)}}
		p.messages = []message.Message{m}
		p.store.messages = append(p.store.messages, m)
		arm("message", string(p.id)+"|"+m.ID, m.Until)
	}
	if p.store.kept == nil {
		p.store.kept = map[profile.ID]profile.Memberships{}
	}
	p.store.kept[p.id] = p.kept
}

// live ticks until a moment and tells what happened.
func (p *reference) live(until time.Time) []string {
	for now := time.UnixMilli(minute(135)).UTC(); !now.After(until); now = now.Add(time.Minute) {
		p.look(now)
		for n := range p.entries {
			if e := p.entries[n]; e.Open() && e.Due <= now.UnixMilli() {
				p.entries[n] = p.step(p.journeyOf(e.Journey), e, now)
			}
		}
		p.celebrate(now)
		for n := range p.messages {
			if m := p.messages[n]; m.Is(message.Waiting) && m.Until <= now.UnixMilli() {
				p.messages[n] = p.decide(m, now)
			}
		}
	}
	for _, m := range p.messages {
		at := m.Changed
		if m.Is(message.Waiting) {
			at = m.Until
		}
		verb := map[message.Status]message.Verb{message.Sent: message.DoSend, message.Dropped: message.DoDrop, message.Waiting: message.DoWait}[m.Status]
		if m.Changed != 0 { // somebody looked at it
			p.log = append(p.log, fmt.Sprint("message ", p.id, " ", m.Template, " ", written(m.At), " ", written(at), " ", verb, "/", m.Reason))
		}
	}
	return p.log
}

func written(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func (p *reference) journeyOf(name string) journey.Journey {
	return p.journeys[slices.IndexFunc(p.journeys, func(j journey.Journey) bool { return j.Name == name })]
}

func (p *reference) turn(now time.Time) segment.Turned {
	before := p.kept
	before.Fragment = p.id
	t := segment.Turning{Before: []profile.Memberships{before}, Segments: p.segments, View: p.view, Versions: map[profile.ID]int64{p.id: p.fragment.Version}, Now: now, Due: before.Version > 0}
	out := must(t.Turn())
	if !out.Older.IsZero() {
		t.Older = &segment.Older{Since: out.Older, Orders: must(p.store.OlderOrders(p.t.Context(), p.id, out.Older))}
		out = must(t.Turn())
	}
	return out
}

func (p *reference) look(now time.Time) {
	out := p.turn(now)
	p.kept = out.After
	p.kept.Version = 1
	for _, turn := range out.Turns {
		p.log = append(p.log, fmt.Sprint("turn ", written(now.UnixMilli()), " ", p.id, " ", turn.Segment, " ", turn.In))
		if turn.Cause != events.ByTime {
			p.t.Errorf("a turn by %s", turn.Cause)
		}
		way := map[bool]journey.Way{true: journey.ByEntered, false: journey.ByLeft}[turn.In]
		for _, j := range p.journeys {
			if c := (journey.Cause{Way: way, Name: turn.Segment, Record: string(p.id), Fragment: p.id, At: now.UnixMilli()}); j.Answers(c) {
				p.begin(j, c, now)
			}
		}
	}
}

// celebrate lets in on a day of the year, from the minute that it begins.
func (p *reference) celebrate(now time.Time) {
	j := p.journeyOf("birthday")
	if last, _, ok := j.Days(p.view, now); ok && now.Sub(last.At) < time.Minute {
		p.begin(j, journey.Cause{Way: journey.ByDate, Name: last.Name, Record: string(p.id), Fragment: p.id, At: last.At.UnixMilli()}, now)
	}
}

func (p *reference) begin(j journey.Journey, c journey.Cause, now time.Time) {
	var heads []journey.Head
	for _, e := range p.entries {
		if e.Journey == j.Name {
			heads = []journey.Head{j.Head(e, journey.Head{})} // the newest
		}
	}
	v := must(j.MayEnter(heads, p.view, profile.InSegments([]profile.Memberships{p.kept}), now))
	if p.begun[c.Entry(j.Name)] || !v.In {
		return
	}
	p.enter(j, c, heads, now)
}

func (p *reference) enter(j journey.Journey, c journey.Cause, heads []journey.Head, now time.Time) {
	p.begun[c.Entry(j.Name)] = true
	e := j.Enter(c, []profile.ID{p.id}, heads, nil, now)
	p.log = append(p.log, fmt.Sprint("entry ", written(now.UnixMilli()), " ", p.id, " ", j.Name, " ", e.Held))
	p.entries = append(p.entries, e)
	at := len(p.entries) - 1
	p.entries[at] = p.step(j, e, now)
}

func (p *reference) step(j journey.Journey, e journey.Entry, now time.Time) journey.Entry {
	for e.Open() {
		g := journey.Given{Now: now, View: p.view, Segments: profile.InSegments([]profile.Memberships{p.kept}), Codes: map[string]string{}}
		out := must(j.Step(e, g))
		for out.Code != nil {
			g.Codes[out.Code.Cause] = "TEN"
			out = must(j.Step(e, g))
		}
		e = out.Entry
		for _, r := range out.Messages {
			m := message.Message{Request: message.Request{ID: r.ID, Fragment: r.Fragment, Connection: r.Connection, Template: r.Template, Purpose: r.Purpose, Journey: r.Journey, At: r.At}}
			p.messages = append(p.messages, p.decide(m, now))
		}
		if !out.Changed || e.Due > now.UnixMilli() {
			break
		}
	}
	return e
}

func (p *reference) decide(m message.Message, now time.Time) message.Message {
	template := p.of.Templates[m.Template]
	c := message.Case{Workspace: p.of, Template: &template, Request: m.Request, View: p.view.View, Identities: p.store.identities, Rules: p.store.rules, Sends: []message.Sends{p.sends}}
	switch d := message.Decide(c, now); d.Verb {
	case message.DoSend:
		p.sends = p.sends.With(c.Count(now))
		m.Status, m.Reason, m.Changed = message.Sent, d.Reason, now.UnixMilli()
		return m
	case message.DoWait:
		return must(m.Wait(d.Until, d.Reason, now))
	default:
		return must(m.Drop(d.Reason, now))
	}
}
