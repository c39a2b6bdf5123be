package hub

import (
	"context"
	"slices"

	"loophub/shared/profile"
)

// Load reads a whole profile by any of its fragments: all of its fragments that
// are stored, by id, and what is stored of the identifiers that they claim. No
// members: there is no such profile. Identities are read last: a withdrawal that
// came in between is in.
func (w Workspace) Load(ctx context.Context, fragment profile.ID) (members []profile.Fragment, identities map[string]profile.Identity, err error) {
	groups, err := profile.Around(ctx, w.Fragments, []profile.ID{fragment})
	if err != nil || len(groups) == 0 {
		return nil, nil, err
	}
	identities, err = w.Identities(ctx, profile.Claims(groups[0]))
	return slices.Clip(groups[0]), identities, err
}
