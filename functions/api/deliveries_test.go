package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/shared/delivery"
)

func (w *world) lay(workspace, connection, object string, parked bool) delivery.Key {
	k := delivery.Key{Workspace: workspace, Connection: connection, Object: object, Delivery: "d-" + object}
	s := delivery.Summary{Key: k, Status: delivery.Received, ReceivedAt: now.Truncate(time.Millisecond)}
	name := workspace + "#" + connection
	if !parked {
		w.received[name] = append(w.received[name], s)
		return k
	}
	s.Status, s.ParkedAt, s.Clash = delivery.Parked, now.Add(time.Second).Truncate(time.Millisecond), object == "1"
	s.Faults = []delivery.Fault{{Class: connector.UnknownTopic, Reason: "topic <x> is not read"}}
	w.parked[name] = append(w.parked[name], s)
	return k
}

func TestDeliveries(t *testing.T) {
	w := newWorld()
	p, r := w.lay("saigon", "shop", "1", true), w.lay("saigon", "shop", "2", false)
	w.lay("hanoi", "shop", "3", true)
	parked := map[string]any{"key": p.String(), "connection": "shop", "object": "1", "delivery": "d-1", "status": "parked",
		"received_at": "2026-11-20T02:14:32.123Z", "parked_at": "2026-11-20T02:14:33.123Z", "clash": true,
		"faults": []any{map[string]any{"class": "unknown_topic", "reason": "topic <x> is not read"}}}
	received := map[string]any{"key": r.String(), "connection": "shop", "object": "2", "delivery": "d-2", "status": "received",
		"received_at": "2026-11-20T02:14:32.123Z", "parked_at": nil, "clash": false, "faults": []any{}}
	for path, want := range map[string][]any{
		"": {parked}, "?status=parked": {parked}, "?connection=shop": {parked}, "?connection=shop&status=parked": {parked},
		"?connection=shop&status=received": {received}, "?connection=web&status=received": {}, "?connection=gone": {},
	} {
		if diff := cmp.Diff(map[string]any{"deliveries": want, "next_cursor": nil}, w.get(t, "/v1/deliveries"+path)); diff != "" {
			t.Error(path, diff)
		}
	}
}

func TestDeliveriesPage(t *testing.T) {
	w := newWorld()
	for n := range 120 {
		w.more = append(w.more, fmt.Sprint("p", n)) // more than one request asks
	}
	asked, most := 0, 0
	w.before = func(step string) {
		switch step {
		case "authorise":
			asked = 0
		case "parked":
			asked++
			most = max(most, asked)
		}
	}
	want := map[bool]map[string]bool{true: {}, false: {}}
	for n := range 23 {
		for _, parked := range []bool{true, false} {
			want[parked][w.lay("saigon", []string{"operator", "pos", "shop"}[n%3], fmt.Sprint(n), parked).String()] = true
		}
	}
	collect := func(path string) map[string]bool {
		got, cursor := map[string]bool{}, ""
		for range 100 {
			page := w.get(t, path+cursor)
			list := page["deliveries"].([]any)
			if len(list) > 3 {
				t.Error("too many")
			}
			for _, d := range list {
				key := d.(map[string]any)["key"].(string)
				if got[key] {
					t.Error("twice")
				}
				got[key] = true
			}
			next, more := page["next_cursor"].(string)
			if !more {
				return got
			}
			cursor = "&cursor=" + url.QueryEscape(next)
		}
		t.Fatal("no end")
		return nil
	}
	if diff := cmp.Diff(want[true], collect("/v1/deliveries?limit=3")); diff != "" || most > 50 {
		t.Error(most, diff)
	}
	got := map[string]bool{}
	for _, c := range []string{"operator", "pos", "shop"} {
		for key := range collect("/v1/deliveries?limit=3&status=received&connection=" + c) {
			got[key] = true
		}
	}
	if diff := cmp.Diff(want[false], got); diff != "" {
		t.Error(diff)
	}
}

