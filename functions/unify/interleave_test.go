package unify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/profile"
)

// scene is a few deliveries that arrive at the same moment, after others did.
type scene struct {
	name   string
	before []events.Fact
	writer [][]events.Fact
}

func order(version int64, fields ...string) events.Fact {
	f := events.Fact{Workspace: "w", Connection: "shop", Kind: events.Order, Record: "1", Version: version, At: version,
		Fields: events.Fields{"currency": events.Text("VND"), "ordered_at": events.Text("1"), "total": events.Text(fmt.Sprint(100 - version))}}
	return said(f, fields...)
}

func customer(connection, record string, version int64, fields ...string) events.Fact {
	return said(events.Fact{Workspace: "w", Connection: connection, Kind: events.Customer, Record: record, Version: version, At: version, Fields: events.Fields{}}, fields...)
}

func said(f events.Fact, fields ...string) events.Fact {
	for n := 0; n < len(fields); n += 2 {
		f.Fields[fields[n]] = events.Text(fields[n+1])
		if fields[n+1] == "" {
			f.Fields[fields[n]] = events.Null
		}
	}
	return f
}

// settling: three writers of one order, copies among them.
func settling() []scene {
	known, later := order(1, "customer", "1"), order(2, "customer", "1")
	another := order(1, "customer", "1")
	another.Record = "2"
	return []scene{
		{"two orders of one customer", nil, [][]events.Fact{{known}, {another}, {known}}},
		{"amended, with a copy", nil, [][]events.Fact{{known}, {later}, {known}}},
		{"moved to another customer", nil, [][]events.Fact{{known}, {order(2, "customer", "2")}, {known}}},
		{"cancelled, then amended", nil, [][]events.Fact{{known}, {order(2, "customer", "1", "cancelled_at", "2")}, {order(3, "customer", "1", "cancelled_at", "")}}},
		{"refunded", []events.Fact{known}, [][]events.Fact{{order(2, "refund:7", "5")}, {order(3, "refund:8", "6")}, {order(2, "refund:7", "5")}}},
	}
}

// explore runs every interleaving of a scene's writers with up to crashes deaths,
// each death followed by a redelivery, and checks what is at rest after each.
// Two moments are the same if the table is and every writer knows the same.
func explore(s scene, crashes int, b bug) (moments, ends int, diff string) {
	p := newPlay(s, b)
	defer p.end()
	want := p.want()
	seen := map[instant]bool{}
	open := []*moment{p.opening(crashes)}
	for len(open) > 0 {
		m := open[len(open)-1]
		open = open[:len(open)-1]
		if seen[m.instant()] {
			continue
		}
		seen[m.instant()] = true
		choices := m.choices()
		for _, c := range slices.Backward(choices) {
			open = append(open, p.choose(m, c))
		}
		if len(choices) > 0 {
			continue
		}
		ends++
		if got := m.table.rest().Print(p.rules); got != want {
			return len(seen), ends, fmt.Sprintf("path %v\n--- want\n%s\n--- got\n%s", m.path(), want, got)
		}
	}
	return len(seen), ends, ""
}

// moment is one state of a running scene. It is never changed: a choice makes
// another one.
type moment struct {
	table   *table
	at      []*node // where each writer stands
	crashes int     // that may still happen
	before  *moment
	choice  int // that led here
}

// choices: n runs one call of writer n; ^n kills it before that call. A death
// matters only just after a write: reads leave nothing behind, so dying later is
// dying then.
func (m *moment) choices() []int {
	var l []int
	for n, at := range m.at {
		if !at.done {
			l = append(l, n)
			if m.crashes > 0 && at.saw.wrote {
				l = append(l, ^n)
			}
		}
	}
	return l
}

func (m *moment) path() []int {
	var l []int
	for ; m.before != nil; m = m.before {
		l = append(l, m.choice)
	}
	slices.Reverse(l)
	return l
}

var exact = flag.Bool("exact", false, "tell moments apart by all that writers ever saw, a minute's work: the shorter way must not miss any")

// instant tells moments apart.
type instant struct {
	table   [16]byte
	knows   [3]int // of each writer
	crashes int
}

func (m *moment) instant() instant {
	i := instant{table: m.table.digest(), crashes: m.crashes}
	for n, at := range m.at {
		i.knows[n] = at.knows
	}
	return i
}

// play runs a scene, in as many ways as one likes.
type play struct {
	scene   scene
	rules   profile.Rules
	bug     bug
	table   *table  // after what happened before
	first   []*node // each writer before its first call
	workers []*worker
	known   map[string]int // what writers know, numbered
}

