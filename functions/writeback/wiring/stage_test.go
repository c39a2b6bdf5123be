package wiring

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/events"
	"loophub/functions/writeback"
	"loophub/shared/attribution"
	"loophub/shared/aws/hub"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

var lansTraits = fields{"email": "lan@example.vn", "first_name": "Lan", "city": "Huế"}

func TestTheDifferenceIsWritten(t *testing.T) {
	w := newWorld(t)
	w.know(lan, lansTraits)
	w.know(hoa, fields{"email": "hoa@example.vn", "first_name": "Hoa"}) // does not meet the rule
	w.segments(lan, "members", "loyal")
	for range 2 { // every input twice
		w.settle(changed(t, lan, hoa), changed(t, lan))
		w.holds("lan@example.vn", fields{"firstname": "Lan", "loophub_segments": "loyal;members", "loophub_last_result": "", "loophub_orders": "0", "loophub_revenue": "0"})
	}
	if n := len(w.Contacts()); n != 1 {
		t.Errorf("%d contacts", n)
	}
	writes := len(w.Writes())
	w.segments(lan)
	w.brought(lan, attribution.Outcome{Orders: 2, Net: map[string]int64{"VND": 450_000, "USD": 9}, Campaign: &attribution.Campaign{Journey: "come-back", Template: "hello", Result: "clicked", At: 1_700_000_000_000}})
	for _, body := range []string{
		message(t, events.SegmentLeft, events.Membership{Fragment: string(lan), Segment: "loyal"}),
		message(t, events.MessageDecided, events.Message{Fragment: string(lan), Message: "m"}),
		message(t, events.OutcomeChanged, events.Outcome{Fragment: string(lan)}),
	} {
		w.settle(body, body)
	}
	w.holds("lan@example.vn", fields{"firstname": "Lan", "loophub_segments": "", "loophub_last_result": "clicked", "loophub_campaign": "come-back", "loophub_campaign_at": "2023-11-14T22:13:20Z",
		"loophub_orders": "2", "loophub_revenue": "450000"})
	if got := w.Writes()[writes:]; len(got) != 6 {
		t.Errorf("%v", got)
	}
	// Who no longer meets the rule is written no more; what stands there stays.
	w.know(lan, fields{"email": "lan@example.vn", "first_name": "Lan Anh"})
	w.settle(changed(t, lan))
	w.holds("lan@example.vn", fields{"firstname": "Lan", "loophub_last_result": "clicked"})
	// A new address makes no second contact.
	w.know(lan, fields{"email": "anh@example.vn", "first_name": "Lan", "city": "Huế"})
	w.settle(changed(t, lan))
	w.holds("anh@example.vn", fields{"firstname": "Lan"})
	if n := len(w.Contacts()); n != 1 {
		t.Errorf("%d contacts", n)
	}
	w.calm("after all")
}

// Who reads nothing of what changed is not looked at, and of a message that was decided
// a destination hears with its outcome.
func TestWhatConcernsNobodyIsNotRead(t *testing.T) {
	w := newWorld(t)
	w.apply(`{email: traits.email, firstname: traits.first_name}`)
	w.know(lan, lansTraits)
	k := w.worker()
	k.run(t.Context(), changed(t, lan))
	w.holds("lan@example.vn", fields{"firstname": "Lan"})
	calls := 0
	k.gate = func(_ string, effect func() error) error { calls++; return effect() }
	parts := func(l ...string) string {
		return message(t, events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(lan), Version: 2, Profile: string(lan), Parts: l}}})
	}
	k.run(t.Context(), parts("orders"), parts("tags", "checkout"), message(t, events.MessageDecided, events.Message{Fragment: string(lan), Message: "m"}))
	if calls != 0 {
		t.Errorf("%d calls", calls)
	}
	if k.run(t.Context(), parts("orders", "traits")); calls == 0 {
		t.Error("a trait that is shown changed, and nobody looks")
	}
}

