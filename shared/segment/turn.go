package segment

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// CompileAll compiles the segments of a workspace, by name.
func CompileAll(w workspace.Workspace) ([]Segment, error) {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return nil, fmt.Errorf("loading the workspace's zone: %w", err)
	}
	l := make([]Segment, 0, len(w.Segments))
	for _, name := range slices.Sorted(maps.Keys(w.Segments)) {
		d := w.Segments[name]
		s, err := Compile(name, Definition{About: d.About, When: d.When}, zone)
		if err != nil { // it was checked when it was applied: by another version
			return nil, fmt.Errorf("reading the rule of segment %s: %w", name, err)
		}
		l = append(l, s)
	}
	return l, nil
}

// Turning is what a decision about all memberships of a profile stands on.
type Turning struct {
	Before   []profile.Memberships // what is kept under each of the profile's fragments, the empty ones included
	Segments []Segment             // of the definition, by name
	View     View
	Versions map[profile.ID]int64 // of the profile's fragments
	Quiet    map[profile.ID]int64 // versions of their newest quiet writes, if any
	Now      time.Time
	Linking  bool   // who they are is not known: nothing that turns now begins anything
	Due      bool   // a moment came that was waited for, or everybody is looked at; no change
	Older    *Older // what a Turned asked for
}

// Older are orders beyond those in the View: all that were placed since then.
type Older struct {
	Orders []profile.Order
	Since  time.Time
}

// Turned is what memberships become.
type Turned struct {
	After profile.Memberships // under the profile's least fragment
	Turns []Turn              // by segment
	Next  time.Time           // when to look again if nothing happens; zero = never
	// Older, where not zero, says that there is no answer yet: read the orders that
	// were placed from then on and ask again with them.
	Older time.Time
}

// Turn is a membership that turned.
type Turn struct {
	Segment string
	In      bool
	Cause   events.Cause
}

// Turn decides the memberships of a profile anew: the segments that read a part
// which differs from what was last decided about, those whose own next moment has
// come, and those with another rule. Parts are compared by their content and not
// by what an event names: events come late, twice or not in their order.
func (t Turning) Turn() (Turned, error) {
	before := t.before()
	was := before.Segments
	after := profile.Memberships{Fragment: t.View.ID, Version: before.Version, Armed: before.Armed,
		Segments: make(map[string]profile.Standing, len(t.Segments)), Seen: t.Versions, Parts: digests(t.View.View)}
	w := &weighing{Turning: t, base: At(t.View, t.Now)}
	out := Turned{}
	why := t.cause(before)
	if t.linked() {
		before.Parts = nil // what is kept was decided about others
	}
	for _, s := range t.Segments {
		old, known := was[s.Name]
		rule := s.Digest()
		if known && old.Rule == rule && !changed(s, before.Parts, after.Parts) && (old.Next == 0 || old.Next > t.Now.UnixMilli()) {
			after.Segments[s.Name] = old
			continue
		}
		d, err := w.decide(s)
		if err != nil {
			return Turned{}, err
		}
		is := profile.Standing{Rule: rule, Since: old.Since}
		if !d.Next.IsZero() {
			is.Next = d.Next.UnixMilli()
		}
		if d.In != old.In() {
			is.Since = 0
			if d.In {
				is.Since = t.Now.UnixMilli()
			}
			out.Turns = append(out.Turns, Turn{s.Name, d.In, why(known && old.Rule == rule)})
		}
		after.Segments[s.Name] = is
	}
	if !w.older.IsZero() {
		return Turned{Older: w.older}, nil
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, still := after.Segments[name]; !still && was[name].In() {
			out.Turns = append(out.Turns, Turn{name, false, why(false)}) // the definition has it no more
		}
	}
	out.After, out.Next = after, next(after)
	return out, nil
}

// weighing decides segments of one turning. Older orders are looked at by those
// segments alone that asked for them: so what each decides, and when it is due,
// does not hang on which others are decided beside it.
type weighing struct {
	Turning
	base, whole *Moment
	older       time.Time // the earliest that was asked for and is not at hand
}

func (w *weighing) decide(s Segment) (Decision, error) {
	d, err := w.base.Decide(s)
	if err != nil || d.Older.IsZero() {
		return d, err
	}
	if w.Older != nil {
		if w.whole == nil {
			w.whole = At(w.View.With(w.Older.Orders, w.Older.Since), w.Now)
		}
		if d, err = w.whole.Decide(s); err != nil {
			return d, err
		}
	}
	if !d.Older.IsZero() && (w.older.IsZero() || d.Older.Before(w.older)) {
		w.older = d.Older
	}
	return d, nil
}

