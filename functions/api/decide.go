package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"loophub/shared/delivery"
	"loophub/shared/profile"
)

// accepted says where the decisions lie: unify reads them from there, within a
// second or so.
type accepted struct {
	Delivery  string `json:"delivery"`
	Decisions int    `json:"decisions"`
}

// unmerge cuts members off the rest of their profile. Those that are cut stay
// together; each is split from each that remains, or a later link would bring it back.
func (h *handling) unmerge(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct {
		Fragments            []string
		Connection, Customer string
	}
	if err := h.body(&in); err != nil {
		return nil, err
	}
	cut, err := h.cut(in.Fragments, in.Connection, in.Customer)
	if err != nil {
		return nil, err
	}
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	of := ids(members)
	if slices.ContainsFunc(cut, func(id profile.ID) bool { return !slices.Contains(of, id) }) {
		return nil, conflict("not all of these belong to the profile; GET /v1/profiles?id= lists its members")
	}
	if len(cut) == len(of) {
		return nil, conflict("nothing of the profile would be left to cut off from; leave out at least one of its %d members", len(of))
	}
	rest := slices.DeleteFunc(of, func(id profile.ID) bool { return slices.Contains(cut, id) })
	var list []Decision
	for _, a := range cut {
		for _, b := range rest {
			list = append(list, decision(true, a, b))
		}
	}
	return h.decide(ctx, members, list)
}

// cut reads which members to cut off, named as fragments or as a customer.
func (h *handling) cut(fragments []string, connection, customer string) ([]profile.ID, error) {
	byCustomer := connection != "" || customer != ""
	if byCustomer == (fragments != nil) || byCustomer && (connection == "" || customer == "") {
		return nil, badRequest(`say which members to cut off: {"fragments":["…"]}, or {"connection":"…","customer":"…"}`)
	}
	if byCustomer {
		a := profile.Anchor{Class: profile.CustomerClass, Connection: connection, Value: customer}
		return []profile.ID{h.rules.Key.Fragment(a)}, nil
	}
	var cut []profile.ID
	for _, text := range fragments {
		id, err := parseID(text)
		if err != nil {
			return nil, err
		}
		cut = append(cut, id)
	}
	slices.Sort(cut)
	if cut = slices.Compact(cut); len(cut) == 0 || len(cut) > h.rules.Limits.Members {
		return nil, badRequest("fragments names 1 to %d members", h.rules.Limits.Members)
	}
	return cut, nil
}

// merge ties two profiles. Pairs of their members that were split before are tied
// too: one split left over would keep the two apart.
func (h *handling) merge(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct{ Profiles []string }
	if err := h.body(&in); err != nil {
		return nil, err
	}
	if len(in.Profiles) != 2 {
		return nil, badRequest(`name two profiles: {"profiles":["…","…"]}`)
	}
	seeds := make([]profile.ID, 2)
	for n, text := range in.Profiles {
		var err error
		if seeds[n], err = parseID(text); err != nil {
			return nil, err
		}
	}
	groups, err := h.groups(ctx, seeds)
	if err != nil {
		return nil, err
	}
	both := slices.Concat(groups...)
	for _, s := range seeds {
		if !slices.Contains(ids(both), s) {
			return nil, notFound("one of the two profiles does not exist; GET /v1/profiles finds profiles by email or phone")
		}
	}
	if len(groups) == 1 {
		return nil, conflict("the two are one profile already")
	}
	if len(both) > h.rules.Limits.Members {
		return nil, conflict("together they would have %d members, and a profile has at most %d", len(both), h.rules.Limits.Members)
	}
	list := []Decision{decision(false, groups[0][0].ID, groups[1][0].ID)}
	for _, a := range groups[0] {
		for _, b := range groups[1] {
			d := decision(false, a.ID, b.ID)
			if old, _ := decided(d, a, b); old.Split && d != list[0] {
				list = append(list, d)
			}
		}
	}
	return h.decide(ctx, both, list)
}

func decision(split bool, a, b profile.ID) Decision {
	p := profile.Pair(a, b)
	return Decision{Split: split, A: p[0], B: p[1]}
}

// decided is what counts for a pair until now: the lesser fragment has the say.
// newest is the latest that either has heard of.
func decided(d Decision, a, b profile.Fragment) (now profile.Decision, newest int64) {
	if a.ID != d.A {
		a, b = b, a
	}
	return a.Ties[d.B], max(a.Ties[d.B].At, b.Ties[d.A].At)
}

// decide puts decisions into the Inbox. They are dated now, but after every earlier
// decision on the same pairs: who decides has seen what those led to.
func (h *handling) decide(ctx context.Context, members []profile.Fragment, list []Decision) (any, error) {
	if len(list) > MaxDecisions {
		return nil, conflict("this takes %d decisions on pairs of fragments, and one call makes at most %d; cut off fewer members at a time", len(list), MaxDecisions)
	}
	slices.SortFunc(list, func(a, b Decision) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) })
	by := map[profile.ID]profile.Fragment{}
	for _, f := range members {
		by[f.ID] = f
	}
	at := h.now.UnixMilli()
	for _, d := range list {
		_, newest := decided(d, by[d.A], by[d.B])
		at = max(at, newest+1)
	}
	d, err := h.Decisions(h.workspace.ID, list, time.UnixMilli(at).UTC())
	if err != nil {
		return nil, fmt.Errorf("writing decisions: %w", err)
	}
	d.Workspace, d.Trace = h.workspace.ID, h.line.Trace
	k, _, err := h.Inbox.Put(ctx, delivery.Seal(d))
	if err != nil {
		return nil, fmt.Errorf("storing decisions: %w", err)
	}
	h.line.Connection, h.line.Delivery = k.Connection, k.String()
	return accepted{k.String(), len(list)}, nil
}

func ids(fragments []profile.Fragment) []profile.ID {
	l := make([]profile.ID, len(fragments))
	for n, f := range fragments {
		l[n] = f.ID
	}
	return l
}
