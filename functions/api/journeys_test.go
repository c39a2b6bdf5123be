package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/attribution"
	"loophub/shared/workspace"
)

func counted(journey, variant, template string, measures ...any) attribution.Counts {
	c := attribution.Counts{}
	for n := 0; n < len(measures); n += 2 {
		c[attribution.Key{Journey: journey, Variant: variant, Template: template, Measure: attribution.Measure(measures[n].(string))}] = int64(measures[n+1].(int))
	}
	return c
}

func withJourneys() *world {
	w := newWorld()
	w.journeys = map[string]workspace.Journey{
		"come-back": {Name: "come-back", About: "Whoever bought once", Goal: &workspace.Goal{Event: "order.placed", Within: 14 * 24 * time.Hour}},
		"welcome":   {Name: "welcome"}}
	w.templates = map[string]workspace.Template{"ten": {Name: "ten", Connection: "email"}}
	s := w.stores["saigon"]
	s.counts = attribution.Counts{}
	for _, c := range []attribution.Counts{
		counted("come-back", "a", "ten", "sent", 990, "delivered", 980, "opened", 500, "clicked", 200, "bounced", 10, "complained", 1, "unsubscribed", 5,
			"converted", 60, "orders:VND", 66, "net:VND", 6_600_000),
		counted("come-back", "a", "", "entered", 1000, "reached", 90, "ordered", 100, "entry-orders:VND", 120, "entry-net:VND", 12_000_000, "orders:VND", 2, "net:VND", 5000),
		counted("come-back", "b", "ten", "sent", 2, "net:USD", -1250),
		counted("come-back", attribution.Holdout, "", "entered", 1000, "ordered", 50, "entry-orders:VND", 50, "entry-net:VND", 5_000_000),
	} {
		s.counts.Merge(c)
	}
	return w
}

// TestReport: the whole answer, from counters alone.
func TestReport(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(`{
		"journey": "come-back", "at": "2026-11-20T02:14:32.123Z", "windows": {"click": {"email": 432000}, "voucher": 2592000, "entry": 1209600},
		"variants": [
			{"variant": "a", "templates": [
				{"template": null, "sent": 0, "delivered": 0, "opened": 0, "clicked": 0, "bounced": 0, "complained": 0, "unsubscribed": 0, "converted": 0,
					"revenue": [{"currency": "VND", "orders": 2, "net": 5000}]},
				{"template": "ten", "sent": 990, "delivered": 980, "opened": 500, "clicked": 200, "bounced": 10, "complained": 1, "unsubscribed": 5, "converted": 60,
					"revenue": [{"currency": "VND", "orders": 66, "net": 6600000}]}],
				"entries": {"entered": 1000, "reached_goal": 90, "ordered": 100, "rate": 1000, "revenue": [{"currency": "VND", "orders": 120, "net": 12000000, "per_entry": 12000}]},
				"against_holdout": {"lift": 500, "low": 270, "high": 730, "significant": true,
					"note": "Between 2.70 and 7.30 of 100 entries more ordered than without the journey (95 % interval); that is hardly chance."}},
			{"variant": "b", "templates": [
				{"template": "ten", "sent": 2, "delivered": 0, "opened": 0, "clicked": 0, "bounced": 0, "complained": 0, "unsubscribed": 0, "converted": 0,
					"revenue": [{"currency": "USD", "orders": 0, "net": -1250}]}],
				"entries": {"entered": 0, "reached_goal": 0, "ordered": 0, "rate": null, "revenue": []},
				"against_holdout": {"lift": null, "low": null, "high": null, "significant": false, "note": "Nobody has entered."}}],
		"holdout": {"entered": 1000, "reached_goal": 0, "ordered": 50, "rate": 500, "revenue": [{"currency": "VND", "orders": 50, "net": 5000000, "per_entry": 5000}]}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, any(withJourneys().get(t, "/v1/journeys/come-back/report"))); diff != "" {
		t.Error(diff)
	}
}

func TestReportOfNothing(t *testing.T) {
	r := withJourneys().get(t, "/v1/journeys/welcome/report")
	if v, _ := r["variants"].([]any); v == nil || len(v) != 0 || r["holdout"].(map[string]any)["rate"] != nil {
		t.Error(r)
	}
}

func TestJourneys(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(`{"journeys": [
		{"name": "come-back", "about": "Whoever bought once", "entered": 1000, "held_out": 1000, "ordered": 100, "sent": 992},
		{"name": "welcome", "about": "", "entered": 0, "held_out": 0, "ordered": 0, "sent": 0}]}`), &want); err != nil {
		t.Fatal(err)
	}
	w := withJourneys()
	if diff := cmp.Diff(want, any(w.get(t, "/v1/journeys"))); diff != "" {
		t.Error(diff)
	}
	w.journeys = nil
	if l, _ := w.get(t, "/v1/journeys")["journeys"].([]any); l == nil || len(l) != 0 {
		t.Error("a workspace without journeys has no list of them")
	}
}

func TestReportRefusals(t *testing.T) {
	w := withJourneys()
	for path, status := range map[string]int{
		"/v1/journeys/gone/report":                http.StatusNotFound,
		"/v1/journeys/come-back/report?recount=1": http.StatusBadRequest,
		"/v1/journeys?status=active":              http.StatusBadRequest,
		"/v1/journeys/come-back":                  http.StatusNotFound,
	} {
		if r := w.send(t, ask(http.MethodGet, path, "saigon", "")); r.StatusCode != status {
			t.Errorf("%s: %d, want %d: %s", path, r.StatusCode, status, r.Body)
		}
	}
	w.fail["counters"] = errTable
	for _, path := range []string{"/v1/journeys", "/v1/journeys/come-back/report"} {
		if r := w.send(t, ask(http.MethodGet, path, "saigon", "")); r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}
