package wiring_test

import (
	"fmt"
	"testing"

	"loophub/events"
	"loophub/shared/profile"
)

// TestWriteUnitsOfEvents: an event of a known device costs three write units of the
// Hub (fact, index, fragment), and so does a message's first; each later one of the
// same message two. The bounds hold it at that, however many there were.
func TestWriteUnitsOfEvents(t *testing.T) {
	s := newShop(t, true)
	cost := func(f events.Fact) float64 {
		t.Helper()
		f.Workspace, f.Rank, f.Received = "saigon", 1, s.cloud.Now().UnixMilli()
		f.Version = f.At
		if err := f.Validate(); err != nil {
			t.Fatal(err)
		}
		before, _ := s.units()
		for _, err := range s.unify.Process(t.Context(), []events.Fact{f}) {
			t.Fatal(err)
		}
		after, _ := s.units()
		return after - before
	}
	now := s.cloud.Now().UnixMilli()
	viewed := func(n int) events.Fact {
		return events.Fact{Connection: "operator", Kind: events.Event, Record: fmt.Sprint("v-", n), At: now + int64(n), Fields: events.Fields{
			"name": events.Text("page.viewed"), "anonymous_id": events.Text("d-81f2"), "property:page": events.Text("/tra/o-long")}}
	}
	cost(viewed(0)) // first sight
	device := s.unify.Rules.Key.Fragment(profile.Anchor{Class: profile.AnonymousClass, Connection: "operator", Value: "anonymous/d-81f2"})
	engaged := func(message, n int, field string) events.Fact {
		id := fmt.Sprintf("1a1fd5ec%03x-hq3kd7wz2m5vx4nb6yj1pr8t", message)
		return events.Fact{Connection: "email", Kind: events.Engagement, Record: string(device) + "." + id, At: now + int64(n), Fields: events.Fields{
			"fragment": events.Text(string(device)), "message": events.Text(id), field: events.Text(fmt.Sprint(now + int64(n)))}}
	}
	for n := 1; n <= 40; n++ {
		if got := cost(viewed(n)); got != 3 {
			t.Fatalf("event %d costs %v write units, want 3", n, got)
		}
		if got := cost(viewed(n)); got != 0 {
			t.Fatalf("a copy of event %d costs %v write units", n, got)
		}
		for i, field := range []string{"delivered_at", "opened_at", "clicked_at"} {
			if got, want := cost(engaged(n, 10*n+i, field)), []float64{3, 2, 2}[i]; got != want {
				t.Fatalf("%s of message %d costs %v write units, want %v", field, n, got, want)
			}
		}
	}
	f, err := s.hub.Fragment(t.Context(), device)
	if err != nil || len(f.State.Events) != 4 || len(f.State.Events["message.opened"]) != 4 {
		t.Error(f.State.Events, err)
	}
	for kind, n := range s.sizes() {
		if n > 1<<10 {
			t.Errorf("an item of kind %q takes %d bytes, more than one write unit pays for", kind, n)
		}
	}
}
