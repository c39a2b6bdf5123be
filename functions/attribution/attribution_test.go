package attribution_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	stage "loophub/functions/attribution"
	"loophub/shared/attribution"
	"loophub/shared/profile"
)

// lay makes two people with something of everything.
func (w *world) lay(people ...int) {
	if people == nil {
		people = []int{0, 1}
	}
	for _, n := range people {
		f := id(n)
		m := w.send(f, "a", "ten", fmt.Sprint("CODE-", n), 9*day)
		at := w.Now().Add(-8 * day).UnixMilli()
		w.engage(f, m, attribution.Engagement{Delivered: at - 5, Clicked: at, Clicks: []int64{at}})
		w.enter(f, attribution.Entry{Journey: "back", Variant: "a", At: at - 10})
		for i := range 3 { // more than a fragment carries
			w.order(f, fmt.Sprint("shop|order|", n, i), &profile.Order{At: at + int64(i), Record: fmt.Sprint("shop|order|", n, i), Total: 1000, Currency: "VND"})
		}
	}
}

// link writes who belongs to whom, and tells it.
func (w *world) link(members ...profile.ID) {
	for _, f := range members {
		w.belong(f, members)
	}
}

func (w *world) cut(members ...profile.ID) {
	for _, f := range members {
		w.belong(f, nil)
	}
}

// alone drives one worker until its call n, and lets it die there or go on.
func (k *worker) calls(n int) (ended bool) {
	for range n {
		k.turn <- run
		if !<-k.ready {
			return true
		}
	}
	return false
}

func (w *world) begin() *worker {
	k := w.start()
	<-k.ready
	return k
}

// finish lets a worker run to its end; what fails comes again.
func (k *worker) finish(v verdict) {
	for {
		k.turn <- v
		if !<-k.ready {
			break
		}
	}
	if !k.done {
		k.queue = append(k.queue, k.body)
	}
}

// TestDeathAtEachCall: a worker dies at each of its calls, before it or after it took
// effect; the message comes again, and all is as if nothing had been.
func TestDeathAtEachCall(t *testing.T) {
	for _, v := range []verdict{dieBefore, dieAfter} {
		deaths := 0
		for n := 0; ; n++ {
			w := newWorld(t)
			w.limit = 5
			w.lay()
			w.drain()
			w.link(id(0), id(1))
			w.queue = w.queue[:1]
			k := w.begin()
			if k.calls(n) {
				break
			}
			k.finish(v)
			deaths++
			w.drain()
			if diff := w.holds(); diff != "" {
				t.Fatalf("dead at call %d\n%s", n, diff)
			}
		}
		if deaths < 15 {
			t.Errorf("%d calls: the test shows little", deaths)
		}
	}
}

// scene is what happens to people who have something of everything, before a worker
// begins and while it stands still.
type scene struct {
	people            []int
	before, meanwhile func(*world)
}

var scenes = map[string]scene{
	"linked": {[]int{0, 1}, func(*world) {}, func(w *world) { w.link(id(0), id(1)) }},
	"cut":    {[]int{0, 1}, func(w *world) { w.link(id(0), id(1)); w.drain() }, func(w *world) { w.cut(id(1), id(0)) }},
	"cut and linked": {[]int{0, 1}, func(w *world) { w.link(id(0), id(1)); w.drain() },
		func(w *world) { w.cut(id(0), id(1)); w.drain(); w.link(id(1), id(0)) }},
	"linked, not counted, and cut": {[]int{0, 1}, func(w *world) { w.link(id(0), id(1)) }, func(w *world) { w.drain(); w.cut(id(0), id(1)) }},
	"counted between the halves of a link": {[]int{0, 1}, func(*world) {}, func(w *world) {
		w.belong(id(1), []profile.ID{id(0), id(1)})
		w.changed(id(0), "", "orders")
		w.drain()
		w.belong(id(0), []profile.ID{id(0), id(1)})
	}},
	"counted between the halves of a cut": {[]int{0, 1}, func(w *world) { w.link(id(0), id(1)); w.drain() }, func(w *world) {
		w.belong(id(1), nil)
		w.drain()
		w.changed(id(0), "", "orders")
		w.drain()
		w.belong(id(0), nil)
	}},
	"linked, not counted, and cut by halves": {[]int{0, 1}, func(w *world) { w.link(id(0), id(1)) }, func(w *world) {
		w.belong(id(1), nil)
		w.drain()
		w.belong(id(0), nil)
	}},
	// All others see what was counted long ago, and write nothing.
	"refunded, and not": {[]int{0, 1}, func(w *world) { w.refund(1000) }, func(w *world) { w.refund(0) }},
	// The third is counted under the second, then linked to the first, of whom
	// nothing is kept, and cut off again.
	"from one to another": {[]int{1, 2}, func(w *world) {
		w.link(id(1), id(2))
		w.drain()
		w.belong(id(1), nil)
		w.link(id(0), id(2))
	}, func(w *world) { w.cut(id(0), id(2)) }},
}

