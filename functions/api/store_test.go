package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/functions/api"
	"loophub/shared/attribution"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// store is a workspace's part of the Hub, made anew from the set of facts after
// every change: it knows nothing of the commit protocol.
type store struct {
	world      *world
	id         string
	rules      profile.Rules
	facts      map[string][]events.Fact
	index      map[profile.ID][]api.Indexed
	fragments  map[profile.ID]profile.Fragment
	identities map[string]profile.Identity
	counts     attribution.Counts
	messages   []message.Message
	sends      []message.Send
	controls   workspace.Controls
	turns      []workspace.Turn // newest first
	kept       map[profile.ID]profile.Memberships

	entries  []journey.Entry
	heads    []journey.Head
	tasks    []journey.Task
	dues     []api.Due
	versions map[string]journey.Definition
	wishes   map[string]journey.Wish
	codes    map[string]string // code → pool
}

func newStore(w *world, id string) *store {
	return &store{world: w, id: id, rules: profile.NewRules(w.key(id), nil, nil),
		facts: map[string][]events.Fact{}, index: map[profile.ID][]api.Indexed{},
		wishes: map[string]journey.Wish{}, codes: map[string]string{}}
}

// take adds facts as unify does: the index at the time of whatever names first.
func (s *store) take(facts ...events.Fact) {
	for _, f := range facts {
		f.Workspace = s.id
		record := f.RecordKey()
		if f.Kind != events.Customer {
			known := s.rules.Candidates(s.facts[record]...)
			for _, id := range s.rules.Names(f) {
				if !slices.Contains(known, id) {
					s.index[id] = append(s.index[id], api.Indexed{At: f.Time(), Record: record})
				}
			}
		}
		s.facts[record] = append(s.facts[record], f)
	}
	s.rebuild()
}

func (s *store) rebuild() {
	s.fragments, s.identities = map[profile.ID]profile.Fragment{}, map[string]profile.Identity{}
	for _, record := range slices.Sorted(maps.Keys(s.facts)) {
		facts := s.facts[record]
		for _, f := range facts {
			s.state(f)
			s.tie(f)
		}
		if id, o, ok := s.rules.Contribution(facts); ok {
			f := s.at(id)
			f.State.Settle(s.rules.Limits.Recent, record, &o, profile.Older{})
			s.fragments[id] = f
		}
	}
	edges := map[string][]profile.ID{}
	for id, i := range s.identities {
		for claimant := range i.Claimants {
			if !i.Shared && !s.fragments[claimant].State.Over(profile.KindOf(id), s.rules.Limits) {
				edges[id] = append(edges[id], claimant)
			}
		}
	}
	for id := range s.fragments {
		f := s.fragments[id]
		f.SetMembers(s.around(id, edges).Partition(s.rules.Limits)[id])
		s.fragments[id] = f
	}
}

// around is what edges and ties reach from a fragment.
func (s *store) around(id profile.ID, edges map[string][]profile.ID) profile.Component {
	c := profile.Component{Fragments: map[profile.ID]profile.Fragment{}, Edges: map[string][]profile.ID{}}
	for queue := []profile.ID{id}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if _, seen := c.Fragments[at]; seen {
			continue
		}
		c.Fragments[at] = s.fragments[at]
		queue = slices.AppendSeq(queue, maps.Keys(s.fragments[at].Ties))
		for identifier, ids := range edges {
			if slices.Contains(ids, at) {
				c.Edges[identifier] = ids
				queue = append(queue, ids...)
			}
		}
	}
	return c
}

func (s *store) at(id profile.ID) profile.Fragment {
	f := s.fragments[id]
	f.ID, f.Version = id, 1
	return f
}

func (s *store) state(f events.Fact) {
	st, ok := s.rules.Statement(f)
	if !ok {
		return
	}
	g := s.at(st.Fragment)
	g.Anchor = profile.SourceOf(st.Anchor)
	g.State.Join(st)
	g.State.Claim(st.Claims, s.rules.Limits)
	s.fragments[g.ID] = g
	for id := range st.Claims {
		i := s.identities[id]
		i.ID = id
		i.Claimed(g.ID, g.Anchor.Connection, s.rules.Limits)
		i.Stop(st.Stops[id])
		s.identities[id] = i
	}
}

func (s *store) tie(f events.Fact) {
	pair, d, ok := s.rules.Decision(f)
	if !ok {
		return
	}
	for n := range pair {
		g := s.at(pair[n])
		if old, known := g.Ties[pair[1-n]]; !known || d.Wins(old) {
			g.Tie(pair[1-n], d)
		}
		s.fragments[g.ID] = g
	}
}

func (s *store) customer(connection, id string) profile.ID {
	return s.rules.Key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: connection, Value: id})
}

func (s *store) Fragments(_ context.Context, ids []profile.ID) ([]profile.Fragment, error) {
	if err := s.world.step("fragments"); err != nil {
		return nil, err
	}
	l := make([]profile.Fragment, len(ids))
	for n, id := range ids {
		l[n] = s.fragments[id].Clone()
		l[n].ID = id
	}
	return l, nil
}

