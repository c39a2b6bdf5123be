package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/functions/api"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

func (s *store) Ahead(_ context.Context, from, to time.Time, limit int) (l []api.Due, whole time.Time, err error) {
	whole = to.Add(time.Millisecond)
	for _, d := range s.dues {
		if d.At.Before(from) || d.At.After(to) {
			continue
		}
		if len(l) == limit {
			return l, from.Add(2 * time.Hour), s.world.step("ahead")
		}
		l = append(l, d)
	}
	return l, whole, s.world.step("ahead")
}

func (s *store) Entry(_ context.Context, fragment profile.ID, name, id string) (journey.Entry, error) {
	for _, e := range s.entries {
		if e.Fragment == fragment && e.Journey == name && e.ID == id {
			return e, s.world.step("entry")
		}
	}
	return journey.Entry{}, s.world.step("entry")
}

func (s *store) KeptJourney(_ context.Context, name, version string) (journey.Definition, error) {
	return s.versions[name+version], s.world.step("kept")
}

func (s *store) FindCode(_ context.Context, pool, _ string) (string, error) {
	for code, p := range s.codes {
		if p == pool {
			return code, s.world.step("code")
		}
	}
	return "", s.world.step("code")
}

// shopOf is a definition in which time alone makes much happen.
func shopOf(w *world) {
	w.segments = segments("fresh", `orders.within("5h").count >= 1`, "lapsed", `orders.count > 0 && orders.within("5h").count == 0`, "today", `orders.during("today").count > 0`,
		"heavy", `orders.within("12h").count >= 13`)
	w.templates = map[string]workspace.Template{}
	for name, p := range map[string]workspace.Purpose{"miss-you": workspace.Marketing, "again": workspace.Marketing, "bye": workspace.Marketing, "note": workspace.Transactional} {
		w.templates[name] = workspace.Template{Name: name, Connection: "email", Purpose: p}
	}
	w.policies = workspace.Policies{Quiet: &workspace.Quiet{From: "21:00", To: "08:00"}, Caps: []workspace.Cap{{AtMost: 2, Within: 24 * time.Hour}}}
	wait := func(d time.Duration, until string) workspace.Step {
		return workspace.Step{Wait: &workspace.Wait{For: d, Until: until}}
	}
	w.journeys = map[string]workspace.Journey{
		"back": {Trigger: workspace.Trigger{Entered: "lapsed", When: `"vip" in tags || "today" in segments`}, ReEntry: workspace.ReEntry{Always: true}, Steps: []workspace.Step{
			{Voucher: "ten"}, {Send: "miss-you"}, wait(2*time.Hour, ""),
			{Branch: &workspace.Branch{When: `"lapsed" in segments && orders.count > 1`, Then: []workspace.Step{{Send: "again"}}, Else: []workspace.Step{{Tag: &workspace.Tag{Add: "lost"}}}}},
			wait(time.Hour, ""), {Send: "note"}}},
		"bye": {Trigger: workspace.Trigger{Left: "today"}, Holdout: 20, Steps: []workspace.Step{
			{Split: []workspace.Variant{{Name: "a", Share: 50, Steps: []workspace.Step{{Send: "bye"}}}, {Name: "b", Share: 50, Steps: []workspace.Step{wait(0, "09:00"), {Send: "bye"}}}}},
			{WaitFor: &workspace.WaitFor{Event: "message.clicked", TimeOut: 4 * time.Hour, Then: []workspace.Step{{Exit: true}}}}, {Send: "note"}}},
		"birthday": {Trigger: workspace.Trigger{Date: &workspace.Date{Trait: "birthday", At: "10:30"}}, Steps: []workspace.Step{{Send: "miss-you"}}},
	}
}

// lain is the shop with people in it, as the stages left it at the moment that begins.
func lain(t *testing.T, seed uint64) (*world, []*reference) {
	r := rand.New(rand.NewPCG(seed, 5))
	w := newWorld()
	shopOf(w)
	s := w.stores["saigon"]
	s.codes["TEN"] = "ten"
	var facts []events.Fact
	for n := range 6 {
		id := fmt.Sprint("c", n)
		fields := []string{"email", id + "@marker.example", "tags", []string{`["vip"]`, `[]`}[r.IntN(2)]}
		if r.IntN(4) > 0 {
			fields = append(fields, "grant:email:marketing", fmt.Sprint(minute(-9000)))
		}
		if r.IntN(2) == 0 {
			fields = append(fields, "birthday", "1990-11-20")
		}
		facts = append(facts, customer(id, -9000, fields...))
		for o := range r.IntN(22) {
			facts = append(facts, order(fmt.Sprint(n, "-", o), 120-r.IntN(900), "customer", id))
		}
	}
	s.take(facts...)
	var people []*reference
	for n := range 6 {
		p := newReference(t, w, s.customer("shop", fmt.Sprint("c", n)))
		p.lay(r)
		people = append(people, p)
	}
	return w, people
}

