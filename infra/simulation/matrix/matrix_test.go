package matrix

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestBaseline(t *testing.T) {
	seen := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(themes())) {
		start, points := time.Now(), 1
		live(t, themes()[name], nil, func(s *stand) {
			sweeps := 0
			for _, p := range s.Points() {
				if p.Function == "sweep" {
					sweeps++
				}
			}
			points = len(s.Points())
			t.Log(name, points, sweeps)
			for _, p := range s.Points() {
				seen[strings.Join([]string{p.Function, p.Caller, p.Site, p.Service, p.Operation}, " ")]++
			}
		})
		t.Log(time.Since(start), time.Since(start)/time.Duration(points))
	}
	f, _ := os.Create("/tmp/reached.txt")
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		f.WriteString(k + "\n")
	}
	f.Close()
}
