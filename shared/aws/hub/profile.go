package hub

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"loophub/shared/attribution"
	"loophub/shared/fault"
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

// Person is a profile with what others keep under its fragments, all in the order
// of Members. No members: there is no such profile.
type Person struct {
	Members     []profile.Fragment
	Identities  map[string]profile.Identity
	Memberships []profile.Memberships
	Outcome     attribution.Outcome // of PersonAndOutcome
}

// What lies under a fragment in capital letters, in the order of its keys: CREDITS,
// SEGMENTS, SENDS, STATE. They are small and stand side by side, so that one query
// reads them for the price of one, and nothing says which of them it reads first.
const (
	fromCredits  = "CREDITS"
	fromSegments = "SEGMENTS"
	toState      = "STATE"
)

// Person reads a profile and its memberships by any of its fragments.
func (w Workspace) Person(ctx context.Context, fragment profile.ID) (Person, error) {
	return w.person(ctx, fragment, fromSegments)
}

// PersonAndOutcome reads what messages brought besides.
func (w Workspace) PersonAndOutcome(ctx context.Context, fragment profile.ID) (Person, error) {
	return w.person(ctx, fragment, fromCredits)
}

func (w Workspace) person(ctx context.Context, fragment profile.ID, from string) (Person, error) {
	var p Person
	items := map[profile.ID]map[string]key{}
	groups, err := profile.Around(ctx, func(ctx context.Context, ids []profile.ID) ([]profile.Fragment, error) {
		return w.under(ctx, ids, from, items)
	}, []profile.ID{fragment})
	if err != nil || len(groups) == 0 {
		return p, err
	}
	p.Members = slices.Clip(groups[0])
	for _, f := range p.Members {
		m, err := readMemberships(f.ID, items[f.ID][fromSegments])
		if err != nil {
			return p, err
		}
		p.Memberships = append(p.Memberships, m)
		if credits := items[f.ID][fromCredits]; credits != nil && p.Outcome.IsZero() {
			c, err := readCredits(f.ID, credits)
			if err != nil {
				return p, err
			}
			p.Outcome = c.Outcome // the least carries it; just after a link it is still another
		}
	}
	p.Identities, err = w.Identities(ctx, profile.Claims(p.Members))
	return p, err
}

// under reads fragments with what lies beside them, and puts it into items: one by a query, more of them by their keys.
func (w Workspace) under(ctx context.Context, ids []profile.ID, from string, items map[profile.ID]map[string]key) ([]profile.Fragment, error) {
	for _, id := range ids {
		items[id] = map[string]key{}
	}
	if len(ids) == 1 {
		in := w.query("g", string(ids[0]), from, false, 0)
		in.KeyConditionExpression = aws.String("pk = :p AND sk BETWEEN :s AND :e")
		in.ExpressionAttributeValues[":e"] = text(toState)
		if err := w.each(ctx, in, func(item key) error {
			if sk, ok := item["sk"].(*types.AttributeValueMemberS); ok {
				items[ids[0]][sk.Value] = item
			}
			return nil
		}); err != nil {
			return nil, err
		}
	} else {
		sorts := []string{toState, fromSegments}
		if from == fromCredits {
			sorts = append(sorts, fromCredits)
		}
		l, err := w.batch(ctx, len(ids)*len(sorts), func(n int) key { return w.key("g", string(ids[n/len(sorts)]), sorts[n%len(sorts)]) })
		if err != nil {
			return nil, err
		}
		for n, item := range l {
			if item != nil {
				items[ids[n/len(sorts)]][sorts[n%len(sorts)]] = item
			}
		}
	}
	fragments := make([]profile.Fragment, len(ids))
	for n, id := range ids {
		var err error
		if fragments[n], err = readFragment(id, items[id][toState]); err != nil {
			return nil, err
		}
	}
	return fragments, nil
}

func readMemberships(id profile.ID, item key) (m profile.Memberships, err error) {
	if item != nil {
		if err := unpack(item["d"], &m); err != nil {
			return m, fault.As(fault.Permanent, fmt.Errorf("memberships of %s: %w", id, err))
		}
	}
	m.Fragment, m.Version, m.Armed = id, integer(item["v"]), integer(item["a"])
	return m, nil
}

func readCredits(id profile.ID, item key) (c attribution.Credits, err error) {
	if item != nil {
		if err := unpack(item["d"], &c); err != nil {
			return c, fault.As(fault.Permanent, fmt.Errorf("credits of %s: %w", id, err))
		}
	}
	c.Fragment, c.Version = id, integer(item["v"])
	return c.Named(), nil
}
