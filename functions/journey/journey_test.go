package journey

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

func wait(d time.Duration) workspace.Step { return workspace.Step{Wait: &workspace.Wait{For: d}} }

// comeBack gives a voucher, sends it, and waits for a click.
func comeBack() workspace.Journey {
	return workspace.Journey{Trigger: workspace.Trigger{Entered: "lost"}, Goal: &workspace.Goal{Event: "order.placed", Within: 14 * aDay},
		Steps: []workspace.Step{{Voucher: "ten"}, {Send: "gift"},
			{WaitFor: &workspace.WaitFor{Event: "message.clicked", TimeOut: 2 * aDay,
				Then: []workspace.Step{{Tag: &workspace.Tag{Add: "warm"}}},
				Else: []workspace.Step{{Task: &workspace.Task{Title: "Call her"}}}}},
			wait(aDay), {Send: "plain"}}}
}

func TestStory(t *testing.T) {
	w := newWorld(t, comeBack())
	w.free["AAA"], w.free["BBB"] = true, true
	w.entered("lost", events.ByTime)
	if got := w.sent(); !slices.Equal(got, []string{"gift AAA"}) || w.one().Status != journey.Active {
		t.Fatal(got, w.one())
	}
	m := w.messages[w.message("message.clicked")]
	if m.Fragment != lan || m.Journey != "come-back" || m.Entry != w.one().ID || m.Connection != "email" || m.Purpose != workspace.Marketing || m.At != noon.UnixMilli() || m.Version == "" || m.Step != "2" {
		t.Errorf("%+v", m)
	}
	w.until(noon.Add(time.Hour))
	w.occurred(lan, "message.clicked", "email|message|1")
	if len(w.tags) != 1 || len(w.tasks) != 0 {
		t.Error(w.tags, w.tasks)
	}
	w.until(noon.Add(time.Hour + aDay))
	if got := w.sent(); !slices.Equal(got, []string{"gift AAA", "plain AAA"}) || w.one().Status != journey.Finished {
		t.Error(got, w.one())
	}
	w.until(noon.Add(30 * aDay))
	w.entered("lost", events.ByChange) // nobody enters twice
	if w.one().Status != journey.Finished || len(w.used) != 1 {
		t.Error(w.entries)
	}
	if !strings.Contains(w.log.String(), `"begun":1`) || !strings.Contains(w.log.String(), `"requested":1`) || strings.Contains(w.log.String(), "AAA") {
		t.Error(w.log)
	}
}

func TestTimeOutAndGoal(t *testing.T) {
	w := newWorld(t, comeBack())
	w.free["AAA"] = true
	w.entered("lost", events.ByChange)
	w.until(noon.Add(2*aDay + time.Hour))
	if len(w.tasks) != 1 || len(w.tags) != 0 {
		t.Error(w.tags, w.tasks)
	}
	w.occurred(lan, "order.placed", "shop|order|1")
	w.until(noon.Add(9 * aDay))
	if w.one().Status != journey.Reached || len(w.messages) != 1 || w.news != 2 { // that it began, and its goal
		t.Error(w.one(), w.sent(), w.news)
	}
}

// TestWhatBeginsNothing: a link, a cut, a new rule and a replay.
func TestWhatBeginsNothing(t *testing.T) {
	w := newWorld(t, comeBack())
	for _, c := range []events.Cause{events.ByLink, events.ByDefinition, events.ByReplay, "something new"} {
		w.entered("lost", c)
	}
	w.entered("another", events.ByChange)
	w.tell(events.SegmentLeft, events.Membership{Fragment: string(lan), Segment: "lost", At: 1, Cause: events.ByChange})
	w.tell(events.SegmentEntered, events.Membership{Fragment: "cnobody", Segment: "lost", At: 1, Cause: events.ByChange})
	if len(w.entries)+len(w.kept)+len(w.armed) != 0 {
		t.Error(w.print())
	}
}

// TestLinked: entries are looked for under all members. What was one person's once
// keeps nobody out twice; two that were two persons' both finish.
func TestLinked(t *testing.T) {
	w := newWorld(t, comeBack())
	w.know(form)
	w.free["AAA"], w.free["BBB"] = true, true
	w.tell(events.SegmentEntered, events.Membership{Fragment: string(form), Segment: "lost", At: w.now.UnixMilli(), Cause: events.ByChange})
	w.know(lan, form)
	w.entered("lost", events.ByChange)
	e := w.one()
	if e.Fragment != form {
		t.Error(e)
	}
	w.now = w.now.Add(time.Minute)
	w.occurred(lan, "message.clicked", "email|message|1")
	if len(w.tags) != 1 {
		t.Error("the click of the one is not the other's")
	}
	two := newWorld(t, comeBack())
	two.know(form)
	two.free["AAA"], two.free["BBB"] = true, true
	two.entered("lost", events.ByChange)
	two.tell(events.SegmentEntered, events.Membership{Fragment: string(form), Segment: "lost", At: w.now.UnixMilli(), Cause: events.ByChange})
	two.know(lan, form)
	two.until(noon.Add(9 * aDay))
	for _, e := range two.entries {
		if e.Status != journey.Finished {
			t.Error(e)
		}
	}
	if len(two.entries) != 2 || len(two.used) != 2 {
		t.Error(two.entries)
	}
}

