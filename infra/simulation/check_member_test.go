package simulation

import (
	"maps"
	"slices"
	"time"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

func batch(rules profile.Rules, facts []events.Fact) unifytest.Rest {
	return unifytest.Batch(rules, facts)
}

// late is how late a moment may be told of: sweep comes each minute, what it sends may have to be sent again.
const late = 4 * time.Minute

// people are the profiles at rest, by their least fragment.
func (c *checking) persons() [][]profile.Fragment {
	var l [][]profile.Fragment
	fragments := c.now.Profiles.Fragments
	for _, id := range slices.Sorted(maps.Keys(fragments)) {
		members := fragments[id].Profile()
		if members[0] != id {
			continue
		}
		var group []profile.Fragment
		for _, m := range members {
			if f, ok := fragments[m]; ok {
				group = append(group, f)
			}
		}
		l = append(l, group)
	}
	return l
}

func ids(group []profile.Fragment) (l []profile.ID) {
	for _, f := range group {
		l = append(l, f.ID)
	}
	return l
}

// view is a profile as rules see it, with all its orders.
func (c *checking) view(group []profile.Fragment) segment.View {
	v := segment.Combine(group, c.now.Profiles.Identities, profile.DefaultLimits)
	var older []profile.Order
	for _, f := range group {
		older = slices.AppendSeq(older, maps.Values(c.now.Profiles.Older[f.ID]))
	}
	return v.With(older, time.UnixMilli(1))
}

// membershipsHold: everybody is in the segments whose rules hold now, and who will leave by time alone is waited for.
func (c *checking) membershipsHold() {
	segments, err := segment.CompileAll(c.Workspace)
	if err != nil {
		c.wrong(3, "compiling the segments: %v", err)
		return
	}
	for _, group := range c.persons() {
		var kept []profile.Memberships
		for _, id := range ids(group) {
			if m, ok := c.now.Memberships[id]; ok {
				kept = append(kept, m)
			}
		}
		in, v := profile.InSegments(kept), c.view(group)
		for _, s := range segments {
			was, err := segment.At(v, c.Now().Add(-late)).Decide(s)
			is, wrong := segment.At(v, c.Now()).Decide(s)
			if err != nil || wrong != nil {
				c.wrong(3, "deciding %s: %v", s.Name, err)
				continue
			}
			if was.In == is.In && slices.Contains(in, s.Name) != is.In {
				c.wrong(3, "%s: the rule of the segment %s says %v, what is kept says %v", group[0].ID, s.Name, is.In, in)
			}
			if is.In && was.In && !c.announced(events.SegmentEntered, group, s.Name) {
				c.wrong(1, "%s is in the segment %s, and nobody announced it", group[0].ID, s.Name)
			}
			if is.Next.IsZero() || !is.Next.After(c.Now().Add(late)) {
				continue
			}
			if !c.waits("segment", is.Next, func(what string) bool { return slices.Contains(ids(group), profile.ID(what)) }) {
				c.wrong(3, "%s: the segment %s may turn at %s, and nobody waits for it", group[0].ID, s.Name, clock(is.Next))
			}
		}
	}
}

// announced tells whether the bus carried that somebody entered.
func (c *checking) announced(kind string, group []profile.Fragment, name string) bool {
	return slices.ContainsFunc(c.memberships, func(m turn) bool {
		return m.kind == kind && m.Segment == name && slices.Contains(ids(group), profile.ID(m.Fragment))
	})
}

// waits tells whether a moment of a stage is armed that comes no later than that, give or take.
func (c *checking) waits(stage string, at time.Time, what func(string) bool) bool {
	return slices.ContainsFunc(c.now.Due, func(d hub.Due) bool {
		return d.Stage == stage && what(d.What) && d.At <= at.Add(late).UnixMilli()
	})
}
