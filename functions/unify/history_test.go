package unify

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"loophub/events"
	"loophub/shared/profile"
)

var (
	histories = flag.Int("histories", 2000, "random histories of TestHistories")
	seed      = flag.Uint64("seed", 1, "seed of the random histories")
)

// testRules make every limit small enough to be crossed by a short history.
func testRules() profile.Rules {
	return profile.Rules{
		Key:    profile.Key("a key for tests"),
		Denied: map[profile.Identifier]bool{{Kind: profile.Email, Value: "guest@haravan.com"}: true, {Kind: profile.Phone, Value: "+840000"}: true},
		Limits: profile.Limits{Recent: 3, Members: 5, Claimants: 6,
			Shared: map[profile.Kind]int{profile.Email: 2, profile.Phone: 1, profile.Anonymous: 1},
			Fan:    map[profile.Kind]int{profile.Email: 3, profile.Phone: 3, profile.Anonymous: 4}},
	}
}

// focus narrows histories, so that short ones are dense.
type focus string

const (
	anything focus = ""
	onOrders focus = "orders"
	onLinks  focus = "links"
)

// generator makes random histories: two shops and a website, customers, guests,
// browsers, a family's phone, a placeholder e-mail address, orders that are
// created, changed, cancelled, refunded and moved, partial bodies, equal times,
// consent, tags, merges and unmerges.
type generator struct {
	*rand.Rand
	rules profile.Rules
}

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

func (g generator) history(on focus) []events.Fact {
	n := 6 + g.IntN(26)
	if on != anything {
		n = 3 + g.IntN(6)
	}
	var l []events.Fact
	for range n {
		f := events.Fact{Workspace: "w", Connection: g.pick("shop", "shop", "till"), Version: int64(1 + g.IntN(20)), Fields: events.Fields{}}
		if g.chance(.8) {
			f.At = f.Version
		}
		k := g.IntN(20)
		switch on {
		case onOrders:
			k = 12
		case onLinks:
			k = []int{0, 0, 5, 6, 8, 18}[g.IntN(6)]
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
		default:
			g.decision(&f)
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
	g.consent(f)
}

func (g generator) checkout(f *events.Fact) {
	f.Kind, f.Record = events.Checkout, strconv.Itoa(g.IntN(4))
	g.maybe(f.Fields, .3, "customer", g.pick("1", "2"))
	g.maybe(f.Fields, .5, "email", g.email())
	g.maybe(f.Fields, .5, "anonymous_id", g.pick("x", "y", "z"))
	f.Fields["started_at"] = events.Text(strconv.Itoa(1 + g.IntN(20)))
	g.maybe(f.Fields, .3, "completed_at", strconv.Itoa(1+g.IntN(20)))
}

func (g generator) order(f *events.Fact, on focus) {
	f.Kind, f.Record = events.Order, strconv.Itoa(g.IntN(6))
	if on == onOrders {
		f.Connection = "shop"
	}
	g.maybe(f.Fields, .7, "customer", g.pick("1", "2"))
	g.maybe(f.Fields, .5, "email", g.email())
	g.maybe(f.Fields, .3, "phone", g.phone())
	g.maybe(f.Fields, .8, "total", strconv.Itoa(10+g.IntN(90)))
	g.maybe(f.Fields, .8, "ordered_at", strconv.Itoa(1+g.IntN(20)))
	g.maybe(f.Fields, .9, "currency", g.pick("VND", "VND", "USD"))
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

// run delivers batches of facts, in any order and with copies, to several
// workers at once; a killed worker's batch is delivered again.
func run(r *rand.Rand, rules profile.Rules, batches [][]events.Fact, workers int, kill float64, b bug) *table {
	t := newTable()
	kills := len(batches)
	// A worker stays on for a while, so that another sleeps through much of it: most
	// mistakes show only then.
	stay, n := []float64{0, .5, .9, .97}[r.IntN(4)], 0
	type job struct {
		*worker
		facts []events.Fact
	}
	var busy []*job
	for len(batches) > 0 || len(busy) > 0 {
		for len(busy) < workers && len(batches) > 0 {
			j := &job{facts: batches[0]}
			batches = batches[1:]
			j.worker = start(t, b, func(u Unifier) error {
				for n, err := range u.Process(context.Background(), j.facts) {
					return fmt.Errorf("fact %d: %w", n, err)
				}
				return nil
			}, rules, false)
			busy = append(busy, j)
		}
		if n >= len(busy) || r.Float64() >= stay {
			n = r.IntN(len(busy))
		}
		j := busy[n]
		killed := kills > 0 && r.Float64() < kill
		if killed {
			kills--
			j.stop()
		} else if _, more := j.next(); more {
			continue
		}
		busy = slices.Delete(busy, n, n+1)
		if killed || j.err != nil { // redelivered, some time later
			batches = slices.Insert(batches, r.IntN(len(batches)+1), j.facts)
		}
	}
	return t
}

// deliveries cuts facts into batches, with copies, shuffled.
func deliveries(r *rand.Rand, facts []events.Fact) [][]events.Fact {
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

// tryHistory runs history h twice, in other orders, and compares with the batch.
func tryHistory(h uint64, on focus, b bug) (string, []events.Fact) {
	r := rand.New(rand.NewPCG(*seed, h))
	rules := testRules()
	facts := generator{r, rules}.history(on)
	want := batch(rules, facts).rest(rules)
	for range 2 {
		t := run(r, rules, deliveries(r, facts), 1+r.IntN(4), []float64{0, .01, .05}[r.IntN(3)], b)
		if got := t.rest(rules); got != want {
			return fmt.Sprintf("--- from the set of facts\n%s\n--- through the protocol\n%s", want, got), facts
		}
	}
	return "", facts
}

// TestHistories: whatever the order, copies, workers and deaths, what is at rest
// is what a plain computation over the set of facts gives.
func TestHistories(t *testing.T) {
	const parts = 4
	for part := range uint64(parts) {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for h := part; h < uint64(*histories); h += parts {
				on := []focus{anything, anything, onOrders, onLinks}[h/parts%4]
				if diff, facts := tryHistory(h, on, ""); diff != "" {
					t.Fatalf("history %d (%s), %d facts; run again with -seed %d\n%s", h, on, len(facts), *seed, diff)
				}
			}
		})
	}
}

// TestHistoriesCatchMistakes: each planted mistake is found.
func TestHistoriesCatchMistakes(t *testing.T) {
	for b, on := range map[bug]focus{noSecondLook: onOrders, noVersion: onOrders, logAfterState: onOrders, onlyIfChanged: onLinks} {
		t.Run(string(b), func(t *testing.T) {
			for h := range uint64(20_000) {
				if diff, _ := tryHistory(h, on, b); diff != "" {
					t.Logf("caught by history %d", h)
					return
				}
			}
			t.Error("no history shows the mistake")
		})
	}
}
