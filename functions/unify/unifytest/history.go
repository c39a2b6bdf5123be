package unifytest

import (
	"slices"
	"strconv"
	"strings"

	"loophub/events"
	"loophub/shared/profile"
)

// Rules make every limit small enough to be crossed by a short history.
func Rules() profile.Rules {
	return profile.Rules{
		Key:    profile.Key("a key for tests"),
		Denied: map[profile.Identifier]bool{{Kind: profile.Email, Value: "guest@haravan.com"}: true, {Kind: profile.Phone, Value: "+840000"}: true},
		Limits: profile.Limits{Recent: 3, Members: 5, Claimants: 6,
			Shared: map[profile.Kind]int{profile.Email: 2, profile.Phone: 1, profile.Anonymous: 1},
			Fan:    map[profile.Kind]int{profile.Email: 3, profile.Phone: 3, profile.Anonymous: 4}},
	}
}

// Focus narrows histories, so that short ones are dense.
type Focus string

const (
	Anything Focus = ""
	OnOrders Focus = "orders"
	OnLinks  Focus = "links"
)

// generator makes random histories: two shops and a website, customers, guests,
// browsers, a family's phone, a placeholder e-mail address, orders that are
// created, changed, cancelled, refunded and moved, partial bodies, equal times,
// consent, tags, merges and unmerges, events, and what became of messages.
type generator struct {
	Chance
	rules profile.Rules
}

// Chance is what a random history is drawn from: a *rand.Rand.
type Chance interface {
	IntN(n int) int
	Float64() float64
	Shuffle(n int, swap func(i, j int))
}

// History gives the facts of a random history under Rules.
func History(c Chance, on Focus) []events.Fact { return generator{c, Rules()}.history(on) }

func (g generator) pick(l ...string) string { return l[g.IntN(len(l))] }
func (g generator) chance(p float64) bool   { return g.Float64() < p }

func (g generator) email() string {
	return g.pick("a@x.vn", "b@x.vn", "c@x.vn", "d@x.vn", "guest@haravan.com")
}
func (g generator) phone() string { return g.pick("+841", "+842", "+843", "+840000") }

// maybe gives a field an opinion with probability p; one in eight clears it.
func (g generator) maybe(f events.Fields, p float64, name, text string) {
	if !g.chance(p) {
		return
	}
	f[name] = events.Text(text)
	if g.IntN(8) == 0 {
		f[name] = events.Null
	}
}

func (g generator) history(on Focus) []events.Fact {
	n := 6 + g.IntN(26)
	if on != Anything {
		n = 3 + g.IntN(6)
	}
	var l []events.Fact
	for range n {
		f := events.Fact{Workspace: "w", Connection: g.pick("shop", "shop", "till"), Version: int64(1 + g.IntN(20)), Fields: events.Fields{}}
		if g.chance(.8) {
			f.At = f.Version
		}
		k := g.IntN(24)
		switch on {
		case OnOrders:
			k = 12
		case OnLinks:
			k = []int{0, 0, 5, 6, 8, 18, 20}[g.IntN(7)]
		}
		switch {
		case k < 5:
			g.customer(&f)
		case k < 6:
			f.Connection, f.Kind, f.Record = "web", events.Customer, g.pick("u", "v")
			f.Fields["anonymous_id"] = events.Text(g.pick("x", "y", "z"))
			g.maybe(f.Fields, .5, "email", g.email())
		case k < 8:
			g.form(&f)
		case k < 10:
			g.checkout(&f)
		case k < 18:
			g.order(&f, on)
		case k < 20:
			g.decision(&f)
		case k < 22:
			g.event(&f)
		default:
			g.message(&f)
		}
		l = append(l, f)
	}
	return l
}

func (g generator) customer(f *events.Fact) {
	f.Kind, f.Record = events.Customer, g.pick("1", "2", "3", "4")
	g.maybe(f.Fields, .6, "email", g.email())
	g.maybe(f.Fields, .4, "phone", g.phone())
	g.maybe(f.Fields, .5, "first_name", g.pick("Lan", "Minh", "Hoa"))
	g.maybe(f.Fields, .2, "tags", g.pick(`["vip"]`, `["new","vip"]`, `["new"]`))
	if g.IntN(4) == 0 {
		f.Fields["tag:"+g.pick("vip", "new")] = events.Text(g.pick("+", "-"))
	}
	g.consent(f)
}

func (g generator) consent(f *events.Fact) {
	verb := g.pick("grant:", "withdraw:", "", "", "")
	if verb != "" {
		f.Fields[verb+g.pick("email:marketing", "sms:marketing")] = events.Text(strconv.Itoa(1 + g.IntN(20)))
	}
}

func (g generator) form(f *events.Fact) {
	f.Connection, f.Kind, f.Record = "web", events.Form, strconv.Itoa(g.IntN(5))
	f.Fields["email"] = events.Text(g.email())
	g.maybe(f.Fields, .4, "phone", g.phone())
	g.maybe(f.Fields, .4, "anonymous_id", g.pick("x", "y", "z"))
	g.maybe(f.Fields, .2, "ask:email:marketing", strconv.Itoa(1+g.IntN(20)))
	g.consent(f)
}

