package matrix

import (
	"os"
	"strings"
	"testing"

	"loophub/infra/local"
	"loophub/infra/local/sim"
)

func TestDebug(t *testing.T) {
	name := os.Getenv("THEME")
	if name == "" {
		t.Skip()
	}
	tail = func(l local.Line) {
		if g := os.Getenv("LOG"); g != "" && strings.Contains(l.Source+l.Text, g) {
			t.Log(l.Time.Format("02 15:04:05.000"), l.Source, l.Text)
		}
	}
	defer func() { tail = nil }()
	var plan func(sim.Point) sim.Fault
	for _, c := range cells(t) {
		if c.String() == os.Getenv("CELL") {
			plan = c.plan()
		}
	}
	live(t, themes()[name], plan, func(s *stand) {
		n := map[string]int{}
		for _, p := range s.Points() {
			if g := os.Getenv("GREP"); g != "" && strings.Contains(p.Function+p.Caller+p.Site+p.Operation, g) {
				t.Log(p.Number, p.Nth, p.Time.Sub(begins), p.Function, p.Caller, p.Site, p.Operation, p.Invocation)
			}
			n[strings.Join([]string{p.Function, p.Caller, p.Site, p.Service, p.Operation}, " ")]++
		}
		if os.Getenv("COUNT") != "" {
			for k, c := range n {
				if c > 20 {
					t.Log(c, k)
				}
			}
		}
	})
}
