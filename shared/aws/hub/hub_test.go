package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"loophub/events"
	"loophub/shared/profile"
)

var exactly = cmp.Options{cmp.AllowUnexported(events.Value{}), cmpopts.EquateEmpty()}

func TestFacts(t *testing.T) {
	w := newWorld(t)
	one, two := exampleFact(1), exampleFact(2)
	if l, err := w.Facts(t.Context(), one.RecordKey()); err != nil || len(l) != 0 {
		t.Fatal(l, err)
	}
	for range 2 {
		w.must(w.Put(t.Context(), one))
		w.must(w.Put(t.Context(), two))
	}
	other := exampleFact(1)
	other.Record = "10010" // one record's id begins another's
	w.must(w.Put(t.Context(), other))
	got, err := w.Facts(t.Context(), one.RecordKey())
	w.must(err)
	slices.SortFunc(got, func(a, b events.Fact) int { return int(a.Version - b.Version) })
	if diff := cmp.Diff([]events.Fact{one, two}, got, exactly); diff != "" {
		t.Error(diff)
	}
	if got[0].ID() != one.ID() {
		t.Error("a fact came back with another id")
	}
}

func TestTheFirstReceptionStays(t *testing.T) {
	w := newWorld(t)
	f := exampleFact(1)
	for _, step := range []struct {
		received int64
		known    bool // before it is put
		stored   int64
	}{{50, false, 50}, {70, true, 50}, {50, true, 50}, {30, false, 30}, {40, true, 30}} {
		f.Received = step.received
		if known, err := w.Known(t.Context(), f); err != nil || known != step.known {
			t.Errorf("received at %d: known %v, %v", step.received, known, err)
		}
		w.must(w.Put(t.Context(), f))
		l, err := w.Facts(t.Context(), f.RecordKey())
		if err != nil || len(l) != 1 || l[0].Received != step.stored {
			t.Errorf("received at %d: %v, %v", step.received, l, err)
		}
	}
}

func TestFactsPage(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(1, 1))
	for n := range int64(80) { // more than the megabyte that one page holds
		f := exampleFact(n)
		b := make([]byte, 15<<10)
		for i := range b {
			b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(62)]
		}
		f.Fields["items"] = events.Text(strconv.Quote(string(b)))
		w.must(w.Put(t.Context(), f))
	}
	before := w.Calls("dynamodb.Query")
	l, err := w.Facts(t.Context(), exampleFact(0).RecordKey())
	if err != nil || len(l) != 80 || w.Calls("dynamodb.Query")-before < 2 {
		t.Errorf("%d facts in %d pages, %v", len(l), w.Calls("dynamodb.Query")-before, err)
	}
}

func TestFragment(t *testing.T) {
	w := newWorld(t)
	f := w.fragment(lan)
	if f.ID != lan || f.Version != 0 || !f.Equal(profile.Fragment{}) {
		t.Errorf("an absent fragment is %+v", f)
	}
	f = exampleFragment()
	for version := range int64(3) {
		f.Version = version
		changes := []profile.Change{profile.OrdersChanged, profile.IdentityChanged}[:2-version]
		w.must(w.Commit(t.Context(), f, nil, changes))
		got := w.fragment(lan)
		if got.Version != version+1 || !got.Equal(f) {
			t.Error(cmp.Diff(f, got, exactly))
		}
		item := w.item(w.state(lan))
		ev, announced := item["ev"].(*types.AttributeValueMemberS)
		if want := []string{"orders,identity", "orders", ""}[version]; announced != (want != "") || announced && ev.Value != want {
			t.Errorf("what is announced: %v", item["ev"])
		}
		if p := item["p"].(*types.AttributeValueMemberS); p.Value != string(lan) || integer(item["v"]) != version+1 {
			t.Error("profile or version beside the state are wrong", p.Value, item["v"])
		}
	}
}

// TestOccurrences: what occurred lies beside the write that tells it, and the next
// write does not tell it again; in a transaction as in a put.
func TestOccurrences(t *testing.T) {
	for name, moves := range map[string][]profile.Move{"put": nil, "transaction": {{Order: exampleOrder(2), Put: true}}} {
		w := newWorld(t)
		want := []events.Occurrence{{What: "order.placed", Record: "shop|order|1", At: 5}, {What: "message.clicked", Record: "email|message|x", At: 6, Message: "m"}}
		f := engagedFragment()
		f.Version = 0
		w.must(w.Commit(t.Context(), f, moves, []profile.Change{profile.EventsChanged}, want...))
		var got []events.Occurrence
		oc, _ := w.item(w.state(lan))["oc"].(*types.AttributeValueMemberS)
		if oc == nil || json.Unmarshal([]byte(oc.Value), &got) != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, oc)
		}
		if stored := w.fragment(lan); !stored.Equal(f) || stored.Quiet != f.Quiet {
			t.Error(name, cmp.Diff(f, stored, exactly))
		}
		f.Version = 1
		w.must(w.Commit(t.Context(), f, moves, []profile.Change{profile.EventsChanged}))
		if item := w.item(w.state(lan)); item["oc"] != nil || item["ev"] == nil {
			t.Errorf("%s: told again: %v", name, item["oc"])
		}
	}
}

