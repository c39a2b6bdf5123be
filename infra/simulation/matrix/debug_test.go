package matrix

import (
	"os"
	"strings"
	"testing"

	"loophub/infra/local"
)

func TestDebug(t *testing.T) {
	name := os.Getenv("THEME")
	if name == "" {
		t.Skip()
	}
	tail = func(l local.Line) {
		if os.Getenv("LOG") != "" {
			t.Log(l.Time.Format("02 15:04:05.000"), l.Source, l.Text)
		}
	}
	defer func() { tail = nil }()
	live(t, themes()[name], nil, func(s *stand) {
		n := map[string]int{}
		for _, p := range s.Points() {
			if g := os.Getenv("GREP"); g != "" && strings.Contains(p.Function+p.Caller+p.Site+p.Operation, g) {
				t.Log(p.Number, p.Nth, p.Time.Sub(begins), p.Caller, p.Site, p.Operation, p.Invocation)
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
