package segment

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/shared/profile"
)

// scene is what two workers do at the same moment, after other things happened.
type scene struct {
	name   string
	defs   definitions
	now    time.Time
	before func(t *table)
	work   [2]func(s *Stage, h *hub)
	linked bool // profiles come together or fall apart: what was in one may be in the other
}

var rules = definitions{"vip": `"vip" in tags`, "fresh": `orders.within("30d").count > 0`, "plain": `size(tags) == 0`}

// tells makes a worker that is given messages until none fails.
func tells(bodies func(t *table) []string) func(s *Stage, h *hub) {
	return func(s *Stage, h *hub) {
		var l []string
		h.do(func(t *table) { l = bodies(t) })
		deliver(s, h, l)
	}
}

// deliver gives messages; those that fail come again when all others are done.
func deliver(s *Stage, h *hub, l []string) {
	var failed []string
	for _, n := range handle(s, l...) {
		failed = append(failed, l[n[0]-'0'])
	}
	if len(failed) > 0 {
		h.do(func(t *table) { t.failed = append(t.failed, failed...) })
	}
}

func scenes() []scene {
	known := func(t *table) {
		t.write(lan, tags("new"))
		t.write(lan, bought("1", noon.Add(-29*24*time.Hour)))
		settle(t, rules, noon, t.changed(lan))
	}
	says := func(id profile.ID) func(t *table) []string {
		return func(t *table) []string { return []string{t.changed(id)} }
	}
	writes := func(id profile.ID, changes ...func(*profile.Fragment)) func(t *table) []string {
		return func(t *table) []string {
			for _, c := range changes {
				t.write(id, c)
			}
			return []string{t.changed(id)}
		}
	}
	both := func(t *table) {
		known(t)
		t.write(form, tags("vip"))
		settle(t, rules, noon, t.changed(form))
	}
	links := func(l ...profile.ID) func(s *Stage, h *hub) {
		return func(s *Stage, h *hub) {
			var told []string
			for _, id := range []profile.ID{lan, form} {
				h.do(func(t *table) {
					t.write(id, members(l...))
					told = append(told, t.changed(id))
				})
			}
			slices.Reverse(told)
			deliver(s, h, told)
		}
	}
	soon := noon.Add(24 * time.Hour)
	return []scene{
		{"the same event twice", rules, noon, func(t *table) { t.write(lan, tags("vip")) }, [2]func(*Stage, *hub){tells(says(lan)), tells(says(lan))}, false},
		{"two changes", rules, noon, known, [2]func(*Stage, *hub){tells(writes(lan, tags("vip"))), tells(writes(lan, bought("2", noon)))}, false},
		{"there and back", rules, noon, known, [2]func(*Stage, *hub){tells(writes(lan, tags("vip"))), tells(writes(lan, tags("vip", "x"), tags()))}, false},
		{"a change while a moment comes", rules, soon, known, [2]func(*Stage, *hub){
			tells(func(*table) []string { return []string{due(lan, soon)} }), tells(writes(lan, bought("2", soon.Add(-time.Hour))))}, false},
		{"two at once, linked", rules, noon, both, [2]func(*Stage, *hub){links(lan, form), tells(writes(lan, tags("vip")))}, true},
		{"linked, and the other changes", rules, noon, both, [2]func(*Stage, *hub){links(lan, form), tells(writes(form, tags()))}, true},
		{"cut, and one changes", rules, noon, func(t *table) {
			both(t)
			linkAll(t, lan, form)
			settle(t, rules, noon, t.changed(lan), t.changed(form))
		}, [2]func(*Stage, *hub){links(), tells(writes(form, tags("vip", "x")))}, true},
		{"cut and linked again while a moment comes", rules, soon, func(t *table) {
			both(t)
			linkAll(t, lan, form)
			settle(t, rules, noon, t.changed(lan), t.changed(form))
		}, [2]func(*Stage, *hub){func(s *Stage, h *hub) {
			var told []string
			h.do(func(t *table) { linkAll(t) })
			h.do(func(t *table) {
				linkAll(t, lan, form)
				told = []string{t.changed(lan), t.changed(form)}
			})
			deliver(s, h, told)
		}, tells(func(*table) []string { return []string{due(form, soon)} })}, true},
	}
}

// linkAll makes both fragments one profile, or two.
func linkAll(t *table, l ...profile.ID) {
	t.write(lan, members(l...))
	t.write(form, members(l...))
}

// settle handles messages alone.
func settle(t *table, d definitions, now time.Time, bodies ...string) {
	h := &hub{do: func(run func(*table)) { run(t) }}
	if failed := handle(stage(d, h, func() time.Time { return now }, io.Discard), bodies...); failed != nil {
		panic(failed)
	}
}

