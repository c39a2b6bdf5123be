package hub

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/infra/local/awstest"
	"loophub/shared/attribution"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

func exampleCredits(id profile.ID) attribution.Credits {
	return attribution.Credits{Fragment: id, Messages: []attribution.Message{{
		Sent:       attribution.Sent{ID: "19a9f2c3d4e-abc", Fragment: id, Journey: "back", Variant: "a", Template: "ten", Connection: "email", At: 5, Voucher: "TEN-1"},
		Engagement: attribution.Engagement{Delivered: 6, Clicked: 7, Clicks: []int64{7, 9}}}},
		Entries: []attribution.Entry{{ID: "1", Fragment: id, Journey: "back", Holdout: true, At: 4}},
		Counts:  attribution.Counts{{Journey: "back", Variant: "a", Template: "ten", Measure: attribution.MessagesSent}: 1},
		Outcome: attribution.Outcome{Orders: 1, Net: map[string]int64{"VND": 90_000}, Campaign: &attribution.Campaign{Journey: "back", Variant: "a", Template: "ten", Result: "clicked", At: 7}}}
}

// step writes the example, where nothing else is kept.
func exampleStep(members ...attribution.Credits) attribution.Step {
	s := attribution.Step{Members: members, Changed: make([]bool, len(members)), Add: attribution.Counts{}, Announced: true}
	s.Changed[0] = true
	s.Add.Merge(members[0].Counts)
	return s
}

func TestCredits(t *testing.T) {
	w := newWorld(t)
	none, err := w.Credits(t.Context(), []profile.ID{lan, hoa})
	w.must(err)
	if len(none) != 2 || none[0].Version != 0 || !none[0].Empty() || none[1].Fragment != hoa {
		t.Fatal(none)
	}
	want := exampleCredits(lan)
	w.must(w.CommitCredits(t.Context(), exampleStep(want, none[1])))
	got, err := w.Credits(t.Context(), []profile.ID{hoa, lan})
	w.must(err)
	if got[0].Version != 0 || got[1].Version != 1 || !got[1].Equal(want) {
		t.Error(cmp.Diff(want, got[1]))
	}
	for _, members := range [][]profile.ID{{lan}, {hoa, lan}, {lan, hoa}} {
		if o, err := w.Outcome(t.Context(), members); err != nil || !o.Equal(want.Outcome) {
			t.Error(members, o, err)
		}
	}
	if o, err := w.Outcome(t.Context(), []profile.ID{hoa}); err != nil || !o.IsZero() {
		t.Error(o, err)
	}
	// what it announces
	item := w.item(w.credits(lan))
	var an []events.Announcement
	var told events.Outcome
	if err := json.Unmarshal([]byte(item["an"].(*types.AttributeValueMemberS).Value), &an); err != nil || len(an) != 1 || json.Unmarshal(an[0].Data, &told) != nil {
		t.Fatal(err, an)
	}
	if item["ev"].(*types.AttributeValueMemberS).Value != "+" || an[0].Type != events.OutcomeChanged || told != (events.Outcome{Fragment: string(lan), Version: 1}) {
		t.Error(an[0].Type, told)
	}
	quiet := exampleStep(got[1])
	quiet.Announced, quiet.Add = false, nil
	w.must(w.CommitCredits(t.Context(), quiet))
	if item := w.item(w.credits(lan)); item["ev"] != nil || item["an"] != nil || integer(item["v"]) != 2 {
		t.Error("what is told stays on the item, and is told again")
	}
}

