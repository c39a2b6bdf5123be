package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
)

func TestTimeline(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
	amended := order("1", 70, "customer", "77", "total", "200000")
	amended.Fields["ordered_at"] = events.Text(fmt.Sprint(minute(20)))
	amended.Fields["cancelled_at"] = events.Null
	amended.Fields["items"] = events.Text(`[{"sku":"TEA-1","price":125000}]`)
	s.take(amended)
	got := w.get(t, "/v1/profiles/"+string(s.customer("shop", "77"))+"/timeline")
	if got["next_cursor"] != nil || got["profile"] != string(s.customer("shop", "77")) {
		t.Error(got["next_cursor"], got["profile"])
	}
	list := got["entries"].([]any)
	var places []string
	for _, e := range list {
		m := e.(map[string]any)
		places = append(places, fmt.Sprint(m["at"].(string)[11:16], " ", m["connection"], " ", m["kind"], " ", m["record"]))
	}
	want := []string{"01:00 shop checkout c1", "00:50 web form f1", "00:40 pos order T-1", "00:30 shop order 2", "00:20 shop order 1", "00:10 shop customer 77"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Fatal(diff)
	}
	one := list[4].(map[string]any)
	if diff := cmp.Diff(map[string]any{"number": "#1001", "counted": true, "ordered_at": "2026-11-20T00:20:00.000Z", "currency": "VND",
		"total": 200000.0, "refunded": 0.0, "net": 200000.0}, one["summary"]); diff != "" {
		t.Error(diff)
	}
	facts := one["facts"].([]any)
	first := facts[0].(map[string]any)
	if one["facts_count"] != 2.0 || len(facts) != 2 || first["at"] != "2026-11-20T01:10:00.000Z" || first["received_at"] != "2026-11-20T01:10:00.005Z" {
		t.Error(one)
	}
	if diff := cmp.Diff(map[string]any{"customer": "77", "ordered_at": "2026-11-20T00:20:00.000Z", "total": 200000.0, "currency": "VND", "cancelled_at": nil,
		"items": []any{map[string]any{"sku": "TEA-1", "price": 125000.0}}}, first["fields"]); diff != "" {
		t.Error(diff)
	}
	if refunded := list[3].(map[string]any)["summary"].(map[string]any); refunded["refunded"] != 9000.0 || refunded["net"] != 90000.0 {
		t.Error(refunded)
	}
}

// The address on an order of a known customer may be somebody else's: the order is
// found under it, and is not theirs.
func TestTimelineLeavesOutWhatIsOthers(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
	guest := order("9", 45, "email", "gift@marker.example")
	guest.Fields["customer"] = events.Null
	s.take(guest)
	id, _ := w.profileOf(t, "/v1/profiles?email=gift@marker.example")
	if id[0] != 'g' {
		t.Fatal(id)
	}
	if got := w.records(t, id, 100); !slices.Equal(got, []string{"shop|order|9"}) {
		t.Error(got)
	}
}