// What time alone changes is written when its moment comes.
func TestTimeAlone(t *testing.T) {
	w := newWorld(t)
	w.apply(`{email: traits.email, loophub_last_result: 'orders.last.within("4h")'}`)
	w.know(lan, lansTraits)
	f, err := w.hub.Fragment(t.Context(), lan)
	w.must(err)
	start := w.Cloud.Now()
	f.State.Orders, f.State.Recent = 1, []profile.Order{{At: start.Add(-time.Hour).UnixMilli(), Record: "shop|order|1", Currency: "VND"}}
	w.must(w.hub.Commit(t.Context(), f, nil, []profile.Change{profile.OrdersChanged}))
	w.worker().run(t.Context(), changed(t, lan))
	w.holds("lan@example.vn", fields{"loophub_last_result": "true"})
	// Sweep, whose clock is ahead, sends it too early, and deletes it then.
	early := w.due()
	w.Advance(time.UnixMilli(early[0].At - 1).Sub(w.Cloud.Now()))
	w.worker().run(t.Context(), message(t, events.DueReached, events.Due{What: early[0].What, At: early[0].At}))
	w.must(w.hub.Disarm(t.Context(), early))
	w.settle()
	w.holds("lan@example.vn", fields{"loophub_last_result": "false"})
	if !w.Cloud.Now().Equal(start.Add(3*time.Hour + time.Millisecond)) {
		t.Errorf("it was written after %s", w.Cloud.Now().Sub(start))
	}
	w.calm("after four hours")
}

func TestWhatIsThereIsTakenOver(t *testing.T) {
	w := newWorld(t)
	id := w.Edit("lan@example.vn", fields{"firstname": "Lan", "hs_lead_status": "OPEN"})
	w.know(lan, lansTraits)
	w.segments(lan, "loyal")
	w.settle(changed(t, lan))
	if l := w.Writes(); len(l) != 3 || l[0].Property != "loophub_orders" || l[2].Property != "loophub_segments" || l[2].Contact != id {
		t.Errorf("%v", l)
	}
	w.calm("taken over")
}

