package matrix

import (
	"os"
	"strings"
	"testing"

	"loophub/infra/local"
	"loophub/infra/local/sim"
)

// TestDebug shows the course of a theme under CELL (failures, joined by " & "): THEME=… LOG=… GREP=….
func TestDebug(t *testing.T) {
	name := os.Getenv("THEME")
	if name == "" {
		t.Skip()
	}
	var plans []func(sim.Point) sim.Fault
	if text := os.Getenv("CELL"); text != "" {
		for _, one := range strings.Split(text, and) {
			plans = append(plans, find(t, one).plan())
		}
	}
	t.Log(len(plans), "plans")
	tail = func(l local.Line) {
		if g := os.Getenv("LOG"); g != "" && !l.Event && strings.Contains(l.Source+l.Text, g) {
			t.Log(l.Time.Format("02 15:04:05.000"), l.Source, l.Text)
		}
		if g := os.Getenv("EVENTS"); g != "" && l.Event && strings.Contains(l.Text, g) {
			t.Log(l.Time.Format("02 15:04:05.000"), l.Source, l.Text)
		}
	}
	defer func() { tail = nil }()
	live(t, themes()[name], sim.All(plans...), func(s *stand) {
		n := map[string]int{}
		for _, p := range s.Points() {
			if g := os.Getenv("GREP"); g != "" && strings.Contains(p.Function+p.Caller+p.Site+p.Operation, g) {
				t.Log(p.Number, p.Nth, p.Time.Format("15:04:05.000"), p.Function, p.Caller, p.Site, p.Operation, p.Invocation)
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
		missing, beyond := differ(baseline(t)[name].state, s.state())
		t.Log(strings.Join(missing, "\n- "))
		t.Log(strings.Join(beyond, "\n+ "))
	})
}
