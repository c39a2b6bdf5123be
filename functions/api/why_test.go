package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/workspace"
)

func segments(rules ...string) map[string]workspace.Segment {
	m := map[string]workspace.Segment{}
	for n := 0; n < len(rules); n += 2 {
		m[rules[n]] = workspace.Segment{Name: rules[n], About: "about " + rules[n], When: rules[n+1]}
	}
	return m
}

func list(l []string) string {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts always encode
	}
	return string(b)
}

// factsOf are the ids of all facts of saigon's records.
func (w *world) factsOf(records ...string) (l []string) {
	for _, r := range records {
		for _, f := range w.stores["saigon"].facts[r] {
			l = append(l, f.ID())
		}
	}
	return l
}

// TestWhy: the answer, when it can change, and what each clause saw.
func TestWhy(t *testing.T) {
	w := newWorld()
	w.segments = segments("lately", `orders.within("30d").count >= 2 && "vip" in tags`)
	w.stores["saigon"].take(lan()...)
	id, members := w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	var want any
	if err := json.Unmarshal([]byte(`{
		"profile": "`+id+`", "segment": "lately", "about": "about lately", "when": "orders.within(\"30d\").count >= 2 && \"vip\" in tags",
		"at": "2026-11-20T02:14:32.123Z", "basis": "present", "members": `+list(members)+`, "note": "As things are.", "in": true, "next": "2026-12-20T00:20:00.000Z",
		"clauses": [
			{"text":"orders.within(\"30d\").count >= 2","value":true,"decided":true,"saw":[
				{"text":"orders.within(\"30d\").count","value":"3","records":["pos|order|T-1","shop|order|2","shop|order|1"],
					"facts":`+list(w.factsOf("pos|order|T-1", "shop|order|2", "shop|order|1"))+`}]},
			{"text":"\"vip\" in tags","value":true,"decided":true,"saw":[{"text":"tags","value":"[\"khách quen\", \"vip\"]","records":[],"facts":[]}]}]}`), &want); err != nil {
		t.Fatal(err)
	}
	for _, m := range append(members, id) {
		if diff := cmp.Diff(want, any(w.get(t, "/v1/profiles/"+m+"/why?segment=lately"))); diff != "" {
			t.Error(m, diff)
		}
	}
}

// TestWhyReadsOlderOrders: a rule that reaches beyond the newest twelve has the
// right answer all the same.
func TestWhyReadsOlderOrders(t *testing.T) {
	w := newWorld()
	w.segments = segments("frequent", `orders.within("30d").net("VND") >= 20000`, "more", `orders.within("30d").net("VND") > 20000`)
	s := w.stores["saigon"]
	s.take(customer("77", 1, "email", "lan@marker.example"))
	for n := range 20 {
		s.take(order(fmt.Sprint(n), 20+n, "customer", "77", "total", "1000"))
	}
	id, _ := w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	for name, in := range map[string]bool{"frequent": true, "more": false} {
		if got := w.get(t, "/v1/profiles/"+id+"/why?segment="+name); got["in"] != in {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhyRefusals(t *testing.T) {
	w := newWorld()
	w.segments = segments("lately", `orders.count > 0`, "of another version", `orders.nothing > 0`)
	w.stores["saigon"].take(lan()...)
	id, _ := w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	for path, status := range map[string]int{
		"/v1/profiles/" + id + "/why?segment=unknown":                http.StatusNotFound,
		"/v1/profiles/" + id + "/why":                                http.StatusBadRequest,
		"/v1/profiles/" + id + "/why?segment=lately&segment=lately":  http.StatusBadRequest,
		"/v1/profiles/nobody/why?segment=lately":                     http.StatusBadRequest,
		"/v1/profiles/caaaaaaaaaaaaaaaaaaaaaaaa/why?segment=lately":  http.StatusNotFound,
		"/v1/profiles/" + id + "/why?segment=of%20another%20version": http.StatusServiceUnavailable,
	} {
		if r := w.send(t, ask(http.MethodGet, path, "saigon", "")); r.StatusCode != status {
			t.Errorf("%s: %d, want %d: %s", path, r.StatusCode, status, r.Body)
		}
	}
}