// TestCommitCreditsIsGuarded: by the version of every member, written or not.
func TestCommitCreditsIsGuarded(t *testing.T) {
	w := newWorld(t)
	w.must(w.CommitCredits(t.Context(), exampleStep(exampleCredits(hoa))))
	stored, err := w.Credits(t.Context(), []profile.ID{lan, hoa})
	w.must(err)
	before := w.print()
	for name, s := range map[string]attribution.Step{
		"a member seen as absent":  exampleStep(exampleCredits(lan), attribution.Credits{Fragment: hoa}),
		"a member's other version": exampleStep(exampleCredits(lan), attribution.Credits{Fragment: hoa, Version: 2}),
		"its own other version":    exampleStep(attribution.Credits{Fragment: hoa, Version: 2}),
		"written as new":           exampleStep(attribution.Credits{Fragment: hoa}),
	} {
		if err := w.CommitCredits(t.Context(), s); !errors.Is(err, profile.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.print() != before {
		t.Error("a lost race changed the table")
	}
	w.must(w.CommitCredits(t.Context(), exampleStep(exampleCredits(lan), stored[1])))
}

// TestCountersAreSums: of all shards, negative ones included, and of that journey alone.
func TestCountersAreSums(t *testing.T) {
	w := newWorld(t)
	sent := attribution.Key{Journey: "back", Variant: "a", Template: "ten", Measure: attribution.MessagesSent}
	held := attribution.Key{Journey: "back", Variant: attribution.Holdout, Measure: attribution.Entered}
	other := attribution.Key{Journey: "back-2", Measure: attribution.Entered}
	shards := map[string]bool{}
	for n := range 40 {
		s := exampleStep(attribution.Credits{Fragment: fragmentID(n)})
		s.Add = attribution.Counts{sent: int64(n - 10), held: 2, other: 1, {Journey: "back", Measure: attribution.In(attribution.Net, "VND")}: int64(n%2*2 - 1)}
		w.must(w.CommitCredits(t.Context(), s))
		shards[name(w.counter(sent, fragmentID(n)))] = true
	}
	got, err := w.Counters(t.Context(), "back")
	w.must(err)
	if diff := cmp.Diff(attribution.Counts{sent: 380, held: 80}, got); diff != "" {
		t.Error(diff)
	}
	if len(shards) != counterShards {
		t.Errorf("all is written to %d shards", len(shards))
	}
	if c, err := w.Counters(t.Context(), "nothing"); err != nil || len(c) != 0 {
		t.Error(c, err)
	}
}

// TestCountersOfAVariantLieTogether: a step that counts much of one message writes one
// item for it. Counters of format 1 are added.
func TestCountersOfAVariantLieTogether(t *testing.T) {
	w := newWorld(t)
	k := attribution.Key{Journey: "back", Variant: "a", Template: "ten"}
	want := attribution.Counts{}
	for n, m := range []attribution.Measure{attribution.MessagesSent, attribution.Clicked, attribution.In(attribution.Net, "VND")} {
		k.Measure = m
		want[k] = int64(n + 1)
	}
	for range 2 {
		s := exampleStep(attribution.Credits{Fragment: lan})
		s.Members[0].Version = stored(w, lan)
		s.Add = want
		w.must(w.CommitCredits(t.Context(), s))
	}
	k.Measure = attribution.Clicked
	old := w.counter(k, lan)
	old["n"] = number(100)
	w.put(old)
	got, err := w.Counters(t.Context(), "back")
	w.must(err)
	for m, n := range want {
		want[m] = 2 * n
	}
	want[k] += 100
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := w.Table(awstest.Hub).Len(); n != 3 {
		t.Errorf("%d items: what is kept, its counters and the old counter are 3", n)
	}
}

func stored(w *world, id profile.ID) int64 {
	l, err := w.Credits(w.t.Context(), []profile.ID{id})
	w.must(err)
	return l[0].Version
}

// TestAStepFitsATransaction: the largest profile and as many counters as Plan adds.
func TestAStepFitsATransaction(t *testing.T) {
	w := newWorld(t)
	var stored []attribution.Credits
	for n := range profile.DefaultLimits.Members {
		stored = append(stored, attribution.Credits{Fragment: fragmentID(n)})
	}
	want := attribution.Counts{}
	for n := range 300 {
		want[attribution.Key{Journey: fmt.Sprint("j", n%3), Template: fmt.Sprint("t", n), Measure: attribution.MessagesSent}] = 1
	}
	steps := 0
	for {
		s := attribution.Plan(stored, stored, want, attribution.Outcome{}, CreditStep, false)
		if s.Empty() {
			break
		}
		w.must(w.CommitCredits(t.Context(), s))
		var ids []profile.ID
		for _, c := range stored {
			ids = append(ids, c.Fragment)
		}
		var err error
		stored, err = w.Credits(t.Context(), ids)
		w.must(err)
		steps++
	}
	counters := attribution.Counts{}
	for n := range 3 {
		c, err := w.Counters(t.Context(), fmt.Sprint("j", n))
		w.must(err)
		counters.Merge(c)
	}
	if diff := cmp.Diff(want, counters); diff != "" || steps != 5 {
		t.Error(steps, diff)
	}
}

func TestEngagementIsFolded(t *testing.T) {
	w := newWorld(t)
	m := exampleCredits(lan).Messages[0].Sent
	for n, f := range []events.Fact{
		{Connection: "email", Record: string(lan) + "." + m.ID, Fields: events.Fields{"delivered_at": events.Text("6")}},
		{Connection: "links", Record: string(lan) + "." + m.ID, Fields: events.Fields{"clicked_at": events.Text("9")}},
		{Connection: "links", Record: string(lan) + "." + m.ID, Fields: events.Fields{"clicked_at": events.Text("7")}},
		{Connection: "email", Record: string(lan) + "." + m.ID + "x", Fields: events.Fields{"opened_at": events.Text("7")}},
		{Connection: "email", Record: string(hoa) + "." + m.ID, Fields: events.Fields{"opened_at": events.Text("7")}},
	} {
		f.Workspace, f.Kind, f.Version = "saigon", "message", int64(n)
		w.must(w.Put(t.Context(), f))
	}
	want := attribution.Engagement{Delivered: 6, Clicked: 7, Clicks: []int64{7, 9}}
	got, err := w.Engagement(t.Context(), m)
	w.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	m.Connection = "links"
	before := w.Calls("dynamodb.Query")
	if got, err = w.Engagement(t.Context(), m); err != nil || got.Delivered != 0 || len(got.Clicks) != 2 || w.Calls("dynamodb.Query")-before != 1 {
		t.Error(got, err)
	}
}

func TestUnreadableCredits(t *testing.T) {
	w := newWorld(t)
	k := w.credits(lan)
	k["d"], k["v"] = text("{}"), number(1)
	w.put(k)
	if _, err := w.Credits(t.Context(), []profile.ID{lan}); fault.ClassOf(err) != fault.Permanent || err == nil {
		t.Error(err)
	}
	c := w.key("c", "back", "a|b")
	c["n"] = number(1)
	w.put(c)
	if _, err := w.Counters(t.Context(), "back"); fault.ClassOf(err) != fault.Permanent || err == nil {
		t.Error(err)
	}
	w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 400, Code: "ThrottlingException"} }
	_, credits := w.Credits(t.Context(), []profile.ID{lan})
	_, counters := w.Counters(t.Context(), "back")
	_, outcome := w.Outcome(t.Context(), []profile.ID{lan})
	_, engagement := w.Engagement(t.Context(), attribution.Sent{})
	commit := w.CommitCredits(t.Context(), exampleStep(exampleCredits(hoa)))
	for _, err := range []error{credits, counters, outcome, engagement, commit} {
		if fault.ClassOf(err) != fault.Throttled {
			t.Error(err)
		}
	}
}

// TestStoredCreditsDecode: what was ever stored is read for ever. The file is never
// changed; a later shape gets one beside it.
func TestStoredCreditsDecode(t *testing.T) {
	file := filepath.Join("testdata", "format-1", "credits.hex")
	want := exampleCredits(lan)
	b, err := os.ReadFile(file)
	if os.IsNotExist(err) && os.Getenv("UPDATE") == "1" {
		a, err := pack(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(hex.EncodeToString(a.(*types.AttributeValueMemberB).Value)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("%s is written", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	packed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	k := w.credits(lan)
	k["d"], k["v"] = &types.AttributeValueMemberB{Value: packed}, number(7)
	w.put(k)
	got, err := w.Credits(t.Context(), []profile.ID{lan})
	w.must(err)
	if got[0].Version != 7 || !got[0].Equal(want) {
		t.Error(cmp.Diff(want, got[0]))
	}
}
