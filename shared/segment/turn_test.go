package segment_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// life is a profile and what is kept of its memberships.
type life struct {
	t         testing.TB
	segments  []segment.Segment
	fragments map[profile.ID]profile.Fragment
	kept      map[profile.ID]profile.Memberships
	quiet     map[profile.ID]int64
	now       time.Time
}

func newLife(t testing.TB, rules ...string) *life {
	l := &life{t: t, fragments: map[profile.ID]profile.Fragment{}, kept: map[profile.ID]profile.Memberships{}, quiet: map[profile.ID]int64{},
		now: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)}
	l.define(rules...)
	return l
}

// define takes name: rule.
func (l *life) define(rules ...string) {
	l.t.Helper()
	l.segments = nil
	for _, r := range rules {
		name, when, _ := strings.Cut(r, ": ")
		s, err := segment.Compile(name, segment.Definition{When: when}, time.UTC)
		if err != nil {
			l.t.Fatal(err)
		}
		l.segments = append(l.segments, s)
	}
}

// tag gives a fragment tags and so a new version.
func (l *life) tag(id profile.ID, tags ...string) {
	b, _ := json.Marshal(tags)
	f := l.fragments[id]
	f.ID, f.Version = id, f.Version+1
	f.State.Snapshot = &profile.Register{Version: f.Version, Value: events.Text(string(b))}
	l.fragments[id] = f
}

func (l *life) buy(id profile.ID, n int, at time.Time) {
	f := l.fragments[id]
	f.ID, f.Version = id, f.Version+1
	o := order(fmt.Sprint(id, n), at, 100)
	f.State.Settle(12, o.Record, &o, profile.Older{})
	l.fragments[id] = f
}

// look decides about the profile of some fragments, and says what turned.
func (l *life) look(due bool, ids ...profile.ID) string {
	l.t.Helper()
	t := segment.Turning{Segments: l.segments, Versions: map[profile.ID]int64{}, Quiet: l.quiet, Now: l.now, Due: due}
	var members []profile.Fragment
	for _, id := range ids {
		f := l.fragments[id]
		members = append(members, f)
		t.Versions[id] = f.Version
		k := l.kept[id]
		k.Fragment = id
		t.Before = append(t.Before, k)
	}
	t.View = segment.Combine(members, nil, profile.DefaultLimits)
	out, err := t.Turn()
	if err != nil || !out.Older.IsZero() {
		l.t.Fatal(out, err)
	}
	for _, id := range ids {
		k := profile.Memberships{Fragment: id, Version: l.kept[id].Version}
		if id == out.After.Fragment {
			k = out.After
		}
		k.Version++
		l.kept[id] = k // emptied ones too: they say that somebody has decided
	}
	var said []string
	for _, x := range out.Turns {
		said = append(said, fmt.Sprint(map[bool]string{true: "+", false: "-"}[x.In], x.Segment, " ", x.Cause))
	}
	return strings.Join(said, ", ")
}

func (l *life) wants(got, want string) {
	l.t.Helper()
	if got != want {
		l.t.Errorf("turned: %q, want %q", got, want)
	}
}

func TestCauses(t *testing.T) {
	const a, b, c = profile.ID("c1"), profile.ID("g2"), profile.ID("c0")
	l := newLife(t, `fresh: orders.within("30d").count > 0`, `vip: "vip" in tags`)
	l.tag(a, "vip")
	l.wants(l.look(false, a), "+vip change") // nobody had decided before: it is news
	l.wants(l.look(false, a), "")            // twice
	l.buy(a, 1, l.now)
	l.wants(l.look(false, a), "+fresh change")
	l.now = l.now.Add(30*aDay - time.Millisecond)
	l.wants(l.look(true, a), "") // a millisecond early
	l.now = l.now.Add(time.Millisecond)
	l.wants(l.look(true, a), "-fresh time")
	l.wants(l.look(true, a), "")

	l.define(`vip: "VIP" in tags`, `none: orders.count == 0`, `one: orders.count == 1`)
	l.buy(a, 2, l.now.Add(-100*aDay))
	l.wants(l.look(false, a), "-vip definition") // of a new segment nobody is told why, but that it is new
	l.define(`one: orders.count == 2`)
	l.wants(l.look(true, a), "+one definition")
	l.define()
	l.wants(l.look(true, a), "-one definition")

	l.define(`vip: "vip" in tags`, `gold: "gold" in tags`)
	l.wants(l.look(true, a), "+vip definition")
	l.tag(a, "vip", "gold")
	l.quiet[a] = l.fragments[a].Version
	l.wants(l.look(false, a), "+gold replay")
	l.tag(a, "vip")
	l.wants(l.look(false, a), "-gold change") // the quiet write was taken in before

	l.tag(b, "gold") // a form that the customer posts makes a fragment: news, no link
	l.wants(l.look(false, a, b), "+gold change")
	l.tag(b)
	l.wants(l.look(false, a, b), "-gold change")
	l.tag(b, "gold")
	l.wants(l.look(false, a), "") // cut: b goes
	l.wants(l.look(false, b), "+gold link")
	l.wants(l.look(false, a, b), "") // tied again: they are in since one of them is
	l.tag(c, "gold", "silver")
	l.wants(l.look(false, c, a, b), "") // a new least fragment takes over
	if k := l.kept[c]; k.Segments["gold"].Since != l.now.UnixMilli() || len(l.kept[a].Seen)+len(l.kept[b].Segments) != 0 {
		t.Errorf("%+v", l.kept)
	}
	l.tag(a)
	l.wants(l.look(false, a), "") // cut off again: it is in nothing
}