// event is something that a person did: of a website's visitor, or of a fragment
// that our own API names.
func (g generator) event(f *events.Fact) {
	f.Kind, f.Record = events.Event, strconv.Itoa(g.IntN(6))
	f.Fields["name"] = events.Text(g.pick("viewed", "tasting.booked"))
	if g.chance(.4) {
		f.Connection = "operator"
		f.Fields["fragment"] = events.Text(string(g.fragment()))
		return
	}
	f.Connection = "web"
	g.maybe(f.Fields, .6, "email", g.email())
	g.maybe(f.Fields, .6, "anonymous_id", g.pick("x", "y", "z"))
}

// message is what became of a message, or a tag that a journey gave.
func (g generator) message(f *events.Fact) {
	at := g.fragment()
	f.Fields["fragment"] = events.Text(string(at))
	if g.chance(.3) {
		f.Connection, f.Kind, f.Record = "operator", events.Decision, "tag"+strconv.Itoa(g.IntN(3))
		f.Fields["tag:"+g.pick("vip", "won")] = events.Text(g.pick("+", "-"))
		return
	}
	id := "m" + strconv.Itoa(g.IntN(6))
	f.Connection, f.Kind, f.Record = "email", events.Engagement, string(at)+"."+id
	f.Fields["message"] = events.Text(id)
	f.Fields[g.pick("delivered_at", "opened_at", "opened_at", "clicked_at", "bounced_at", "complained_at", "unsubscribed_at")] = events.Text(strconv.Itoa(1 + g.IntN(20)))
	f.Fields["bounce"] = events.Text(g.pick("permanent", "transient"))
	g.maybe(f.Fields, .5, "email", g.email())
}

func (g generator) checkout(f *events.Fact) {
	f.Kind, f.Record = events.Checkout, strconv.Itoa(g.IntN(4))
	g.maybe(f.Fields, .3, "customer", g.pick("1", "2"))
	g.maybe(f.Fields, .5, "email", g.email())
	g.maybe(f.Fields, .5, "anonymous_id", g.pick("x", "y", "z"))
	f.Fields["started_at"] = events.Text(strconv.Itoa(1 + g.IntN(20)))
	g.maybe(f.Fields, .3, "completed_at", strconv.Itoa(1+g.IntN(20)))
}

func (g generator) order(f *events.Fact, on Focus) {
	f.Kind, f.Record = events.Order, strconv.Itoa(g.IntN(6))
	if on == OnOrders {
		f.Connection = "shop"
	}
	g.maybe(f.Fields, .7, "customer", g.pick("1", "2"))
	g.maybe(f.Fields, .5, "email", g.email())
	g.maybe(f.Fields, .3, "phone", g.phone())
	g.maybe(f.Fields, .8, "total", strconv.Itoa(10+g.IntN(90)))
	g.maybe(f.Fields, .8, "ordered_at", strconv.Itoa(1+g.IntN(20)))
	g.maybe(f.Fields, .9, "currency", g.pick("VND", "VND", "USD"))
	g.maybe(f.Fields, .2, "discount_codes", g.pick(`["TEA10"]`, `["new","tea10"]`))
	g.maybe(f.Fields, .3, "cancelled_at", strconv.Itoa(1+g.IntN(20)))
	if g.IntN(4) == 0 {
		f.Fields["refund:"+strconv.Itoa(g.IntN(2))] = events.Text(strconv.Itoa(1 + g.IntN(9)))
	}
}

func (g generator) fragment() profile.ID {
	c := g.pick("c shop 1", "c shop 2", "c shop 3", "c till 1", "c till 2", "g shop email/a@x.vn", "g shop email/b@x.vn",
		"g web email/a@x.vn", "g web email/c@x.vn", "n web anonymous/x", "n shop anonymous/y", "c web u")
	p := strings.Fields(c)
	return g.rules.Key.Fragment(profile.Anchor{Class: profile.Class(p[0][0]), Connection: p[1], Value: p[2]})
}

func (g generator) decision(f *events.Fact) {
	f.Kind = events.Decision
	f.Fields["op"] = events.Text(g.pick("tie", "split", "split"))
	if g.chance(.3) { // the shop's own merge
		f.Connection, f.Record = "shop", "merge"
		f.Fields["customer_a"], f.Fields["customer_b"] = events.Text(g.pick("1", "2")), events.Text(g.pick("3", "4"))
		return
	}
	a, b := g.fragment(), g.fragment()
	f.Connection, f.Record = "operator", "pair"
	f.Fields["fragment_a"], f.Fields["fragment_b"] = events.Text(string(a)), events.Text(string(b))
}

// Deliveries cuts facts into batches, with copies, shuffled.
func Deliveries(r Chance, facts []events.Fact) [][]events.Fact {
	d := slices.Clone(facts)
	for range facts {
		if r.IntN(3) == 0 {
			d = append(d, facts[r.IntN(len(facts))])
		}
	}
	r.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
	var l [][]events.Fact
	for len(d) > 0 {
		n := min(len(d), 1+r.IntN(3))
		l, d = append(l, d[:n:n]), d[n:]
	}
	return l
}