func TestGuards(t *testing.T) {
	w := newWorld(t)
	o := exampleOrder(1)
	f, i := exampleFragment(), exampleIdentity()
	w.must(w.Commit(t.Context(), f, nil, nil))
	w.must(w.CommitIdentity(t.Context(), i))
	f.Version, i.Version = 1, 1
	w.must(w.Commit(t.Context(), f, []profile.Move{{Order: o, Put: true}}, nil))
	w.must(w.CommitIdentity(t.Context(), i))
	before := w.print()
	for _, version := range []int64{0, 1, 3} { // the stored one is 2
		f.Version, i.Version = version, version
		f.State.Orders, i.Shared = 99, false
		for name, err := range map[string]error{
			"fragment":           w.Commit(t.Context(), f, nil, nil),
			"fragment and moves": w.Commit(t.Context(), f, []profile.Move{{Order: o}, {Order: exampleOrder(2), Put: true}}, nil),
			"identity":           w.CommitIdentity(t.Context(), i),
		} {
			if !errors.Is(err, profile.ErrLost) {
				t.Errorf("%s at version %d: %v", name, version, err)
			}
		}
	}
	absent := profile.Fragment{ID: hoa, Version: 1}
	if err := w.Commit(t.Context(), absent, nil, nil); !errors.Is(err, profile.ErrLost) {
		t.Error("what is gone is written:", err)
	}
	if w.print() != before {
		t.Error("a lost race changed the table")
	}
}

func TestOlderOrders(t *testing.T) {
	w := newWorld(t)
	f := profile.Fragment{ID: lan}
	var moves []profile.Move
	for n := range int64(6) {
		moves = append(moves, profile.Move{Order: exampleOrder(n * 1_000), Put: true})
	}
	w.must(w.Commit(t.Context(), f, moves, nil))
	// another fragment's do not mix in
	w.must(w.Commit(t.Context(), profile.Fragment{ID: hoa}, []profile.Move{{Order: exampleOrder(0), Put: true}, {Order: exampleOrder(4_102_444_799_999), Put: true}}, nil))
	at := func(n int64) profile.Lookup {
		return profile.Lookup{At: n * 1_000, Record: exampleOrder(n * 1_000).Record}
	}
	read := func(own []profile.Lookup, ends bool) profile.Older {
		o, err := w.Older(t.Context(), lan, own, ends)
		w.must(err)
		return o
	}
	own := exampleOrder(3_000)
	want := profile.Older{Own: &own, Newest: []profile.Order{exampleOrder(5_000), exampleOrder(4_000)}, Oldest: []profile.Order{exampleOrder(0), exampleOrder(1_000)}}
	if diff := cmp.Diff(want, read([]profile.Lookup{{At: 3_001, Record: own.Record}, at(3)}, true)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(profile.Older{}, read([]profile.Lookup{{At: 9, Record: "shop|order|9"}}, false)); diff != "" {
		t.Error(diff)
	}
	// one goes, one comes, one is amended in place
	amended := own
	amended.Refunded = 77
	f.Version = 1
	w.must(w.Commit(t.Context(), f, []profile.Move{{Order: exampleOrder(5_000)}, {Order: exampleOrder(500), Put: true}, {Order: amended, Put: true}}, nil))
	want = profile.Older{Own: &amended, Newest: []profile.Order{exampleOrder(4_000), amended}, Oldest: []profile.Order{exampleOrder(0), exampleOrder(500)}}
	if diff := cmp.Diff(want, read([]profile.Lookup{at(3)}, true)); diff != "" {
		t.Error(diff)
	}
	// for people: from a moment on, oldest first, the last millisecond included
	since, err := w.OlderOrders(t.Context(), lan, time.UnixMilli(1_000))
	w.must(err)
	if diff := cmp.Diff([]profile.Order{exampleOrder(1_000), exampleOrder(2_000), amended, exampleOrder(4_000)}, since); diff != "" {
		t.Error(diff)
	}
	if l, err := w.OlderOrders(t.Context(), hoa, time.UnixMilli(4_102_444_799_999)); err != nil || len(l) != 1 {
		t.Error(l, err)
	}
	if empty, err := w.Older(t.Context(), "ndddddddddddddddddddddddd", nil, true); err != nil || empty.Newest != nil || empty.Oldest != nil {
		t.Error(empty, err)
	}
}

func TestIdentity(t *testing.T) {
	w := newWorld(t)
	got, err := w.Identity(t.Context(), mail)
	if err != nil || got.ID != mail || got.Version != 0 || got.Claimants != nil {
		t.Fatal(got, err)
	}
	want := exampleIdentity()
	w.must(w.CommitIdentity(t.Context(), want))
	want.Version = 1
	if got, err = w.Identity(t.Context(), mail); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTimelinePages(t *testing.T) {
	w := newWorld(t)
	var want []Indexed
	for n := range 10 {
		i := Indexed{int64(1795249229000 - n/2), fmt.Sprintf("shop|order|%d", 9-n)} // two at each moment
		want = append(want, i)
		for range 2 {
			w.must(w.Index(t.Context(), lan, i.Record, i.At))
		}
	}
	w.must(w.Index(t.Context(), hoa, "shop|order|1", 5))
	w.must(w.Index(t.Context(), lan, "shop|order|undated", -3))
	want = append(want, Indexed{0, "shop|order|undated"})
	slices.SortFunc(want, func(a, b Indexed) int { // newest first, then by record, backwards
		if a.At != b.At {
			return int(b.At - a.At)
		}
		return strings.Compare(b.Record, a.Record)
	})
	for _, limit := range []int{1, 3, 4, 11, 50} {
		var got []Indexed
		before := ""
		for {
			page, next, err := w.Timeline(t.Context(), lan, before, limit)
			if err != nil || len(page) > limit {
				t.Fatal(page, err)
			}
			got = append(got, page...)
			if before = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d: %s", limit, diff)
		}
	}
}