// A record is sought under all members, and a new one stands under the least.
func TestMembers(t *testing.T) {
	w := newWorld(t)
	w.know(guest, lansTraits)
	w.settle(changed(t, guest))
	w.know(guest, lansTraits, lan, guest)
	w.know(lan, fields{"first_name": "Lan Anh"}, lan, guest)
	w.settle(changed(t, lan, guest))
	if len(w.Contacts()) != 1 || len(w.ledgers()) != 1 || w.ledgers()[guest].Record == "" {
		t.Errorf("%d contacts, ledgers %v", len(w.Contacts()), w.ledgers())
	}
	other := newWorld(t)
	other.know(guest, lansTraits, lan, guest)
	other.know(lan, fields{"first_name": "Lan"}, lan, guest)
	other.settle(changed(t, guest))
	if _, under := other.ledgers()[lan]; !under {
		t.Errorf("a new record stands under %v", other.ledgers())
	}
	// Two profiles with one address: the record is the first's, the second is told so.
	w.know(hoa, fields{"email": "lan@example.vn", "first_name": "Hoa", "city": "Huế"})
	w.settle(changed(t, hoa))
	w.settle(changed(t, hoa, lan))
	if x := w.ledgers()[hoa].Trouble; x == nil || x.Class != fault.Permanent || !strings.Contains(x.Reason, "another profile") {
		t.Errorf("%+v", x)
	}
	both := newWorld(t)
	both.know(lan, lansTraits)
	both.know(hoa, fields{"email": "lan@example.vn", "first_name": "Hoa", "city": "Huế"})
	both.settle(changed(t, lan, hoa))
	if len(both.Contacts()) != 1 || both.ledgers()[hoa].Trouble == nil {
		t.Errorf("both at once: %d contacts, %+v", len(both.Contacts()), both.ledgers())
	}
	both.calm("both at once")
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault simulator.Fault
		class fault.Class
		after time.Duration // when it is tried again
	}{
		{"500", simulator.Fault{Status: 500}, fault.Transient, 22500 * time.Millisecond},
		{"time-out after effect", simulator.Fault{Hang: true, After: true}, fault.Transient, 22500 * time.Millisecond},
		{"nothing in the reply", simulator.Fault{Empty: true}, fault.Transient, 22500 * time.Millisecond},
		{"429", simulator.Fault{Status: 429, Retry: 7 * time.Minute}, fault.Throttled, 7 * time.Minute},
		{"401", simulator.Fault{Status: 401}, fault.Unauthorised, 15 * time.Minute},
		{"this record alone", simulator.Fault{Records: []string{"lan@example.vn"}}, fault.Permanent, 0},
	} {
		w := newWorld(t)
		w.know(lan, lansTraits)
		w.know(hoa, fields{"email": "hoa@example.vn", "first_name": "Hoa", "city": "Huế"})
		broken := true
		w.fault = func(call simulator.Call) simulator.Fault {
			if broken && strings.HasSuffix(call.Path, "/upsert") {
				return c.fault
			}
			return simulator.Fault{}
		}
		if again := w.worker().run(t.Context(), changed(t, lan, hoa)); len(again) > 0 {
			t.Errorf("%s: the message comes again, though its profiles are due", c.name)
		}
		l := w.ledgers()[lan]
		if l.Trouble == nil || l.Trouble.Class != c.class || l.Trouble.Reason == "" {
			t.Errorf("%s: %+v", c.name, l.Trouble)
		}
		if due := w.due(); c.after > 0 && !slices.Contains(due, hub.Due{Stage: writeback.Name, What: "hub|" + string(lan), At: w.Cloud.Now().Add(c.after).UnixMilli()}) || c.after == 0 && len(due) > 0 {
			t.Errorf("%s: due %v", c.name, due)
		}
		if c.class == fault.Permanent {
			w.holds("hoa@example.vn", fields{"firstname": "Hoa"}) // nobody else is kept from being written
			calls := w.Simulator.Calls()
			w.settle(changed(t, lan), changed(t, lan))
			if w.Simulator.Calls() != calls {
				t.Errorf("%s: what was refused is sent again", c.name)
			}
			w.know(lan, fields{"email": "lan@example.vn", "first_name": "Lan Anh", "city": "Huế"})
		}
		broken = false
		w.settle(changed(t, lan, hoa))
		w.holds("hoa@example.vn", fields{"firstname": "Hoa"})
		if _, ok := w.Contact("lan@example.vn"); !ok {
			t.Errorf("%s: not written in the end", c.name)
		}
		w.calm(c.name)
		if x := w.ledgers()[lan].Trouble; x != nil {
			t.Errorf("%s: the trouble stays: %+v", c.name, x)
		}
	}
}

func TestPausedDestinationsHold(t *testing.T) {
	w := newWorld(t)
	w.know(lan, lansTraits)
	w.pause(true)
	w.settle(changed(t, lan), changed(t, lan))
	control := workspace.Control(workspace.ControlDestination, "hub")
	held, err := w.hub.Held(t.Context(), control, workspace.Held{}, 10)
	want := workspace.Held{Control: control, Stage: writeback.Name, What: "hub|" + string(lan), Times: 2}
	if err != nil || w.Simulator.Calls() != 0 || len(held) != 1 || held[0] != want {
		t.Fatalf("%d calls, held %v (%v)", w.Simulator.Calls(), held, err)
	}
	w.pause(false)
	w.settle(message(t, events.DueReached, events.Due{What: held[0].What})) // as sweep sends it
	w.holds("lan@example.vn", fields{"firstname": "Lan"})
}

