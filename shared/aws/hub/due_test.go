package hub

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/profile"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// due lists what is armed from one moment up to another.
func (w *world) dues(from, to int64) (l []Due) {
	w.t.Helper()
	last := from
	for page, err := range w.Dues(w.t.Context(), from, to) {
		w.must(err)
		if page.From < last {
			w.t.Error("a page goes back")
		}
		last = page.From
		for _, d := range page.List {
			if d.At < page.From {
				w.t.Errorf("%+v comes after the page of %d", d, page.From)
			}
		}
		l = append(l, page.List...)
	}
	slices.SortFunc(l, func(a, b Due) int { return int(a.At - b.At) })
	return l
}

func TestDues(t *testing.T) {
	w := newWorld(t)
	begin := time.Date(2026, 3, 10, 11, 58, 0, 0, time.UTC)
	var want []Due
	for n := range 500 { // over an hour's end, in all partitions
		d := Due{"segment", fmt.Sprint("c", n, "|#x"), begin.Add(time.Duration(n) * time.Second).UnixMilli()}
		want = append(want, d)
		for range 2 {
			w.must(w.Arm(t.Context(), d.Stage, d.What, time.UnixMilli(d.At)))
		}
	}
	w.must(New(w.raw, awstest.Hub).In("hanoi").Arm(t.Context(), "segment", "theirs", begin))
	from, to := want[0].At, want[499].At
	if diff := cmp.Diff(want, w.dues(from, to)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:499], w.dues(from+1, to-1)); diff != "" {
		t.Error("a millisecond at the ends: ", diff)
	}
	if x := w.item(w.due(want[0]))["x"].(*types.AttributeValueMemberN).Value; x != fmt.Sprint(begin.Add(7*24*time.Hour).Unix()) {
		t.Error(x)
	}
	before := w.Calls("dynamodb.BatchWriteItem")
	for range 2 { // what is gone is none the worse
		w.must(w.Disarm(t.Context(), append(want[:60:60], want[0])))
	}
	if n := w.Calls("dynamodb.BatchWriteItem") - before; n != 6 || len(w.dues(from, to)) != 440 {
		t.Error(n, len(w.dues(from, to)))
	}
}

func TestCursor(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct{ from, to, want int64 }{{0, 5, 5}, {0, 6, 5}, {5, 9, 9}, {5, 8, 9}} {
		err := w.MoveCursor(t.Context(), step.from, step.to)
		if lost := step.to != step.want; errors.Is(err, profile.ErrLost) != lost || !lost && err != nil {
			t.Error(step, err)
		}
		if c, err := w.Cursor(t.Context()); err != nil || c != step.want {
			t.Error(step, c, err)
		}
	}
}

