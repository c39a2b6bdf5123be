package unify

import (
	"context"
	"crypto/sha256"
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
	rules := unifytest.Rules()
	all := slices.Clone(s.before)
	for _, w := range s.writer {
		all = append(all, w...)
	}
	want := unifytest.Batch(rules, all).Print(rules)
	seen := map[[16]byte]bool{}
	paths := [][]int{nil}
	for len(paths) > 0 && diff == "" {
		path := paths[len(paths)-1]
		paths = paths[:len(paths)-1]
		m := newMoment(s, rules, crashes, b)
		for _, choice := range path {
			m.choose(choice)
		}
		for {
			if key := m.key(); seen[key] {
				break
			} else {
				seen[key] = true
			}
			choices := m.choices()
			if len(choices) == 0 {
				ends++
				if got := m.table.rest().Print(rules); got != want {
					diff = fmt.Sprintf("path %v\n--- want\n%s\n--- got\n%s", path, want, got)
				}
				break
			}
			for _, c := range choices[1:] {
				paths = append(paths, append(slices.Clone(path), c))
			}
			path = append(slices.Clone(path), choices[0])
			m.choose(choices[0])
		}
		m.stop()
	}
	return len(seen), ends, diff
}

// moment is one state of a running scene.
type moment struct {
	scene   scene
	rules   profile.Rules
	bug     bug
	table   *table
	writers []*worker
	done    []bool
	crashes int
}

func newMoment(s scene, rules profile.Rules, crashes int, b bug) *moment {
	m := &moment{scene: s, rules: rules, bug: b, table: newTable(), crashes: crashes, done: make([]bool, len(s.writer))}
	if len(s.before) > 0 {
		w := m.start(s.before)
		for more := true; more; {
			_, more = w.next()
		}
	}
	for _, facts := range s.writer {
		w := m.start(facts)
		w.next() // to its first call
		m.writers = append(m.writers, w)
	}
	return m
}

func (m *moment) start(facts []events.Fact) *worker {
	return start(m.table, m.bug, func(u Unifier) error {
		for _, err := range u.Process(context.Background(), facts) {
			return err
		}
		return nil
	}, m.rules, true)
}

// choices: n runs one call of writer n; ^n kills it before that call. A death
// matters only just after a write: reads leave nothing behind, so dying later is
// dying then.
func (m *moment) choices() []int {
	var l []int
	for n, done := range m.done {
		if !done {
			l = append(l, n)
			if m.crashes > 0 && m.writers[n].saw.wrote {
				l = append(l, ^n)
			}
		}
	}
	return l
}

func (m *moment) choose(c int) {
	if c < 0 {
		n := ^c
		m.crashes--
		m.writers[n].stop()
		m.writers[n] = m.start(m.scene.writer[n])
		m.writers[n].next()
		return
	}
	_, more := m.writers[c].next()
	m.done[c] = !more
	if !more && m.writers[c].err != nil { // given up: delivered again
		m.done[c] = false
		m.writers[c] = m.start(m.scene.writer[c])
		m.writers[c].next()
	}
}

func (m *moment) stop() {
	for _, w := range m.writers {
		w.stop()
	}
}

func (m *moment) key() [16]byte {
	var b strings.Builder
	b.WriteString(m.table.print())
	fmt.Fprint(&b, m.done, m.crashes)
	for _, w := range m.writers {
		b.WriteString("|" + w.saw.plan + "|" + w.saw.look)
	}
	d := sha256.Sum256([]byte(b.String()))
	return [16]byte(d[:16])
}

var deaths = flag.Int("deaths", 1, "deaths in each scene of TestSettleInterleavings but the first, which has two")

// TestSettleInterleavings: all interleavings of three writers, copies among
// them, with up to two deaths.
func TestSettleInterleavings(t *testing.T) {
	for n, s := range settling() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			crashes := *deaths
			if n == 0 {
				crashes = 2
			}
			moments, ends, diff := explore(s, crashes, "")
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
	rules := unifytest.Rules()
	all := slices.Clone(s.before)
	for _, w := range s.writer {
		all = append(all, w...)
	}
	want := unifytest.Batch(rules, all).Print(rules)
	for n := range seeds {
		r := rand.New(rand.NewPCG(n, 7))
		m := newMoment(s, rules, r.IntN(3), b)
		stay, at := []float64{.5, .9, .97}[r.IntN(3)], 0
		for {
			l := m.choices()
			if len(l) == 0 {
				break
			}
			if at < 0 || m.done[at] || r.Float64() > stay {
				if at = l[r.IntN(len(l))]; at < 0 && r.IntN(4) > 0 {
					at = ^at
				}
			}
			m.choose(at)
		}
		m.stop()
		if got := m.table.rest().Print(rules); got != want {
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
