package journey_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

const (
	lan  = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	aDay = 24 * time.Hour
)

// noon in Saigon.
var noon = time.Date(2026, 3, 10, 5, 0, 0, 0, time.UTC)

// shop is a workspace in which journeys can be tried.
func shop(j workspace.Journey) workspace.Workspace {
	return workspace.Workspace{ID: "saigon", Zone: "Asia/Ho_Chi_Minh",
		Segments: map[string]workspace.Segment{"lost": {Name: "lost", When: "orders.count > 0"}},
		Vouchers: map[string]workspace.Voucher{"ten": {Name: "ten"}},
		Templates: map[string]workspace.Template{
			"plain": {Connection: "email", Purpose: workspace.Marketing, Contents: map[string]workspace.Content{"vi": {HTML: "Chào {{ voucher.code | default: '' }}"}}},
			"gift":  {Connection: "email", Purpose: workspace.Marketing, Contents: map[string]workspace.Content{"vi": {HTML: "{{ voucher.code }}"}}}},
		Journeys: map[string]workspace.Journey{"come-back": j}}
}

func compile(t testing.TB, def workspace.Journey) journey.Journey {
	t.Helper()
	if def.Trigger == (workspace.Trigger{}) {
		def.Trigger.API = true
	}
	w := shop(def)
	journey.Checks(w, func(path string, line, column int, reason string) {
		t.Errorf("%s %d:%d: %s", path, line, column, reason)
	})
	d, _ := journey.Of(w, "come-back")
	j, err := journey.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func steps(l ...workspace.Step) workspace.Journey { return workspace.Journey{Steps: l} }

func send(template string) workspace.Step { return workspace.Step{Send: template} }
func wait(d time.Duration) workspace.Step { return workspace.Step{Wait: &workspace.Wait{For: d}} }
func waitUntil(c string) workspace.Step   { return workspace.Step{Wait: &workspace.Wait{Until: c}} }
func voucher(pool string) workspace.Step  { return workspace.Step{Voucher: pool} }
func jump(to string) workspace.Step       { return workspace.Step{Goto: to} }
func branch(when string, then, otherwise []workspace.Step) workspace.Step {
	return workspace.Step{Branch: &workspace.Branch{When: when, Then: then, Else: otherwise}}
}
func waitFor(event string, d time.Duration, then, otherwise []workspace.Step) workspace.Step {
	return workspace.Step{WaitFor: &workspace.WaitFor{Event: event, TimeOut: d, Then: then, Else: otherwise}}
}
func list(l ...workspace.Step) []workspace.Step { return l }

var leave = workspace.Step{Exit: true}

// walk is one person's way, with all that came of it.
type walk struct {
	t     testing.TB
	j     journey.Journey
	e     journey.Entry
	view  profile.View
	codes []string // of the pool
	did   []string
}

func enter(t testing.TB, def workspace.Journey, at time.Time, codes ...string) *walk {
	t.Helper()
	w := &walk{t: t, j: compile(t, def), codes: codes}
	w.e = w.j.Enter(journey.Cause{Way: journey.ByAPI, Name: "come-back", Record: "1", Fragment: lan, At: at.UnixMilli()}, []profile.ID{lan}, nil, nil, at)
	w.step(at)
	return w
}

// step steps twice: the second time changes nothing more.
func (w *walk) step(now time.Time, occurred ...events.Occurrence) {
	w.t.Helper()
	codes := map[string]string{}
	for range 50 {
		out, err := w.j.Step(w.e, journey.Given{Now: now, View: segment.View{View: w.view}, Occurred: occurred, Codes: codes})
		if err != nil {
			w.t.Fatal(err)
		}
		if out.Code != nil {
			codes[out.Code.Cause] = ""
			if len(w.codes) > 0 {
				codes[out.Code.Cause], w.codes = w.codes[0], w.codes[1:]
			}
			continue
		}
		if !out.Changed {
			if diff := cmp.Diff(w.e, out.Entry); diff != "" {
				w.t.Error("nothing changed, yet", diff)
			}
			return
		}
		w.e = out.Entry
		for _, m := range out.Messages {
			w.did = append(w.did, strings.TrimSpace("send "+m.Template+" "+m.Voucher.Code))
		}
		for _, v := range out.Tags {
			w.did = append(w.did, "tag +"+v.Add+" -"+v.Remove)
		}
		for _, v := range out.Tasks {
			w.did = append(w.did, "task "+v.Title)
		}
		for _, v := range out.Vouchers {
			w.did = append(w.did, "take "+v.Code)
		}
	}
	w.t.Fatal("it never ends: ", w.e)
}

func (w *walk) want(status journey.Status, did ...string) {
	w.t.Helper()
	if w.e.Status != status || !slices.Equal(w.did, did) {
		w.t.Errorf("is %s, did %q; want %s, %q\n%v", w.e.Status, w.did, status, did, w.e.Steps)
	}
	if w.e.Open() != (w.e.Due != 0) {
		w.t.Errorf("open %v, due %d: whoever is inside is looked at again, and nobody else", w.e.Open(), w.e.Due)
	}
}

func (w *walk) due(at time.Time) {
	w.t.Helper()
	if w.e.Due != at.UnixMilli() {
		w.t.Errorf("due at %s, want %s", time.UnixMilli(w.e.Due).UTC(), at.UTC())
	}
}

func came(what, record string, at time.Time) events.Occurrence {
	return events.Occurrence{What: what, Record: record, At: at.UnixMilli()}
}

func TestStraightOn(t *testing.T) {
	w := enter(t, steps(send("plain"), workspace.Step{Tag: &workspace.Tag{Add: "won"}}, workspace.Step{Task: &workspace.Task{Title: "Call"}}), noon)
	w.want(journey.Finished, "send plain", "tag +won -", "task Call")
}

// TestWaitsAreExact: what is taken up a minute late is reckoned from the moment
// itself; after a long stop, from now.
func TestWaitsAreExact(t *testing.T) {
	w := enter(t, steps(wait(3*aDay), send("plain"), wait(time.Hour), send("plain"), wait(time.Hour), send("plain")), noon)
	first := noon.Add(3 * aDay)
	w.due(first)
	w.step(first.Add(-time.Millisecond))
	w.want(journey.Active)
	w.step(first.Add(2 * time.Minute))
	w.want(journey.Active, "send plain")
	w.due(first.Add(time.Hour))
	late := first.Add(5 * time.Hour)
	w.step(late)
	w.want(journey.Active, "send plain", "send plain")
	w.due(late.Add(time.Hour))
	w.step(late.Add(time.Hour))
	w.want(journey.Finished, "send plain", "send plain", "send plain")
}

// TestNightsWhenClocksChange: spans are hours, times of day are what clocks show.
func TestNightsWhenClocksChange(t *testing.T) {
	for _, c := range []struct {
		zone, from, want string
		wait             workspace.Wait
	}{
		{"Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T13:00:00+02:00", workspace.Wait{For: aDay}},
		{"Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00", workspace.Wait{Until: "02:30"}}, // there is no such time
		{"Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00", workspace.Wait{Until: "02:30"}}, // it comes twice: the first
		{"Europe/Berlin", "2026-10-25T02:40:00+02:00", "2026-10-26T02:30:00+01:00", workspace.Wait{Until: "02:30"}}, // not the second
		{"Europe/Berlin", "2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00", workspace.Wait{Until: "09:00"}},
		{"Europe/Berlin", "2026-03-28T10:00:00+01:00", "2026-03-30T09:00:00+02:00", workspace.Wait{For: aDay, Until: "09:00"}},
		{"Europe/Berlin", "2026-03-27T09:00:00+01:00", "2026-03-28T09:00:00+01:00", workspace.Wait{For: aDay, Until: "09:00"}},
		{"America/New_York", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00", workspace.Wait{Until: "02:15"}},
		{"Africa/Cairo", "2026-04-23T12:00:00+02:00", "2026-04-24T01:00:00+03:00", workspace.Wait{Until: "00:00"}}, // midnight is leapt over
		{"Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00", workspace.Wait{Until: "02:10"}},
		{"Asia/Ho_Chi_Minh", "2026-03-10T09:00:00+07:00", "2026-03-11T09:00:00+07:00", workspace.Wait{Until: "09:00"}}, // its next coming
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		want, err := time.Parse(time.RFC3339, c.want)
		if err != nil {
			t.Fatal(err)
		}
		w := &walk{t: t, j: compile(t, steps(workspace.Step{Wait: &c.wait}))}
		w.view.Traits = map[string]profile.Register{"timezone": {Value: events.Text(c.zone)}}
		w.e = w.j.Enter(journey.Cause{Way: journey.ByAPI, Record: "1", At: from.UnixMilli()}, []profile.ID{lan}, nil, nil, from)
		w.step(from)
		w.due(want)
	}
}

func TestWaitFor(t *testing.T) {
	def := steps(waitFor("message.clicked", 2*aDay, list(send("plain")), list(send("gift"))), leave)
	def.Steps = slices.Insert(def.Steps, 0, voucher("ten"))
	for name, c := range map[string]struct {
		now, at time.Duration
		came    bool
	}{
		"in time":                             {time.Hour, time.Hour, true},
		"at the moment":                       {0, 0, true},
		"before the step was reached":         {time.Hour, -time.Second, false},
		"in time, told late":                  {3 * aDay, aDay, true},
		"after the time-out, told before due": {2*aDay + time.Minute, 2 * aDay, false},
		"by a clock that is ahead":            {time.Hour, 5 * aDay, true},
	} {
		w := enter(t, def, noon, "AAA")
		o := came("message.clicked", "email|message|1", noon.Add(c.at))
		w.step(noon.Add(c.now), came("message.opened", "email|message|1", noon.Add(c.at)), o)
		w.step(noon.Add(2 * aDay).Add(aDay))
		got := slices.Contains(w.did, "send plain AAA")
		if got != c.came || slices.Contains(w.did, "send gift AAA") == c.came {
			t.Errorf("%s: %q", name, w.did)
		}
		if w.e.Status != journey.Left {
			t.Errorf("%s: %s", name, w.e.Status)
		}
	}
}

// TestOneOccurrenceOnce: its copies do nothing more, in whatever step they find the
// person.
func TestOneOccurrenceOnce(t *testing.T) {
	def := steps(waitFor("viewed", aDay, list(send("plain"), jump("start")), nil))
	def.Steps[0].ID = "start"
	w := enter(t, def, noon)
	ahead := came("viewed", "web|event|1", noon.Add(3*time.Hour)) // its clock is ahead
	for n := range 3 {
		w.step(noon.Add(time.Duration(n)*time.Minute), ahead, ahead)
	}
	w.want(journey.Active, "send plain")
	w.step(noon.Add(time.Hour), came("viewed", "web|event|2", noon.Add(time.Hour)))
	w.want(journey.Active, "send plain", "send plain")
}

// TestClickOnAnotherMessage: whoever waits for a click waits for one on what the
// journey sent.
func TestClickOnAnotherMessage(t *testing.T) {
	w := enter(t, steps(send("plain"), waitFor("message.clicked", aDay, list(send("plain")), nil)), noon)
	click := came("message.clicked", "email|message|1", noon.Add(time.Minute))
	click.Message = "another"
	w.step(noon.Add(time.Minute), click)
	w.want(journey.Active, "send plain")
	click.Message = w.e.Messages[0]
	w.step(noon.Add(time.Minute), click)
	w.want(journey.Finished, "send plain", "send plain")
}

func TestGoal(t *testing.T) {
	def := steps(wait(3*aDay), send("plain"))
	def.Goal = &workspace.Goal{Event: "order.placed", Within: 2 * aDay}
	for at, status := range map[time.Duration]journey.Status{-time.Second: journey.Active, 0: journey.Reached, 2 * aDay: journey.Reached, 2*aDay + time.Second: journey.Active} {
		w := enter(t, def, noon)
		w.step(noon.Add(at), came("order.placed", "shop|order|1", noon.Add(at)))
		if w.e.Status != status || (w.e.Goal != 0) != (status == journey.Reached) {
			t.Errorf("%s: %s", at, w.e.Status)
		}
	}
	// What let somebody in is not what is hoped for.
	def.Trigger.Event = "order.placed"
	w := &walk{t: t, j: compile(t, def)}
	c := journey.Cause{Way: journey.ByEvent, Name: "order.placed", Record: "shop|order|1", At: noon.UnixMilli()}
	w.e = w.j.Enter(c, []profile.ID{lan}, nil, nil, noon)
	w.step(noon, c.Occurrence())
	w.want(journey.Active)
}

func TestBranchAndExit(t *testing.T) {
	def := steps(branch(`"vip" in tags`, list(send("plain")), nil), wait(aDay), send("plain"))
	def.Exit = `"blocked" in tags`
	w := enter(t, def, noon)
	w.want(journey.Active)
	w.view.Tags = []string{"blocked"}
	w.step(noon.Add(time.Hour))
	w.want(journey.Active)
	w.step(noon.Add(aDay))
	w.want(journey.Left)
	v := &walk{t: t, j: compile(t, def), view: profile.View{Tags: []string{"vip"}}}
	v.e = v.j.Enter(journey.Cause{Way: journey.ByAPI, At: noon.UnixMilli()}, []profile.ID{lan}, nil, nil, noon)
	v.step(noon)
	v.want(journey.Active, "send plain")
	if s := v.e.Steps[1]; s.What != "then" || s.Why != `"vip" in tags: true` {
		t.Errorf("%+v", s)
	}
}

// TestOlderOrders: a rule that needs them asks, and decides nothing before.
func TestOlderOrders(t *testing.T) {
	j := compile(t, steps(branch(`orders.within("30d").net("VND") > 5`, list(send("plain")), nil)))
	e := j.Enter(journey.Cause{Way: journey.ByAPI, At: noon.UnixMilli()}, []profile.ID{lan}, nil, nil, noon)
	v := segment.View{View: profile.View{Orders: 2, Recent: []profile.Order{{At: noon.Add(-time.Hour).UnixMilli(), Record: "a", Total: 3, Currency: "VND"}}}}
	out, err := j.Step(e, journey.Given{Now: noon, View: v})
	if err != nil || !out.Asks() || out.Changed || cmp.Diff(out.Entry, e) != "" {
		t.Fatal(out, err)
	}
	v = v.With([]profile.Order{{At: noon.Add(-2 * time.Hour).UnixMilli(), Record: "b", Total: 3, Currency: "VND"}}, out.Older)
	if out, err = j.Step(e, journey.Given{Now: noon, View: v}); err != nil || len(out.Messages) != 1 {
		t.Error(out, err)
	}
}

func TestEmptyPool(t *testing.T) {
	w := enter(t, steps(voucher("ten"), send("gift")), noon)
	w.want(journey.Active)
	w.due(noon.Add(15 * time.Minute))
	w.step(noon.Add(15 * time.Minute))
	w.want(journey.Active)
	w.codes = []string{"AAA"}
	w.step(noon.Add(29 * time.Minute))
	w.want(journey.Active)
	w.step(noon.Add(30 * time.Minute))
	w.want(journey.Finished, "send gift AAA", "take AAA")
	if len(w.e.Steps) != 5 {
		t.Error("a quarter of an hour is said once: ", w.e.Steps)
	}
}

// TestSplitIsSticky: shares are kept to, and a person gets the same variant at every
// entry, also after links.
func TestSplitIsSticky(t *testing.T) {
	def := steps(workspace.Step{Split: []workspace.Variant{{Name: "a", Share: 30, Steps: list(send("plain"))}, {Name: "b", Share: 70}}})
	def.ReEntry.Always, def.Holdout = true, 10
	j := compile(t, def)
	count := map[string]int{}
	for n := range 5_000 {
		id := profile.ID(fmt.Sprintf("c%024d", n))
		e := j.Enter(journey.Cause{Way: journey.ByAPI, Record: "1", At: noon.UnixMilli()}, []profile.ID{id}, nil, nil, noon)
		out, err := j.Step(e, journey.Given{Now: noon})
		if err != nil {
			t.Fatal(err)
		}
		count[out.Entry.Variant()]++
		later := noon.Add(aDay)
		again := j.Enter(journey.Cause{Way: journey.ByAPI, Record: "2", At: later.UnixMilli()}, []profile.ID{id, "aless"}, []journey.Head{{}, j.Head(out.Entry, journey.Head{})}, nil, later)
		second, err := j.Step(again, journey.Given{Now: later})
		if err != nil || second.Entry.Variant() != out.Entry.Variant() || second.Entry.Fragment != "aless" {
			t.Fatal("another variant: ", out.Entry, second.Entry, err)
		}
	}
	for variant, share := range map[string]int{"holdout": 500, "a": 1350, "b": 3150} {
		if n := count[variant]; n < share-share/8 || n > share+share/8 {
			t.Errorf("%s: %d of 5000, want about %d", variant, n, share)
		}
	}
}

// TestHoldout: nothing happens, the goal is watched for its time.
func TestHoldout(t *testing.T) {
	def := steps(send("plain"))
	def.Holdout, def.Goal = 99, &workspace.Goal{Event: "order.placed", Within: 14 * aDay}
	w := enter(t, def, noon)
	w.want(journey.Holdout)
	w.due(noon.Add(14 * aDay))
	if h := w.j.Head(w.e, journey.Head{}); !slices.Equal(h.Listens, []string{"order.placed"}) || !h.Open() {
		t.Errorf("%+v", h)
	}
	w.step(noon.Add(aDay), came("order.placed", "shop|order|1", noon.Add(aDay)))
	w.want(journey.Reached)
	if w.e.Variant() != "holdout" {
		t.Error(w.e.Variant())
	}
	w = enter(t, def, noon)
	w.step(noon.Add(14 * aDay))
	w.want(journey.Watched)
}

func TestReEntry(t *testing.T) {
	ended := journey.Head{Entry: "e", Status: journey.Finished, Began: noon.UnixMilli(), Ended: noon.Add(time.Hour).UnixMilli()}
	open := journey.Head{Entry: "e", Status: journey.Active, Began: noon.UnixMilli()}
	for _, c := range []struct {
		rule  workspace.ReEntry
		heads []journey.Head
		after time.Duration
		in    bool
	}{
		{workspace.ReEntry{}, []journey.Head{{}, {Date: 5}}, 0, true},
		{workspace.ReEntry{}, []journey.Head{{}, ended}, 400 * aDay, false},
		{workspace.ReEntry{Always: true}, []journey.Head{ended}, 0, true},
		{workspace.ReEntry{Always: true}, []journey.Head{ended, open}, 0, false},
		{workspace.ReEntry{After: 60 * aDay}, []journey.Head{ended}, 60*aDay - time.Millisecond, false},
		{workspace.ReEntry{After: 60 * aDay}, []journey.Head{ended}, 60 * aDay, true},
		{workspace.ReEntry{After: 60 * aDay}, []journey.Head{open}, 90 * aDay, false},
	} {
		def := steps(send("plain"))
		def.ReEntry = c.rule
		v, err := compile(t, def).MayEnter(c.heads, segment.View{}, nil, noon.Add(c.after))
		if err != nil || v.In != c.in || v.Why == "" {
			t.Errorf("%+v: %+v %v", c, v, err)
		}
	}
	def := steps(send("plain"))
	def.Trigger.API, def.Trigger.When = true, `"vip" in tags`
	j := compile(t, def)
	for _, tags := range [][]string{nil, {"vip"}} {
		if v, err := j.MayEnter(nil, segment.View{View: profile.View{Tags: tags}}, nil, noon); err != nil || v.In != (tags != nil) {
			t.Error(tags, v, err)
		}
	}
}

// TestLoopsEnd: whoever is let in again and again within a day stays out after a
// while, and comes in again the next day.
func TestLoopsEnd(t *testing.T) {
	def := steps(send("plain"))
	def.ReEntry = workspace.ReEntry{Always: true}
	j := compile(t, def)
	var h journey.Head
	entries := func(from time.Time) (n int) {
		for i := range 200 {
			now := from.Add(time.Duration(i) * time.Minute)
			v, err := j.MayEnter([]journey.Head{h}, segment.View{}, nil, now)
			if err != nil {
				t.Fatal(err)
			}
			if !v.In {
				continue
			}
			n++
			e := journey.Entry{ID: fmt.Sprint(now.UnixMilli()), Journey: "come-back", Fragment: lan, Status: journey.Active, Began: now.UnixMilli()}
			h = j.Head(e, h)
			e.Status, e.Ended = journey.Finished, now.UnixMilli()
			h = j.Head(e, h)
		}
		return n
	}
	if first, second := entries(noon), entries(noon.Add(aDay)); first != 24 || second != 24 {
		t.Errorf("%d entries on one day, %d on the next", first, second)
	}
}

func TestDays(t *testing.T) {
	def := steps(send("plain"))
	def.Trigger.Date = &workspace.Date{Trait: "birthday", Before: 3 * aDay, At: "09:00"}
	j := compile(t, def)
	saigon, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) time.Time {
		m, err := time.ParseInLocation("2006-01-02 15:04", text, saigon)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []struct{ born, now, last, next string }{
		{"1990-03-14", "2026-03-11 08:59", "2025-03-11 09:00", "2026-03-11 09:00"},
		{"1990-03-14", "2026-03-11 09:00", "2026-03-11 09:00", "2027-03-11 09:00"},
		{"1990-01-01", "2026-12-29 12:00", "2026-12-29 09:00", "2027-12-29 09:00"},
		{"1992-02-29", "2026-02-25 09:00", "2026-02-25 09:00", "2027-02-25 09:00"},
		{"1992-02-29", "2028-01-01 09:00", "2027-02-25 09:00", "2028-02-26 09:00"},
	} {
		v := segment.View{View: profile.View{Traits: map[string]profile.Register{"birthday": {Value: events.Text(c.born)}}}}
		last, next, ok := j.Days(v, at(c.now))
		if !ok || !last.At.Equal(at(c.last)) || !next.At.Equal(at(c.next)) {
			t.Errorf("%+v: %s %s", c, last, next)
		}
	}
	if _, _, ok := j.Days(segment.View{}, noon); ok {
		t.Error("nobody knows the birthday")
	}
}

// TestCausesNameEntries: the same cause, the same entry; what only comes again is
// the same occurrence, whatever its time.
func TestCausesNameEntries(t *testing.T) {
	a := journey.Cause{Way: journey.ByEvent, Name: "order.placed", Record: "shop|order|1", At: 1}
	b, c := a, a
	b.At, c.Record = 2, "shop|order|2"
	turn := journey.Cause{Way: journey.ByEntered, Name: "lost", Record: string(lan), At: 1}
	later := turn
	later.At = 2
	if a.Entry("x") != b.Entry("x") || a.Entry("x") == c.Entry("x") || a.Entry("x") == a.Entry("y") || turn.Entry("x") == later.Entry("x") {
		t.Error("ids")
	}
}
