package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"loophub/infra/simulation/shop"
)

// person is somebody who buys, writes and reads.
type person struct {
	name    string
	email   string
	phone   string
	records []*shop.Customer // in the shop, which may know somebody twice
	orders  []*shop.Order
	told    []shop.Delivery // about the person
	edits   map[string]bool // values that people gave to fields of the CRM
}

var (
	names  = []string{"Lan", "Minh", "Hoa", "Tuấn", "Mai", "Đức", "Linh", "Quân"}
	cities = []string{"Huế", "Hội An", "Đà Lạt", "Cần Thơ"}
)

// imagine draws what will happen, and has it sent.
func (w *world) imagine() {
	for n, t := range w.towns {
		actions := w.kind.actions
		if n > 0 { // a quiet shop beside a busy one
			actions /= 3
		}
		w.populate(t)
		bursts := w.bursts(actions)
		w.greet(t)
		if len(t.Workspace.Journeys) > 0 {
			actions -= w.drama(t)
		}
		for range actions {
			w.act(t, w.when(bursts))
		}
		for n := range 3 {
			w.post(t, t.Junk(n+w.r.IntN(6)), w.when(bursts))
		}
		for range 4 {
			w.babble(t, w.when(bursts))
		}
		for w.planned < leastDeliveries {
			w.babble(t, w.when(bursts))
		}
	}
}

// bursts are the moments around which things happen: a shop's day has peaks.
func (w *world) bursts(actions int) []time.Duration {
	var l []time.Duration
	for range 4 + actions/10 {
		l = append(l, w.between(5*time.Minute, time.Duration(w.kind.hours)*time.Hour))
	}
	slices.Sort(l)
	return l
}

func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.r.Int64N(int64(b-a)))
}

// when is a moment in one of the bursts, since the world began.
func (w *world) when(bursts []time.Duration) time.Duration {
	return bursts[w.r.IntN(len(bursts))] + w.between(0, 30*time.Second)
}

func (w *world) chance(p float64) bool { return w.r.Float64() < p }

// populate makes the people of a town: some are known twice, some share a phone, some mailboxes do not exist.
func (w *world) populate(t *town) {
	for n := range w.kind.people {
		p := &person{name: names[n%len(names)], email: fmt.Sprintf("p%d@%s.example", n, t.ID()), edits: map[string]bool{}}
		switch {
		case n == 1 && w.chance(.5):
			p.email = fmt.Sprintf("bounce+%s%d@simulator.amazonses.com", t.ID(), n)
		case n == 2 && w.chance(.3):
			p.email = fmt.Sprintf("complaint+%s%d@simulator.amazonses.com", t.ID(), n)
		}
		if w.chance(.5) {
			p.phone = fmt.Sprintf("+8490123456%d", n/2) // a family's
		}
		known := 1
		switch {
		case n == w.kind.people-1:
			known = 0 // buys as a guest
		case w.chance(.3):
			known = 2
		}
		born := w.Now().Add(-time.Hour)
		for k := range known {
			c := &shop.Customer{ID: int64(100 + 10*n + k), Email: p.email, First: p.name, Born: born, Updated: born}
			if k == 0 {
				c.Phone = p.phone
			}
			p.records = append(p.records, c)
		}
		t.people = append(t.people, p)
	}
}

// greet tells who is there, and what most of them want.
func (w *world) greet(t *town) {
	for _, p := range t.people {
		for _, c := range p.records {
			if w.chance(.75) {
				c.Consent, c.ConsentAt = "subscribed", w.Now().Add(-30*time.Minute)
			}
			w.tell(t, p, t.Customer(*c), w.between(0, 40*time.Second))
		}
	}
}

// tell posts a delivery about somebody.
func (w *world) tell(t *town, p *person, d shop.Delivery, at time.Duration) {
	p.told = append(p.told, d)
	w.post(t, d, at)
}

// post sends a delivery of something that happens at a moment: at once, late, once or more often.
func (w *world) post(t *town, d shop.Delivery, at time.Duration) {
	lag := w.between(0, 8*time.Second)
	if w.chance(.1) {
		lag = w.between(0, 2*time.Hour)
	}
	var gaps []time.Duration
	for w.chance(.4) && len(gaps) < 2 {
		gap := w.between(0, time.Minute)
		if w.chance(.2) {
			gap = w.between(0, 5*time.Hour)
		}
		gaps = append(gaps, gap)
	}
	w.planned += 1 + len(gaps)
	w.deliver(t, d, at+lag, gaps...)
}

