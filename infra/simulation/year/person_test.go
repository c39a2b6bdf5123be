package year

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// person is a customer: what is stored of him, and what really happened.
type person struct {
	n    int
	luck *rand.Rand
	id   string // of the customer record

	houses int // addresses that he had before

	fragments  map[profile.ID]*profile.Fragment
	members    []profile.ID
	identities map[string]profile.Identity
	shelf      map[profile.ID][]profile.Order // older orders
	sold       map[string][]events.Fact       // facts of orders
	orders     map[string]profile.Order       // that count, by record
	kept       map[profile.ID]profile.Memberships
	heads      map[profile.ID]map[string]journey.Head
	entries    map[string]journey.Entry
	messages   map[string]message.Message
	engaged    map[string][]events.Fact // what became of messages
	sends      map[profile.ID]message.Sends
	credits    map[profile.ID]attribution.Credits
	issues     []attribution.Issue
	view       *segment.View // nil = something changed

	truth ledger
	diary diary
}

// born makes a customer and all that he means to do in the year.
func (y *year) born(n int, luck *rand.Rand) *person {
	p := &person{n: n, luck: luck, id: strconv.Itoa(1000 + n), fragments: map[profile.ID]*profile.Fragment{}, identities: map[string]profile.Identity{},
		shelf: map[profile.ID][]profile.Order{}, sold: map[string][]events.Fact{}, orders: map[string]profile.Order{},
		kept: map[profile.ID]profile.Memberships{}, heads: map[profile.ID]map[string]journey.Head{}, entries: map[string]journey.Entry{},
		messages: map[string]message.Message{}, engaged: map[string][]events.Fact{}, sends: map[profile.ID]message.Sends{},
		credits: map[profile.ID]attribution.Credits{}, truth: ledger{bounced: map[string]int64{}, complained: map[string]int64{}}}
	first := begins + luck.Int64N(10*day)
	if luck.IntN(3) == 0 {
		first = begins + luck.Int64N(250*day)
	}
	if luck.IntN(6) == 0 && first > begins+5*day { // he was a guest of the website before
		t := first - luck.Int64N(5*day)
		y.at(t, func() { y.fillsIn(p, t) })
	}
	y.at(first, func() { y.arrive(p) })
	some := func(most int, what func(t int64)) { // at moments of the rest of the year
		for range luck.IntN(most + 1) {
			t := first + minute + luck.Int64N(ends-first)
			y.at(t, func() { what(t) })
		}
	}
	some([]int{0, 1, 2, 5, 9, 30}[luck.IntN(6)], func(t int64) { y.buys(p, t) })
	some([]int{0, 4, 16}[luck.IntN(3)], func(t int64) { y.looks(p, t) })
	some(3, func(t int64) { y.consents(p, t) })
	some(1, func(t int64) { y.fillsIn(p, t) })
	if luck.IntN(8) == 0 {
		some(2, func(t int64) { y.moves(p, t) })
	}
	for t := first + luck.Int64N(20*day); t < ends; t += 5*day + luck.Int64N(20*day) {
		y.at(t, func() { y.sample(p) })
	}
	for t := first + luck.Int64N(120*day); t < ends; t += 60*day + luck.Int64N(120*day) {
		y.at(t, func() { y.settle(p) })
	}
	return p
}

// lateness is how long a fact is on its way: seconds, seldom hours, at times longer
// than what it tells is news.
func (p *person) lateness() int64 {
	switch n := p.luck.IntN(100); {
	case n < 2:
		return 11*minute + p.luck.Int64N(20*hour)
	case n < 3:
		return 25*hour + p.luck.Int64N(3*day)
	}
	return second + p.luck.Int64N(30*second)
}

func number(n int64) events.Value { return events.Text(strconv.FormatInt(n, 10)) }

// tell lets a fact arrive: known is called at that moment, before it is taken in. At
// times it comes twice.
func (y *year) tell(p *person, f events.Fact, known func(now int64)) {
	if f.Version == 0 {
		f.Version = f.At
	}
	y.at(f.At+p.lateness(), func() {
		known(y.now)
		y.take(p, f)
		if p.luck.IntN(25) == 0 {
			y.at(y.now+90*second, func() { y.take(p, f) })
		}
	})
}