func (w *world) refund(sum int64) {
	for n := range 2 {
		o := w.people[id(n)].orders[fmt.Sprint("shop|order|", n, 0)]
		o.Refunded = sum
		w.order(id(n), o.Record, &o)
	}
}

// TestSlowWorker: a worker stops before each of its calls while people are linked
// or cut and others count them; then it goes on with what it had read, to its end
// or to its death.
func TestSlowWorker(t *testing.T) {
	paths := 0
	for name, s := range scenes {
		for _, trigger := range s.people {
			for n, ended := 0, false; !ended; n++ {
				for _, death := range []int{-1, 0, 1} { // after how many further calls
					w := newWorld(t)
					if ended = w.slow(s, id(trigger), n, death); ended {
						break
					}
					if diff := w.holds(); diff != "" {
						t.Fatalf("%s, for %d, stopped before call %d, dead after %d more\n%s", name, trigger, n, death, diff)
					}
					paths++
				}
			}
		}
	}
	t.Logf("%d paths", paths)
}

func (w *world) slow(s scene, trigger profile.ID, n, death int) (ended bool) {
	w.lay(s.people...)
	w.drain()
	s.before(w)
	rest := w.queue
	w.queue = nil
	w.changed(trigger, "", "orders")
	k := w.begin()
	w.queue = append(w.queue, rest...)
	if k.calls(n) {
		return true
	}
	s.meanwhile(w)
	w.drain()
	switch {
	case death < 0:
		k.finish(run)
	case !k.calls(death):
		k.finish(dieAfter)
	case !k.done:
		w.queue = append(w.queue, k.body)
	}
	w.drain()
	return false
}

// TestNothingIsWrittenForNothing: most profiles have no message; counting twice
// writes once.
func TestNothingIsWrittenForNothing(t *testing.T) {
	w := newWorld(t)
	w.order(id(0), "shop|order|1", &profile.Order{At: 5, Record: "shop|order|1", Total: 5, Currency: "VND"})
	w.belong(id(0), []profile.ID{id(0), id(1)})
	w.belong(id(1), []profile.ID{id(0), id(1)})
	w.changed(id(0), "", "traits", "tags")
	before := w.Calls("dynamodb.TransactWriteItems")
	w.drain()
	w.lay()
	w.drain()
	written := w.Calls("dynamodb.TransactWriteItems")
	w.changed(id(0), "", "orders")
	w.changed(id(1), "", "events")
	w.drain()
	if w.Calls("dynamodb.TransactWriteItems") != written || before != 0 {
		t.Error("what does not change is written")
	}
	if diff := w.holds(); diff != "" {
		t.Error(diff)
	}
}

// TestWhomNobodyWroteTo: an order of a customer without messages takes two reads.
func TestWhomNobodyWroteTo(t *testing.T) {
	w := newWorld(t)
	w.order(id(0), "shop|order|1", &profile.Order{At: 5, Record: "shop|order|1", Total: 5, Currency: "VND"})
	w.drain() // which reads the definition
	reads := func() int {
		return w.Calls("dynamodb.BatchGetItem") + w.Calls("dynamodb.GetItem") + w.Calls("dynamodb.Query")
	}
	before := reads()
	w.changed(id(0), "", "orders", "identity")
	w.drain()
	if n := reads() - before; n != 2 {
		t.Errorf("%d reads", n)
	}
}

// TestAnOrderAloneReadsNoMessages: an order brings no message, entry or engagement, so
// none is looked for, and it counts all the same.
func TestAnOrderAloneReadsNoMessages(t *testing.T) {
	w := newWorld(t)
	w.send(id(0), "a", "ten", "TEN-1", day)
	w.drain()
	for _, c := range []struct {
		parts []string
		want  int
	}{{[]string{"orders"}, 0}, {[]string{"orders", "events"}, 1}, {[]string{"orders", "identity"}, 2}} { // a link is written, and looked at again
		before := w.asked
		w.changed(id(0), "", c.parts...)
		w.drain()
		if n := w.asked - before; n != c.want {
			t.Errorf("%v: messages are read %d times, want %d", c.parts, n, c.want)
		}
	}
	before := w.asked
	w.order(id(0), "shop|order|1", &profile.Order{At: w.Now().UnixMilli(), Record: "shop|order|1", Total: 5, Currency: "VND", Codes: []string{"TEN-1"}})
	w.drain()
	if diff := w.holds(); diff != "" || w.asked != before {
		t.Errorf("messages are read %d times\n%s", w.asked-before, diff)
	}
	if _, _, outcomes := w.tables(); outcomes[id(0)].Orders != 1 {
		t.Error("the order does not count")
	}
}

// TestOldMessagesAreReadWhenNamed: engagement of a message older than 30 days is
// read when an occurrence names it, and not otherwise.
func TestOldMessagesAreReadWhenNamed(t *testing.T) {
	w := newWorld(t)
	old := w.send(id(0), "a", "ten", "", 60*day)
	w.drain()
	w.engage(id(0), old, attribution.Engagement{Opened: w.Now().UnixMilli()})
	named := w.queue
	w.queue = nil
	opened := attribution.Key{Journey: "back", Variant: "a", Template: "ten", Measure: attribution.Opened}
	w.changed(id(0), "", "events")
	w.drain()
	if c, _, _ := w.tables(); c[opened] != 0 {
		t.Error("all old messages are read each time")
	}
	w.queue = named
	w.drain()
	if diff := w.holds(); diff != "" {
		t.Error(diff)
	}
}

