package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// at writes minute n of the day as the parameter at, in the shop's own zone.
func at(n int) string {
	saigon := time.FixedZone("", 7*3600)
	return "&at=" + url.QueryEscape(time.UnixMilli(minute(n)).In(saigon).Format(time.RFC3339))
}

// received has a fact received at another minute than it happened.
func received(f events.Fact, n int) events.Fact {
	f.Received = minute(n)
	return f
}

// lately are the orders of a customer who has an account: one that is told at once,
// one that is told an hour late, and a refund.
func lately(t *testing.T) (w *world, id string) {
	t.Helper()
	w = newWorld()
	w.segments = segments("twice", "orders.count >= 2", "spent", `orders.net("VND") >= 500000`, "none", "orders.count == 0",
		"fresh", `orders.within("2h").count >= 1`)
	refund := fact("shop", events.Order, "2", 110, "customer", "77", "refund:9", "50000")
	w.stores["saigon"].take(customer("77", 10, "email", "lan@marker.example"), order("1", 20, "customer", "77"),
		received(order("2", 30, "customer", "77"), 90), refund, fact("web", events.Form, "f1", 50, "email", "lan@marker.example", "form", "guide"))
	id, _ = w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	return w, id
}

func TestWhyWas(t *testing.T) {
	w, id := lately(t)
	for _, c := range []struct {
		segment string
		at      int
		in      bool
		members int
		value   string
		facts   int
	}{
		{"none", 5, false, 0, "", 0}, // nobody was known, whatever the rule says of nobody
		{"none", 15, true, 1, "0", 0},
		{"twice", 60, false, 2, "1", 1}, // the second had been placed, and was not received
		{"twice", 89, false, 2, "1", 1},
		{"twice", 90, true, 2, "2", 2}, // received at this very moment
		{"spent", 100, true, 2, "500000", 2},
		{"spent", 111, false, 2, "450000", 3}, // both the order's own fact and the refund count
		{"fresh", 130, true, 2, "2", 3},       // the first has left its window by 140, not yet by 130
	} {
		got := w.get(t, "/v1/profiles/"+id+"/why?segment="+c.segment+at(c.at))
		if got["basis"] != "past" || got["in"] != c.in || len(got["members"].([]any)) != c.members {
			t.Errorf("%+v: %v", c, got)
		}
		clauses := got["clauses"].([]any)
		if c.members == 0 {
			if len(clauses) != 0 || got["note"] != "Nothing had been received of the profile by then." {
				t.Error(got)
			}
			continue
		}
		saw := clauses[0].(map[string]any)["saw"].([]any)[0].(map[string]any)
		if saw["value"] != c.value || len(saw["facts"].([]any)) != c.facts {
			t.Errorf("%+v: %v", c, saw)
		}
	}
}

func TestWhyWillBe(t *testing.T) {
	w, id := lately(t)
	path := "/v1/profiles/" + id + "/why?segment=fresh"
	for n, in := range map[int]bool{149: true, 150: false, 60 * 24 * 365: false} {
		got := w.get(t, path+at(n))
		if got["in"] != in || got["basis"] != "future" || len(got["members"].([]any)) != 2 {
			t.Error(n, got)
		}
	}
}

// Whatever was received in whatever order: what a profile is said to have been is
// what it was when no more had been received.
func TestWhyWasWhatWasSaidThen(t *testing.T) {
	rule := `orders.count >= 3 && consent("email:marketing") || orders.within("90min").net("VND") > 300000 || "vip" in tags || checkout.open && !checkout.within("20min")`
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 11))
		whole := newWorld()
		whole.segments = segments("s", rule)
		facts := story(r)
		whole.stores["saigon"].take(facts...)
		for range 4 {
			then := minute(r.IntN(134))
			part := newWorld()
			part.segments, part.clock = whole.segments, time.UnixMilli(then)
			for _, f := range facts {
				if f.Received <= then {
					part.stores["saigon"].take(f)
				}
			}
			got := whole.get(t, fmt.Sprintf("/v1/profiles/%s/why?segment=s&at=%s", whole.stores["saigon"].customer("shop", "77"), time.UnixMilli(then).UTC().Format(time.RFC3339)))
			members := got["members"].([]any)
			if len(part.stores["saigon"].fragments) == 0 {
				if len(members) != 0 {
					t.Fatalf("seed %d: %v", seed, got)
				}
				continue
			}
			want := part.get(t, fmt.Sprint("/v1/profiles/", members[0], "/why?segment=s"))
			for _, name := range []string{"in", "next", "clauses", "members", "at"} {
				if diff := cmp.Diff(want[name], got[name]); diff != "" {
					t.Fatalf("seed %d at %s, %s: %s", seed, got["at"], name, diff)
				}
			}
		}
	}
}

