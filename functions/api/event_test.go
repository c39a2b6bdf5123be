package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/functions/api"
	"loophub/shared/delivery"
	"loophub/shared/profile"
)

func TestTrack(t *testing.T) {
	w := newWorld()
	value := int64(250_000)
	now := now.Truncate(time.Millisecond)
	for body, want := range map[string]api.Event{
		`{"name":"page.viewed","anonymous_id":"d-81f2"}`:              {Name: "page.viewed", AnonymousID: "d-81f2", At: now},
		`{"name":"page.viewed","id":"v-1","email":"lan@example.com"}`: {Name: "page.viewed", ID: "v-1", Email: "lan@example.com"},
		`{"name":"tasting.booked","id":"b-17","at":"2026-11-20T09:00:00+07:00","phone":"0903117428","product":"881","value":250000,"currency":"VND",
			"properties":{"guests":2,"window":true,"note":"bàn","ratio":-1.50,"none":""}}`: {Name: "tasting.booked", ID: "b-17",
			At: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC), Phone: "0903117428", Product: "881", Value: &value, Currency: "VND",
			Properties: map[string]string{"guests": "2", "window": "true", "note": "bàn", "ratio": "-1.50", "none": ""}},
	} {
		w.tracked = nil
		answer := w.post(t, "/v1/events", body)
		if len(w.tracked) != 2 { // sent twice
			t.Fatal(body, w.tracked)
		}
		for _, got := range w.tracked {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(body, diff)
			}
		}
		k, err := delivery.ParseKey("saigon", answer["delivery"].(string))
		if err != nil || w.put[k].Trace == "" || w.put[k].ReceivedAt != now || w.put[k].Lane != delivery.Live {
			t.Error(answer, w.put[k], err)
		}
		if l := w.line(t); l["delivery"] != answer["delivery"] || l["connection"] != "operator" || l["route"] != "POST /v1/events" {
			t.Error(l)
		}
	}
}

func TestTrackByProfile(t *testing.T) {
	w := newWorld()
	_, members := w.family(t)
	w.post(t, "/v1/events", `{"name":"tasting.booked","id":"b-17","profile":"`+members[3]+`"}`)
	if w.tracked[0].Fragment != profile.ID(members[3]) {
		t.Error(w.tracked)
	}
	for body, want := range map[string]int{
		`{"name":"tasting.booked","profile":"caaaaaaaaaaaaaaaaaaaaaaaa"}`: 404,
		`{"name":"tasting.booked","profile":"lan"}`:                       400,
	} {
		if r := w.send(t, ask(http.MethodPost, "/v1/events", "saigon", body)); r.StatusCode != want {
			t.Error(body, r.StatusCode, r.Body)
		}
	}
	if r := w.send(t, ask(http.MethodPost, "/v1/events", "hanoi", `{"name":"tasting.booked","profile":"`+members[3]+`"}`)); r.StatusCode != 404 {
		t.Error("another workspace's profile is found", r.Body)
	}
}

func TestTrackRefuses(t *testing.T) {
	w := newWorld()
	for _, body := range []string{"", "[]", "{}", `{"name":""}`, `{"name":"Tasting"}`, `{"name":"order.placed","email":"lan@example.com"}`, `{"name":"message.clicked"}`,
		`{"name":"a","email":5}`, `{"name":"a","at":"yesterday"}`, `{"name":"a","at":"1970-01-01T00:00:00Z"}`, `{"name":"a","value":1.5}`, `{"name":"a","shoe":"38"}`,
		`{"name":"a","properties":{"x":[1]}}`, `{"name":"a","properties":{"x":null}}`, `{"name":"a","properties":{"x":{}}}`, `{"name":"a","properties":"x"}`,
		`{"NAME":"a","email":"lan@example.com"}`} {
		if r := w.send(t, ask(http.MethodPost, "/v1/events", "saigon", body)); r.StatusCode != 400 || code(t, r) != "invalid_request" {
			t.Error(body, r.StatusCode, r.Body)
		}
	}
	w.refusal = "events: email is no e-mail address"
	if r := w.send(t, ask(http.MethodPost, "/v1/events", "saigon", `{"name":"a","email":"lan"}`)); r.StatusCode != 400 || !strings.Contains(r.Body, w.refusal) {
		t.Error(r.StatusCode, r.Body)
	}
	if len(w.put) > 0 {
		t.Error("refused, and stored")
	}
	w.refusal = ""
	for _, step := range []string{"events", "put", "fragments"} {
		w.fail = map[string]error{step: errTable}
		if r := w.send(t, ask(http.MethodPost, "/v1/events", "saigon", `{"name":"a","profile":"caaaaaaaaaaaaaaaaaaaaaaaa"}`)); step == "fragments" && r.StatusCode != 503 {
			t.Error(step, r.StatusCode, r.Body)
		}
		if r := w.send(t, ask(http.MethodPost, "/v1/events", "saigon", `{"name":"a","email":"lan@example.com"}`)); (step != "fragments") != (r.StatusCode == 503) {
			t.Error(step, r.StatusCode, r.Body)
		}
	}
}

// TestTimelineOfEvents: what somebody did, and what became of our messages to
// them, stands in their timeline.
func TestTimelineOfEvents(t *testing.T) {
	w := newWorld()
	id, _ := w.family(t)
	w.stores["saigon"].take(fact("operator", events.Event, "b-17", 30, "name", "tasting.booked", "fragment", id))
	w.stores["saigon"].take(fact("email", events.Engagement, id+".m1", 40, "fragment", id, "message", "m1", "opened_at", "1795140000000"))
	entries, _ := w.get(t, "/v1/profiles/"+id+"/timeline?limit=2")["entries"].([]any)
	if len(entries) != 2 {
		t.Fatal(entries)
	}
	for n, want := range []map[string]any{{"message": "m1"}, {"name": "tasting.booked"}} {
		if diff := cmp.Diff(want, entries[n].(map[string]any)["summary"]); diff != "" {
			t.Error(diff)
		}
	}
}
