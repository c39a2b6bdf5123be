package sim_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/sim"
)

// BenchmarkCall is one call where a world goes on step by step: from the SDK through the parked turn and back, with a share
// of all else that a world does. The figure to hold is 150 µs.
func BenchmarkCall(b *testing.B) {
	const webhooks = 1_000
	calls, worlds := 0, uint64(0)
	for b.Loop() {
		// A bubble wants a test around it, and a benchmark is none.
		ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "world", F: func(t *testing.T) {
			runSmall(t, sim.Config{Seed: worlds}, func(s *small) {
				for n := range webhooks {
					s.Go(fmt.Sprint("sender ", n), func() {
						r := httptest.NewRequest("POST", "/hooks/demo/shop", strings.NewReader(fmt.Sprint("order ", n)))
						r.Header.Set("Content-Type", "text/plain")
						s.Send(r)
					})
				}
				s.Pass(30 * time.Second)
				s.Rest()
				for _, p := range s.Points() {
					if !p.End() {
						calls++
					}
				}
			})
		}}})
		if !ok {
			b.Fatal("the world failed")
		}
		worlds++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(calls), "µs/call")
	b.ReportMetric(float64(calls)/float64(b.N), "calls/op")
}
