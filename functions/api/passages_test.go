package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// travellers are a world with lan in it, and journeys that she may enter.
func travellers(t *testing.T) (w *world, id string, members []string) {
	t.Helper()
	w = newWorld()
	w.segments = segments("loyal", "orders.count > 3")
	w.journeys = map[string]workspace.Journey{
		"thanks": {Trigger: workspace.Trigger{Entered: "loyal", When: `"vip" in tags`}, Steps: []workspace.Step{{Exit: true}}},
		"table":  {Trigger: workspace.Trigger{API: true}, Steps: []workspace.Step{{Exit: true}}},
	}
	w.stores["saigon"].take(lan()...)
	id, members = w.profileOf(t, "/v1/profiles?email=lan@marker.example")
	return w, id, members
}

func TestWhyJourney(t *testing.T) {
	w, id, members := travellers(t)
	got := w.get(t, "/v1/profiles/"+members[1]+"/why?journey=thanks")
	now, _ := got["now"].(map[string]any)
	if len(got["entries"].([]any)) != 0 || now["in"] != true || now["trigger"] != "waits for segment loyal to be entered; the profile is not in it now" ||
		len(now["clauses"].([]any)) != 1 {
		t.Error(got)
	}
	e := journey.Entry{ID: "e1", Journey: "thanks", Definition: "v1", Fragment: profile.ID(members[1]), Cause: "entered loyal", Status: journey.Active,
		Began: minute(70), Due: minute(90), Choices: []journey.Choice{{Split: "1", Variant: "a"}}, Steps: []journey.Taken{{At: minute(70), Step: "1.a.1", What: "wait", Why: "until later"}}}
	w.stores["saigon"].entries = []journey.Entry{e}
	w.stores["saigon"].heads = []journey.Head{{Fragment: e.Fragment, Journey: "thanks", Entry: "e1", Status: journey.Active}, {Fragment: e.Fragment, Journey: "table", Entry: "e9"}}
	got = w.get(t, "/v1/profiles/"+id+"/why?journey=thanks")
	var want any
	if err := json.Unmarshal([]byte(`{"profile":"`+id+`","journey":"thanks","at":"2026-11-20T02:14:32.123Z",
		"basis":"present","members":`+list(members)+`,"note":"As things are.",
		"entries":[{"id":"e1","status":"active","cause":"entered loyal","version":"v1","variant":"a","began":"2026-11-20T01:10:00.000Z","ended":null,"due":"2026-11-20T01:30:00.000Z",
			"steps":[{"at":"2026-11-20T01:10:00.000Z","step":"1.a.1","what":"wait","why":"until later"}]}],
		"now":{"trigger":"waits for segment loyal to be entered; the profile is not in it now","in":false,"why":"entry e1 goes on","clauses":[]}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, any(got)); diff != "" {
		t.Error(diff)
	}
	delete(w.journeys, "thanks") // who was in a journey that is gone can still be asked for
	if got = w.get(t, "/v1/profiles/"+id+"/why?journey=thanks"); got["now"] != nil || len(got["entries"].([]any)) != 1 {
		t.Error(got)
	}
	for path, status := range map[string]int{
		"/v1/profiles/" + id + "/why?journey=nothing":              404,
		"/v1/profiles/" + id + "/why?journey=No%23thing":           404,
		"/v1/profiles/" + id + "/why?journey=thanks&segment=loyal": 400,
		"/v1/profiles/nobody/why?journey=thanks":                   400,
	} {
		if r := w.send(t, ask(http.MethodGet, path, "saigon", "")); r.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, r.StatusCode, status)
		}
	}
}

func TestAskForAnEntry(t *testing.T) {
	w, id, members := travellers(t)
	body := func(profile, id string) string {
		return fmt.Sprintf(`{"profile":%q,"id":%q,"properties":{"table":"7"}}`, profile, id)
	}
	r := w.send(t, ask(http.MethodPost, "/v1/journeys/table/entries", "saigon", body(members[1], "A-1")))
	wish := w.stores["saigon"].wishes["A-1"]
	want := journey.Wish{Journey: "table", ID: "A-1", Fragment: profile.ID(id), Properties: map[string]string{"table": "7"}, At: now.UnixMilli()}
	if r.StatusCode != 202 || decode(t, r)["entry"] != wish.Cause().Entry("table") || cmp.Diff(want, wish) != "" {
		t.Error(r, wish)
	}
	many := map[string]string{}
	for n := range 21 {
		many[fmt.Sprint("p", n)] = "x"
	}
	b, err := json.Marshal(map[string]any{"profile": id, "id": "A-2", "properties": many})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"table", body(id, "A|2"), 400}, {"table", body(id, ""), 400}, {"table", body("nobody", "A-2"), 400}, {"table", string(b), 400},
		{"table", body("caaaaaaaaaaaaaaaaaaaaaaaa", "A-2"), 404}, {"nothing", body(id, "A-2"), 404}, {"thanks", body(id, "A-2"), 409},
		{"table", `{"profile":"` + id + `","id":"A-2","properties":{"BIG":"x"}}`, 400},
		{"table", `{"profile":"` + id + `","id":"A-2","properties":{"big":"` + strings.Repeat("x", 501) + `"}}`, 400},
	} {
		if r := w.send(t, ask(http.MethodPost, "/v1/journeys/"+c.path+"/entries", "saigon", c.body)); r.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.path, c.body, r.StatusCode, c.status)
		}
	}
	if len(w.stores["saigon"].wishes) != 1 {
		t.Error(w.stores["saigon"].wishes)
	}
}

func TestTasksOfJourneys(t *testing.T) {
	w, id, members := travellers(t)
	for n, m := range members {
		w.stores["saigon"].tasks = append(w.stores["saigon"].tasks, journey.Task{ID: fmt.Sprint("t", n), Fragment: profile.ID(m), Title: "Call her", Journey: "thanks", Entry: "e1", Step: "2", At: minute(70)})
	}
	if l := w.get(t, "/v1/profiles/"+id+"/tasks")["tasks"].([]any); len(l) != len(members) || l[0].(map[string]any)["title"] != "Call her" {
		t.Error(l)
	}
	if l := w.get(t, "/v1/profiles/"+id+"/tasks?limit=1")["tasks"].([]any); len(l) != 1 {
		t.Error(l)
	}
}

func TestVouchers(t *testing.T) {
	w := newWorld()
	post := func(pool, body string) (int, map[string]any) {
		r := w.once(t, ask(http.MethodPost, "/v1/vouchers/"+pool+"/codes", "saigon", body))
		return r.StatusCode, decode(t, r)
	}
	if status, a := post("ten", `{"codes":["aaa"," AAA ","b-1"]}`); status != 200 || a["added"] != 2.0 || a["duplicates"] != 1.0 {
		t.Error(status, a)
	}
	if status, a := post("ten", `{"codes":["AAA","C_2"]}`); status != 200 || a["added"] != 1.0 || a["duplicates"] != 1.0 {
		t.Error(status, a)
	}
	if a := w.get(t, "/v1/vouchers/ten"); a["available"] != 3.0 || a["used"] != 3.0 {
		t.Error(a)
	}
	var codes []string
	for n := range 5_000 {
		codes = append(codes, fmt.Sprintf("%064d", n))
	}
	body := func(l []string) string {
		b, err := json.Marshal(map[string]any{"codes": l})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if status, a := post("ten", body(codes)); status != 200 || a["added"] != 5000.0 {
		t.Error("the largest upload: ", status, a)
	}
	for _, c := range []struct {
		pool, body string
		status     int
	}{{"five", `{"codes":["A"]}`, 404}, {"ten", `{"codes":[]}`, 400}, {"ten", `{"codes":["a b"]}`, 400}, {"ten", `{"codes":["#"]}`, 400},
		{"ten", body(append(codes, "X")), 400}, {"ten", `{"codes":["` + strings.Repeat("A", 400<<10) + `"]}`, 413}} {
		if status, a := post(c.pool, c.body); status != c.status {
			t.Errorf("%.40s: %d, want %d: %v", c.body, status, c.status, a)
		}
	}
	if r := w.send(t, ask(http.MethodGet, "/v1/vouchers/five", "saigon", "")); r.StatusCode != 404 {
		t.Error(r)
	}
}
