package api

import (
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
func (h *handling) groups(ctx context.Context, seeds []profile.ID) ([][]profile.Fragment, error) {
	l, err := profile.Around(ctx, h.hub.Fragments, seeds)
	if err != nil {
		return nil, fmt.Errorf("reading fragments: %w", err)
	}
	return l, nil
}

// views combines profiles with what lies on their addresses, which is read last: a
// withdrawal that came in between is in.
func (h *handling) views(ctx context.Context, groups [][]profile.Fragment) ([]view, error) {
	identities, err := h.identities(ctx, slices.Concat(groups...))
	if err != nil {
		return nil, err
	}
	kept, err := h.memberships(ctx, slices.Concat(groups...))
	if err != nil {
		return nil, err
	}
	list := make([]view, 0, len(groups))
	for _, g := range groups {
		v := viewOf(profile.Combine(g, identities, h.rules.Limits))
		v.Segments = h.segmentsOf(g, kept)
		list = append(list, v)
	}
	return list, nil
}

// memberships reads what is kept under fragments.
func (h *handling) memberships(ctx context.Context, fragments []profile.Fragment) (map[profile.ID]profile.Memberships, error) {
	if len(fragments) == 0 || len(h.workspace.Segments) == 0 {
		return nil, nil
	}
	ids := make([]profile.ID, len(fragments))
	for n, f := range fragments {
		ids[n] = f.ID
	}
	l, err := h.hub.Memberships(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("reading memberships: %w", err)
	}
	m := map[profile.ID]profile.Memberships{}
	for _, one := range l {
		m[one.Fragment] = one
	}
	return m, nil
}

// segmentsOf lists the segments that a profile is in, by name: those of the
// definition that counts, under any of its fragments, since when the first was.
func (h *handling) segmentsOf(members []profile.Fragment, kept map[profile.ID]profile.Memberships) []membership {
	since := map[string]int64{}
	for _, f := range members {
		for name, s := range kept[f.ID].Segments {
			if _, defined := h.workspace.Segments[name]; !defined || !s.In() {
				continue
			}
			if old, there := since[name]; !there || s.Since < old {
				since[name] = s.Since
			}
		}
	}
	l := []membership{}
	for _, name := range slices.Sorted(maps.Keys(since)) {
		l = append(l, membership{name, stamp(since[name])})
	}
	return l
}

// identities reads what is stored of all identifiers that fragments claim.
func (h *handling) identities(ctx context.Context, fragments []profile.Fragment) (map[string]profile.Identity, error) {
	claims := profile.Claims(fragments)
	if len(claims) == 0 {
		return nil, nil
	}
	m, err := h.hub.Identities(ctx, claims)
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
