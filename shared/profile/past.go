package profile

import (
	"maps"
	"math"
	"slices"

	"loophub/events"
)

// Rebuild computes fragments afresh from a set of facts: what they held when no
// more than that was known. All counted orders lie in Recent, none beside it. Who
// is tied to whom is left out: it hangs on other people's facts too. The
// identities hold the withdrawals that these facts put on addresses.
func (rules Rules) Rebuild(facts []events.Fact) (map[ID]Fragment, map[string]Identity) {
	fragments, identities := map[ID]Fragment{}, map[string]Identity{}
	records := map[string][]events.Fact{}
	for _, f := range facts {
		if f.Kind == events.Order {
			records[f.RecordKey()] = append(records[f.RecordKey()], f)
		}
		s, ok := rules.Statement(f)
		if !ok {
			continue
		}
		is := fragments[s.Fragment]
		is.ID = s.Fragment
		is.Take(s)
		is.State.Claim(s.Claims, rules.Limits)
		fragments[s.Fragment] = is
		for id, stops := range s.Stops {
			i := identities[id]
			i.ID = id
			i.Stop(stops)
			identities[id] = i
		}
	}
	for _, record := range slices.Sorted(maps.Keys(records)) {
		id, order, ok := rules.Contribution(records[record])
		if !ok {
			continue
		}
		is := fragments[id]
		is.ID = id
		is.State.Settle(math.MaxInt, record, &order, Older{})
		fragments[id] = is
	}
	return fragments, identities
}
