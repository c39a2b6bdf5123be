package journey

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// TestWaitsForLinks: what a known customer does as a guest is not told to anybody
// before it is known that it was she, and one such customer keeps no other waiting.
// Where nobody links her, what happened begins nothing.
func TestWaitsForLinks(t *testing.T) {
	j := comeBack()
	j.Trigger = workspace.Trigger{Event: "order.placed"}
	guest := func(w *world) bool {
		o := []events.Occurrence{{What: "order.placed", Record: "shop|order|1", At: noon.UnixMilli()}}
		e, err := events.NewEnvelope("saigon", events.ProfileChanged, noon, events.ProfileChanges{Changes: []events.ProfileChange{
			{Fragment: string(form), Version: 1, Occurred: o}, {Fragment: string(hoa), Version: 1, Occurred: o}}})
		if err != nil {
			t.Fatal(err)
		}
		body, err := events.ForQueue(e)
		if err != nil {
			t.Fatal(err)
		}
		return w.invoke(body)
	}
	w := newWorld(t, j)
	w.know(form)
	w.know(hoa)
	f := w.fragments[form]
	f.Pend("email/lan")
	w.fragments[form] = f
	if guest(w) || w.one().Fragment != hoa || !strings.Contains(w.log.String(), `"class":"transient"`) {
		t.Error(w.print(), w.log)
	}
	w.now = noon.Add(patience)
	if !guest(w) || w.one().Fragment != hoa {
		t.Error("she is waited for for ever, or was a stranger", w.print())
	}

	w = newWorld(t, comeBack()) // whose goal is an order
	w.free["AAA"] = true
	w.entered("lost", events.ByChange)
	w.know(hoa)
	w.fragments[form] = f
	if guest(w) {
		t.Error(w.log)
	}
	w.know(lan, form)
	if !guest(w) || w.one().Status != journey.Reached {
		t.Error("the goal is missed", w.one())
	}
}

// TestBrokenJourney: a journey that this version can't read keeps nobody out of
// another, and no entry from hearing what happened; the queue gives the message again.
func TestBrokenJourney(t *testing.T) {
	w := newWorld(t, comeBack())
	w.free["AAA"] = true
	w.def.Journeys["a-broken"] = workspace.Journey{Name: "a-broken", Trigger: workspace.Trigger{Entered: "lost", When: "no rule ("}, Steps: []workspace.Step{{Send: "plain"}}}
	if w.try(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: "lost", At: noon.UnixMilli(), Cause: events.ByTime}) || w.one().Journey != "come-back" {
		t.Error(w.print())
	}
	delete(w.def.Journeys, "a-broken")
	w.heads["a-broken"] = journey.Head{Fragment: lan, Journey: "a-broken", Entry: "e", Status: journey.Active, Listens: []string{"order.placed"}, Revision: 1}
	w.entries[at(lan, "a-broken", "e")] = journey.Entry{ID: "e", Journey: "a-broken", Definition: "gone", Fragment: lan, Status: journey.Active, Revision: 1}
	o := events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Version: 1, Occurred: []events.Occurrence{{What: "order.placed", Record: "shop|order|1", At: noon.UnixMilli()}}}}}
	if w.try(events.ProfileChanged, o) {
		t.Error("forgotten")
	}
	for _, e := range w.entries {
		if e.Journey == "come-back" && e.Status != journey.Reached {
			t.Error("it did not hear of the order", e)
		}
	}
}

// TestLateMembership: who has left the segment when the journey hears of it does
// not come in; a journey for those who left takes nobody who is in again.
func TestLateMembership(t *testing.T) {
	for _, tt := range []struct {
		trigger workspace.Trigger
		kind    string
		found   bool
		want    int
	}{
		{workspace.Trigger{Entered: "lost"}, events.SegmentEntered, false, 1},
		{workspace.Trigger{Entered: "lost"}, events.SegmentEntered, true, 0},
		{workspace.Trigger{Left: "lost"}, events.SegmentLeft, true, 1},
		{workspace.Trigger{Left: "lost"}, events.SegmentLeft, false, 0},
	} {
		j := comeBack()
		j.Trigger = tt.trigger
		w := newWorld(t, j)
		w.paused["come-back"] = true
		w.tell(tt.kind, events.Membership{Fragment: string(lan), Segment: "lost", At: noon.UnixMilli(), Cause: events.ByTime})
		if tt.found {
			f := w.fragments[lan]
			f.State.Snapshot = &profile.Register{Value: events.Text(`["found"]`)}
			w.fragments[lan] = f
		}
		w.now, w.paused["come-back"] = noon.Add(7*aDay), false
		w.tell(events.DueReached, events.Due{What: w.held[0]})
		if len(w.entries) != tt.want {
			t.Error(tt, w.print())
		}
	}
}

// TestDayOfTheYear: a live trait on the day itself lets in; a backfill or a link
// only arms the next. What comes early arms another moment than the one that came.
func TestDayOfTheYear(t *testing.T) {
	for _, tt := range []struct {
		part  string
		quiet int64
		want  int
	}{{"traits", 0, 1}, {"traits", 2, 1}, {"traits", 3, 0}, {"traits", 4, 0}, {"identity", 0, 0}} {
		w := newWorld(t, workspace.Journey{Trigger: workspace.Trigger{Date: &workspace.Date{Trait: "birthday", At: "09:00"}},
			ReEntry: workspace.ReEntry{Always: true}, Steps: []workspace.Step{{Send: "plain"}}})
		f := w.fragments[lan]
		f.Version, f.Quiet, f.State.Traits = 4, tt.quiet, map[string]profile.Register{"birthday": {Value: events.Text("1990-03-10")}}
		w.fragments[lan] = f
		w.tell(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Version: 3, Parts: []string{tt.part}}}})
		if len(w.messages) != tt.want || len(w.armed) == 0 {
			t.Error(tt, w.print(), w.armed)
		}
		next := time.Date(2027, 3, 10, 2, 0, 0, 0, time.UTC)
		w.now = next.Add(-time.Millisecond)
		clear(w.armed) // sweep, whose clock is ahead, sends it and then deletes it
		came := fmt.Sprintf("%d|date|come-back|%s", next.UnixMilli(), lan)
		w.tell(events.DueReached, events.Due{What: "date|come-back|" + string(lan), At: next.UnixMilli()})
		delete(w.armed, came)
		if w.until(next.Add(2 * time.Minute)); len(w.messages) != tt.want+1 {
			t.Error("a birthday was forgotten", w.armed)
		}
	}
}

// TestWishForNewJourney: who asks right after a journey was put in is not forgotten
// by a worker that remembers the definition before.
func TestWishForNewJourney(t *testing.T) {
	j := comeBack()
	j.Trigger = workspace.Trigger{API: true}
	w := newWorld(t, j)
	w.free["AAA"] = true
	after := w.def.Journeys
	w.def.Journeys = nil
	wish := events.EntryRequest{Fragment: string(lan), Journey: "come-back", ID: "1"}
	if w.try(events.EntryRequested, wish) {
		t.Error("it is forgotten")
	}
	w.def.Journeys = after
	w.tell(events.EntryRequested, wish)
	w.one()
}
