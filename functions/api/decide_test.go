package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/profile"
)

// post sends a command that is taken.
func (w *world) post(t testing.TB, path, body string) map[string]any {
	t.Helper()
	r := w.send(t, ask(http.MethodPost, path, "saigon", body))
	if r.StatusCode != http.StatusAccepted {
		t.Fatal(path, r.StatusCode, r.Body)
	}
	return decode(t, r)
}

// family are five fragments that an address ties: an account and guests of four tills.
func (w *world) family(t testing.TB) (id string, members []string) {
	t.Helper()
	w.stores["saigon"].take(customer("77", 1, "email", "lan@marker.example"))
	for n := range 4 {
		w.stores["saigon"].take(fact(fmt.Sprint("till-", n), events.Form, "f", 2+n, "email", "lan@marker.example"))
	}
	id, members = w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	if len(members) != 5 {
		t.Fatal(members)
	}
	return id, members
}

func TestUnmergeAndMerge(t *testing.T) {
	w := newWorld()
	id, members := w.family(t)
	cut, rest := []string{members[1], members[3]}, []string{members[0], members[2], members[4]}
	answer := w.post(t, "/v1/profiles/"+members[4]+"/unmerge", fmt.Sprintf(`{"fragments":[%q,%q,%q]}`, cut[1], cut[0], cut[1]))
	k, err := delivery.ParseKey("saigon", answer["delivery"].(string))
	if err != nil || answer["decisions"] != 6.0 || len(w.put) != 1 || w.put[k].Trace == "" || w.put[k].ReceivedAt != now.Truncate(time.Millisecond) {
		t.Fatal(answer, err, w.put)
	}
	if l := w.line(t); l["delivery"] != answer["delivery"] || l["connection"] != "operator" || l["route"] != "POST /v1/profiles/{id}/unmerge" {
		t.Error(l)
	}
	w.decide("saigon")
	if got, m := w.profileOf(t, "/v1/profiles?id="+cut[0]); got != cut[0] || !slices.Equal(m, cut) {
		t.Error(m)
	}
	if got, m := w.profileOf(t, "/v1/profiles?id="+id); got != id || !slices.Equal(m, rest) {
		t.Error(m)
	}
	if list := w.get(t, "/v1/profiles?email=lan@marker.example")["profiles"].([]any); len(list) != 2 {
		t.Error("the split address finds both: ", len(list))
	}
	for _, one := range []string{id, cut[0]} {
		if got := w.records(t, one, 2); len(got) < 7 { // six decisions, and what each has of its own
			t.Error(got)
		}
	}
	// Now, and still within the same millisecond, the other way round.
	answer = w.post(t, "/v1/profiles/merge", fmt.Sprintf(`{"profiles":[%q,%q]}`, cut[1], rest[2]))
	if answer["decisions"] != 6.0 {
		t.Error(answer)
	}
	w.decide("saigon")
	if got, m := w.profileOf(t, "/v1/profiles?id="+cut[1]); got != id || !slices.Equal(m, members) {
		t.Error(m)
	}
}

func TestMergeOfStrangersIsOneTie(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
	s.take(customer("88", 1, "email", "hung@marker.example"))
	a, b := s.customer("shop", "77"), s.customer("shop", "88")
	for _, body := range []string{fmt.Sprintf(`{"profiles":[%q,%q]}`, a, b), fmt.Sprintf(`{"profiles":[%q,%q]}`, b, a)} {
		if answer := w.post(t, "/v1/profiles/merge", body); answer["decisions"] != 1.0 {
			t.Error(answer)
		}
	}
	if len(w.put) != 1 {
		t.Error("the order of the two makes a difference")
	}
	w.decide("saigon")
	id, members := w.profileOf(t, "/v1/profiles?email=hung@marker.example")
	if len(members) != 4 {
		t.Error(members)
	}
	e := w.get(t, "/v1/profiles/"+id+"/timeline?limit=1")["entries"].([]any)[0].(map[string]any)
	pair := profile.Pair(a, b)
	sum := e["summary"].(map[string]any)
	if e["kind"] != "decision" || sum["op"] != "tie" || sum["by"] != "api" || fmt.Sprint(sum["fragments"]) != fmt.Sprint(pair) {
		t.Error(e)
	}
}

