package matrix

import (
	"cmp"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"loophub/infra/local/sim"
	"loophub/infra/simulation/callsite"
)

var (
	whole = flag.Bool("whole", false, "every cell of the matrix, not a sample")
	only  = flag.String("cell", "", "the one cell that is to be run, as a failing one is printed")
	turn  = flag.Int("turn", 0, "which sample is taken")
)

// course is a theme without faults but its own.
type course struct {
	points []sim.Point
	state  []string
}

var (
	coursesOnce sync.Once
	courses     map[string]course
)

// baseline runs all themes once.
func baseline(t *testing.T) map[string]course {
	t.Helper()
	coursesOnce.Do(func() {
		courses = map[string]course{}
		for name, th := range themes() {
			live(t, th, nil, func(s *stand) { courses[name] = course{s.Points(), s.state()} })
		}
	})
	if len(courses) < len(themes()) {
		t.Fatal("a theme does not run")
	}
	return courses
}

// services are the SDK's names of services, where they differ from those of calls.
var services = map[string]string{"events": "eventbridge", "ses": "sesv2", "api.hubapi.com": callsite.Outside}

func siteOf(p place) callsite.Site {
	s := callsite.Site{Stage: p.stage, Caller: p.caller, Function: p.site, Service: p.service, Operation: p.operation}
	if other := services[p.service]; other != "" {
		s.Service = other
	}
	if s.Service == callsite.Outside {
		s.Operation = ""
	}
	return s
}

// unreached are the places which the code names and no run can come to, with the reason.
var unreached = map[callsite.Site]string{
	{Stage: "unify", Caller: "functions/unify.Unifier.Link", Function: "shared/aws/hub.Workspace.Commit", Service: "dynamodb", Operation: "TransactWriteItems"}: "a fragment whose links are noted as made moves no orders, which alone takes a transaction",
}

// TestEverySiteIsReached: the themes come to every place from which a stage calls, but those that none can come to. A call
// that somebody adds to a stage fails here until a theme comes to it.
func TestEverySiteIsReached(t *testing.T) {
	l, err := callsite.List("../../..", "loophub")
	if err != nil {
		t.Fatal(err)
	}
	reached := map[callsite.Site]bool{}
	for _, c := range baseline(t) {
		for _, p := range c.points {
			if !p.End() {
				reached[siteOf(placeOf(p))] = true
			}
		}
	}
	stages := map[string]int{}
	for _, s := range l {
		stages[s.Stage]++
		reason, excepted := unreached[s]
		switch {
		case excepted && reason == "":
			t.Errorf("%s is excepted without a reason", s)
		case excepted && reached[s]:
			t.Errorf("%s is reached: take it off the exceptions", s)
		case !excepted && !reached[s]:
			t.Errorf("no theme reaches %s", s)
		}
	}
	for s := range reached {
		if !slices.Contains(l, s) {
			t.Errorf("%s is called, and the list of call sites lacks it", s)
		}
	}
	for s := range unreached {
		if !slices.Contains(l, s) {
			t.Errorf("%s is excepted, and there is no such place any more", s)
		}
	}
	t.Logf("%d sites: %v", len(l), stages)
}

// cells are the whole matrix: each place by every failure, at its first time in the shortest theme and at its last time in
// the longest but one.
func cells(t *testing.T) []cell {
	t.Helper()
	type visit struct {
		theme       string
		size        int
		first, last int
	}
	visits := map[place][]visit{}
	points := map[place]sim.Point{}
	for name, c := range baseline(t) {
		here := map[place]visit{}
		for _, p := range c.points {
			at := placeOf(p)
			v, there := here[at]
			if !there {
				v = visit{name, len(c.points), p.Nth, p.Nth}
			}
			v.last = p.Nth
			here[at], points[at] = v, p
		}
		for at, v := range here {
			visits[at] = append(visits[at], v)
		}
	}
	var l []cell
	for _, at := range slices.SortedFunc(maps.Keys(visits), func(a, b place) int { return strings.Compare(a.String(), b.String()) }) {
		of := visits[at]
		slices.SortFunc(of, func(a, b visit) int { return cmp.Or(cmp.Compare(a.size, b.size), strings.Compare(a.theme, b.theme)) })
		all, err := failures(points[at])
		if err != nil {
			t.Error(err)
		}
		other := of[min(1, len(of)-1)]
		for _, f := range all {
			l = append(l, cell{of[0].theme, at, of[0].first, f})
			if other.theme != of[0].theme || other.last != of[0].first {
				l = append(l, cell{other.theme, at, other.last, f})
			}
		}
	}
	return l
}

// perSample is how many cells make test takes.
const perSample = 90

// sample takes cells of as many places as it can, others at each turn.
func sample(l []cell) []cell {
	rank := func(c cell) uint32 {
		h := fnv.New32a()
		fmt.Fprint(h, *turn, c)
		return h.Sum32()
	}
	l = slices.Clone(l)
	slices.SortFunc(l, func(a, b cell) int { return cmp.Compare(rank(a), rank(b)) })
	seen := map[place]bool{}
	l = slices.DeleteFunc(l, func(c cell) bool {
		twice := seen[c.place]
		seen[c.place] = true
		return twice
	})
	return l[:min(perSample, len(l))]
}

// TestMatrix lets the failures happen, each in a world of its own.
func TestMatrix(t *testing.T) {
	l := cells(t)
	all := len(l)
	switch {
	case *only != "":
		l = slices.DeleteFunc(l, func(c cell) bool { return c.String() != *only })
	case !*whole:
		l = sample(l)
	}
	t.Logf("%d of %d cells", len(l), all)
	for _, c := range l {
		t.Run(strings.ReplaceAll(c.String(), "/", "."), func(t *testing.T) {
			t.Parallel()
			run(t, c, c.plan(), baseline(t)[c.theme])
		})
	}
}

func run(t *testing.T, c fmt.Stringer, plan func(sim.Point) sim.Fault, want course) {
	theme := strings.Split(c.String(), " | ")[0]
	happened := false
	live(t, themes()[theme], func(p sim.Point) sim.Fault {
		f := plan(p)
		happened = happened || f.Kind != sim.None
		return f
	}, func(s *stand) {
		missing, beyond := differ(want.state, s.state())
		if len(missing)+len(beyond) > 0 {
			t.Errorf("the world ends otherwise:\n- %s\n+ %s", strings.Join(missing, "\n- "), strings.Join(beyond, "\n+ "))
		}
	})
	if !happened {
		t.Error("the failure never happens: the world takes another course than it took without")
	}
	if t.Failed() {
		fmt.Fprintf(os.Stderr, "replay: make matrix CELL='%s'\n", c)
	}
}

// differ tells which lines are missing, and which are too many.
func differ(want, got []string) (missing, beyond []string) {
	n := map[string]int{}
	for _, line := range want {
		n[line]++
	}
	for _, line := range got {
		if n[line]--; n[line] < 0 {
			beyond = append(beyond, line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(n)) {
		for range n[line] {
			missing = append(missing, line)
		}
	}
	return missing, beyond
}
