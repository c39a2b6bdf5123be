package profile

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkCombine: the view of a profile by the number of its fragments, each
// with up to a dozen orders.
func BenchmarkCombine(b *testing.B) {
	for _, n := range []int{1, 4, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			var l []Fragment
			for i := range n {
				l = append(l, randomFragment(r, ID(fmt.Sprintf("c%02d", i))))
			}
			for b.Loop() {
				if v := Combine(l, identities, DefaultLimits); len(v.Members) != n {
					b.Fatal(len(v.Members))
				}
			}
		})
	}
}