func TestUnmergeByCustomer(t *testing.T) {
	w := newWorld()
	id, members := w.family(t)
	answer := w.post(t, "/v1/profiles/"+id+"/unmerge", `{"connection":"shop","customer":"77"}`)
	if answer["decisions"] != 4.0 {
		t.Error(answer)
	}
	w.decide("saigon")
	if _, m := w.profileOf(t, "/v1/profiles?id="+members[0]); len(m) != 1 {
		t.Error(m)
	}
}

func TestDecisionsRefused(t *testing.T) {
	w := newWorld()
	id, members := w.family(t)
	s := w.stores["saigon"]
	s.take(customer("88", 1))
	other := string(s.customer("shop", "88"))
	for n := range 30 {
		s.take(fact(fmt.Sprint("crowd-", n), events.Form, "f", n, "email", "crowd@marker.example"))
	}
	crowd, many := w.profileOf(t, "/v1/profiles?email=crowd@marker.example")
	unmerge, merge := "/v1/profiles/"+id+"/unmerge", "/v1/profiles/merge"
	none := "c" + strings.Repeat("a", 24)
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{unmerge, ``, 400}, {unmerge, `null`, 400}, {unmerge, `{}`, 400}, {unmerge, `[]`, 400}, {unmerge, `{"fragments":[]}`, 400},
		{unmerge, `{"fragments":["x"]}`, 400}, {unmerge, `{"fragments":"` + id + `"}`, 400}, {unmerge, `{"fragment":["` + id + `"]}`, 400},
		{unmerge, `{"connection":"shop"}`, 400}, {unmerge, `{"customer":"77"}`, 400}, {unmerge, `{"fragments":["` + id + `"]}{}`, 400},
		{unmerge, `{"fragments":["` + id + `"],"connection":"shop","customer":"77"}`, 400}, {unmerge + "?x=1", `{"fragments":["` + id + `"]}`, 400},
		{unmerge, `{"fragments":["` + strings.Repeat(id+`","`, 40) + id + `"]}`, 202},
		{unmerge, `{"fragments":["` + other + `"]}`, 409}, {unmerge, `{"connection":"shop","customer":"88"}`, 409},
		{unmerge, `{"fragments":["` + strings.Join(members, `","`) + `"]}`, 409},
		{"/v1/profiles/" + other + "/unmerge", `{"fragments":["` + other + `"]}`, 409},
		{"/v1/profiles/" + none + "/unmerge", `{"fragments":["` + none + `"]}`, 404}, {"/v1/profiles/x/unmerge", `{"fragments":["` + id + `"]}`, 400},
		{"/v1/profiles/" + crowd + "/unmerge", `{"fragments":["` + strings.Join(many[:15], `","`) + `"]}`, 409}, // 225 pairs
		{merge, `{"profiles":["` + id + `"]}`, 400}, {merge, `{"profiles":["` + id + `","x"]}`, 400}, {merge, `{"profiles":["` + id + `","` + none + `"]}`, 404},
		{merge, `{"profiles":["` + id + `","` + members[2] + `"]}`, 409}, {merge, `{"profiles":["` + id + `","` + id + `"]}`, 409},
		{merge, `{"profiles":["` + id + `","` + crowd + `"]}`, 409}, // 35 members
	} {
		puts := len(w.put)
		r := w.send(t, ask(http.MethodPost, tt.path, "saigon", tt.body))
		if r.StatusCode != tt.status {
			t.Errorf("%s %s: %d %s", tt.path, tt.body, r.StatusCode, r.Body)
		}
		if r.StatusCode != 202 && len(w.put) != puts {
			t.Errorf("%s: refused, and stored", tt.body)
		}
	}
}
