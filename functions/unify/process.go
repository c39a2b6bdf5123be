package unify

import (
	"context"
	"maps"
	"slices"

	"loophub/events"
	"loophub/shared/profile"
)

// Process takes facts of one workspace in: the log first, then the fragments,
// then the links. failed tells by position which facts have to be tried again,
// and why; the others are done. Running it again does no harm.
func (u Unifier) Process(ctx context.Context, facts []events.Fact) (failed map[int]error) {
	failed = map[int]error{}
	plan := map[profile.ID]*Work{}
	from := map[profile.ID][]int{} // which facts gave work to a fragment
	for n, f := range facts {
		if err := u.Record(ctx, f); err != nil {
			failed[n] = err
		}
	}
	known := u.foresee(ctx, facts)
	for n, f := range facts {
		if failed[n] != nil {
			continue
		}
		mine := map[profile.ID]*Work{}
		if err := u.Plan(ctx, known, mine, f); err != nil {
			failed[n] = err
			continue
		}
		for id, w := range mine {
			merge(plan, id, w)
			from[id] = append(from[id], n)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(plan)) {
		if err := u.one(ctx, known, id, *plan[id]); err != nil {
			for _, n := range from[id] {
				failed[n] = err
			}
		}
	}
	for n, f := range facts {
		pair, d, ok := u.Rules.Decision(f)
		if !ok || failed[n] != nil {
			continue
		}
		if err := u.Decide(ctx, pair[0], pair[1], d); err != nil {
			failed[n] = err
		}
	}
	return failed
}

func merge(plan map[profile.ID]*Work, id profile.ID, w *Work) {
	if plan[id] == nil {
		plan[id] = w
		return
	}
	maps.Copy(plan[id].Orders, w.Orders)
	plan[id].Statements = append(plan[id].Statements, w.Statements...)
	plan[id].Facts = append(plan[id].Facts, w.Facts...)
}

// one settles and links one fragment.
func (u Unifier) one(ctx context.Context, k known, id profile.ID, w Work) error {
	f, err := u.Settle(ctx, k, id, w)
	if err != nil {
		return err
	}
	claims := false
	for _, s := range w.Statements {
		if err := u.Stop(ctx, s); err != nil {
			return err
		}
		claims = claims || len(s.Claims) > 0
	}
	if !claims {
		return nil
	}
	return u.Link(ctx, f)
}