// address is the customer's now; he may take others.
func (p *person) address() string { return fmt.Sprintf("customer%d.%d@example.com", p.n, p.houses) }

// customer is the fragment of the customer's record.
func (y *year) customer(p *person) profile.ID {
	return y.rules.Key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: "shop", Value: p.id})
}

// arrive makes the customer known to the shop.
func (y *year) arrive(p *person) {
	f := events.Fact{Connection: "shop", Kind: events.Customer, Record: p.id, At: y.now, Version: y.now,
		Fields: events.Fields{"email": events.Text(p.address()), "first_name": events.Text("Lan")}}
	if zone := zones[p.n%len(zones)]; zone != "" {
		p.truth.zone = append(p.truth.zone, value{y.now, y.now, zone})
		f.Fields["timezone"] = events.Text(zone)
	}
	if p.luck.IntN(2) == 0 {
		p.truth.birthday = fmt.Sprintf("19%02d-%02d-%02d", 60+p.luck.IntN(39), 1+p.luck.IntN(12), 1+p.luck.IntN(28))
		if p.luck.IntN(60) == 0 {
			p.truth.birthday = "1992-02-29"
		}
		f.Fields["birthday"] = events.Text(p.truth.birthday)
	}
	if p.luck.IntN(3) > 0 {
		f.Fields["grant:email:marketing"] = number(y.now)
		p.truth.grants = append(p.truth.grants, said{y.now, y.now})
	}
	p.truth.email = append(p.truth.email, value{y.now, y.now, p.address()})
	p.diary.arrived = y.now
	y.take(p, f)
}

func (y *year) consents(p *person, t int64) {
	f := events.Fact{Connection: "shop", Kind: events.Customer, Record: p.id, At: t}
	if p.luck.IntN(3) == 0 {
		f.Fields = events.Fields{"withdraw:email:marketing": number(t)}
		y.tell(p, f, func(now int64) { p.truth.withdraws(t, now) })
		return
	}
	f.Fields = events.Fields{"grant:email:marketing": number(t)}
	y.tell(p, f, func(now int64) { p.truth.grants = append(p.truth.grants, said{t, now}) })
}

// fillsIn posts the form of the website: a fragment of its own, with the customer's
// address. It is kept with him as unify would tie it.
func (y *year) fillsIn(p *person, t int64) {
	address, record := p.address(), fmt.Sprintf("f%d-%d", p.n, t)
	f := events.Fact{Connection: "website", Kind: events.Form, Record: record, At: t,
		Fields: events.Fields{"email": events.Text(address), "form": events.Text("guide"), "grant:email:marketing": number(t)}}
	y.tell(p, f, func(now int64) {
		p.truth.grants = append(p.truth.grants, said{t, now})
		p.truth.email = append(p.truth.email, value{t, now, address})
	})
}

// moves gives the customer another time zone, or another address.
func (y *year) moves(p *person, t int64) {
	f := events.Fact{Connection: "shop", Kind: events.Customer, Record: p.id, At: t}
	if p.luck.IntN(3) == 0 {
		p.houses++
		address := p.address()
		f.Fields = events.Fields{"email": events.Text(address)}
		y.tell(p, f, func(now int64) { p.truth.email = append(p.truth.email, value{t, now, address}) })
		return
	}
	zone := zones[2+p.luck.IntN(len(zones)-2)]
	f.Fields = events.Fields{"timezone": events.Text(zone)}
	y.tell(p, f, func(now int64) { p.truth.zone = append(p.truth.zone, value{t, now, zone}) })
}

func (y *year) looks(p *person, t int64) {
	record := fmt.Sprintf("v%d-%d", p.n, t)
	f := events.Fact{Connection: "shop", Kind: events.Event, Record: record, At: t,
		Fields: events.Fields{"name": events.Text("product.viewed"), "fragment": events.Text(string(y.customer(p)))}}
	y.tell(p, f, func(now int64) {
		p.truth.events = append(p.truth.events, happened{"product.viewed", f.RecordKey(), t, now, ""})
	})
}