// story is what happens to a customer and a guest with the same address, some of it
// told late.
func story(r *rand.Rand) []events.Fact {
	facts := []events.Fact{customer("77", 1+r.IntN(20), "email", "lan@marker.example", "tags", `["vip"]`)}
	for n := range 1 + r.IntN(25) {
		when, id := r.IntN(130), fmt.Sprint(r.IntN(18))
		f := order(id, when, "customer", "77")
		switch r.IntN(7) {
		case 0:
			f = order("g"+id, when, "email", "lan@marker.example")
			f.Fields["customer"] = events.Null
		case 1:
			f = fact("shop", events.Order, id, when, "customer", "77", fmt.Sprint("refund:", n), "60000")
		case 2:
			f = fact("shop", events.Order, id, when, "customer", "77", "cancelled_at", fmt.Sprint(minute(when)))
		case 3:
			f = fact("web", events.Form, id, when, "email", "lan@marker.example", []string{"grant", "withdraw"}[r.IntN(2)]+":email:marketing", fmt.Sprint(minute(when)))
		case 4:
			f = customer("77", when, "email", "lan@marker.example", "tags", []string{`[]`, `["vip"]`}[r.IntN(2)])
		case 5:
			f = fact("shop", events.Checkout, id, when, "customer", "77", "started_at", fmt.Sprint(minute(when)), "total", "1000", "currency", "VND")
		}
		facts = append(facts, received(f, when+r.IntN(2)*r.IntN(60)))
	}
	r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
	return facts
}

// A withdrawal that somebody else's fact put on the address counts from when it
// happened: nothing says when it was received.
func TestWhyWasKnowsWithdrawalsOfOthers(t *testing.T) {
	w := newWorld()
	w.segments = segments("letter", `consent("email:marketing")`)
	s := w.stores["saigon"]
	s.take(customer("77", 10, "email", "lan@marker.example", "grant:email:marketing", fmt.Sprint(minute(10))),
		received(fact("web", events.Form, "f1", 40, "email", "lan@marker.example", "withdraw:email:marketing", fmt.Sprint(minute(40))), 60))
	id, members := w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	if len(members) != 2 {
		t.Fatal(members)
	}
	in := func(n int) bool { return w.get(t, "/v1/profiles/"+id+"/why?segment=letter"+at(n))["in"].(bool) }
	if in(5) || !in(30) || !in(50) || in(60) {
		t.Error("a withdrawal of the profile's own: ", in(5), in(30), in(50), in(60))
	}
	for key, i := range s.identities { // as if a fragment that was cut off had told it
		i.Stop(map[string]profile.Consent{"email:marketing": {Withdrawn: minute(45)}})
		s.identities[key] = i
	}
	if !in(30) || in(50) {
		t.Error("another's: ", in(30), in(50))
	}
}

func TestWhyWasIsBounded(t *testing.T) {
	w := newWorld()
	w.segments = segments("twice", "orders.count >= 2")
	facts := []events.Fact{customer("77", 1, "email", "lan@marker.example")}
	for n := range 2_000 {
		facts = append(facts, order(fmt.Sprint(n), 2, "customer", "77"))
	}
	w.stores["saigon"].take(facts[:2_000]...)
	path := "/v1/profiles/" + string(w.stores["saigon"].customer("shop", "77")) + "/why?segment=twice" + at(60)
	if got := w.get(t, path); got["in"] != true {
		t.Error(got)
	}
	w.stores["saigon"].take(facts[2_000:]...)
	if r := w.send(t, ask(http.MethodGet, path, "saigon", "")); r.StatusCode != http.StatusUnprocessableEntity || code(t, r) != "too_large" {
		t.Error(r.StatusCode, r.Body)
	}
}