// runs plays a scene once, by the choices given and then always by the first one,
// and gives how many there were at each point.
func (s scene) runs(choices []int, deaths int, b bug) (t *table, options []int) {
	t = newTable()
	s.before(t)
	t.said = nil
	workers := make([]*worker, len(s.work))
	begin := func(n int) {
		workers[n] = start(b, func(h *hub) { s.work[n](stage(s.defs, h, func() time.Time { return s.now }, io.Discard), h) })
	}
	for n := range workers {
		begin(n)
	}
	calls, at, left := make([]int, len(s.work)), 0, switches
	for {
		// n: worker n runs a call; ^n: it dies, and its messages come again. Leaving one
		// that is not done counts as a switch, of which there may be a few.
		var l []int
		for _, n := range []int{at, 1 - at} {
			if w := workers[n]; w.done || n != at && !workers[at].done && left == 0 {
				continue
			}
			l = append(l, n)
			if deaths > 0 && calls[n] > 2 { // unify, which writes first, brings to an end what it began
				l = append(l, ^n)
			}
		}
		if len(l) == 0 {
			settle(t, s.defs, s.now, t.failed...)
			return t, options
		}
		c := 0
		if len(options) < len(choices) {
			c = choices[len(options)]
		}
		options = append(options, len(l))
		n := l[c]
		died := n < 0
		if died {
			n = ^n
		}
		if n != at && !workers[at].done {
			left--
		}
		at = n
		if !died {
			workers[n].call(t)
			calls[n]++
			workers[n].next()
			continue
		}
		deaths--
		workers[n].stop()
		again := s.again(t)
		workers[n] = start(b, func(h *hub) { deliver(stage(s.defs, h, func() time.Time { return s.now }, io.Discard), h, again) })
	}
}

// switches bounds how often one worker is interrupted by the other: mistakes show
// with one or two.
const switches = 2

// again are the messages that come again after a death: those of all fragments,
// and the moment, for it does no harm to give more of them.
func (s scene) again(t *table) []string {
	var l []string
	for _, id := range []profile.ID{lan, form} {
		if f, there := t.fragments[id]; there && f.Version > 0 {
			l = append(l, t.changed(id))
		}
	}
	if s.now.After(noon) {
		l = append(l, due(lan, s.now))
	}
	return l
}

// explore plays a scene in every way, with a few switches and up to so many deaths.
func (s scene) explore(deaths int, b bug, check func(t *table) string) (ways int, wrong string) {
	var choices []int
	for {
		t, options := s.runs(choices, deaths, b)
		ways++
		for len(choices) < len(options) {
			choices = append(choices, 0)
		}
		choices = choices[:len(options)]
		if wrong := check(t); wrong != "" {
			return ways, fmt.Sprintf("way %v: %s", choices, wrong)
		}
		for len(choices) > 0 && choices[len(choices)-1]+1 == options[len(choices)-1] {
			choices = choices[:len(choices)-1]
		}
		if len(choices) == 0 {
			return ways, ""
		}
		choices[len(choices)-1]++
	}
}

// rest is what is kept in the end, as text: without versions of items, what is
// armed and since when somebody is in, which depend on who came first.
func (t *table) rest() string {
	l := map[profile.ID]profile.Memberships{}
	for id, m := range t.kept {
		m.Segments = maps.Clone(m.Segments)
		for name, s := range m.Segments {
			s.Since = min(s.Since, 1)
			m.Segments[name] = s
		}
		if len(m.Seen) > 0 {
			l[id] = m
		}
	}
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// holds checks what is true at rest whatever happened.
func (s scene) holds(t *table) string {
	for id, m := range t.kept {
		for name, standing := range m.Segments {
			last := ""
			for _, said := range t.said {
				if strings.HasPrefix(said[1:], name+" ") {
					if said[:1] == last && !s.linked {
						return fmt.Sprintf("announced twice in a row: %v", t.said)
					}
					last = said[:1]
				}
			}
			if last != "" && (last == "+") != standing.In() && !s.linked {
				return fmt.Sprintf("%s of %s is %v, announced %v", name, id, standing.In(), t.said)
			}
			if standing.Next == 0 {
				continue
			}
			if standing.Next <= s.now.UnixMilli() {
				return "a moment that has come was not looked at"
			}
			if !slices.ContainsFunc(t.armed(id, s.now), func(at int64) bool { return at <= standing.Next }) {
				return fmt.Sprintf("nobody looks at %s of %s when time changes it", name, id)
			}
		}
		if m.Armed != 0 && !slices.Contains(t.armed(id, time.Time{}), m.Armed) {
			return fmt.Sprintf("%s believes that it is armed, and is not", id)
		}
	}
	return ""
}

// armed are the moments after now at which a fragment is looked at.
func (t *table) armed(id profile.ID, now time.Time) (l []int64) {
	for _, d := range t.dues {
		if d.What == string(id) && d.At > now.UnixMilli() {
			l = append(l, d.At)
		}
	}
	return l
}

// wants is what is kept if everybody is looked at anew, in the end.
func (s scene) wants(t *table) string {
	t = t.clone()
	clear(t.kept)
	settle(t, s.defs, s.now, s.again(t)...)
	return t.rest()
}

// TestInterleavings: whatever two workers do at the same moment, and wherever one
// of them dies, in the end the same is kept, everything that turned is announced,
// and somebody looks when time changes it.
func TestInterleavings(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ways, wrong := s.explore(1, "", func(t *table) string {
				if want, got := s.wants(t), t.rest(); got != want {
					return fmt.Sprintf("\n--- want\n%s\n--- got\n%s", want, got)
				}
				return s.holds(t)
			})
			if wrong != "" {
				t.Fatal(wrong)
			}
			t.Logf("%d ways", ways)
		})
	}
}

// TestInterleavingsCatchMistakes: each planted mistake shows in some scene.
func TestInterleavingsCatchMistakes(t *testing.T) {
	for _, b := range []bug{noVersion, lateArm, lateKept, notMarked, notHeld} {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			for _, s := range scenes() {
				if _, wrong := s.explore(1, b, func(t *table) string {
					if t.rest() != s.wants(t) {
						return "something else is kept"
					}
					return s.holds(t)
				}); wrong != "" {
					t.Log(s.name, wrong)
					return
				}
			}
			t.Error("no interleaving shows the mistake")
		})
	}
}
