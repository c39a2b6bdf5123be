package profile

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// Around reads the profiles that fragments belong to, each with all its fragments
// that are stored. While a link is being made or cut, members do not agree on who
// they are: then it looks once more, and after that takes what there is. read
// gives fragments in the order of ids; Version 0 = not stored.
func Around(ctx context.Context, read func(ctx context.Context, ids []ID) ([]Fragment, error), seeds []ID) ([][]Fragment, error) {
	if len(seeds) == 0 {
		return nil, nil
	}
	for look := 1; ; look++ {
		at, err := neighbourhood(ctx, read, seeds)
		if err != nil {
			return nil, err
		}
		if look == 2 || agreed(at) {
			return gather(seeds, at), nil
		}
	}
}

// neighbourhood reads fragments and their fellow members. What is not stored is left out.
func neighbourhood(ctx context.Context, from func(context.Context, []ID) ([]Fragment, error), seeds []ID) (map[ID]Fragment, error) {
	at := map[ID]Fragment{}
	read := func(ids []ID) error {
		if len(ids) == 0 {
			return nil
		}
		list, err := from(ctx, ids)
		for _, f := range list {
			if f.Version != 0 {
				at[f.ID] = f
			}
		}
		return err
	}
	if err := read(seeds); err != nil {
		return nil, err
	}
	missing := map[ID]bool{}
	for _, f := range at {
		for _, m := range f.Profile() {
			if _, there := at[m]; !there {
				missing[m] = true
			}
		}
	}
	return at, read(slices.Sorted(maps.Keys(missing)))
}

// agreed tells whether all members of each profile name the same members.
func agreed(at map[ID]Fragment) bool {
	for _, f := range at {
		for _, m := range f.Profile() {
			if fellow, there := at[m]; !there || !slices.Equal(fellow.Profile(), f.Profile()) {
				return false
			}
		}
	}
	return true
}

// gather makes the profiles of the seeds, each fragment in one: where members do
// not agree, the one who names most has the say.
func gather(seeds []ID, at map[ID]Fragment) [][]Fragment {
	seeds = slices.SortedFunc(slices.Values(seeds), func(a, b ID) int {
		return cmp.Or(cmp.Compare(len(at[b].Members), len(at[a].Members)), cmp.Compare(a, b))
	})
	taken := map[ID]bool{}
	var groups [][]Fragment
	for _, s := range seeds {
		f, stored := at[s]
		if !stored || taken[s] {
			continue
		}
		var group []Fragment
		for _, m := range f.Profile() {
			if fellow, there := at[m]; there && !taken[m] {
				taken[m] = true
				group = append(group, fellow)
			}
		}
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b []Fragment) int { return cmp.Compare(a[0].ID, b[0].ID) })
	return groups
}

// Claims are the identifiers that fragments claim, sorted.
func Claims(fragments []Fragment) []string {
	claims := map[string]bool{}
	for _, f := range fragments {
		for id := range f.State.Claims {
			claims[id] = true
		}
	}
	return slices.Sorted(maps.Keys(claims))
}