func TestWhyAtRefuses(t *testing.T) {
	w, id := lately(t)
	m := message.Message{Stored: 1, Request: message.Request{ID: message.NewID(now, "x"), Fragment: profile.ID(id), At: minute(60), Purpose: workspace.Marketing}}
	w.stores["saigon"].messages = []message.Message{m}
	for query, status := range map[string]int{
		"segment=twice&at=yesterday": 400, "segment=twice&at=1969-12-31T23:59:59Z": 400, "segment=twice&at=2037-01-01T00:00:00Z": 400,
		"segment=twice&at=": 400, "at=2026-11-20T00:00:00Z": 400, "journey=come-back" + at(200): 400, "message=" + m.ID + at(200): 400,
		"segment=twice" + at(1) + at(2): 400, "message=" + m.ID + at(59): 404, "segment=never" + at(1): 404, "message=" + m.ID + at(60): 200,
	} {
		if r := w.send(t, ask(http.MethodGet, "/v1/profiles/"+id+"/why?"+query, "saigon", "")); r.StatusCode != status {
			t.Errorf("%s: %d %s", query, r.StatusCode, r.Body)
		}
	}
	for _, step := range []string{"timeline", "facts", "identities", "fragments"} {
		w.fail = map[string]error{step: errTable}
		if r := w.send(t, ask(http.MethodGet, "/v1/profiles/"+id+"/why?segment=twice"+at(60), "saigon", "")); r.StatusCode != http.StatusServiceUnavailable {
			t.Error(step, r.StatusCode)
		}
	}
}

func TestWhyJourneyWas(t *testing.T) {
	w, id, members := travellers(t)
	w.journeys["thanks"] = workspace.Journey{Trigger: workspace.Trigger{Entered: "loyal", When: `"vip" in tags && "loyal" in segments`}, Steps: []workspace.Step{{Exit: true}}}
	w.segments = segments("loyal", "orders.count >= 2")
	e := journey.Entry{ID: "e1", Journey: "thanks", Definition: "v1", Fragment: profile.ID(members[1]), Cause: "entered loyal", Status: journey.Finished,
		Began: minute(60), Ended: minute(90), Choices: []journey.Choice{{Split: "2", Variant: "a"}}, Steps: []journey.Taken{{At: minute(60), What: "entered"},
			{At: minute(60), Step: "1", What: "wait"}, {At: minute(80), Step: "1", What: "waited"}, {At: minute(80), Step: "2", What: "variant a"}, {At: minute(90), What: "finished"}}}
	w.stores["saigon"].entries = []journey.Entry{e}
	for _, c := range []struct {
		at, entries, steps int
		status, variant    string
		in                 bool
		trigger            string
	}{
		{5, 0, 0, "", "", false, "was not in it"},
		{15, 0, 0, "", "", false, "was not in it"},
		{35, 0, 0, "", "", true, "was in it"}, // two orders by then
		{70, 1, 2, "active", "", false, "was in it"},
		{80, 1, 4, "active", "a", false, "was in it"},
		{90, 1, 5, "finished", "a", false, "was in it"},
	} {
		got := w.get(t, "/v1/profiles/"+id+"/why?journey=thanks"+at(c.at))
		entries, then := got["entries"].([]any), got["now"].(map[string]any)
		if len(entries) != c.entries || then["in"] != c.in || then["trigger"] != "waits for segment loyal to be entered; the profile "+c.trigger {
			t.Fatalf("%+v: %v", c, got)
		}
		if c.entries == 0 {
			continue
		}
		if one := entries[0].(map[string]any); one["status"] != c.status || one["variant"] != c.variant || len(one["steps"].([]any)) != c.steps ||
			(one["ended"] != nil) != (c.status == "finished") {
			t.Errorf("%+v: %v", c, one)
		}
	}
}

func TestWhyMessageWas(t *testing.T) {
	w, id := lately(t)
	s := w.stores["saigon"]
	m := message.Message{Stored: 1, Status: message.Sent, Claimed: minute(70), Changed: minute(71),
		Request: message.Request{ID: message.NewID(time.UnixMilli(minute(60)), "x"), Fragment: profile.ID(id), Connection: "email", At: minute(60), Purpose: workspace.Marketing}}
	s.messages = []message.Message{m}
	s.sends = []message.Send{{Message: m.ID, Template: "t", Channel: "ses", Purpose: workspace.Marketing, At: minute(70)}}
	opened := fact("email", "message", id+"."+m.ID, 80, "opened_at", fmt.Sprint(minute(75)))
	s.facts[opened.RecordKey()] = []events.Fact{opened}
	for _, c := range []struct {
		at, history, facts int
		status             string
	}{{60, 0, 0, "requested"}, {69, 0, 0, "requested"}, {70, 1, 0, "claimed"}, {71, 1, 0, "sent"}, {79, 1, 0, "sent"}, {81, 1, 1, "sent"}} {
		got := w.get(t, "/v1/profiles/"+id+"/why?message="+m.ID+at(c.at))
		if got["message"].(map[string]any)["status"] != c.status || len(got["history"].([]any)) != c.history || len(got["facts"].([]any)) != c.facts ||
			len(got["engagement"].(map[string]any)) != c.facts || got["basis"] != "past" {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