// TestWhileALinkIsMade: fragments that do not agree on who they are begin nothing
// and hear nothing; the queue tries again until they do.
func TestWhileALinkIsMade(t *testing.T) {
	w := newWorld(t, comeBack())
	w.free["AAA"] = true
	w.know(lan, form)
	w.fragments[form] = profile.Fragment{ID: form, Version: 1}
	m := events.Membership{Fragment: string(lan), Segment: "lost", At: w.now.UnixMilli(), Cause: events.ByChange}
	o := events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Occurred: []events.Occurrence{{What: "order.placed", At: m.At}}}}}
	if w.try(events.SegmentEntered, m) || w.try(events.ProfileChanged, o) || len(w.entries) != 0 || !strings.Contains(w.log.String(), `"class":"transient"`) {
		t.Error(w.print(), w.log)
	}
	w.know(lan, form)
	w.entered("lost", events.ByChange)
	if w.one().Fragment != lan {
		t.Error(w.print())
	}
}

// TestOldVersion: who is inside finishes on the definition by which he came in, also
// where the journey is gone, and in another process.
func TestOldVersion(t *testing.T) {
	for _, gone := range []bool{false, true} {
		w := newWorld(t, comeBack())
		w.free["AAA"] = true
		w.entered("lost", events.ByChange)
		if delete(w.def.Journeys, "come-back"); !gone {
			w.def.Journeys["come-back"] = workspace.Journey{Trigger: workspace.Trigger{API: true}, Steps: []workspace.Step{{Exit: true}}}
		}
		w.restart()
		w.until(noon.Add(9 * aDay))
		if w.one().Status != journey.Finished || len(w.messages) != 2 || len(w.tasks) != 1 {
			t.Error(gone, w.one())
		}
	}
}

func TestPaused(t *testing.T) {
	w := newWorld(t, comeBack())
	w.free["AAA"] = true
	w.paused["come-back"] = true
	w.entered("lost", events.ByChange)
	if len(w.entries) != 0 || len(w.held) != 1 {
		t.Fatal(w.print())
	}
	resume := func() {
		w.paused["come-back"] = false
		for _, what := range w.held {
			w.held = nil
			w.tell(events.DueReached, events.Due{What: what, At: w.now.UnixMilli()})
		}
	}
	w.now = w.now.Add(time.Hour)
	resume()
	if w.one().Status != journey.Active || len(w.messages) != 1 {
		t.Fatal(w.print())
	}
	w.paused["come-back"] = true
	w.now = w.now.Add(time.Minute)
	w.occurred(lan, "message.clicked", "email|message|1")
	w.until(w.now.Add(5 * aDay))
	if len(w.tags) != 0 || len(w.held) != 2 {
		t.Fatal(w.held)
	}
	if strings.Contains(w.held[0], "message.clicked") == strings.Contains(w.held[1], "message.clicked") {
		t.Error(w.held)
	}
	resume()
	if len(w.tags) != 1 || len(w.tasks) != 0 {
		t.Error("the click that came meanwhile was lost", w.one().Steps)
	}
	if !strings.Contains(w.log.String(), `"held":1`) {
		t.Error(w.log)
	}
}

func TestEmptyPool(t *testing.T) {
	w := newWorld(t, comeBack())
	w.entered("lost", events.ByChange)
	w.until(noon.Add(time.Hour))
	if len(w.messages) != 0 || !strings.Contains(w.log.String(), `"pool_empty":1`) {
		t.Error(w.log)
	}
	w.free["AAA"] = true
	w.until(noon.Add(2 * time.Hour))
	if got := w.sent(); !slices.Equal(got, []string{"gift AAA"}) {
		t.Error(got)
	}
}