// place makes a node of where a worker stands, saw being what it knows there.
func (p *play) place(w *worker, saw memory) *node {
	n := &node{call: w.call, done: w.done, err: w.err, saw: saw, live: w, next: map[string]*node{}}
	knows := fmt.Sprint(w.name, "|", saw.plan, "|", saw.look, "|", saw.lost)
	if *exact {
		knows = fmt.Sprintf("%p", n)
	}
	if _, there := p.known[knows]; !there {
		p.known[knows] = len(p.known)
	}
	n.knows = p.known[knows]
	return n
}

func newPlay(s scene, b bug) *play {
	p := &play{scene: s, rules: unifytest.Rules(), bug: b, table: newTable(), known: map[string]int{}}
	if len(s.before) > 0 {
		for w := p.start(s.before); !w.done; {
			w.step(p.table)
		}
	}
	for _, facts := range s.writer {
		first := p.place(p.start(facts), memory{})
		first.facts = facts
		p.first = append(p.first, first)
	}
	return p
}

func (p *play) start(facts []events.Fact) *worker {
	w := start(p.bug, p.rules, process(facts))
	p.workers = append(p.workers, w)
	return w
}

func (p *play) end() {
	for _, w := range p.workers {
		w.stop()
	}
}

// want is what must be at rest in the end.
func (p *play) want() string {
	all := slices.Concat(append([][]events.Fact{p.scene.before}, p.scene.writer...)...)
	return unifytest.Batch(p.rules, all).Print(p.rules)
}

func (p *play) opening(crashes int) *moment {
	return &moment{table: p.table, at: p.first, crashes: crashes}
}

func (p *play) choose(m *moment, choice int) *moment {
	m = &moment{m.table, slices.Clone(m.at), m.crashes, m, choice}
	if choice < 0 {
		m.crashes--
		m.at[^choice] = p.first[^choice]
		return m
	}
	at := m.at[choice]
	if at.writes() {
		m.table = m.table.clone()
	}
	at = p.after(at, m.table)
	for strings.HasPrefix(at.call.name, "index ") { // nobody reads it here, so it is no moment of its own
		m.table = m.table.clone()
		at = p.after(at, m.table)
	}
	if at.err != nil { // given up: delivered again
		at = p.first[choice]
	}
	m.at[choice] = at
	return m
}

// node is where one writer stands after what it has seen. Writers are
// deterministic, so what it does next is found out once and then known.
type node struct {
	call
	done   bool
	err    error
	saw    memory
	knows  int // that, as a number
	facts  []events.Fact
	sees   any // of the call before
	before *node
	next   map[string]*node // by what the call says
	live   *worker          // that stands here; nil once it has gone on
}

func (n *node) writes() bool {
	return strings.HasPrefix(n.name, "put ") || strings.HasPrefix(n.name, "commit ")
}

// after runs a writer's call on the table.
func (p *play) after(n *node, t *table) *node {
	sees, said := n.run(t)
	if next, known := n.next[said]; known {
		return next
	}
	w := n.live
	if n.live = nil; w == nil {
		w = p.again(n)
	}
	w.feed(sees)
	saw := n.saw
	saw.call(n.name, said)
	next := p.place(w, saw)
	next.facts, next.sees, next.before = n.facts, sees, n
	n.next[said] = next
	return next
}

// again brings a new worker to where a writer stood.
func (p *play) again(n *node) *worker {
	if n.before == nil {
		return p.start(n.facts)
	}
	w := p.again(n.before)
	if w.feed(n.sees); w.name != n.name {
		panic("the same writer, having seen the same, once called " + n.name + " and once " + w.name)
	}
	return w
}

// memory is what a deterministic worker still knows: what it planned by, what it
// saw since it last began to look at a fragment, and how many races it lost over
// that. What it saw before has no influence any more.
type memory struct {
	plan, look string
	settling   bool
	fragment   string // that it settles
	lost       int    // races, over that fragment
	wrote      bool   // by its last call
}

func (m *memory) call(name, said string) {
	if strings.HasPrefix(name, "fragment ") && name != m.fragment {
		m.fragment, m.lost = name, 0
	}
	if said == "lost" {
		m.lost++
	}
	m.wrote = strings.HasPrefix(name, "put ") || strings.HasPrefix(name, "commit ")
	switch {
	case strings.HasPrefix(name, "put "): // it puts what it puts, whatever it saw
		m.look = ""
	case strings.HasPrefix(name, "fragment "):
		if !m.settling {
			m.plan, m.settling = m.look, true
		}
		m.look = ""
	case strings.HasPrefix(name, "facts ") && !m.settling:
		m.look = ""
	}
	m.look += name + ";" + said + ";"
}