func (s *store) Identities(_ context.Context, ids []string) (map[string]profile.Identity, error) {
	if err := s.world.step("identities"); err != nil {
		return nil, err
	}
	m := map[string]profile.Identity{}
	for _, id := range ids {
		m[id] = s.identities[id]
	}
	return m, nil
}

func (s *store) Facts(_ context.Context, record string) ([]events.Fact, error) {
	if err := s.world.step("facts"); err != nil {
		return nil, err
	}
	return slices.Clone(s.facts[record]), nil
}

func (s *store) Timeline(_ context.Context, fragment profile.ID, before api.Indexed, limit int) ([]api.Indexed, bool, error) {
	if err := s.world.step("timeline"); err != nil {
		return nil, false, err
	}
	less := func(a, b api.Indexed) bool {
		return a.At < b.At || a.At == b.At && strings.Compare(a.Record, b.Record) < 0
	}
	list := slices.SortedFunc(slices.Values(s.index[fragment]), func(a, b api.Indexed) int {
		if less(b, a) {
			return -1
		}
		return 1
	})
	if before != (api.Indexed{}) {
		list = slices.DeleteFunc(list, func(i api.Indexed) bool { return !less(i, before) })
	}
	if len(list) > limit {
		return list[:limit], true, nil
	}
	return list, false, nil
}

// OlderOrders reads them off the facts.
func (s *store) OlderOrders(_ context.Context, id profile.ID, since time.Time) ([]profile.Order, error) {
	if err := s.world.step("OlderOrders"); err != nil {
		return nil, err
	}
	var l []profile.Order
	for _, facts := range s.facts {
		at, o, ok := s.rules.Contribution(facts)
		if ok && at == id && o.At >= since.UnixMilli() && !slices.ContainsFunc(s.fragments[id].State.Recent, o.Equal) {
			l = append(l, o)
		}
	}
	return l, nil
}

func (s *store) Counters(_ context.Context, journey string) (attribution.Counts, error) {
	if err := s.world.step("counters"); err != nil {
		return nil, err
	}
	c := attribution.Counts{}
	for k, n := range s.counts {
		if k.Journey == journey {
			c[k] = n
		}
	}
	return c, nil
}

func (s *store) Controls(context.Context) (workspace.Controls, error) {
	return s.controls, s.world.step("controls")
}

func (s *store) Turn(_ context.Context, c workspace.Controls, t workspace.Turn) (workspace.Controls, error) {
	if err := s.world.step("turn"); err != nil {
		return c, err
	}
	after, changed := c.Turned(t)
	if !changed {
		return c, nil
	}
	if c.Version != s.controls.Version {
		return c, profile.ErrLost
	}
	after.Version++
	s.controls, s.turns = after, append([]workspace.Turn{t}, s.turns...)
	return after, nil
}

// Turns names a place by how many turns lie before it.
func (s *store) Turns(_ context.Context, before string, limit int) ([]workspace.Turn, string, error) {
	if err := s.world.step("turns"); err != nil {
		return nil, "", err
	}
	from := 0
	if before != "" {
		if _, err := fmt.Sscanf(before, "0000000000000#%08d", &from); err != nil || from > len(s.turns) {
			return nil, "", err
		}
	}
	if rest := s.turns[from:]; len(rest) > limit {
		return rest[:limit], fmt.Sprintf("0000000000000#%08d", from+limit), nil
	}
	return s.turns[from:], "", nil
}

func (s *store) Memberships(_ context.Context, ids []profile.ID) ([]profile.Memberships, error) {
	if err := s.world.step("memberships"); err != nil {
		return nil, err
	}
	l := make([]profile.Memberships, len(ids))
	for n, id := range ids {
		l[n] = s.kept[id]
		l[n].Fragment = id
	}
	return l, nil
}

func (s *store) Entries(_ context.Context, fragments []profile.ID, name string) (l []journey.Entry, err error) {
	for _, e := range s.entries {
		if e.Journey == name && slices.Contains(fragments, e.Fragment) {
			l = append(l, e)
		}
	}
	return l, s.world.step("entries")
}

func (s *store) Heads(_ context.Context, fragments []profile.ID) (l []journey.Head, err error) {
	for _, h := range s.heads {
		if slices.Contains(fragments, h.Fragment) {
			l = append(l, h)
		}
	}
	return l, s.world.step("heads")
}

func (s *store) Ask(_ context.Context, w journey.Wish) (bool, error) {
	if err := s.world.step("ask"); err != nil {
		return false, err
	}
	_, there := s.wishes[w.ID]
	if !there {
		s.wishes[w.ID] = w
	}
	return !there, nil
}

func (s *store) Tasks(_ context.Context, fragments []profile.ID, limit int) (l []journey.Task, err error) {
	for _, t := range s.tasks {
		if slices.Contains(fragments, t.Fragment) && len(l) < limit {
			l = append(l, t)
		}
	}
	return l, s.world.step("tasks")
}

func (s *store) Upload(_ context.Context, pool string, codes []string) (added int, err error) {
	for _, c := range codes {
		if s.codes[c] == "" {
			s.codes[c] = pool
			added++
		}
	}
	return added, s.world.step("upload")
}

func (s *store) CountCodes(_ context.Context, pool string) (available, used int, err error) {
	for _, p := range s.codes {
		if p == pool {
			available++
		}
	}
	return available, 3, s.world.step("count")
}