func TestDeliveriesRefused(t *testing.T) {
	w := newWorld()
	for range 9 {
		w.lay("saigon", "shop", "1", true)
	}
	all := w.get(t, "/v1/deliveries?limit=3")["next_cursor"].(string)
	one := w.get(t, "/v1/deliveries?limit=3&connection=shop")["next_cursor"].(string)
	for _, query := range []string{"status=received", "status=lost", "status=", "connection=Shop", "connection=a%23b", "limit=x", "limit=-1", "page=2", "%zz", "a;b",
		"cursor=x", "cursor=" + url.QueryEscape(one), "connection=shop&cursor=" + all, "connection=pos&cursor=" + url.QueryEscape(one), "cursor=" + strings.Repeat("a", 9000),
		"connection=shop&status=received&cursor=" + url.QueryEscape(one)} {
		r := w.send(t, ask(http.MethodGet, "/v1/deliveries?"+query, "saigon", ""))
		if r.StatusCode != 400 || code(t, r) != "invalid_request" {
			t.Error(query, r.StatusCode, r.Body)
		}
	}
}

func TestReplay(t *testing.T) {
	w := newWorld()
	k := w.lay("saigon", "shop", "1", true)
	theirs := w.lay("hanoi", "shop", "2", true)
	r := w.send(t, ask(http.MethodPost, "/v1/deliveries/"+k.String()+"/replay", "saigon", ""))
	if r.StatusCode != 202 || r.Body != `{"delivery":"`+k.String()+`"}` || !slices.Equal(w.replayed, []delivery.Key{k, k}) {
		t.Error(r, w.replayed)
	}
	if l := w.line(t); l["delivery"] != k.String() {
		t.Error(l)
	}
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for key, status := range map[string]int{
		theirs.String(): 404, raw("shop\n1\nx"): 404, "x": 400, raw("shop\n1"): 400, raw("shop\n\n1"): 400, raw("hanoi#shop\n1\n1"): 400,
		raw("shop\n\xff\n1"): 400, raw("shop\n" + strings.Repeat("a", 301) + "\n1"): 400, "%2e%2e": 400,
	} {
		if r := w.send(t, ask(http.MethodPost, "/v1/deliveries/"+key+"/replay", "saigon", "")); r.StatusCode != status {
			t.Error(key, r.StatusCode, r.Body)
		}
	}
	if len(w.replayed) != 2 {
		t.Error("more was replayed")
	}
}

// TestReplayAll: after an outage a connection's parked deliveries go back together,
// those of one class if that is asked for.
func TestReplayAll(t *testing.T) {
	w := newWorld()
	a, b := w.lay("saigon", "shop", "1", true), w.lay("saigon", "shop", "2", true)
	w.lay("saigon", "web", "3", true)
	w.lay("hanoi", "shop", "4", true)
	w.parked["saigon#shop"][1].Faults = []delivery.Fault{{Class: connector.Unprocessed, Reason: "the table was down"}}
	for body, want := range map[string][]delivery.Key{
		`{"connection":"shop"}`:                       {a, b},
		`{"connection":"shop","class":"unprocessed"}`: {b},
		`{"connection":"shop","class":"undecodable"}`: nil,
		`{"connection":"nothing-there"}`:              nil,
	} {
		w.replayed = nil
		r := w.send(t, ask(http.MethodPost, "/v1/deliveries/replay", "saigon", body))
		if r.StatusCode != http.StatusAccepted || r.Body != fmt.Sprintf(`{"next_cursor":null,"replayed":%d}`, len(want)) {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.Body)
		}
		if twice := append(slices.Clone(want), want...); !slices.Equal(w.replayed, twice) {
			t.Errorf("%s: replayed %v, want %v", body, w.replayed, twice)
		}
	}
	for _, body := range []string{``, `{}`, `{"connection":"a#b"}`, `{"connection":"shop","cursor":"forged"}`, `{"connection":"shop","all":true}`} {
		if r := w.send(t, ask(http.MethodPost, "/v1/deliveries/replay", "saigon", body)); r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, r.StatusCode, r.Body)
		}
	}
}
