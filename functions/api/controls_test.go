package api_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

const (
	nowText = "2026-11-20T02:14:32.123Z"
	byText  = "token 544ee3d1" // of saigon's
)

// set sends a PUT of saigon's, twice, and gives its answer.
func (w *world) set(t *testing.T, path, body string, status int) map[string]any {
	t.Helper()
	r := w.send(t, ask(http.MethodPut, path, "saigon", body))
	if r.StatusCode != status {
		t.Fatal(path, body, r.StatusCode, r.Body)
	}
	return decode(t, r)
}

func TestControls(t *testing.T) {
	w := newWorld()
	never := map[string]any{"sends": map[string]any{"stopped": false, "since": nil, "by": nil}, "paused": []any{}}
	if d := cmp.Diff(never, w.get(t, "/v1/controls")); d != "" {
		t.Error(d)
	}
	w.set(t, "/v1/controls/sends", `{"stopped":true}`, http.StatusOK)
	w.set(t, "/v1/controls/journeys/come-back", `{"paused":true}`, http.StatusOK)
	w.set(t, "/v1/controls/destinations/crm", `{"paused":true}`, http.StatusOK)
	got := w.set(t, "/v1/controls/connections/shop", `{"paused":true}`, http.StatusOK)
	entry := func(kind, name string) any {
		return map[string]any{"kind": kind, "name": name, "since": nowText, "by": byText}
	}
	want := map[string]any{"sends": map[string]any{"stopped": true, "since": nowText, "by": byText},
		"paused": []any{entry("connections", "shop"), entry("destinations", "crm"), entry("journeys", "come-back")}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, w.get(t, "/v1/controls")); d != "" {
		t.Error(d)
	}
	w.set(t, "/v1/controls/journeys/come-back", `{"paused":false}`, http.StatusOK)
	w.set(t, "/v1/controls/sends", `{"stopped":false}`, http.StatusOK)
	if l := w.get(t, "/v1/controls")["paused"].([]any); len(l) != 2 || w.stores["saigon"].controls.StopAll() {
		t.Error(l)
	}
	if c := w.stores["hanoi"].controls; c.Version != 0 {
		t.Error("another workspace's:", c)
	}
	// Each was sent twice, and told once.
	all := []string{}
	path := "/v1/controls/history?limit=4"
	for range 2 {
		page := w.get(t, path)
		for _, e := range page["turns"].([]any) {
			m := e.(map[string]any)
			all = append(all, fmt.Sprint(m["kind"], " ", m["name"], " ", m["off"]))
		}
		path = fmt.Sprint("/v1/controls/history?limit=4&cursor=", page["next_cursor"])
	}
	history := []string{"sends <nil> false", "journeys come-back false", "connections shop true", "destinations crm true", "journeys come-back true", "sends <nil> true"}
	if d := cmp.Diff(history, all); d != "" {
		t.Error(d)
	}
}

func TestControlsRefuse(t *testing.T) {
	w := newWorld()
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{"/v1/controls/sends", `{}`, http.StatusBadRequest},
		{"/v1/controls/sends", `{"stopped":1}`, http.StatusBadRequest},
		{"/v1/controls/sends", `{"stopped":true,"paused":true}`, http.StatusBadRequest},
		{"/v1/controls/sends?x=1", `{"stopped":true}`, http.StatusBadRequest},
		{"/v1/controls/journeys/come-back", `{"stopped":true}`, http.StatusBadRequest},
		{"/v1/controls/journeys/come-back", `{"paused":null}`, http.StatusBadRequest},
		{"/v1/controls/journeys/gone", `{"paused":true}`, http.StatusNotFound},
		{"/v1/controls/journeys/gone", `{"paused":false}`, http.StatusNotFound},
		{"/v1/controls/journeys/shop", `{"paused":true}`, http.StatusNotFound},
		{"/v1/controls/segments/shop", `{"paused":true}`, http.StatusNotFound},
		{"/v1/controls/connections/A%23b", `{"paused":true}`, http.StatusBadRequest},
		{"/v1/controls/connections/operator", `{"paused":true}`, http.StatusConflict},
	} {
		w.set(t, tt.path, tt.body, tt.status)
	}
	for _, cursor := range []string{"x", "eyJ2IjoxLCJwIjoiYSJ9", "eyJ2IjoyLCJwIjoiMDAwMDAwMDAwMDAwMCMwMDAwMDAwMSJ9"} {
		if r := w.send(t, ask(http.MethodGet, "/v1/controls/history?cursor="+cursor, "saigon", "")); r.StatusCode != http.StatusBadRequest {
			t.Error(cursor, r.StatusCode)
		}
	}
	if w.stores["saigon"].controls.Version != 0 {
		t.Error("something was turned")
	}
	// What is no longer defined can go on, and not be paused anew.
	w.stores["saigon"].controls = workspace.Controls{Turns: map[string]workspace.Turn{"journey|gone": {Control: "journey|gone", Off: true, At: 1, By: byText}}}
	if r := w.once(t, ask(http.MethodPut, "/v1/controls/journeys/gone", "saigon", `{"paused":false}`)); r.StatusCode != http.StatusOK {
		t.Error(r.StatusCode, r.Body)
	}
	w.set(t, "/v1/controls/journeys/gone", `{"paused":true}`, http.StatusNotFound)
}

// Who is slower looks again; while the table is down, the answer says to try again.
func TestControlsRace(t *testing.T) {
	w := newWorld()
	faster := 2
	w.before = func(step string) {
		if s := w.stores["saigon"]; step == "turn" && faster > 0 {
			faster--
			s.controls, _ = s.controls.Turned(workspace.Turn{Control: "connection|web", Off: faster == 1, At: 5, By: byText})
			s.controls.Version++
		}
	}
	w.set(t, "/v1/controls/journeys/come-back", `{"paused":true}`, http.StatusOK)
	if faster != 0 || len(w.stores["saigon"].turns) != 1 {
		t.Error(faster, w.stores["saigon"].turns)
	}
	w.before, w.fail["turn"] = nil, profile.ErrLost
	if r := w.send(t, ask(http.MethodPut, "/v1/controls/sends", "saigon", `{"stopped":true}`)); r.StatusCode != http.StatusServiceUnavailable {
		t.Error(r.StatusCode, r.Body)
	}
	for _, step := range []string{"controls", "turn", "turns"} {
		w.fail = map[string]error{step: errTable}
		method, path, body := http.MethodPut, "/v1/controls/sends", `{"stopped":true}`
		if step == "turns" {
			method, path, body = http.MethodGet, "/v1/controls/history", ""
		}
		if r := w.send(t, ask(method, path, "saigon", body)); r.StatusCode < 500 {
			t.Error(step, r.StatusCode)
		}
	}
}
