package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

func TestProfile(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
	since := time.Date(2026, 11, 20, 0, 30, 0, 0, time.UTC)
	w.segments = map[string]workspace.Segment{"vip": {Name: "vip"}, "loyal": {Name: "loyal"}}
	s.kept = map[profile.ID]profile.Memberships{}
	for n, f := range slices.Sorted(maps.Keys(s.fragments)) { // not yet joined: the first decides
		s.kept[f] = profile.Memberships{Segments: map[string]profile.Standing{
			"vip": {Since: since.Add(time.Duration(n) * time.Hour).UnixMilli()}, "loyal": {}, "gone": {Since: 1}}}
	}
	got := w.get(t, "/v1/profiles?email=LAN@Marker.example")
	list, _ := got["profiles"].([]any)
	if len(list) != 1 {
		t.Fatal(got)
	}
	c := s.customer("shop", "77")
	pos := s.rules.Key.Fragment(profile.Anchor{Class: profile.GuestClass, Connection: "pos", Value: "phone/+84903117428"})
	web := s.rules.Key.Fragment(profile.Anchor{Class: profile.GuestClass, Connection: "web", Value: "email/lan@marker.example"})
	members := fmt.Sprintf("%q,%q", min(pos, web), max(pos, web))
	sources := `{"connection":"pos"},{"connection":"web"}`
	if web < pos {
		sources = `{"connection":"web"},{"connection":"pos"}`
	}
	var want any
	if err := json.Unmarshal([]byte(`{
		"id": "`+string(c)+`",
		"traits": {"email":"lan@marker.example","phone":"+84903117428","first_name":"Lan","verified":true},
		"identities": [{"kind":"email","value":"lan@marker.example","shared":false},{"kind":"phone","value":"+84903117428","shared":false}],
		"sources": [{"connection":"shop","customer":"77"},`+sources+`],
		"orders": {
			"count": 3,
			"revenue": [
				{"currency":"USD","orders":1,"total":1250,"refunded":0,"net":1250,"net_text":"12.50"},
				{"currency":"VND","orders":2,"total":349000,"refunded":9000,"net":340000,"net_text":"340000"}],
			"first": {"connection":"shop","order":"1","ordered_at":"2026-11-20T00:20:00.000Z","total":250000,"refunded":0,"currency":"VND"},
			"last": {"connection":"pos","order":"T-1","ordered_at":"2026-11-20T00:40:00.000Z","total":1250,"refunded":0,"currency":"USD"},
			"recent": [
				{"connection":"pos","order":"T-1","ordered_at":"2026-11-20T00:40:00.000Z","total":1250,"refunded":0,"currency":"USD"},
				{"connection":"shop","order":"2","ordered_at":"2026-11-20T00:30:00.000Z","total":99000,"refunded":9000,"currency":"VND"},
				{"connection":"shop","order":"1","ordered_at":"2026-11-20T00:20:00.000Z","total":250000,"refunded":0,"currency":"VND"}]},
		"consent": {"email:marketing":{"given":false,"granted_at":"2026-11-20T00:10:00.000Z","withdrawn_at":"2026-11-20T00:50:00.000Z"}},
		"tags": ["khách quen","vip"],
		"checkout": {"connection":"shop","checkout":"c1","started_at":"2026-11-20T01:00:00.000Z","completed_at":null,"total":70000,"currency":"VND"},
		"segments": [{"name":"vip","since":"2026-11-20T00:30:00.000Z"}],
		"members": ["`+string(c)+`",`+members+`]}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{"phone=0903%20117%20428", "phone=+84903117428", "phone=%2B84903117428", "email=lan@marker.example.",
		"id=" + string(c), "id=" + string(pos), "id=" + string(web)} {
		if diff := cmp.Diff(got, w.get(t, "/v1/profiles?"+path)); diff != "" {
			t.Error(path, diff)
		}
	}
	if l := w.line(t); l["msg"] != "answered" || l["route"] != "GET /v1/profiles" || l["status"] != 200.0 || l["workspace"] != "saigon" ||
		l["trace"] != "c6af9ac6-7b61-11e6-9a41-93e8deadbeef" {
		t.Error(l)
	}
}

func TestUnknownIsEmpty(t *testing.T) {
	w := newWorld()
	w.stores["saigon"].take(lan()...)
	for _, path := range []string{"email=minh@example.com", "phone=0903117429", "id=c" + "aaaaaaaaaaaaaaaaaaaaaaaa", "email=gift@marker.example", "email=guest@haravan.com"} {
		if diff := cmp.Diff(map[string]any{"profiles": []any{}}, w.get(t, "/v1/profiles?"+path)); diff != "" {
			t.Error(path, diff)
		}
	}
}

// A plus tag is part of the address, escaped or not.
func TestPlusTag(t *testing.T) {
	w := newWorld()
	w.stores["saigon"].take(customer("1", 1, "email", "lan+tea@example.com"))
	for _, path := range []string{"email=lan%2Btea@example.com", "email=lan+tea@example.com", "email=+lan+tea@example.com+"} {
		w.profileOf(t, "/v1/profiles?"+path)
	}
}

// A family's phone ties nobody; it still finds everybody who gave it.
func TestSharedPhone(t *testing.T) {
	w := newWorld()
	w.stores["saigon"].take(
		customer("1", 1, "email", "lan@marker.example", "phone", "+84903117428"),
		customer("2", 2, "email", "hung@marker.example", "phone", "+84903117428"))
	list, _ := w.get(t, "/v1/profiles?phone=0903117428")["profiles"].([]any)
	if len(list) != 2 {
		t.Fatal(list)
	}
	for _, p := range list {
		i, _ := p.(map[string]any)["identities"].([]any)
		if diff := cmp.Diff(map[string]any{"kind": "phone", "value": "+84903117428", "shared": true}, i[1]); diff != "" {
			t.Error(diff)
		}
	}
}

// The document names every trait that the catalogue can give.
func TestEveryTraitIsDocumented(t *testing.T) {
	w := newWorld()
	f := customer("1", 1)
	for name, d := range events.Catalogue[events.Customer] {
		if d.Type == events.String || d.Type == events.Email || d.Type == events.Phone {
			f.Fields[name] = events.Text("x")
		} else if d.Type == events.Boolean {
			f.Fields[name] = events.Text("true")
		}
	}
	w.stores["saigon"].take(f)
	id := string(w.stores["saigon"].customer("shop", "1"))
	p := w.get(t, "/v1/profiles?id="+id)["profiles"].([]any)[0].(map[string]any)
	if n := len(p["traits"].(map[string]any)); n != len(f.Fields) {
		t.Errorf("%d of %d", n, len(f.Fields))
	}
}

// A cleared trait, no order, no consent: nulls and empty lists, never absence.
func TestBareProfile(t *testing.T) {
	w := newWorld()
	f := customer("1", 1)
	f.Fields["first_name"] = events.Null
	w.stores["saigon"].take(f)
	id := string(w.stores["saigon"].customer("shop", "1"))
	p := w.get(t, "/v1/profiles?id="+id)["profiles"].([]any)[0]
	want := map[string]any{
		"id": id, "traits": map[string]any{}, "identities": []any{}, "consent": map[string]any{}, "tags": []any{}, "checkout": nil, "segments": []any{}, "members": []any{id},
		"sources": []any{map[string]any{"connection": "shop", "customer": "1"}},
		"orders":  map[string]any{"count": 0.0, "revenue": []any{}, "first": nil, "last": nil, "recent": []any{}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// While a link is made, members disagree: one more look, then what there is, by the
// word of the one who names most.
func TestLinkInTheMaking(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
	path := "/v1/profiles?email=lan@marker.example"
	whole := w.get(t, path)
	for _, id := range s.fragments[s.customer("shop", "77")].Members {
		for _, healed := range []bool{true, false} {
			s.rebuild()
			f := s.fragments[id]
			f.Members = nil
			s.fragments[id] = f
			reads := 0 // of fragments; each look takes two
			w.before = func(step string) {
				if step != "fragments" {
					return
				}
				if reads++; healed && reads == 3 {
					s.rebuild()
				}
			}
			got := decode(t, w.once(t, ask(http.MethodGet, path, "saigon", "")))
			w.before = nil
			if diff := cmp.Diff(whole, got); diff != "" || reads != 4 {
				t.Error(healed, reads, diff)
			}
		}
	}
}

// Each fragment stands in one profile, whatever its fellows say.
func TestMembersOverlap(t *testing.T) {
	w := newWorld()
	_, members := w.family(t)
	s := w.stores["saigon"]
	for n, list := range [][]int{{0, 1, 2}, {0, 1, 2}, {2, 3}, {2, 3, 4}, {4}} {
		f := s.fragments[profile.ID(members[n])]
		f.Members = nil
		for _, m := range list {
			f.Members = append(f.Members, profile.ID(members[m]))
		}
		s.fragments[f.ID] = f
	}
	var got [][]any
	for _, p := range w.get(t, "/v1/profiles?email=lan@marker.example")["profiles"].([]any) {
		got = append(got, p.(map[string]any)["members"].([]any))
	}
	if diff := cmp.Diff([][]any{{members[0], members[1], members[2]}, {members[3], members[4]}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAmountsForPeople(t *testing.T) {
	w := newWorld()
	var facts []events.Fact
	for currency, total := range map[string]string{"USD": "5", "VND": "70000", "BHD": "12345", "ZZZ": "1"} {
		f := order(currency, 1, "customer", "77", "total", total, "currency", currency)
		if currency == "USD" {
			f.Fields["refund:1"] = events.Text("10")
		}
		facts = append(facts, f)
	}
	w.stores["saigon"].take(facts...)
	p := w.get(t, "/v1/profiles?id="+string(w.stores["saigon"].customer("shop", "77")))["profiles"].([]any)[0].(map[string]any)
	got := map[any]any{}
	for _, r := range p["orders"].(map[string]any)["revenue"].([]any) {
		m := r.(map[string]any)
		got[m["currency"]] = m["net_text"]
	}
	if diff := cmp.Diff(map[any]any{"USD": "-0.05", "VND": "70000", "BHD": "12.345", "ZZZ": nil}, got); diff != "" {
		t.Error(diff)
	}
}

// Two guests of one shop are one source.
func TestSourcesAreListedOnce(t *testing.T) {
	w := newWorld()
	w.stores["saigon"].take(
		customer("77", 1, "email", "lan@marker.example", "phone", "+84903117428"),
		fact("web", events.Form, "f1", 2, "email", "lan@marker.example"), fact("web", events.Form, "f2", 2, "phone", "+84903117428"))
	p := w.get(t, "/v1/profiles?email=lan@marker.example")["profiles"].([]any)[0].(map[string]any)
	want := []any{map[string]any{"connection": "shop", "customer": "77"}, map[string]any{"connection": "web"}}
	if diff := cmp.Diff(want, p["sources"]); diff != "" || len(p["members"].([]any)) != 3 {
		t.Error(diff)
	}
}
