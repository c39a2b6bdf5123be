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
	"time"

	"loophub/infra/local/sim"
)

var (
	whole  = flag.Bool("whole", false, "every cell of the matrix, not a sample")
	every  = flag.Bool("every", false, "every place in every theme that comes to it, not in two of them")
	only   = flag.String("cell", "", "the one cell that is to be run, as a failing one is printed")
	couple = flag.Int("pairs", 0, "so many pairs of failures")
	turn   = flag.Int("turn", 0, "which sample is taken")
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

// cells are the whole matrix: each place by every failure, at its first time in the shortest theme that comes to it, and at
// its last time in the next; with -every at the first and last time in each.
func cells(t *testing.T) []cell {
	t.Helper()
	type visit struct {
		theme       string
		size        int // of the theme, in points
		first, last int
	}
	stories, visits := themes(), map[place][]visit{}
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
		if !*every {
			// The first time in the first, and the last in the next.
			other := of[min(1, len(of)-1)]
			of = []visit{{of[0].theme, of[0].size, of[0].first, of[0].first}, {other.theme, other.size, other.last, other.last}}
		}
		for _, f := range all {
			here := map[cell]bool{}
			for _, v := range of {
				for _, nth := range []int{v.first, v.last} {
					if c := (cell{v.theme, at, nth, f}); !here[c] && !(stories[v.theme].reads && c.mayLose()) {
						l, here[c] = append(l, c), true
					}
				}
			}
			if len(here) == 0 {
				t.Errorf("%s at %s is in no cell: let a theme come to it whose story does not go on from a mail", f.name, at)
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

// find finds a cell by its name, in any theme and at any time in it.
func find(t *testing.T, name string) cell {
	t.Helper()
	theme, _, _ := strings.Cut(name, " | ")
	for _, p := range baseline(t)[theme].points {
		all, err := failures(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if c := (cell{theme, placeOf(p), p.Nth, f}); c.String() == name {
				return c
			}
		}
	}
	t.Fatalf("there is no cell %s", name)
	return cell{}
}

// TestMatrix lets the failures happen, each in a world of its own.
func TestMatrix(t *testing.T) {
	var l []cell
	switch {
	case *couple > 0 || strings.Contains(*only, and):
		t.Skip("pairs are asked for")
	case *only != "":
		l = []cell{find(t, *only)}
	case *whole || *every:
		l = cells(t)
		tell(t, "%d failures at %d places of %d themes", len(l), count(l), len(themes()))
	default:
		l = sample(cells(t))
	}
	for _, c := range l {
		t.Run(strings.ReplaceAll(c.String(), "/", "."), func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func count(l []cell) int {
	places := map[place]bool{}
	for _, c := range l {
		places[c.place] = true
	}
	return len(places)
}

// tell says in the end what was run, and how long it took.
func tell(t *testing.T, format string, args ...any) {
	start := time.Now()
	t.Cleanup(func() { fmt.Printf(format+" in %s\n", append(args, time.Since(start).Round(time.Second))...) })
}

// run lets the cell's failure happen, and compares.
func (c cell) run(t *testing.T) {
	happened := false
	plan := c.plan()
	live(t, themes()[c.theme], func(p sim.Point) sim.Fault {
		f := plan(p)
		happened = happened || f.Kind != sim.None
		return f
	}, func(s *stand) {
		if difference := judge(baseline(t)[c.theme].state, s.state(), c.mayLose()); difference != "" {
			t.Errorf("the world ends otherwise:%s", difference)
		}
	})
	if !happened {
		t.Error("the failure never happens: the world takes another course than it took without")
	}
	if t.Failed() {
		fmt.Fprintf(os.Stderr, "replay: make matrix CELL='%s'\n", c)
	}
}
