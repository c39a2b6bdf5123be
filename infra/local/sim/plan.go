package sim

import "math/rand/v2"

// Once lets one thing go wrong at the nth point of a place, and nothing else. It is for a world that takes its course
// alone up to that point: matching by place and count, not by number, finds the same point in a world that grew.
func Once(place Point, nth int, f Fault) func(Point) Fault {
	place = place.place()
	return func(p Point) Fault {
		if p.place() == place && p.Nth == nth {
			return f
		}
		return Fault{}
	}
}

// All joins plans: the first fault counts.
func All(plans ...func(Point) Fault) func(Point) Fault {
	return func(p Point) Fault {
		for _, plan := range plans {
			if f := plan(p); f.Kind != None {
				return f
			}
		}
		return Fault{}
	}
}

// Chaos lets one in so many points go wrong, by a seed of its own.
func Chaos(seed uint64, oneIn int) func(Point) Fault {
	r := rand.New(rand.NewPCG(seed, 0xfa17))
	kinds := Kinds()
	return func(p Point) Fault {
		if r.IntN(oneIn) != 0 {
			return Fault{}
		}
		if p.End() {
			return Fault{Kind: []Kind{Redeliver, PartlyFailed}[r.IntN(2)]}
		}
		return Fault{Kind: kinds[r.IntN(len(kinds))]}
	}
}
