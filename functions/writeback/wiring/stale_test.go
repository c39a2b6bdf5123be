package wiring

import "testing"

// TestAStaleLookWritesNothing: at each call of a worker another one takes newer
// values in and writes them. The first must not put the older ones over them: no
// message would come any more.
func TestAStaleLookWritesNothing(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		w.know(lan, lansTraits)
		w.settle(changed(t, lan))
		w.know(lan, fields{"email": "lan@example.vn", "first_name": "Lan Bình", "city": "Huế"})
		slow, calls := w.worker(), 0
		slow.gate = func(_ string, effect func() error) error {
			if calls++; calls == n {
				w.know(lan, fields{"email": "lan@example.vn", "first_name": "Lan Anh", "city": "Huế"})
				w.worker().run(t.Context(), changed(t, lan))
			}
			return effect()
		}
		again := slow.run(t.Context(), changed(t, lan))
		if calls < n {
			return // it has no more calls
		}
		w.settle(again...)
		w.holds("lan@example.vn", fields{"firstname": "Lan Anh"})
		if t.Failed() {
			t.Fatalf("at call %d", n)
		}
	}
}