func TestMessagesOfTheQueue(t *testing.T) {
	w := newWorld(t)
	w.lay()
	good := slices.Clone(w.queue)
	envelope := func(kind string, data any) string {
		w.announce(kind, data)
		defer func() { w.queue = w.queue[:len(w.queue)-1] }()
		return w.queue[len(w.queue)-1]
	}
	for name, tt := range map[string]struct {
		body   string
		failed bool
	}{
		"no event":          {"{}", true},
		"noise":             {"noise MARKER", true},
		"a later type":      {envelope("profile.changed.v2", map[string]any{"x": 1}), false},
		"parts of others":   {envelope(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: "x", Parts: []string{"traits"}}}}), false},
		"no fragment":       {envelope(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: "MARKER", Parts: []string{"orders"}}}}), true},
		"data of no shape":  {envelope(events.MessageDecided, []string{"MARKER"}), true},
		"an entry":          {envelope(events.EntryChanged, events.Entry{Fragment: string(id(0)), Journey: "back"}), false},
		"an entry's noise":  {envelope(events.EntryChanged, "MARKER"), true},
		"a profile's noise": {envelope(events.ProfileChanged, "MARKER"), true},
	} {
		s := w.newStage(func(string) stage.Hub { return w })
		for range 2 {
			failed := handle(t, s, good[0], tt.body, good[1])
			if want := map[bool][]string{true: {"1"}, false: nil}[tt.failed]; !slices.Equal(failed, want) {
				t.Errorf("%s: %q fail", name, failed)
			}
		}
	}
	other := strings.ReplaceAll(good[0], `"workspace":"saigon"`, `"workspace":"hanoi"`)
	if failed := handle(t, w.newStage(func(string) stage.Hub { return w }), other, good[0]); !slices.Equal(failed, []string{"0"}) {
		t.Error("a workspace that there is not: ", failed)
	}
	w.drain()
	if diff := w.holds(); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(w.log.String(), "MARKER") {
		t.Error("the log quotes what came")
	}
	if _, err := w.newStage(nil).Invoke(context.Background(), []byte("noise")); err == nil {
		t.Error("noise is an event")
	}
}

// broken fails, or panics, at one of its calls.
type broken struct {
	*world
	at    string
	panic bool
}

var errTable = errors.New("the table is down: MARKER")

func (b broken) fail(at string) error {
	if at != b.at {
		return nil
	}
	if b.panic {
		panic("MARKER")
	}
	return errTable
}

func (b broken) Fragments(ctx context.Context, ids []profile.ID) ([]profile.Fragment, error) {
	if err := b.fail("fragments"); err != nil {
		return nil, err
	}
	return b.world.Fragments(ctx, ids)
}

func (b broken) Messages(ctx context.Context, f profile.ID, since time.Time) ([]attribution.Sent, error) {
	if err := b.fail("messages"); err != nil {
		return nil, err
	}
	return b.world.Messages(ctx, f, since)
}

func (b broken) CommitCredits(ctx context.Context, s attribution.Step) error {
	if b.at == "lost" {
		return profile.ErrLost
	}
	if err := b.fail("commit"); err != nil {
		return err
	}
	return b.world.CommitCredits(ctx, s)
}

// TestFailuresComeAgain: what fails is given back to the queue, alone.
func TestFailuresComeAgain(t *testing.T) {
	for _, at := range []string{"fragments", "messages", "commit", "lost"} {
		for _, panics := range []bool{false, true} {
			w := newWorld(t)
			w.lay()
			w.changed(id(0), "", "traits")
			last := len(w.queue) - 1
			traits := w.queue[last]
			w.queue = w.queue[:last]
			s := w.newStage(func(string) stage.Hub { return broken{w, at, panics} })
			if failed := handle(t, s, w.queue[0], traits); !slices.Equal(failed, []string{"0"}) {
				t.Errorf("%s: %q fail", at, failed)
			}
			if strings.Contains(w.log.String(), "MARKER") || !strings.Contains(w.log.String(), `"failures":1`) {
				t.Error(w.log.String())
			}
			w.drain()
			if diff := w.holds(); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// TestOutcomeIsKept: what the write-back reads, by any of the members.
func TestOutcomeIsKept(t *testing.T) {
	w := newWorld(t)
	w.lay()
	w.drain()
	w.link(id(0), id(1))
	w.drain()
	for _, members := range [][]profile.ID{{id(0), id(1)}, {id(1), id(0)}} {
		o, err := w.Outcome(t.Context(), members)
		w.must(err)
		if diff := cmp.Diff(map[string]int64{"VND": 6000}, o.Net); diff != "" || o.Orders != 6 || o.Campaign == nil || o.Campaign.Result != "converted" {
			t.Error(o, diff)
		}
	}
}