// act lets somebody do something at a moment.
func (w *world) act(t *town, at time.Duration) {
	p := t.people[w.r.IntN(len(t.people))]
	if w.chance(.5) {
		p = t.people[w.r.IntN(2)] // some come more often than others
	}
	now := w.Now().Add(at).Truncate(time.Millisecond)
	switch n := w.r.IntN(20); {
	case n < 7:
		w.buys(t, p, at, now)
	case n < 10 && len(p.orders) > 0:
		w.amends(t, p, at, now)
	case n < 13 && len(p.records) > 0:
		w.changes(t, p, at, now)
	case n < 16:
		fields := map[string]string{"email": p.email, "name": p.name}
		if w.chance(.6) {
			fields["newsletter"] = "on"
		}
		w.tell(t, p, t.Form(fields), at)
	case n < 18 && len(p.records) > 0:
		c := *p.records[w.r.IntN(len(p.records))]
		c.Consent, c.ConsentAt = []string{"subscribed", "unsubscribed"}[w.r.IntN(2)], now
		w.tell(t, p, t.Consent(c), at)
	case n < 19:
		w.edits(t, p, at)
	default:
		w.decides(t, at)
	}
}

// drama is what seldom comes about by chance: somebody gets mail, wants no more of it, and goes on buying; several people
// buy for the first time at once; whose mail comes back goes on buying.
func (w *world) drama(t *town) (actions int) {
	hour := w.between(time.Hour, 2*time.Hour)
	switch w.r.IntN(3) {
	case 0:
		p := t.people[w.r.IntN(2)]
		c := *p.records[0]
		later := w.Now().Add(hour + 3*time.Hour).Truncate(time.Millisecond)
		c.Consent, c.ConsentAt = "unsubscribed", later
		w.buys(t, p, hour, w.Now().Add(hour).Truncate(time.Millisecond))
		w.tell(t, p, t.Consent(c), hour+3*time.Hour)
		for _, more := range []time.Duration{hour + 7*time.Hour, hour + 10*time.Hour} {
			w.buys(t, p, more, w.Now().Add(more).Truncate(time.Millisecond))
		}
		return 4
	case 1:
		for _, p := range t.people {
			at := hour + w.between(0, 50*time.Millisecond)
			w.buys(t, p, at, w.Now().Add(at).Truncate(time.Millisecond))
		}
		return len(t.people)
	case 2:
		p := t.people[1]
		for _, at := range []time.Duration{hour, hour + 4*time.Hour, hour + 8*time.Hour} {
			w.buys(t, p, at, w.Now().Add(at).Truncate(time.Millisecond))
		}
		return 3
	}
	return 0
}

// buys places an order, at times with a voucher from a mail.
func (w *world) buys(t *town, p *person, at time.Duration, now time.Time) {
	w.names++
	o := &shop.Order{ID: int64(5000 + w.names), Email: p.email, First: p.name, Total: int64(10+w.r.IntN(90)) * 1000,
		Placed: now, Updated: now}
	if len(p.records) > 0 && w.chance(.85) {
		o.Customer = p.records[w.r.IntN(len(p.records))]
	} else if p.phone != "" && w.chance(.5) {
		o.Phone = p.phone
	}
	if w.chance(.25) { // of a mail, if there is one by then; else of nobody
		o.Code = fmt.Sprintf("%s-%03d", upper(t.ID()), w.r.IntN(7))
	}
	p.orders = append(p.orders, o)
	w.tell(t, p, t.Order(*o), at)
}

// amends changes an order: what it costs, whether it counts at all, what was given back.
func (w *world) amends(t *town, p *person, at time.Duration, now time.Time) {
	o := p.orders[w.r.IntN(len(p.orders))]
	if now.Before(o.Placed) {
		now = o.Placed.Add(time.Second)
	}
	next := *o
	next.Updated = now
	switch w.r.IntN(4) {
	case 0:
		w.names++
		w.tell(t, p, t.Refund(int64(9000+w.names), o.ID, 1000, now), at)
		return
	case 1:
		next.Cancelled = now
	default:
		next.Total += 5000
	}
	w.tell(t, p, t.Order(next), at)
}

// changes changes what the shop knows of somebody.
func (w *world) changes(t *town, p *person, at time.Duration, now time.Time) {
	c := *p.records[w.r.IntN(len(p.records))]
	c.Updated, c.Consent = now, ""
	switch w.r.IntN(4) {
	case 0:
		c.First = p.name + " Anh"
	case 1:
		c.Tags = []string{"vip", "vip, khách quen", ""}[w.r.IntN(3)]
	case 2:
		c.Email = "new-" + p.email
	default:
		c.City = cities[w.r.IntN(len(cities))]
	}
	w.tell(t, p, t.Customer(c), at)
}