var deaths = flag.Int("deaths", 2, "deaths in each scene of TestSettleInterleavings")

// TestSettleInterleavings: all interleavings of three writers, copies among
// them, with up to two deaths.
func TestSettleInterleavings(t *testing.T) {
	for _, s := range settling() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			moments, ends, diff := explore(s, *deaths, "")
			if diff != "" {
				t.Fatal(diff)
			}
			t.Logf("%d moments, %d ends", moments, ends)
		})
	}
}

// TestSettleInterleavingsCatchMistakes: each planted mistake shows in some scene.
func TestSettleInterleavingsCatchMistakes(t *testing.T) {
	for _, b := range []bug{noVersion, noSecondLook, logAfterState} {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			for _, s := range settling() {
				if _, _, diff := explore(s, 1, b); diff != "" {
					t.Log(s.name)
					return
				}
			}
			t.Error("no interleaving shows the mistake")
		})
	}
}

// linking: edges and cuts that are made at the same moment.
func linking() []scene {
	key := unifytest.Rules().Key
	id := func(connection, record string) string {
		return string(key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: connection, Value: record}))
	}
	decide := func(op, a, b string, version int64) events.Fact {
		return said(events.Fact{Workspace: "w", Connection: "operator", Kind: events.Decision, Record: "pair", Version: version, At: version,
			Fields: events.Fields{}}, "op", op, "fragment_a", a, "fragment_b", b)
	}
	lan, till := customer("shop", "1", 1, "email", "lan@x.vn"), customer("till", "1", 1, "email", "lan@x.vn")
	return []scene{
		{"two first sights of one address", nil, [][]events.Fact{{lan}, {till}, {lan}}},
		{"an edge and a cut", []events.Fact{lan, customer("till", "1", 1, "phone", "+841")}, [][]events.Fact{
			{customer("web", "u", 1, "email", "lan@x.vn", "phone", "+841")}, {decide("split", id("shop", "1"), id("till", "1"), 5)}}},
		{"an address becomes shared", []events.Fact{lan, till, customer("shop", "2", 1, "email", "lan@x.vn")}, [][]events.Fact{
			{customer("shop", "3", 1, "email", "lan@x.vn")}, {customer("web", "u", 1, "email", "lan@x.vn")}}},
		// the one in which the epoch matters: while the fourth address takes the fragment over
		// its limit, so that all its edges must go, a slower worker still links the third
		{"one address too many", []events.Fact{
			customer("shop", "1", 1, "email", "a@x.vn"), customer("shop", "1", 2, "email", "b@x.vn"), customer("till", "1", 1, "email", "c@x.vn"),
		}, [][]events.Fact{{customer("shop", "1", 3, "email", "c@x.vn")}, {customer("shop", "1", 4, "email", "d@x.vn")}}},
	}
}

// trySeeds runs a scene under random schedules; seeds counts them.
func trySeeds(s scene, seeds uint64, b bug) (string, uint64) {
	p := newPlay(s, b)
	defer p.end()
	want := p.want()
	for n := range seeds {
		r := rand.New(rand.NewPCG(n, 7))
		m := p.opening(r.IntN(3))
		stay, at := []float64{.5, .9, .97}[r.IntN(3)], 0
		for {
			l := m.choices()
			if len(l) == 0 {
				break
			}
			if at < 0 || m.at[at].done || r.Float64() > stay {
				if at = l[r.IntN(len(l))]; at < 0 && r.IntN(4) > 0 {
					at = ^at
				}
			}
			m = p.choose(m, at)
		}
		if got := m.table.rest().Print(p.rules); got != want {
			return fmt.Sprintf("seed %d\n--- want\n%s\n--- got\n%s", n, want, got), n
		}
	}
	return "", seeds
}

// TestLinkSchedules: random schedules of edges and cuts, with deaths.
func TestLinkSchedules(t *testing.T) {
	for _, s := range linking() {
		t.Run(s.name, func(t *testing.T) {
			if diff, _ := trySeeds(s, 1500, ""); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// TestLinkSchedulesCatchMistakes: each planted mistake shows in some scene.
func TestLinkSchedulesCatchMistakes(t *testing.T) {
	scenes := linking()
	for b, s := range map[bug]scene{noVersion: scenes[0], onlyIfChanged: scenes[1], noEpoch: scenes[3]} {
		t.Run(string(b), func(t *testing.T) {
			diff, n := trySeeds(s, 20_000, b)
			if diff == "" {
				t.Fatal("no schedule shows the mistake")
			}
			t.Logf("%s, seed %d", s.name, n)
		})
	}
}