// before joins what is kept under the profile's fragments: it is in where one of
// them is, since when the first was.
func (t Turning) before() profile.Memberships {
	all := profile.Memberships{Segments: map[string]profile.Standing{}}
	for _, m := range t.Before {
		if m.Fragment == t.View.ID {
			all.Version, all.Armed = m.Version, m.Armed
		}
		for name, s := range m.Segments {
			old, there := all.Segments[name]
			if !there || s.In() && (!old.In() || s.Since < old.Since) {
				all.Segments[name] = s
			}
		}
		if len(m.Seen) > 0 && (all.Seen == nil || m.Fragment == t.View.ID) {
			all.Parts = m.Parts
		}
		if len(m.Seen) > 0 {
			all.Seen = joined(all.Seen, m.Seen)
		}
	}
	return all
}

func joined(a, b map[profile.ID]int64) map[profile.ID]int64 {
	m := maps.Clone(b)
	for id, v := range a {
		m[id] = max(m[id], v)
	}
	return m
}

// cause tells why memberships turn now; decided says that the segment was decided
// before, by the same rule. What no customer caused just now comes first: it
// starts no journey.
func (t Turning) cause(before profile.Memberships) func(decided bool) events.Cause {
	quiet := false
	for id := range t.Versions {
		quiet = quiet || t.Quiet[id] > before.Seen[id]
	}
	first := !slices.ContainsFunc(t.Before, func(m profile.Memberships) bool { return m.Version > 0 })
	linked := t.Linking || t.linked()
	return func(decided bool) events.Cause {
		switch {
		case quiet:
			return events.ByReplay
		case linked:
			return events.ByLink
		case !decided && (t.Due || !first):
			return events.ByDefinition
		case t.Due:
			return events.ByTime
		}
		return events.ByChange // for whom nobody has decided about yet, everything is
	}
}

// linked tells whether people who were decided about apart are together now, or
// the other way round. Somebody who is new to us is none of them: a form that a
// known customer posts makes a fragment, and is news of the customer.
func (t Turning) linked() bool {
	groups, seen := 0, map[profile.ID]bool{}
	for _, m := range t.Before {
		if len(m.Seen) > 0 {
			groups++
		}
		for id := range m.Seen {
			if _, still := t.Versions[id]; !still {
				return true
			}
			seen[id] = true
		}
	}
	return groups > 1 || slices.ContainsFunc(t.Before, func(m profile.Memberships) bool {
		return m.Version > 0 && len(m.Seen) == 0 && !seen[m.Fragment] // it was emptied for others, and is back
	})
}

func changed(s Segment, was, is map[profile.Change]string) bool {
	return slices.ContainsFunc(s.Reads(), func(c profile.Change) bool { return was[c] != is[c] })
}

// next is the earliest moment at which a standing can change.
func next(m profile.Memberships) time.Time {
	least := int64(0)
	for _, s := range m.Segments {
		if s.Next != 0 && (least == 0 || s.Next < least) {
			least = s.Next
		}
	}
	if least == 0 {
		return time.Time{}
	}
	return time.UnixMilli(least).UTC()
}

// digests are of the parts of a profile as rules see them.
func digests(v profile.View) map[profile.Change]string {
	traits := map[string]string{}
	for name, r := range v.Traits {
		if !r.Value.IsNull() {
			traits[name] = "=" + r.Value.String()
		}
	}
	given := map[string]bool{}
	for subject, c := range v.Consent {
		if c.Given() {
			given[subject] = true
		}
	}
	return map[profile.Change]string{
		profile.IdentityChanged: digestOf(v.Members, v.Sources),
		profile.OrdersChanged:   digestOf(v.Orders, v.Sums, v.Recent, v.First),
		profile.TraitsChanged:   digestOf(traits),
		profile.TagsChanged:     digestOf(v.Tags),
		profile.ConsentChanged:  digestOf(given),
		profile.CheckoutChanged: digestOf(v.Checkout),
		profile.EventsChanged:   digestOf(v.Events),
	}
}

func digestOf(l ...any) string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts, numbers, and lists and maps of them
	}
	return digest(string(b))
}