// TestForecast: what is foretold is what happens when the stages look at everybody
// every minute until then.
func TestForecast(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 6))
		w, people := lain(t, seed)
		before := snapshot(w.stores["saigon"])
		until := time.UnixMilli(minute(135 + 60*(4+r.IntN(21))))
		got := w.get(t, "/v1/forecast?until="+until.UTC().Format(time.RFC3339))
		if diff := cmp.Diff(before, snapshot(w.stores["saigon"])); diff != "" {
			t.Fatal("it writes: ", diff)
		}
		if got["truncated"] != false || got["covered_until"] != got["until"] {
			t.Error(got)
		}
		var want []string
		for _, p := range people {
			want = append(want, p.live(until)...)
		}
		slices.Sort(want)
		have := foretold(got)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		for _, x := range got["sends"].([]any) {
			if reason, delayed := x.(map[string]any)["delayed_by"].(string); delayed {
				outcomes["delayed by "+reason]++
			}
		}
		for _, line := range have {
			kind, rest, _ := strings.Cut(line, " ")
			if kind == "message" {
				kind = strings.Fields(rest)[4]
			}
			outcomes[kind]++
		}
	}
	for _, kind := range []string{"turn", "entry", "send/allowed", "wait/quiet_hours", "delayed by quiet_hours", "drop/no_consent", "drop/capped", "drop/duplicate"} {
		if outcomes[kind] == 0 {
			t.Errorf("no %s was foretold: %v", kind, outcomes)
		}
	}
}

// snapshot is what a look ahead must leave as it is.
func snapshot(s *store) string {
	return fmt.Sprint(s.entries, s.heads, s.messages, s.sends, s.kept, s.codes, s.dues, s.tasks, s.wishes, len(s.facts))
}

func foretold(got map[string]any) (l []string) {
	for _, x := range got["turns"].([]any) {
		m := x.(map[string]any)
		l = append(l, fmt.Sprint("turn ", m["at"], " ", m["profile"], " ", m["segment"], " ", m["in"]))
	}
	for _, x := range got["entries"].([]any) {
		m := x.(map[string]any)
		l = append(l, fmt.Sprint("entry ", m["at"], " ", m["profile"], " ", m["journey"], " ", m["holdout"]))
	}
	for _, x := range got["sends"].([]any) {
		m := x.(map[string]any)
		l = append(l, fmt.Sprint("message ", m["profile"], " ", m["template"], " ", m["requested_at"], " ", m["at"], " ", m["decision"], "/", m["reason"]))
	}
	slices.Sort(l)
	return l
}

func TestForecastIsOfThisWorkspaceAndKeepsToControls(t *testing.T) {
	w, _ := lain(t, 3)
	all := w.get(t, "/v1/forecast")
	if all["until"] != "2026-11-21T16:59:59.999Z" || len(all["sends"].([]any)) == 0 {
		t.Fatal(all) // the end of tomorrow in Saigon
	}
	if r := w.send(t, ask(http.MethodGet, "/v1/forecast", "hanoi", "")); len(decode(t, r)["turns"].([]any)) != 0 {
		t.Error(r.Body)
	}
	if b := fmt.Sprint(all); strings.Contains(strings.ToLower(b), "marker") {
		t.Error("it names an address: ", b)
	}
	s := w.stores["saigon"]
	turn := func(control string) {
		s.controls = workspace.Controls{Turns: map[string]workspace.Turn{control: {Control: control, Off: true}}}
	}
	turn(workspace.ControlAll)
	for _, x := range w.get(t, "/v1/forecast")["sends"].([]any) {
		if m := x.(map[string]any); m["decision"] != "hold" || m["reason"] != "stopped" {
			t.Error(m)
		}
	}
	turn(workspace.Control(workspace.ControlJourney, "back"))
	got := w.get(t, "/v1/forecast")
	if diff := cmp.Diff([]any{"back"}, got["paused"]); diff != "" {
		t.Error(diff)
	}
	for _, x := range got["entries"].([]any) {
		if x.(map[string]any)["journey"] == "back" {
			t.Error(x)
		}
	}
	s.controls = workspace.Controls{}
	clear(s.codes)
	got = w.get(t, "/v1/forecast")
	if diff := cmp.Diff([]any{"ten"}, got["empty_pools"]); diff != "" {
		t.Error(diff)
	}
}

