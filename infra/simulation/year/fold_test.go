package year

import (
	"cmp"
	"maps"
	"slices"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// take does with a fact what unify does, and lets the stages behind it hear of it.
func (y *year) take(p *person, f events.Fact) {
	f.Received = y.now
	y.must(f.Validate())
	y.figures.facts++
	id, changed := profile.ID(""), false
	var was profile.Fragment
	if s, ok := y.rules.Statement(f); ok {
		is := y.fragment(p, s.Fragment)
		id, was, changed = s.Fragment, *is, true
		is.Take(s)
		is.State.Claim(s.Claims, y.rules.Limits)
		for _, address := range slices.Sorted(maps.Keys(s.Stops)) {
			i := p.identities[address]
			i.ID = address
			i.Stop(s.Stops[address])
			p.identities[address] = i
		}
	}
	if f.Kind == events.Order {
		id, was, changed = y.sell(p, f)
	}
	if f.Kind == events.Engagement {
		y.hear(p, f)
	}
	if !changed {
		return
	}
	is := p.fragments[id]
	is.Version++
	p.view = nil
	occurred := profile.Occurrences(was, *is, []events.Fact{f})
	traits := f.Kind == events.Customer || f.Kind == events.Form
	if p.luck.IntN(2) == 0 { // two queues
		y.decide(p, false, 0)
		y.changed(p, id, occurred, traits)
	} else {
		y.changed(p, id, occurred, traits)
		y.decide(p, false, 0)
	}
	if len(occurred) > 0 && p.luck.IntN(25) == 0 { // the queue gives it again
		y.at(y.now+minute, func() { y.changed(p, id, occurred, false) })
	}
}

// fragment finds a fragment of the customer's, and makes it one of the profile's.
func (y *year) fragment(p *person, id profile.ID) *profile.Fragment {
	if f, known := p.fragments[id]; known {
		return f
	}
	p.fragments[id] = &profile.Fragment{ID: id}
	p.members = slices.Sorted(maps.Keys(p.fragments))
	for _, f := range p.fragments {
		f.Members = p.members
	}
	p.heads[id] = map[string]journey.Head{}
	p.sends[id] = message.Sends{Fragment: id}
	return p.fragments[id]
}

// sell makes what an order contributes equal to what its facts say.
func (y *year) sell(p *person, f events.Fact) (id profile.ID, was profile.Fragment, changed bool) {
	if y.mistake == uncounted && !f.Fields["refund:1"].IsNull() {
		return y.customer(p), was, false
	}
	record := f.RecordKey()
	p.sold[record] = append(p.sold[record], f)
	id, order, counts := y.rules.Contribution(p.sold[record])
	var want *profile.Order
	if counts {
		want = &order
		p.orders[record] = order
	} else {
		id = y.customer(p)
		delete(p.orders, record)
	}
	is := y.fragment(p, id)
	was = *is
	shelf := p.shelf[id] // newest first
	var older profile.Older
	if own, ends := is.State.Reads(record, want, profile.OrderTimes(p.sold[record])); len(own) > 0 || ends {
		for _, o := range shelf {
			if o.Record == record {
				older.Own = &o
			}
		}
		older.Newest = slices.Clone(shelf[:min(2, len(shelf))])
		older.Oldest = slices.Clone(shelf[max(0, len(shelf)-2):])
		slices.Reverse(older.Oldest)
	}
	changed, moves := is.State.Settle(y.rules.Limits.Recent, record, want, older)
	for _, m := range moves {
		shelf = slices.DeleteFunc(slices.Clone(shelf), func(o profile.Order) bool { return o.Record == m.Order.Record && o.At == m.Order.At })
		if m.Put {
			shelf = append(shelf, m.Order)
		}
	}
	slices.SortFunc(shelf, func(a, b profile.Order) int { return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Record, a.Record)) })
	p.shelf[id] = shelf
	return id, was, changed
}

// look gives the profile as it is.
func (y *year) look(p *person) segment.View {
	if p.view == nil {
		var l []profile.Fragment
		for _, id := range p.members {
			l = append(l, *p.fragments[id])
		}
		v := segment.Combine(l, p.identities, y.rules.Limits)
		p.view = &v
	}
	return *p.view
}

// older reads the orders beyond the newest.
func (p *person) older(since int64) []profile.Order {
	var l []profile.Order
	for _, id := range p.members {
		for _, o := range p.shelf[id] {
			if o.At >= since {
				l = append(l, o)
			}
		}
	}
	return l
}

// decide does what the segment stage does. armed is the moment that came, where one did.
func (y *year) decide(p *person, due bool, armed int64) {
	t := segment.Turning{Segments: y.segments, View: y.look(p), Versions: map[profile.ID]int64{}, Quiet: map[profile.ID]int64{}, Now: y.time(), Due: due}
	for _, id := range p.members {
		t.Versions[id] = p.fragments[id].Version
		m := p.kept[id]
		m.Fragment = id
		t.Before = append(t.Before, m)
	}
	out, err := t.Turn()
	y.must(err)
	if !out.Older.IsZero() {
		t.Older = &segment.Older{Since: out.Older, Orders: p.older(out.Older.UnixMilli())}
		out, err = t.Turn()
		y.must(err)
		if !out.Older.IsZero() {
			y.tb.Fatal("a segment asks for older orders again")
		}
	}
	y.arm(p, due, armed, &out)
	was := map[string]profile.Standing{}
	for _, m := range t.Before {
		maps.Copy(was, m.Segments)
	}
	for _, m := range t.Before {
		if m.Fragment != out.After.Fragment && (m.Version == 0 || len(m.Seen) > 0) {
			p.kept[m.Fragment] = profile.Memberships{Fragment: m.Fragment, Version: m.Version + 1, Into: out.After.Fragment}
		}
	}
	out.After.Version++
	p.kept[out.After.Fragment] = out.After
	for _, turn := range out.Turns {
		y.figures.turns++
		p.diary.turns = append(p.diary.turns, turned{y.now, turn.Segment, turn.In, turn.Cause, was[turn.Segment].Next})
	}
	for _, turn := range out.Turns {
		y.turned(p, turn)
	}
}

// arm sees to it that somebody looks when time alone changes something.
func (y *year) arm(p *person, due bool, armed int64, out *segment.Turned) {
	m := &out.After
	if m.Armed <= y.now || due && m.Armed <= armed {
		m.Armed = 0
	}
	if out.Next.IsZero() {
		return
	}
	next := out.Next.UnixMilli()
	if due {
		next = max(next, armed+1)
	}
	if m.Armed != 0 && m.Armed <= next {
		return
	}
	m.Armed = next
	if y.mistake == lostMoments && next%3 == 0 {
		return
	}
	y.due(p, string(m.Fragment), next, func() { y.decide(p, true, next) })
}

// due lets something come when it is due: by the world's clock, at times too early
// as well, or once more.
func (y *year) due(p *person, what string, moment int64, do func()) {
	t := arrival(what, moment)
	y.at(t, do)
	switch p.luck.IntN(40) {
	case 0:
		y.at(moment-20*second, do)
	case 1:
		y.at(t+45*second, do)
	}
}