// TestWaitsForLinks: a fragment that is not linked yet may be somebody's who is
// written already; a minute later it is written as it is.
func TestWaitsForLinks(t *testing.T) {
	w := newWorld(t)
	w.know(lan, lansTraits)
	f, err := w.hub.Fragment(t.Context(), lan)
	w.must(err)
	f.Pend("email/hash")
	w.must(w.hub.Commit(t.Context(), f, nil, nil))
	if again := w.worker().run(t.Context(), changed(t, lan), changed(t, lan)); len(again) > 0 || w.Simulator.Calls() > 0 {
		t.Fatalf("%d come again, %d calls", len(again), w.Simulator.Calls())
	}
	want := hub.Due{Stage: writeback.Name, What: "hub|" + string(lan), At: w.Cloud.Now().Add(time.Minute).UnixMilli()}
	if due := w.due(); len(due) != 1 || due[0] != want {
		t.Fatal(due)
	}
	w.settle(message(t, events.DueReached, events.Due{What: want.What}))
	w.holds("lan@example.vn", fields{"firstname": "Lan"})
}

func TestMessagesThatSayNothing(t *testing.T) {
	w := newWorld(t)
	bad := []string{"", "{}", message(t, "order.placed.v1", nil), message(t, events.DueReached, events.Due{What: "hub|nobody"}), message(t, events.SegmentEntered, 5)}
	if again := w.worker().run(t.Context(), bad...); len(again) != len(bad) {
		t.Errorf("%d of %d come again: what is not understood is never acknowledged", len(again), len(bad))
	}
	fine := []string{changed(t, lan), message(t, events.DueReached, events.Due{What: "gone|" + string(lan)})}
	if again := w.worker().run(t.Context(), fine...); len(again) > 0 || w.Simulator.Calls() > 0 {
		t.Errorf("nobody to be written: %d come again, %d calls", len(again), w.Simulator.Calls())
	}
}

// Two workers take the same messages; calls are served one at a time by seed, and
// a worker may die before or after any of them. No field is ever written with the
// value that it has, and at rest the ledgers say what HubSpot holds.
func TestInterleavings(t *testing.T) {
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		w := newWorld(t)
		r := rand.New(rand.NewPCG(seed, 7))
		w.fault = func(simulator.Call) simulator.Fault {
			return []simulator.Fault{{}, {}, {}, {}, {Status: 500}, {Hang: true, After: true}, {Status: 502, After: true}, {Status: 429, Retry: time.Minute}, {Empty: true}}[r.IntN(9)]
		}
		if r.IntN(2) == 0 {
			w.Edit("lan@example.vn", fields{"firstname": "Lan"})
		}
		for round := range 4 {
			w.know(lan, fields{"email": "lan@example.vn", "first_name": []string{"Lan", "Anh", ""}[r.IntN(3)], "city": "Huế"})
			w.know(hoa, fields{"email": "hoa@example.vn", "first_name": fmt.Sprint("Hoa", r.IntN(2)), "city": "Huế"})
			w.segments(lan, [][]string{nil, {"a"}, {"a", "b"}}[r.IntN(3)]...)
			w.race(r, changed(t, lan, hoa), changed(t, hoa))
			if round < 3 {
				w.Advance(time.Duration(r.IntN(200)) * time.Second)
			}
		}
		w.fault = nil
		w.Advance(2 * time.Minute)
		w.settle(changed(t, lan, hoa))
		w.calm(fmt.Sprint("seed ", seed))
		c, _ := w.Contact("lan@example.vn")
		ours := w.ledgers()[lan].Fields["firstname"].At > 0 // what a person set is not cleared
		f, err := w.hub.Fragment(t.Context(), lan)
		w.must(err)
		if want := f.State.Traits["first_name"].Value.String(); c.Properties["firstname"] != want && (ours || want != "") {
			t.Fatalf("seed %d: %q, want %q", seed, c.Properties["firstname"], want)
		}
	}
}