// Who is inside goes on by the definition by which he came in.
func TestForecastGoesOnByTheirOwnDefinition(t *testing.T) {
	w, _ := lain(t, 1)
	s := w.stores["saigon"]
	was, _ := journey.Of(must(w.Load(t.Context(), "saigon")), "birthday")
	j := must(journey.Compile(was))
	who := s.customer("shop", "c0")
	e := j.Enter(journey.Cause{Way: journey.ByDate, Name: "2025-11-20", Fragment: who, Record: string(who), At: minute(130)}, []profile.ID{who}, nil, nil, time.UnixMilli(minute(130)))
	e.Due, e.Revision = minute(150), 1
	s.entries, s.versions = []journey.Entry{e}, map[string]journey.Definition{"birthday" + j.Version: was}
	s.dues = []api.Due{{Stage: "journey", What: strings.Join([]string{"entry", string(who), "birthday", e.ID}, "|"), At: time.UnixMilli(minute(150))}}
	delete(w.journeys, "birthday")
	if l := w.get(t, "/v1/forecast")["sends"].([]any); len(l) != 1 || l[0].(map[string]any)["template"] != "miss-you" || l[0].(map[string]any)["at"] != "2026-11-20T02:30:00.000Z" {
		t.Error(l)
	}
	s.dues[0].At = time.UnixMilli(minute(130)) // its minute has come, and sweep is about to tell
	s.entries[0].Due = minute(130)
	if l := w.get(t, "/v1/forecast")["sends"].([]any); len(l) != 1 || l[0].(map[string]any)["at"] != "2026-11-20T02:14:32.123Z" {
		t.Error(l)
	}
	m := message.Message{Stored: 1, Status: message.Sent, Request: message.Request{ID: message.NewID(now, "x"), Fragment: who}}
	s.messages = []message.Message{m}
	for _, what := range []string{string(who) + "|" + m.ID, string(who) + "|none", "gaaaaaaaaaaaaaaaaaaaaaaaa|x", "nothing"} { // it is over, gone, or makes no sense
		s.dues = []api.Due{{Stage: "message", What: what, At: time.UnixMilli(minute(150))}, {Stage: "journey", What: what, At: now}, {Stage: "segment", What: what, At: now}}
		if l := w.get(t, "/v1/forecast")["sends"].([]any); len(l) != 0 {
			t.Error(what, l)
		}
	}
}

func TestForecastIsBounded(t *testing.T) {
	w, _ := lain(t, 1)
	s := w.stores["saigon"]
	for n := range 600 {
		s.dues = append(s.dues, api.Due{Stage: "segment", What: string(s.customer("shop", "c0")), At: time.UnixMilli(minute(140 + n))})
	}
	got := w.get(t, "/v1/forecast")
	if got["truncated"] != true || got["covered_until"].(string) >= got["until"].(string) {
		t.Error(got)
	}
	s.dues = s.dues[len(s.dues)-300:] // no more than are read, all of one profile
	got = w.get(t, "/v1/forecast")
	if c := got["covered_until"].(string); got["truncated"] != true || c < "2026-11-20T08:00" || c > "2026-11-20T11:00" {
		t.Error(got["truncated"], c)
	}
}

func TestForecastRefuses(t *testing.T) {
	w, _ := lain(t, 1)
	for until, status := range map[string]int{"tomorrow": 400, "2026-11-20T02:14:32Z": 400, "2026-11-22T02:14:33Z": 400, "2026-11-22T02:14:32Z": 200, "": 400,
		"2026-11-20T09:15:00%2B07:00": 200, "2026-11-20T09:15:00+07:00": 200, "2026-11-20T09:14:00%2B07:00": 400} {
		if r := w.send(t, ask(http.MethodGet, "/v1/forecast?until="+until, "saigon", "")); r.StatusCode != status {
			t.Error(until, r.StatusCode, r.Body)
		}
	}
}

// Whatever read fails, there is no forecast: half of one would be taken for all.
func TestForecastFailsWhole(t *testing.T) {
	for _, step := range []string{"controls", "ahead", "fragments", "identities", "memberships", "heads", "entry", "sends", "code", "message", "OlderOrders"} {
		reached := false
		for seed := uint64(0); seed < 20 && !reached; seed++ {
			w, _ := lain(t, seed)
			w.fail = map[string]error{step: errTable}
			w.before = func(s string) { reached = reached || s == step }
			r := w.once(t, ask(http.MethodGet, "/v1/forecast", "saigon", ""))
			if reached != (r.StatusCode == http.StatusServiceUnavailable) {
				t.Error(step, r.StatusCode)
			}
		}
		if !reached {
			t.Error("nobody asks for ", step)
		}
	}
}