// edits lets people in the CRM's own pages change somebody, if the CRM has a contact by then.
func (w *world) edits(t *town, p *person, at time.Duration) {
	city := cities[w.r.IntN(len(cities))]
	w.script("somebody edits", func() {
		w.Sleep(at)
		if _, there := t.CRM.Contact(p.email); !there {
			return
		}
		w.mu.Lock()
		p.edits[city] = true
		w.mu.Unlock()
		t.CRM.Edit(p.email, map[string]string{"city": city})
		w.echo(t.ID())
	})
}

// decides lets an operator say that two are one.
func (w *world) decides(t *town, at time.Duration) {
	a, b := t.people[w.r.IntN(len(t.people))], t.people[w.r.IntN(len(t.people))]
	w.script("an operator merges", func() {
		w.Sleep(at)
		var ids []string
		for _, p := range []*person{a, b} {
			answer := w.ask(func() *http.Request { return t.API(http.MethodGet, "/v1/profiles?email="+p.email, nil) })
			var found struct{ Profiles []struct{ ID string } }
			if json.NewDecoder(answer.Body).Decode(&found) != nil || len(found.Profiles) != 1 {
				return
			}
			ids = append(ids, found.Profiles[0].ID)
		}
		if ids[0] == ids[1] {
			return
		}
		answer := w.ask(func() *http.Request {
			return t.API(http.MethodPost, "/v1/profiles/merge", map[string]any{"profiles": ids})
		})
		if answer.StatusCode != http.StatusAccepted {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		t.asked = append(t.asked, ids[0]+" "+ids[1])
	})
}

// babble sends what says nothing new, or concerns nobody.
func (w *world) babble(t *town, at time.Duration) {
	p := t.people[w.r.IntN(len(t.people))]
	if len(p.told) == 0 || w.chance(.3) {
		w.post(t, t.Product(int64(70+w.r.IntN(3)), w.Now().Add(at).Truncate(time.Second)), at)
		return
	}
	w.post(t, t.Again(p.told[w.r.IntN(len(p.told))]), at+time.Minute)
}

// moments are those at which the world is looked at before it calms down.
func (w *world) moments() []time.Time {
	var l []time.Time
	for n := range 6 {
		l = append(l, w.Now().Add(time.Duration(n+1)*(time.Duration(w.kind.hours)*time.Hour+40*time.Minute)/6))
	}
	return l
}

// readers read the mails that came since they last looked: some click, some want no more.
func (w *world) readers() {
	for _, m := range w.Cloud.Outbox().Mails() {
		if w.read[m.ID] {
			continue
		}
		w.read[m.ID] = true
		links := shop.Links(m.HTML)
		if w.chance(.3) {
			w.script("opens "+m.ID, func() { _ = w.Cloud.Outbox().Open(m.ID) }) // a mail that bounced is opened by nobody
		}
		if w.chance(.5) && len(links) > 0 {
			after, twice := w.between(0, 90*time.Minute), w.chance(.3)
			w.script("clicks in "+m.ID, func() {
				w.Sleep(after)
				w.ask(func() *http.Request { return shop.Follow(links[0]) })
				if twice {
					w.ask(func() *http.Request { return shop.Follow(links[0]) })
				}
			})
		}
		if w.chance(.12) {
			after := w.between(0, time.Hour)
			w.script("unsubscribes by "+m.ID, func() {
				w.Sleep(after)
				answer := w.ask(func() *http.Request { return shop.Unsubscribe(m.Header("List-Unsubscribe")) })
				w.mu.Lock()
				defer w.mu.Unlock()
				if answer.StatusCode == http.StatusOK {
					w.farewells = append(w.farewells, m)
				}
			})
		}
	}
}

// replay has an operator replay what was parked for want of luck alone, and tells whether there was any.
func (w *world) replay() (any bool) {
	for _, t := range w.towns {
		r, err := t.Read()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, d := range sortedInbox(r) {
			if d.Why != "" && unlucky(d.Why) {
				any = true
				w.script("an operator replays", func() {
					w.ask(func() *http.Request { return t.API(http.MethodPost, "/v1/deliveries/"+d.Key.String()+"/replay", nil) })
				})
			}
		}
	}
	return any
}