func TestEventAndAPI(t *testing.T) {
	w := newWorld(t, workspace.Journey{Trigger: workspace.Trigger{Event: "quiz.done"}, ReEntry: workspace.ReEntry{Always: true}, Steps: []workspace.Step{{Send: "plain"}}})
	w.facts["web|event|1"] = []events.Fact{{Fields: events.Fields{"property:score": events.Text("7"), "email": events.Text("lan@x.vn"), "currency": events.Text("VND")}}}
	w.occurred(lan, "quiz.done", "web|event|1")
	e := w.one()
	if len(e.Event) != 2 || e.Event["score"] != "7" || e.Event["currency"] != "VND" {
		t.Error(e.Event)
	}
	w.now = w.now.Add(time.Minute)
	w.occurred(lan, "quiz.done", "web|event|2")
	if len(w.entries) != 2 || len(w.messages) != 2 {
		t.Error(w.entries)
	}
	w = newWorld(t, workspace.Journey{Trigger: workspace.Trigger{API: true}, Steps: []workspace.Step{{Send: "plain"}}})
	w.wishes[at(lan, "come-back", "A-1")] = map[string]string{"table": "7"}
	w.tell(events.EntryRequested, events.EntryRequest{Fragment: string(lan), Journey: "come-back", ID: "A-1"})
	w.def.Journeys["another"] = comeBack() // into which nobody comes by the API
	w.tell(events.EntryRequested, events.EntryRequest{Fragment: string(lan), Journey: "another", ID: "A-2"})
	if e := w.one(); e.Event["table"] != "7" || w.messages[strings.TrimPrefix(e.Steps[1].Why, "message ")].Event["table"] != "7" {
		t.Error(e)
	}
}

// TestNobodyListens: what happened to somebody whom no journey waits for takes one
// read; to whom one waits for, or who has fellows, it takes all.
func TestNobodyListens(t *testing.T) {
	w := newWorld(t, comeBack())
	happens := func(what string) int {
		before := w.calls
		w.occurred(lan, what, "shop|order|9")
		return (w.calls - before) / 2 // everything is told twice
	}
	if n := happens("order.placed"); n != 1 {
		t.Errorf("%d calls for somebody in no journey", n)
	}
	w.know(lan, form)
	if n := happens("order.placed"); n < 3 {
		t.Errorf("%d calls, and she may be in a journey as a guest", n)
	}
	w.know(lan)
	w.free["AAA"] = true
	w.entered("lost", events.ByChange)
	if n := happens("quiz.done"); n != 1 {
		t.Errorf("%d calls for what her journey does not wait for", n)
	}
	if n := happens("message.clicked"); n < 3 {
		t.Errorf("%d calls for what her journey waits for", n)
	}
}

func TestBirthday(t *testing.T) {
	w := newWorld(t, workspace.Journey{Trigger: workspace.Trigger{Date: &workspace.Date{Trait: "birthday", Before: 3 * aDay, At: "09:00"}},
		ReEntry: workspace.ReEntry{After: 300 * aDay}, Steps: []workspace.Step{{Send: "plain"}}})
	f := w.fragments[lan]
	f.State.Traits = map[string]profile.Register{"birthday": {Value: events.Text("1990-03-20")}}
	w.fragments[lan] = f
	changed := func() {
		w.tell(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Version: 1, Parts: []string{"traits"}}}})
	}
	changed()
	first := time.Date(2026, 3, 17, 2, 0, 0, 0, time.UTC)
	w.until(first.Add(-time.Second))
	w.tell(events.DueReached, events.Due{What: "date|come-back|" + string(lan)}) // early
	if len(w.entries) != 0 {
		t.Fatal(w.entries)
	}
	w.until(first.Add(2 * time.Minute))
	if len(w.messages) != 1 {
		t.Fatal(w.print(), w.armed)
	}
	w.until(first.AddDate(1, 0, 1))
	if len(w.messages) != 2 || len(w.entries) != 2 {
		t.Error(w.sent())
	}
	// told otherwise: the old day is nobody's any more
	f.State.Traits["birthday"] = profile.Register{Value: events.Text("1990-06-20")}
	changed()
	w.until(time.Date(2028, 3, 20, 0, 0, 0, 0, time.UTC))
	if len(w.messages) != 2 {
		t.Error("re-entry after 300 days, on the new day only: ", w.sent())
	}
	w.until(time.Date(2028, 6, 18, 0, 0, 0, 0, time.UTC))
	if len(w.messages) != 3 {
		t.Error(w.sent())
	}
}