// TestFirstLook: who was there before the segments were is in them by definition.
func TestFirstLook(t *testing.T) {
	l := newLife(t, `vip: "vip" in tags`)
	l.tag("c1", "vip")
	l.wants(l.look(true, "c1"), "+vip definition")
	l.quiet["c2"] = 1
	l.tag("c2", "vip")
	l.wants(l.look(false, "c2"), "+vip replay")
}

// TestMissedEvents: an event that names one part stands for all that its version
// took in; what the others would have named is decided all the same.
func TestMissedEvents(t *testing.T) {
	l := newLife(t, `buyer: orders.count > 0`, `vip: "vip" in tags`)
	l.tag("c1")
	l.look(false, "c1")
	l.buy("c1", 1, l.now)
	l.tag("c1", "vip")
	l.wants(l.look(false, "c1"), "+buyer change, +vip change")
}

// TestOnlyWhatIsRead: a part that a rule does not read leaves its standing as it is.
func TestOnlyWhatIsRead(t *testing.T) {
	l := newLife(t, `buyer: orders.within("1d").count > 0`, `vip: "vip" in tags`)
	l.buy("c1", 1, l.now)
	l.look(false, "c1")
	was := l.kept["c1"].Segments["buyer"]
	l.now = l.now.Add(time.Hour)
	l.tag("c1", "vip")
	l.look(false, "c1")
	if is := l.kept["c1"].Segments["buyer"]; is != was || was.Next != l.now.Add(23*time.Hour).UnixMilli() {
		t.Errorf("%+v, %+v", was, is)
	}
	// Were it decided anew, it would be out: a standing put there by hand shows that it is not.
	forged := was
	forged.Since = 7
	l.kept["c1"].Segments["buyer"] = forged
	l.tag("c1")
	l.wants(l.look(false, "c1"), "-vip change")
	if l.kept["c1"].Segments["buyer"] != forged {
		t.Error("decided without need")
	}
}

// TestOlderOrdersAreAskedForOnce: and those who did not ask see none of them, so
// that what is kept does not hang on who was decided beside them.
func TestOlderOrdersAreAskedForOnce(t *testing.T) {
	l := newLife(t, `many: orders.within("60d").count > 14`, `some: orders.within("60d").count >= 1`)
	var all []profile.Order
	for n := range 15 {
		all = append(all, order(fmt.Sprint(10+n), l.now.Add(-time.Duration(n)*aDay), 1))
	}
	turning := func(segments []segment.Segment) segment.Turning {
		return segment.Turning{Segments: segments, View: viewOf(all...), Versions: map[profile.ID]int64{"c1": 1}, Now: l.now}
	}
	together := turning(l.segments)
	out, err := together.Turn()
	if want := l.now.Add(-60*aDay + time.Millisecond); err != nil || !out.Older.Equal(want) || len(out.Turns) > 0 {
		t.Fatal(out, err)
	}
	together.Older = &segment.Older{Orders: all[12:], Since: out.Older}
	if out, err = together.Turn(); err != nil || !out.Older.IsZero() || len(out.Turns) != 2 {
		t.Fatal(out, err)
	}
	alone, err := turning(l.segments[1:]).Turn()
	if err != nil || alone.After.Segments["some"] != out.After.Segments["some"] {
		t.Errorf("%+v, %+v, %v", alone, out, err)
	}
	if want := l.now.Add(46 * aDay); !out.Next.Equal(want) { // when the fifteenth leaves
		t.Error(out.Next, want)
	}
}

// TestShuffledLooks: whatever order changes are seen in, what is kept in the end
// is the same, byte for byte.
func TestShuffledLooks(t *testing.T) {
	rules := []string{`vip: "vip" in tags`, `buyer: orders.within("30d").count > 0`, `none: orders.count == 0`, `one: orders.count == 1 && size(tags) > 0`}
	var want string
	for n := range 64 {
		l := newLife(t, rules...)
		for step, change := range []func(){
			func() { l.tag("c1", "new") }, func() { l.buy("c1", 1, l.now.Add(-aDay)) }, func() { l.tag("c1", "vip") },
			func() { l.buy("g2", 2, l.now.Add(-40*aDay)) }, func() { l.tag("g2", "late") }, func() { l.tag("c1") },
		} {
			change()
			if n>>step&1 == 1 { // otherwise the event is late
				if step >= 3 && n%3 == 0 {
					l.look(false, "g2") // seen before it is linked
				} else {
					l.look(false, []profile.ID{"c1", "g2"}[:1+step/3]...)
				}
			}
		}
		l.look(false, "c1", "g2")
		k := l.kept["c1"]
		b, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(b)
		}
		if string(b) != want || len(l.kept["g2"].Segments) != 0 {
			t.Fatalf("%b: %s\nwant %s", n, b, want)
		}
	}
	if !strings.Contains(want, `"buyer":{"t":`) {
		t.Error(want)
	}
}

// TestTurnLeavesItsInputs: what it was given stays as it was.
func TestTurnLeavesItsInputs(t *testing.T) {
	l := newLife(t, `vip: "vip" in tags`)
	l.tag("c1", "vip")
	l.look(false, "c1")
	was := maps.Clone(l.kept["c1"].Segments)
	l.tag("c1")
	before := l.kept["c1"]
	l.look(false, "c1")
	if !maps.Equal(was, before.Segments) {
		t.Error("the memberships before were changed")
	}
}