// race runs two workers whose calls are served one at a time.
func (w *world) race(r *rand.Rand, bodies ...string) {
	type turn struct {
		who  int
		done bool
	}
	turns := make(chan turn)
	pass := []chan bool{make(chan bool), make(chan bool)}
	dead := []bool{false, false}
	deathAt := []int{r.IntN(60), r.IntN(60)}
	late := []bool{r.IntN(2) == 0, r.IntN(2) == 0}
	for who := range 2 {
		one, n := w.worker(), 0
		one.gate = func(_ string, effect func() error) error {
			turns <- turn{who: who}
			<-pass[who]
			if n++; n == deathAt[who] {
				dead[who] = true
				if late[who] { // it took effect, and nobody was left to hear of it
					_ = effect()
				}
			}
			if dead[who] {
				return errDead
			}
			return effect()
		}
		go func() {
			one.run(context.WithoutCancel(w.t.Context()), bodies...)
			turns <- turn{who, true}
		}()
	}
	waiting, running := []int{}, 2
	for running > 0 || len(waiting) > 0 {
		for running > 0 {
			t := <-turns
			running--
			if !t.done {
				waiting = append(waiting, t.who)
			}
		}
		if len(waiting) == 0 {
			return
		}
		slices.Sort(waiting)
		n := r.IntN(len(waiting))
		who := waiting[n]
		waiting = slices.Delete(waiting, n, n+1)
		running++
		pass[who] <- true
	}
}

// What HubSpot tells of our own changes is no news; what a person changes is.
func TestNoLoop(t *testing.T) {
	w := newWorld(t)
	w.know(lan, lansTraits)
	own := 0
	for round := range 50 {
		if round < 5 {
			w.segments(lan, fmt.Sprint("s", round))
		}
		before := len(w.Writes())
		w.settle(changed(t, lan))
		if n := len(w.Writes()) - before; round >= 5 && n > 0 {
			t.Fatalf("round %d wrote %d fields", round, n)
		}
		for _, f := range w.echoes() {
			own++
			if len(f.Fields) != 1 || f.Fields["email"].String() != "lan@example.vn" || f.Version != 0 {
				t.Fatalf("round %d: our own change comes back as %v", round, f)
			}
		}
		w.Advance(time.Minute)
	}
	if own != 1 {
		t.Errorf("the contact was tied to its customer %d times", own)
	}
	w.Edit("lan@example.vn", fields{"city": "Đà Nẵng"})
	facts := w.echoes()
	if len(facts) != 1 || facts[0].Fields["city"].String() != "Đà Nẵng" || facts[0].Version == 0 {
		t.Errorf("a person's change comes back as %v", facts)
	}
	w.calm("at the end")
}

// By the ledgers on the table echoes are known that HubSpot does not mark as ours.
func TestEchoesByTheLedger(t *testing.T) {
	w := newWorld(t)
	w.know(lan, lansTraits)
	w.settle(changed(t, lan))
	w.know(lan, fields{"email": "lan@example.vn", "first_name": "Lan Anh", "city": "Huế"})
	w.settle(changed(t, lan))
	src, err := hubspot.New().Source(connector.Settings{Values: fields{"app_id": "1"}, Country: "VN"}) // takes our app for somebody else's
	w.must(err)
	echo := hub.NewEcho(w.hub.Hub, func(context.Context, string, string) (*connector.Outbound, error) {
		return hubspot.New().Manifest.Outbound, nil
	})
	w.Edit("lan@example.vn", fields{"lastname": "Nguyễn"})
	hooks, err := w.Webhooks()
	if err != nil || len(hooks) != 1 {
		t.Fatal(len(hooks), err)
	}
	facts, faults := src.Decode(hooks[0])
	var news []events.Fact
	for _, f := range facts {
		f, ok, err := echo.Own(t.Context(), "tra-sen", "crm", f)
		w.must(err)
		if ok && f.Version > 0 {
			news = append(news, f)
		}
	}
	if len(facts) < 4 || len(faults) > 0 || len(news) != 1 || news[0].Fields["last_name"].String() != "Nguyễn" {
		t.Errorf("%d facts came back, of which are news: %v; %v", len(facts), news, faults)
	}
}