// TestOlderOrders: rules that reach beyond the newest orders are decided on all of
// them, at the door and inside.
func TestOlderOrders(t *testing.T) {
	for total, sent := range map[int64]int{2: 0, 3: 1} {
		w := newWorld(t, workspace.Journey{Trigger: workspace.Trigger{Event: "quiz.done", When: `orders.within("60d").net("VND") >= 5`}, Steps: []workspace.Step{
			{Branch: &workspace.Branch{When: `orders.within("90d").net("VND") > 5`, Then: []workspace.Step{{Send: "plain"}}}}}})
		f := w.fragments[lan]
		f.State.Orders, f.State.Sums = 3, map[string]profile.Sum{"VND": {Orders: 3, Total: 3 + total}}
		f.State.Recent = []profile.Order{{At: noon.Add(-time.Hour).UnixMilli(), Record: "a", Total: 3, Currency: "VND"}}
		w.fragments[lan] = f
		w.older = []profile.Order{{At: noon.Add(-40 * aDay).UnixMilli(), Record: "b", Total: 2, Currency: "VND"},
			{At: noon.Add(-80 * aDay).UnixMilli(), Record: "c", Total: total - 2, Currency: "VND"}}
		w.occurred(lan, "quiz.done", "web|event|1")
		if w.one().Status != journey.Finished || len(w.messages) != sent {
			t.Error(total, w.one(), w.sent())
		}
	}
	w := newWorld(t, workspace.Journey{Trigger: workspace.Trigger{Event: "quiz.done", When: `orders.count > 3`}, Steps: []workspace.Step{{Send: "plain"}}})
	w.occurred(lan, "quiz.done", "web|event|1")
	if len(w.entries) != 0 {
		t.Error("the trigger's rule does not hold: ", w.entries)
	}
}

// TestShuffled: whatever order the messages come in, and how often, there is one
// entry, one voucher and one message per step.
func TestShuffled(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(t, comeBack())
		w.free["AAA"], w.free["BBB"] = true, true
		entered := events.Membership{Fragment: string(lan), Segment: "lost", At: noon.UnixMilli(), Cause: events.ByTime}
		type message struct {
			kind string
			data any
		}
		var l []message
		for range 3 {
			l = append(l, message{events.SegmentEntered, entered})
			click := events.Occurrence{What: "message.clicked", Record: "email|message|1", At: noon.Add(time.Minute).UnixMilli()}
			l = append(l, message{events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Version: 2, Occurred: []events.Occurrence{click}}}}},
				message{events.DueReached, events.Due{What: waiting(lan, "come-back", journey.Cause{Way: journey.ByEntered, Name: "lost", Record: string(lan), At: noon.UnixMilli()}.Entry("come-back"), nil)}})
		}
		r.Shuffle(len(l), func(a, b int) { l[a], l[b] = l[b], l[a] })
		w.now = noon.Add(2 * time.Minute)
		for _, m := range l {
			if !w.try(m.kind, m.data) {
				t.Fatal(seed, w.log)
			}
		}
		if len(w.entries) != 1 || len(w.used) != 1 || len(w.messages) != 1 || len(w.tags) > 1 {
			t.Fatal(seed, w.print())
		}
		w.until(noon.Add(9 * aDay))
		if len(w.messages) != 2 || len(w.tags)+len(w.tasks) != 1 || w.one().Status != journey.Finished {
			t.Fatal(seed, w.print())
		}
	}
}

var errDead = errors.New("the worker died")

// interleave runs one message's worker; before its call number pre, another worker
// runs the other message whole, or up to its own death after call number death2. The
// first dies after call number death1. What died comes again.
func interleave(t *testing.T, sloppy bool, first, second func(w *world) bool, pre, death1, death2 int) *world {
	t.Helper()
	w := newWorld(t, comeBack())
	w.free["AAA"], w.free["BBB"] = true, true
	w.sloppy = sloppy
	outer := w.stage
	dead, mine := false, 0
	var hook func(int, string) error
	hook = func(int, string) error {
		if dead {
			return errDead
		}
		if mine++; mine != pre {
			return nil
		}
		calls, gone := 0, false
		w.before = func(int, string) error {
			if gone {
				return errDead
			}
			return nil
		}
		w.after = func(int, string) error {
			if calls++; calls == death2 {
				gone = true
				return errDead
			}
			return nil
		}
		w.restart() // another process
		second(w)
		w.stage, w.before = outer, hook
		w.after = die(&mine, &dead, death1)
		return nil
	}
	w.before, w.after = hook, die(&mine, &dead, death1)
	first(w)
	w.before, w.after = nil, nil
	w.restart()
	for _, again := range []func(*world) bool{first, second, first} {
		if !again(w) {
			t.Fatal("it fails for good: ", w.log)
		}
	}
	return w
}

// die ends a worker after one of its calls.
func die(mine *int, dead *bool, at int) func(int, string) error {
	return func(int, string) error {
		if *mine == at {
			*dead = true
			return errDead
		}
		return nil
	}
}

