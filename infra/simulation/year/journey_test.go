package year

import (
	"fmt"
	"reflect"
	"slices"

	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// pool is the one of voucher codes. It runs dry at times, and somebody fills it.
type pool struct {
	next, until int
	given       map[string]string // by cause
	awaited     bool
}

// code finds the code that a cause has, or a free one; "" = there is none.
func (y *year) code(cause string) string {
	if code, known := y.pool.given[cause]; known && y.mistake != doubleGift {
		return code
	}
	if y.pool.next >= y.pool.until {
		y.figures.dry++
		if !y.pool.awaited {
			y.pool.awaited = true
			y.at(y.now+2*hour, func() { y.pool.until, y.pool.awaited = y.pool.next+100, false })
		}
		return ""
	}
	y.pool.next++
	return fmt.Sprintf("TEN-%d", y.pool.next)
}

// turned lets people in by a segment.
func (y *year) turned(p *person, t segment.Turn) {
	if t.Cause != events.ByChange && t.Cause != events.ByTime {
		return
	}
	way := journey.ByLeft
	if t.In {
		way = journey.ByEntered
	}
	least := p.least()
	y.enter(p, journey.Cause{Way: way, Name: t.Segment, Record: string(least), Fragment: least, At: y.now})
}

// changed brings what happened to entries, lets people in by it, and looks for days.
func (y *year) changed(p *person, id profile.ID, occurred []events.Occurrence, traits bool) {
	for _, o := range occurred {
		y.came(p, o)
		y.enter(p, journey.Cause{Way: journey.ByEvent, Name: o.What, Record: o.Record, Fragment: id, At: o.At, Message: o.Message})
	}
	for _, j := range y.journeys {
		if traits && j.Dated() {
			y.day(p, j, false)
		}
	}
}

func (y *year) came(p *person, o events.Occurrence) {
	if y.mistake == deaf {
		return
	}
	for _, id := range p.members {
		for _, j := range y.journeys {
			h := p.heads[id][j.Name]
			if h.Open() && (slices.Contains(h.Listens, o.What) || h.Due != 0 && h.Due <= y.now) {
				y.advance(p, key(j.Name, h.Entry), &o)
			}
		}
	}
}

func key(journey, entry string) string { return journey + "|" + entry }

func (y *year) enter(p *person, c journey.Cause) {
	for _, j := range y.journeys {
		if j.Answers(c) {
			y.into(p, j, c)
		}
	}
}

func (p *person) headsOf(name string) []journey.Head {
	l := make([]journey.Head, len(p.members))
	for n, id := range p.members {
		l[n] = p.heads[id][name]
		l[n].Fragment, l[n].Journey = id, name
	}
	return l
}

// into lets somebody into one journey, if nothing speaks against it.
func (y *year) into(p *person, j journey.Journey, c journey.Cause) {
	id := c.Entry(j.Name)
	if _, there := p.entries[key(j.Name, id)]; there {
		y.advance(p, key(j.Name, id), nil)
		return
	}
	heads := p.headsOf(j.Name)
	asked := heads
	if y.mistake == noReEntry {
		asked = nil
	}
	view := y.look(p)
	v, err := j.MayEnter(asked, view, p.segments(), y.time())
	if err == nil && !v.Older.IsZero() {
		view = view.With(p.older(v.Older.UnixMilli()), v.Older)
		v, err = j.MayEnter(asked, view, p.segments(), y.time())
	}
	y.must(err)
	p.diary.causes = append(p.diary.causes, caused{y.now, j.Name, c, v.In, v.Why})
	if !v.In {
		return
	}
	if y.mistake == fickle {
		for n := range heads {
			heads[n].Person = profile.ID(id)
		}
	}
	e := j.Enter(c, p.members, heads, nil, y.time())
	if y.mistake == noHoldout && e.Status == journey.Holdout {
		e.Status, e.At = journey.Active, "1"
	}
	y.figures.entries++
	p.diary.entries = append(p.diary.entries, entered{y.now, j.Name, c, e})
	y.note(p, e)
	y.step(p, j, e, nil, true)
}

func (p *person) segments() []string {
	var l []profile.Memberships
	for _, id := range p.members {
		l = append(l, p.kept[id])
	}
	return profile.InSegments(l)
}

// day looks whether it is the customer's day, and arms the next one.
func (y *year) day(p *person, j journey.Journey, came bool) {
	last, next, ok := j.Days(y.look(p), y.time())
	if !ok {
		return
	}
	least := p.least()
	h, at := p.heads[least][j.Name], next.At.UnixMilli()
	armed := h.Date > y.now && h.Date <= at
	if !armed || came {
		y.due(p, "date|"+j.Name+"|"+string(least), at, func() { y.day(p, j, true) })
	}
	if !armed {
		h.Date = at
		p.heads[least][j.Name] = h
	}
	if y.now-last.At.UnixMilli() <= day {
		y.into(p, j, journey.Cause{Way: journey.ByDate, Name: last.Name, Record: string(least), Fragment: least, At: last.At.UnixMilli()})
	}
}

// advance takes an entry as far as it goes now.
func (y *year) advance(p *person, k string, o *events.Occurrence) {
	if e := p.entries[k]; e.Open() {
		y.step(p, y.journey(e.Journey), e, o, false)
	}
}

// step steps an entry until it waits, and does what it asks for.
func (y *year) step(p *person, j journey.Journey, e journey.Entry, o *events.Occurrence, fresh bool) {
	for fresh || e.Open() {
		var out journey.Outcome
		before := e
		out, e = y.stepped(p, j, e, o)
		if !out.Changed && !fresh {
			if o == nil {
				y.rearm(p, e)
			}
			return
		}
		fresh = false
		k := key(j.Name, e.ID)
		p.entries[k] = e
		p.heads[e.Fragment][j.Name] = j.Head(e, p.heads[e.Fragment][j.Name])
		y.effects(p, k, out)
		if e.Open() && e.Due != before.Due || e.Open() && before.Count == 0 {
			y.rearm(p, e)
		}
		if e.Due > y.now {
			return
		}
		o = nil
	}
}

// stepped calls Step, with what it asks for, and notes what it took.
func (y *year) stepped(p *person, j journey.Journey, e journey.Entry, o *events.Occurrence) (journey.Outcome, journey.Entry) {
	e.Steps = nil // so that all that it gives is new
	g := journey.Given{Now: y.time(), View: y.look(p), Segments: p.segments(), Codes: map[string]string{}}
	if o != nil {
		g.Occurred = []events.Occurrence{*o}
	}
	for {
		out, err := j.Step(e, g)
		y.must(err)
		switch {
		case out.Code != nil:
			g.Codes[out.Code.Cause] = y.code(out.Code.Cause)
			continue
		case !out.Older.IsZero():
			g.View = g.View.With(p.older(out.Older.UnixMilli()), out.Older)
			continue
		}
		if p.luck.IntN(50) == 0 { // the write was lost to somebody, and everything is run again
			again, err := j.Step(e, g)
			y.must(err)
			if !reflect.DeepEqual(out, again) {
				y.tb.Errorf("journey %s steps differently the second time", j.Name)
			}
		}
		e = out.Entry
		y.note(p, e)
		if y.mistake == shortWait && e.Waiting && e.Due > y.now+2*minute && out.Changed {
			e.Due -= minute
		}
		return out, e
	}
}

// note writes down what an entry took.
func (y *year) note(p *person, e journey.Entry) {
	for _, s := range e.Steps {
		y.figures.steps++
		p.diary.steps = append(p.diary.steps, stepped{s.At, key(e.Journey, e.ID), s.Step, s.What})
	}
}

// rearm sees to it that an entry is looked at when it is due, and no sooner than a
// minute from now.
func (y *year) rearm(p *person, e journey.Entry) {
	k := key(e.Journey, e.ID)
	y.due(p, k, max(e.Due, y.now+minute), func() { y.advance(p, k, nil) })
}

// effects does what a step asks for.
func (y *year) effects(p *person, k string, out journey.Outcome) {
	for _, v := range out.Vouchers {
		y.pool.given[v.Cause] = v.Code
		p.issues = append(p.issues, attribution.Issue{Code: v.Code, Fragment: v.Fragment, Journey: v.Journey, Variant: v.Variant, At: v.At})
		p.diary.gifts = append(p.diary.gifts, gift{v.Cause, v.Code, k})
		if y.mistake == doubleGift {
			p.diary.gifts = append(p.diary.gifts, gift{v.Cause, y.code(v.Cause), k})
		}
	}
	for _, t := range out.Tags {
		tag, op := t.Add, "+"
		if tag == "" {
			tag, op = t.Remove, "-"
		}
		f := events.Fact{Connection: "operator", Kind: events.Decision, Record: fmt.Sprint(len(p.truth.tags), ".", p.n), At: t.At, Version: t.At,
			Fields: events.Fields{"fragment": events.Text(string(t.Fragment)), "tag:" + tag: events.Text(op)}}
		p.truth.tags = append(p.truth.tags, tagged{tag, op == "+", t.At, 1 << 62})
		n := len(p.truth.tags) - 1
		y.at(y.now+second+p.luck.Int64N(20*second), func() {
			p.truth.tags[n].known = y.now
			y.take(p, f)
		})
	}
	for _, r := range out.Messages {
		m := message.Message{Request: message.Request{ID: r.ID, Fragment: r.Fragment, Connection: r.Connection, Template: r.Template, Purpose: r.Purpose,
			Journey: r.Journey, Version: r.Version, Entry: r.Entry, Variant: r.Variant, Step: r.Step, Voucher: message.Voucher(r.Voucher), Event: r.Event, At: r.At}}
		p.messages[m.ID] = m
		p.diary.requests = append(p.diary.requests, requested{y.now, k, m.ID})
		y.at(y.now+p.luck.Int64N(5*second), func() { y.send(p, m.ID) })
		if p.luck.IntN(40) == 0 {
			y.at(y.now+2*second, func() { y.send(p, m.ID) })
		}
	}
}
