package matrix

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"

	"loophub/infra/local/sim"
)

// pair is two failures in one world. The second may not happen, where the first lets the world take another course.
type pair struct{ first, second cell }

// and stands between the two.
const and = " & "

func (p pair) String() string { return p.first.String() + and + p.second.String() }

// plan lets both happen.
func (p pair) plan() func(sim.Point) sim.Fault { return sim.All(p.first.plan(), p.second.plan()) }

// pairs are n pairs: at first those within one invocation, where the second meets what the first left half done; then any
// two of a theme. They are as many as the points squared, so a sample has to do, another at each turn.
func pairs(t *testing.T, n int) []pair {
	t.Helper()
	rank := func(p pair) uint64 {
		h := fnv.New64a()
		fmt.Fprint(h, *turn, p)
		return h.Sum64()
	}
	var near, far []pair
	themes := themes()
	for name, c := range baseline(t) {
		for i, a := range c.points {
			for j, b := range c.points[i+1:] {
				within := a.Invocation == b.Invocation
				if !within && (i*31+j+*turn)%101 != 0 { // few of too many, before anything is reckoned
					continue
				}
				first, second := failureAt(a, name, i+j), failureAt(b, name, i+3*j)
				if themes[name].reads && (first.mayLose() || second.mayLose()) {
					continue
				}
				if within && !first.ends() {
					near = append(near, pair{first, second})
				} else if !within {
					far = append(far, pair{first, second})
				}
			}
		}
	}
	var l []pair
	for _, some := range [][]pair{near, far} {
		slices.SortFunc(some, func(a, b pair) int { return cmp.Compare(rank(a), rank(b)) })
		l = append(l, some[:min(n/2, len(some))]...)
	}
	return l
}

// failureAt is one failure of those that a point can meet.
func failureAt(p sim.Point, theme string, which int) cell {
	all, err := failures(p)
	if err != nil { // TestMatrix says so
		all = anyEnd
	}
	return cell{theme, placeOf(p), p.Nth, all[(which+*turn)%len(all)]}
}

// ends tells whether the invocation is over with the failure.
func (f failure) ends() bool {
	return f.dies || f.kind == sim.DieBefore || f.kind == sim.DieAfter || f.kind == sim.Slow
}

// TestPairs lets two failures happen in one world.
func TestPairs(t *testing.T) {
	var l []pair
	switch a, b, two := strings.Cut(*only, and); {
	case two:
		l = []pair{{find(t, a), find(t, b)}}
	case *couple > 0:
		l = pairs(t, *couple)
		tell(t, "%d pairs of failures", len(l))
	default:
		t.Skip("no pairs are asked for")
	}
	for _, p := range l {
		t.Run(strings.ReplaceAll(p.String(), "/", "."), func(t *testing.T) {
			t.Parallel()
			p.run(t)
		})
	}
}

func (p pair) run(t *testing.T) {
	live(t, themes()[p.first.theme], p.plan(), func(s *stand) {
		mayLose := p.first.mayLose() || p.second.mayLose()
		want, got := baseline(t)[p.first.theme].state, s.state()
		if mayLose && slices.ContainsFunc(got, unknown) {
			want, got = told(want), told(got)
		}
		if difference := judge(want, got, mayLose); difference != "" {
			t.Errorf("the world ends otherwise:%s", difference)
		}
	})
	if t.Failed() {
		fmt.Fprintf(os.Stderr, "replay: make matrix CELL='%s'\n", p)
	}
}