// pairs are the messages of two workers that meet.
func pairs() map[string][2]func(*world) bool {
	enter := func(w *world) bool {
		return w.try(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: "lost", At: noon.UnixMilli(), Cause: events.ByTime})
	}
	click := func(w *world) bool {
		w.now = noon.Add(time.Minute)
		if !enter(w) {
			return false
		}
		o := events.Occurrence{What: "message.clicked", Record: "email|message|1", At: w.now.UnixMilli(), Message: w.message("message.clicked")}
		return w.try(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Version: 1, Occurred: []events.Occurrence{o}}}})
	}
	due := func(w *world) bool {
		w.now = noon.Add(2 * aDay)
		c := journey.Cause{Way: journey.ByEntered, Name: "lost", Record: string(lan), At: noon.UnixMilli()}
		return enter(w) && w.try(events.DueReached, events.Due{What: waiting(lan, "come-back", c.Entry("come-back"), nil)})
	}
	return map[string][2]func(*world) bool{
		"the same twice": {enter, enter}, "an entry and a click": {enter, click},
		"a click and the time-out": {click, due}, "the time-out twice": {due, due},
	}
}

// explore runs two workers, one in the midst of the other, with deaths after the
// calls of both, and says what is wrong at the end of the first run that shows it.
func explore(t *testing.T, sloppy bool) (wrong string, runs int) {
	t.Helper()
	for name, pair := range pairs() {
		for pre := 1; pre <= 22; pre++ {
			for death1 := range 22 {
				for death2 := range 22 {
					if (death1+3*death2+5*pre)%17 != 0 && death1*death2 != 0 { // of two deaths, one in seventeen
						continue
					}
					runs++
					w := interleave(t, sloppy, pair[0], pair[1], pre, death1, death2)
					w.until(noon.Add(9 * aDay))
					if len(w.entries) != 1 || len(w.used) != 1 || fmt.Sprint(w.sent()) != "[gift AAA plain AAA]" || w.one().Status != journey.Finished || len(w.tasks) > 1 {
						return fmt.Sprintf("%s, %d, %d, %d: %s", name, pre, death1, death2, w.print()), runs
					}
				}
			}
		}
	}
	return "", runs
}

// TestInterleavings: one entry, one voucher, one message request per step.
func TestInterleavings(t *testing.T) {
	wrong, runs := explore(t, false)
	if wrong != "" {
		t.Error(wrong)
	}
	t.Log(runs, "runs")
}

// TestInterleavingsCatchMistakes: a Hub that does not look at versions shows.
func TestInterleavingsCatchMistakes(t *testing.T) {
	if wrong, runs := explore(t, true); wrong == "" {
		t.Error("no run of ", runs, " shows the mistake")
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, comeBack())
	for _, payload := range []string{"", "[", `{"Records":7}`} {
		if _, err := w.stage.Invoke(t.Context(), []byte(payload)); err == nil {
			t.Error(payload)
		}
	}
	for _, what := range []string{"", "entry", "entry|x", "date|x", "start|a|b", "came|a|b|c|when|e|f|g", "something|else"} {
		w.tell(events.DueReached, events.Due{What: what})
	}
	for _, body := range []string{"", "{}", `{"detail":{"type":"order.placed.v9","workspace":"saigon"}}`, `{"detail":{"type":"segment.entered.v1","workspace":"hanoi","data":{}}}`,
		`{"detail":{"type":"segment.entered.v1","workspace":"saigon","data":7}}`} {
		if !w.invoke(body) {
			t.Error("it comes for ever: ", body)
		}
	}
	if n := strings.Count(w.log.String(), `"msg":"dropped"`); n < 5+2*5 {
		t.Error(n, w.log)
	}
	w.before = func(int, string) error { return fault.New(fault.Throttled, "busy") }
	if w.try(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: "lost", At: 1, Cause: events.ByChange}) || !strings.Contains(w.log.String(), `"class":"throttled"`) {
		t.Error("it is lost: ", w.log)
	}
	w.before = func(int, string) error { panic("MARKER") }
	if w.try(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: "lost", At: 1, Cause: events.ByChange}) || strings.Contains(w.log.String(), "MARKER") {
		t.Error("a panic: ", w.log)
	}
	w.before = func(_ int, name string) error {
		if name == "commit" {
			return profile.ErrLost
		}
		return nil
	}
	w.free["AAA"] = true
	if w.try(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: "lost", At: 1, Cause: events.ByChange}) {
		t.Error("a race that is always lost is given back")
	}
}