// buys places an order, with a code where there is one, which may be refunded or
// cancelled later.
func (y *year) buys(p *person, t int64) {
	record := fmt.Sprintf("o%d-%d", p.n, t)
	s := &sale{record: "shop|order|" + record, at: t, total: 50_000 + p.luck.Int64N(900_000)}
	f := events.Fact{Connection: "shop", Kind: events.Order, Record: record, At: t, Fields: events.Fields{"customer": events.Text(p.id),
		"total": number(s.total), "currency": events.Text("VND"), "ordered_at": number(t)}}
	if n := len(p.issues); n > 0 && p.luck.IntN(3) == 0 {
		code := p.issues[p.luck.IntN(n)].Code
		s.codes = []string{code}
		f.Fields["discount_codes"] = events.Text(fmt.Sprintf("[%q]", code))
	}
	y.tell(p, f, func(now int64) {
		if s.known == 0 {
			s.known = now
			p.truth.sales = append(p.truth.sales, s)
			p.truth.events = append(p.truth.events, happened{"order.placed", f.RecordKey(), t, now, ""})
			y.regrets(p, s, f)
		}
	})
}

// regrets may send goods back, or cancel the order, after it is known.
func (y *year) regrets(p *person, s *sale, of events.Fact) {
	later := y.now + hour + p.luck.Int64N(20*day)
	f := events.Fact{Connection: of.Connection, Kind: of.Kind, Record: of.Record, At: later, Version: later}
	switch p.luck.IntN(12) {
	case 0:
		f.Fields = events.Fields{"cancelled_at": number(later)}
		y.tell(p, f, func(now int64) { s.cancelled = now })
	case 1:
		back := 1 + p.luck.Int64N(s.total)
		f.Fields = events.Fields{"refund:1": number(back)}
		y.tell(p, f, func(now int64) { s.refunds = append(s.refunds, refund{back, now}) })
	}
}

// reacts is what the customer does with a mail, and his mailbox.
func (y *year) reacts(p *person, m message.Message, address string) {
	fact := func(after int64, field string, more events.Fields, known func(t, now int64)) {
		t := y.now + after
		f := events.Fact{Connection: "email", Kind: events.Engagement, Record: string(m.Fragment) + "." + m.ID, At: t,
			Fields: events.Fields{"fragment": events.Text(string(m.Fragment)), "message": events.Text(m.ID), field: number(t)}}
		for k, v := range more {
			f.Fields[k] = v
		}
		y.tell(p, f, func(now int64) {
			known(t, now)
			p.truth.reactions = append(p.truth.reactions, reaction{m.ID, strings.TrimSpace(f.Fields["bounce"].String() + " " + field), t})
			p.truth.events = append(p.truth.events, happened{told[field], f.RecordKey(), t, now, m.ID})
		})
	}
	nothing := func(_, _ int64) {}
	owner := events.Fields{"email": events.Text(address)}
	switch n := p.luck.IntN(1000); {
	case n < 4:
		owner["bounce"] = events.Text("permanent")
		fact(20*second, "bounced_at", owner, func(_, now int64) { p.truth.bounced[address] = now })
		return
	case n < 8:
		owner["bounce"] = events.Text("transient")
		fact(20*second, "bounced_at", owner, nothing)
		return
	case n < 500:
		fact(15*second, "delivered_at", nil, nothing)
	}
	if p.luck.IntN(5) > 0 {
		return
	}
	clicks := hour/4 + p.luck.Int64N(3*day)
	fact(clicks, "clicked_at", nil, nothing)
	switch n := p.luck.IntN(100); {
	case n < 10:
		fact(clicks+p.luck.Int64N(day), "clicked_at", nil, nothing)
	case n < 15:
		fact(clicks, "unsubscribed_at", nil, p.truth.withdraws)
	case n < 16:
		fact(clicks, "complained_at", owner, func(t, now int64) {
			p.truth.complained[address] = now
			p.truth.withdraws(t, now)
		})
	}
}

var told = map[string]string{"delivered_at": "message.delivered", "clicked_at": "message.clicked", "bounced_at": "message.bounced",
	"complained_at": "message.complained", "unsubscribed_at": "message.unsubscribed"}

// least is the fragment that gives the profile its id.
func (p *person) least() profile.ID { return slices.Min(p.members) }