// records pages through a whole timeline.
func (w *world) records(t testing.TB, id string, limit int) (l []string) {
	t.Helper()
	path := fmt.Sprintf("/v1/profiles/%s/timeline?limit=%d", id, limit)
	cursor, last := "", ""
	for range 1000 {
		got := w.get(t, path+cursor)
		entries := got["entries"].([]any)
		if len(entries) > limit {
			t.Fatalf("%d entries", len(entries))
		}
		for _, e := range entries {
			m := e.(map[string]any)
			if at := m["at"].(string); last != "" && at > last {
				t.Error("not newest first")
			} else {
				last = at
			}
			l = append(l, fmt.Sprint(m["connection"], "|", m["kind"], "|", m["record"]))
		}
		next, more := got["next_cursor"].(string)
		if !more {
			return l
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
	t.Fatal("no end")
	return nil
}

// Whatever facts come in whatever order: pages of any size list each record of the
// profile once.
func TestTimelinePagesListEachRecordOnce(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newWorld()
		s := w.stores["saigon"]
		want := map[string]bool{}
		take := func(f events.Fact) {
			want[f.RecordKey()] = true
			s.take(f)
		}
		take(customer("77", 500, "email", "lan@marker.example"))
		for range 1 + r.IntN(60) {
			// Few ids, few times, late facts, both anchors: places repeat and differ.
			id, at := fmt.Sprint(r.IntN(20)), r.IntN(40)
			switch r.IntN(4) {
			case 0: // both members are named, at the same time
				take(order(id, at, "customer", "77", "email", "lan@marker.example"))
			case 1:
				take(order(id, at, "customer", "77"))
			case 2:
				f := order(id, at, "email", "lan@marker.example")
				f.Fields["customer"] = events.Null
				take(f)
			default:
				take(fact("web", events.Form, id, at, "email", "lan@marker.example", "form", fmt.Sprint(at)))
			}
		}
		id := string(s.customer("shop", "77"))
		got := w.records(t, id, 1+r.IntN(12))
		slices.Sort(got)
		if all := sorted(want); !slices.Equal(got, all) {
			t.Fatalf("seed %d: %s", seed, cmp.Diff(all, got))
		}
	}
}

func sorted(m map[string]bool) (l []string) {
	for k := range m {
		l = append(l, k)
	}
	slices.Sort(l)
	return l
}

// A record with very many and large facts is cut, and a page of such records ends
// early; nothing is left out of the list.
func TestTimelineIsBounded(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	large := `"` + strings.Repeat("x", 16<<10-2) + `"`
	var facts []events.Fact
	for n := range 12 {
		for v := range 200 {
			f := order(fmt.Sprint(n), n, "customer", "77", "items", large)
			f.Version += int64(v)
			facts = append(facts, f)
		}
	}
	s.take(customer("77", 0))
	s.take(facts...)
	id := string(s.customer("shop", "77"))
	r := w.once(t, ask(http.MethodGet, "/v1/profiles/"+id+"/timeline?limit=100", "saigon", ""))
	if len(r.Body) > 3<<20 {
		t.Errorf("%d bytes", len(r.Body))
	}
	e := decode(t, r)["entries"].([]any)[0].(map[string]any)
	if n := len(e["facts"].([]any)); n >= 50 || n < 10 || e["facts_count"] != 200.0 {
		t.Errorf("%d facts of %v", n, e["facts_count"])
	}
	if got := w.records(t, id, 100); len(got) != 13 {
		t.Errorf("%d records", len(got))
	}
}

// Hundreds of orders of others were sent to an address: one request reads a bounded
// number of them, and the guest's own order is found all the same.
func TestTimelineReadsABoundedNumberOfRecords(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	own := order("own", 0, "email", "gift@marker.example")
	own.Fields["customer"] = events.Null
	facts := []events.Fact{own}
	for n := range 700 {
		facts = append(facts, order(fmt.Sprint(n), 1+n, "customer", "77", "email", "gift@marker.example"))
	}
	s.take(facts...)
	id, _ := w.profileOf(t, "/v1/profiles?email=gift@marker.example")
	read, most := 0, 0
	w.before = func(step string) {
		switch step {
		case "authorise":
			read = 0
		case "facts":
			read++
			most = max(most, read)
		}
	}
	if got := w.records(t, id, 100); !slices.Equal(got, []string{"shop|order|own"}) || most > 300 {
		t.Error(got, most)
	}
}

func TestTimelineRefuses(t *testing.T) {
	w := newWorld()
	s := w.stores["saigon"]
	s.take(lan()...)
	id := string(s.customer("shop", "77"))
	next := w.get(t, "/v1/profiles/"+id+"/timeline?limit=1")["next_cursor"].(string)
	for _, tt := range []struct {
		path   string
		status int
	}{
		{"/v1/profiles/" + id + "/timeline?limit=0", 400}, {"/v1/profiles/" + id + "/timeline?limit=101", 400},
		{"/v1/profiles/" + id + "/timeline?limit=1e1", 400}, {"/v1/profiles/" + id + "/timeline?cursor=" + next[1:], 400},
		{"/v1/profiles/" + id + "/timeline?cursor=e30", 400}, {"/v1/profiles/" + id + "/timeline?cursor=" + strings.Repeat("a", 9000), 400},
		{"/v1/profiles/" + id + "/timeline?cursor=" + next + "&cursor=" + next, 400}, {"/v1/profiles/x/timeline", 400},
		{"/v1/profiles//timeline", 404}, {"/v1/profiles/caaaaaaaaaaaaaaaaaaaaaaaa/timeline", 404},
	} {
		if r := w.send(t, ask(http.MethodGet, tt.path, "saigon", "")); r.StatusCode != tt.status {
			t.Error(tt.path, r.StatusCode, r.Body)
		}
	}
}
