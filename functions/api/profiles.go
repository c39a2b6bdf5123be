package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"loophub/shared/contact"
	"loophub/shared/profile"
)

// profiles finds profiles by an address or an id.
func (h *handling) profiles(ctx context.Context) (any, error) {
	q, err := h.query("email", "phone", "id")
	if err != nil {
		return nil, err
	}
	if len(q) != 1 {
		return nil, badRequest("give one of email, phone and id")
	}
	var seeds []profile.ID
	for kind, text := range q {
		if kind == "id" {
			id, err := parseID(text)
			if err != nil {
				return nil, err
			}
			seeds = []profile.ID{id}
		} else if seeds, err = h.claimants(ctx, profile.Kind(kind), plus(kind, text)); err != nil {
			return nil, err
		}
	}
	found, err := h.groups(ctx, seeds)
	if err != nil {
		return nil, err
	}
	list, err := h.views(ctx, found)
	if err != nil {
		return nil, err
	}
	return map[string]any{"profiles": list}, nil
}

func parseID(text string) (profile.ID, error) {
	id, ok := profile.ParseID(text)
	if !ok {
		return "", badRequest("that is not a profile's id; it has 25 characters, as GET /v1/profiles gives it")
	}
	return id, nil
}

// claimants are the fragments that an address was given for. Most often they are
// one profile; a shared or split address has several.
func (h *handling) claimants(ctx context.Context, kind profile.Kind, text string) ([]profile.ID, error) {
	value, ok := "", false
	if kind == profile.Email {
		if value, ok = contact.Email(text); !ok {
			return nil, badRequest("that is not an e-mail address; write one like lan@example.com, and %%2B for its plus sign")
		}
	} else if value, ok = contact.Phone(text, h.workspace.Country); !ok {
		return nil, badRequest("that is not a phone number; write it as %%2B84903117428, or as it is dialled in the workspace's country")
	}
	id := h.rules.Key.Identifier(profile.Identifier{Kind: kind, Value: value})
	known, err := h.hub.Identities(ctx, []string{id})
	if err != nil {
		return nil, fmt.Errorf("reading the identity: %w", err)
	}
	return known[id].Found(), nil
}

// groups reads the profiles that fragments belong to, each with all its fragments.
// While a link is being made or cut, members do not agree on who they are: then it
// looks once more, and after that takes what there is.
func (h *handling) groups(ctx context.Context, seeds []profile.ID) ([][]profile.Fragment, error) {
	if len(seeds) == 0 {
		return nil, nil
	}
	for look := 1; ; look++ {
		at, err := h.neighbourhood(ctx, seeds)
		if err != nil {
			return nil, err
		}
		if look == 2 || agreed(at) {
			return gather(seeds, at), nil
		}
	}
}

// neighbourhood reads fragments and their fellow members. What is not stored is left out.
func (h *handling) neighbourhood(ctx context.Context, seeds []profile.ID) (map[profile.ID]profile.Fragment, error) {
	at := map[profile.ID]profile.Fragment{}
	read := func(ids []profile.ID) error {
		if len(ids) == 0 {
			return nil
		}
		list, err := h.hub.Fragments(ctx, ids)
		if err != nil {
			return fmt.Errorf("reading fragments: %w", err)
		}
		for _, f := range list {
			if f.Version != 0 {
				at[f.ID] = f
			}
		}
		return nil
	}
	if err := read(seeds); err != nil {
		return nil, err
	}
	missing := map[profile.ID]bool{}
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
func agreed(at map[profile.ID]profile.Fragment) bool {
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
func gather(seeds []profile.ID, at map[profile.ID]profile.Fragment) [][]profile.Fragment {
	seeds = slices.SortedFunc(slices.Values(seeds), func(a, b profile.ID) int {
		return cmp.Or(cmp.Compare(len(at[b].Members), len(at[a].Members)), cmp.Compare(a, b))
	})
	taken := map[profile.ID]bool{}
	var groups [][]profile.Fragment
	for _, s := range seeds {
		f, stored := at[s]
		if !stored || taken[s] {
			continue
		}
		var group []profile.Fragment
		for _, m := range f.Profile() {
			if fellow, there := at[m]; there && !taken[m] {
				taken[m] = true
				group = append(group, fellow)
			}
		}
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b []profile.Fragment) int { return cmp.Compare(a[0].ID, b[0].ID) })
	return groups
}

// views combines profiles with what lies on their addresses, which is read last: a
// withdrawal that came in between is in.
func (h *handling) views(ctx context.Context, groups [][]profile.Fragment) ([]view, error) {
	identities, err := h.identities(ctx, slices.Concat(groups...))
	if err != nil {
		return nil, err
	}
	list := make([]view, 0, len(groups))
	for _, g := range groups {
		list = append(list, viewOf(profile.Combine(g, identities, h.rules.Limits)))
	}
	return list, nil
}

// identities reads what is stored of all identifiers that fragments claim.
func (h *handling) identities(ctx context.Context, fragments []profile.Fragment) (map[string]profile.Identity, error) {
	claims := map[string]bool{}
	for _, f := range fragments {
		for id := range f.State.Claims {
			claims[id] = true
		}
	}
	if len(claims) == 0 {
		return nil, nil
	}
	m, err := h.hub.Identities(ctx, slices.Sorted(maps.Keys(claims)))
	if err != nil {
		return nil, fmt.Errorf("reading identities: %w", err)
	}
	return m, nil
}

// one reads the profile that the path names by any of its fragments.
func (h *handling) one(ctx context.Context) ([]profile.Fragment, error) {
	id, err := parseID(h.args["id"])
	if err != nil {
		return nil, err
	}
	groups, err := h.groups(ctx, []profile.ID{id})
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		return nil, notFound("there is no such profile; GET /v1/profiles finds one by email or phone")
	}
	return groups[0], nil
}
