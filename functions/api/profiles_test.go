package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/profile"
)

func TestProfile(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
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
		"id": id, "traits": map[string]any{}, "identities": []any{}, "consent": map[string]any{}, "tags": []any{}, "checkout": nil, "members": []any{id},
		"sources": []any{map[string]any{"connection": "shop", "customer": "1"}},
		"orders":  map[string]any{"count": 0.0, "revenue": []any{}, "first": nil, "last": nil, "recent": []any{}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// While a link is made, members disagree: one more look, then what there is, each
// fragment in one profile.
func TestLinkInTheMaking(t *testing.T) {
	linked := newWorld()
	s := linked.stores["saigon"]
	s.take(lan()...)
	c := s.customer("shop", "77")
	whole := linked.get(t, "/v1/profiles?id="+string(c))
	alone := func(id profile.ID) {
		f := s.fragments[id]
		f.Members = nil
		s.fragments[id] = f
	}
	members := s.fragments[c].Members
	for _, id := range members {
		for _, healed := range []bool{true, false} {
			s.rebuild()
			alone(id)
			looks := 0
			linked.before = func(step string) {
				if step != "fragments" {
					return
				}
				if looks++; healed && looks == 3 { // the second look begins
					s.rebuild()
				}
			}
			r := linked.once(t, ask(http.MethodGet, "/v1/profiles?email=lan@marker.example", "saigon", ""))
			linked.before = nil
			got := decode(t, r)
			if healed && looks >= 3 {
				if diff := cmp.Diff(whole, got); diff != "" {
					t.Error(diff)
				}
				continue
			}
			seen := map[any]bool{}
			for _, p := range got["profiles"].([]any) {
				for _, m := range p.(map[string]any)["members"].([]any) {
					if seen[m] {
						t.Error("in two profiles: ", m)
					}
					seen[m] = true
				}
			}
			if len(seen) != len(members) {
				t.Errorf("%d of %d members", len(seen), len(members))
			}
		}
	}
}