func TestMemberships(t *testing.T) {
	w := newWorld(t)
	read := func() []profile.Memberships {
		l, err := w.Workspace.Memberships(t.Context(), []profile.ID{lan, hoa})
		w.must(err)
		return l
	}
	if diff := cmp.Diff([]profile.Memberships{{Fragment: lan}, {Fragment: hoa}}, read()); diff != "" {
		t.Fatal(diff)
	}
	m := profile.Memberships{Fragment: lan, Armed: 77, Segments: map[string]profile.Standing{"vip": {Since: 5, Rule: "r", Next: 9}, "not": {Rule: "s"}},
		Seen: map[profile.ID]int64{lan: 3, hoa: 1}, Parts: map[profile.Change]string{profile.TagsChanged: "x"}}
	said := []events.Announcement{{Type: events.SegmentEntered, Data: []byte(`{"segment":"vip"}`)}}
	w.must(w.CommitMemberships(t.Context(), m, nil, nil, said))
	item := w.item(w.memberships(lan))
	if plain(item["ev"]) != "+" || plain(item["an"]) != `[{"type":"segment.entered.v1","data":{"segment":"vip"}}]` {
		t.Error(item)
	}
	m.Version = 1
	w.must(w.CommitMemberships(t.Context(), m, []profile.Memberships{{Fragment: hoa}}, nil, nil))
	if item := w.item(w.memberships(lan)); item["ev"] != nil || item["an"] != nil {
		t.Error("announced twice")
	}
	m.Version = 2
	want := []profile.Memberships{m, {Fragment: hoa, Version: 1, Into: lan}}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
	before := w.print()
	for name, err := range map[string]error{
		"an old version":  w.CommitMemberships(t.Context(), profile.Memberships{Fragment: lan, Version: 1}, nil, nil, said),
		"none":            w.CommitMemberships(t.Context(), profile.Memberships{Fragment: lan}, nil, nil, said),
		"another emptied": w.CommitMemberships(t.Context(), m, []profile.Memberships{{Fragment: hoa}}, nil, said),
		"another held":    w.CommitMemberships(t.Context(), m, nil, []profile.Memberships{{Fragment: hoa, Version: 2}}, said),
	} {
		if !errors.Is(err, profile.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.print() != before {
		t.Error("a lost race changed the table")
	}
	w.must(w.CommitMemberships(t.Context(), m, nil, []profile.Memberships{{Fragment: hoa, Version: 1}}, said))
}

func TestLoad(t *testing.T) {
	w := newWorld(t)
	if l, i, err := w.Load(t.Context(), lan); err != nil || len(l) != 0 || len(i) != 0 {
		t.Error(l, i, err)
	}
	f := exampleFragment()
	w.must(w.Commit(t.Context(), f, nil, nil))
	w.must(w.Commit(t.Context(), profile.Fragment{ID: hoa, Members: []profile.ID{lan, hoa}}, nil, nil))
	w.must(w.CommitIdentity(t.Context(), exampleIdentity()))
	for _, by := range []profile.ID{lan, hoa} {
		l, i, err := w.Load(t.Context(), by)
		if err != nil || len(l) != 2 || l[0].ID != lan || l[1].ID != hoa || !i[mail].Shared {
			t.Error(l, i, err)
		}
	}
}

func TestReview(t *testing.T) {
	w := newWorld(t)
	if r, err := w.Workspace.Review(t.Context()); err != nil || r != (Review{}) {
		t.Error(r, err)
	}
	r := Review{Segments: "x", Begin: 5, After: "a\nb"}
	for range 2 {
		w.must(w.CommitReview(t.Context(), r))
		if err := w.CommitReview(t.Context(), r); !errors.Is(err, profile.ErrLost) {
			t.Error(err)
		}
		r.Version++
		if got, err := w.Workspace.Review(t.Context()); err != nil || got != r {
			t.Error(got, err)
		}
		r.Done = true
	}
}

func TestProfiles(t *testing.T) {
	w := newWorld(t)
	want := map[profile.ID]bool{}
	theirs := New(w.raw, awstest.Hub).In("saigon-2")
	big := make(map[string]profile.Register)
	for n := range 300 { // more than the megabyte that one page holds
		big[fmt.Sprint(n)] = profile.Register{Version: int64(n) * 7919}
	}
	for n := range 400 {
		f := profile.Fragment{ID: fragmentID(n), State: profile.State{Traits: big}}
		if want[f.ID] = n%3 != 1; !want[f.ID] { // not the least of its profile
			f.Members = []profile.ID{fragmentID(n - 1), f.ID}
			delete(want, f.ID)
		}
		w.must(w.Commit(t.Context(), f, nil, nil))
		w.must(theirs.Commit(t.Context(), f, nil, nil))
		w.must(w.Index(t.Context(), f.ID, "shop|order|1", 5))
	}
	w.must(w.CommitMemberships(t.Context(), profile.Memberships{Fragment: fragmentID(0)}, nil, nil, nil))
	got, pages, after := map[profile.ID]bool{}, 0, ""
	for {
		// By the raw client: a place may lie in another workspace's part, where nothing is read from.
		ids, next, err := New(w.raw, awstest.Hub).In("saigon").Profiles(t.Context(), after)
		w.must(err)
		for _, id := range ids {
			if got[id] {
				t.Error("twice:", id)
			}
			got[id] = true
		}
		if pages++; next == "" {
			break
		}
		after = next
	}
	if diff := cmp.Diff(want, got); diff != "" || pages < 2 {
		t.Error(pages, diff)
	}
}
