package unify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/delivery"
	"loophub/shared/profile"
)

func (w *stageWorld) quietly(k delivery.Key, lane delivery.Lane) delivery.Key {
	d := w.stored[k]
	d.Lane = lane
	w.stored[k] = d
	return k
}

func (w *stageWorld) told() []string {
	var l []string
	for o, n := range w.tables["saigon"].told {
		l = append(l, fmt.Sprint(o.what, " ", o.record, " ", n))
	}
	slices.Sort(l)
	return l
}

// TestLanes: deliveries of all lanes change profiles; only live ones tell what
// happened, whatever lies beside them in the batch, and however often they come.
func TestLanes(t *testing.T) {
	for _, lane := range []delivery.Lane{delivery.Replay, delivery.Backfill} {
		for _, source := range []string{"stream", "queue"} {
			w := newStage(t)
			keys := []delivery.Key{w.quietly(w.deliver("saigon", "shop", "sale 1"), lane), w.deliver("saigon", "shop", "sale 2"),
				w.quietly(w.deliver("saigon", "shop", "sale 3"), lane), w.deliver("saigon", "shop", "submission 4")}
			for range 2 {
				var failed []string
				if source == "stream" {
					failed = w.fromStream(keys...)
				} else {
					var messages []string
					for _, k := range keys {
						messages = append(messages, message(k))
					}
					failed = w.fromQueue(1, messages...)
				}
				if len(failed) > 0 || len(w.queue) > 0 {
					t.Fatal(failed, w.queue)
				}
				want := []string{"form.submitted shop|form|4 1", "order.placed shop|order|2 1"}
				if got := w.told(); !slices.Equal(got, want) {
					t.Errorf("%s, %s: told %q", lane, source, got)
				}
				f := w.tables["saigon"].fragment(w.stateOf("all"))
				if f.State.Orders != 3 || f.Quiet != f.Version {
					t.Errorf("%s, %s: %d orders, quiet at version %d of %d", lane, source, f.State.Orders, f.Quiet, f.Version)
				}
			}
		}
	}
}

// TestQuietIsRemembered: a live write after a quiet one keeps the version of that.
func TestQuietIsRemembered(t *testing.T) {
	w := newStage(t)
	w.fromStream(w.quietly(w.deliver("saigon", "shop", "sale 1"), delivery.Replay))
	quiet := w.tables["saigon"].fragment(w.stateOf("all"))
	w.fromStream(w.deliver("saigon", "shop", "sale 2"))
	live := w.tables["saigon"].fragment(w.stateOf("all"))
	if quiet.Quiet == 0 || live.Quiet != quiet.Quiet || live.Version <= quiet.Version {
		t.Errorf("quiet %d of %d, then %d of %d", quiet.Quiet, quiet.Version, live.Quiet, live.Version)
	}
}

// TestLateFactsTellNothing: what arrives a day after it happened is no news.
func TestLateFactsTellNothing(t *testing.T) {
	w := newStage(t)
	k := w.deliver("saigon", "shop", "sale 1")
	d := w.stored[k]
	d.Request.ReceivedAt = noon.Add(24*time.Hour + time.Millisecond)
	w.stored[k] = d
	w.fromStream(k, w.deliver("saigon", "shop", "sale 2"))
	if got := w.told(); !slices.Equal(got, []string{"order.placed shop|order|2 1"}) || w.tables["saigon"].fragment(w.stateOf("all")).State.Orders != 2 {
		t.Error(got)
	}
}

// TestPoisonInALane: where taking facts in breaks down, each goes alone, and in its
// own lane still.
func TestPoisonInALane(t *testing.T) {
	w := newStage(t)
	broken := true
	w.table = func(call string) error {
		if broken && call == "known poison" {
			panic("MARKER")
		}
		return nil
	}
	keys := []delivery.Key{w.quietly(w.deliver("saigon", "shop", "sale 1"), delivery.Replay), w.quietly(w.deliver("saigon", "shop", "customer poison"), delivery.Replay),
		w.deliver("saigon", "shop", "sale 2")}
	if failed := w.fromStream(keys...); len(failed) > 0 || !slices.Equal(w.queue, []string{message(keys[1])}) {
		t.Error(failed, w.queue)
	}
	broken = false
	w.fromQueue(2, w.queue...)
	if got := w.told(); !slices.Equal(got, []string{"order.placed shop|order|2 1"}) || !w.records("saigon")["poison"] {
		t.Error(got)
	}
}

// TestWhoMaySayWhat: what became of our messages is for our channels to say, and a
// fragment for our own API to name.
func TestWhoMaySayWhat(t *testing.T) {
	for name, tt := range map[string]struct {
		connector, body string
		internal, taken bool
	}{
		"a channel on a message":              {"ses", "engaged 1", false, true},
		"our links on a message":              {"links", "engaged 1", true, true},
		"anybody on a message":                {"till", "engaged 1", false, false},
		"the API on a message":                {"operator", "engaged 1", true, false},
		"the API on a fragment":               {"operator", "named 1", true, true},
		"a channel on a fragment":             {"ses", "named 1", false, false},
		"anybody on a fragment":               {"till", "named 1", false, false},
		"the API on a tag":                    {"operator", "tagged 1", true, true},
		"anybody on a tag":                    {"till", "tagged 1", false, false},
		"anybody who clears the fragment out": {"till", "cleared 1", false, false},
		"the API who clears the fragment out": {"operator", "cleared 1", true, false},
		"a channel on a message of nobody":    {"ses", "lost 1", false, false},
	} {
		w := newStage(t)
		c := w.stage.connectors["till"]
		c.Manifest.Name, c.Manifest.Internal = tt.connector, tt.internal
		w.stage.connectors["till"] = c
		k := w.deliver("saigon", "shop", tt.body)
		for range 2 {
			w.fromStream(k)
			if taken := len(w.records("saigon")) == 1; taken != tt.taken || taken == (len(w.parked[k]) == 1) {
				t.Errorf("%s: taken %v, parked %v", name, taken, w.parked[k])
			}
		}
	}
}

// echo is a ledger of which we wrote first names alone.
type echo struct{ down error }

func (e echo) Own(_ context.Context, ws, connection string, f events.Fact) (events.Fact, bool, error) {
	if ws != "saigon" || connection != "shop" || f.Kind != events.Customer {
		return f, true, e.down
	}
	f.Fields = maps.Clone(f.Fields)
	delete(f.Fields, "first_name")
	if f.Record == "2" { // the address is ours too
		delete(f.Fields, "email")
	}
	return f, len(f.Fields) > 0, e.down
}

// TestEcho: what we wrote ourselves is no news of the source; what it says beside
// that counts. While the ledger can't be read, the delivery waits.
func TestEcho(t *testing.T) {
	w := newStage(t)
	w.stage.Echo = echo{}
	keys := []delivery.Key{w.deliver("saigon", "shop", "customer 1"), w.deliver("saigon", "shop", "customer 2"), w.deliver("saigon", "shop", "order 3"), w.deliver("hanoi", "shop", "customer 4")}
	for range 2 {
		if failed := w.fromStream(keys...); len(failed) > 0 || len(w.queue) > 0 || len(w.parked) > 0 {
			t.Fatal(failed, w.queue, w.parked)
		}
		if r := w.records("saigon"); !r["1"] || r["2"] || !r["3"] || !w.records("hanoi")["4"] {
			t.Error(r, w.records("hanoi"))
		}
		for _, f := range w.tables["saigon"].facts["shop|customer|1"] {
			if len(f.Fields) != 1 || f.Fields["email"].IsNull() {
				t.Error(f.Fields)
			}
		}
		if l := w.lines(4); l[0]["echo"] != nil || l[1]["echo"] != 1.0 || l[1]["facts"] != nil || l[1]["msg"] != "unified" {
			t.Error(l)
		}
	}
	w.stage.Echo = echo{down: errDown}
	k := w.deliver("saigon", "shop", "customer 5")
	if failed := w.fromStream(k); len(failed) > 0 || !slices.Equal(w.queue, []string{message(k)}) || w.records("saigon")["5"] {
		t.Error("the ledger is down, and the fact is taken in", failed, w.queue)
	}
	w.stage.Echo = echo{}
	if failed := w.fromQueue(2, w.queue...); len(failed) > 0 || !w.records("saigon")["5"] {
		t.Error(failed)
	}
}

// loud notes what each write announces; a worker can die at a call.
type loud struct {
	*hub
	heard *[]string
	die   func(call string) error
}

func (l loud) Commit(ctx context.Context, f profile.Fragment, moves []profile.Move, changes []profile.Change, occurred ...events.Occurrence) error {
	if err := l.die("commit " + string(f.ID)); err != nil {
		return err
	}
	err := l.hub.Commit(ctx, f, moves, changes, occurred...)
	if err == nil && slices.Contains(changes, profile.ConsentChanged) {
		*l.heard = append(*l.heard, string(f.ID))
	}
	return err
}

// TestAWithdrawalIsHeardByAllWhoClaimTheAddress: a shared address is one address.
func TestAWithdrawalIsHeardByAllWhoClaimTheAddress(t *testing.T) {
	rules, at := unifytest.Rules(), newTable()
	id := func(class profile.Class, connection, value string) profile.ID {
		return rules.Key.Fragment(profile.Anchor{Class: class, Connection: connection, Value: value})
	}
	var facts []events.Fact
	for n := range 3 { // three customers of a shop by one address: it ties nobody
		facts = append(facts, customer("shop", fmt.Sprint(n), 1, "email", "a@x.vn"))
	}
	facts = append(facts, customer("shop", "2", 1, "phone", "+841"), customer("till", "1", 1, "phone", "+841")) // two fragments of one person
	settled(t, rules, at, facts...)
	withdrawal := customer("shop", "0", 5, "email", "a@x.vn", "withdraw:email:marketing", "5")
	dead := errors.New("dead")
	for _, when := range []string{"", "commit " + string(id('c', "shop", "1"))} {
		table := at.clone()
		var heard []string
		alive := when == ""
		hub := loud{direct(table), &heard, func(call string) error {
			if !alive && call == when {
				alive = true
				return dead
			}
			return nil
		}}
		u := Unifier{Hub: hub, Rules: rules, Pause: func(context.Context, int) error { return nil }}
		failed := u.Process(t.Context(), []events.Fact{withdrawal})
		if (len(failed) > 0) != (when != "") {
			t.Fatal(failed)
		}
		u.Process(t.Context(), []events.Fact{withdrawal}) // delivered again
		slices.Sort(heard)
		got := strings.Join(slices.Compact(heard), " ")
		want := []string{string(id('c', "shop", "0")), string(id('c', "shop", "1")), string(id('c', "shop", "2"))}
		slices.Sort(want)
		if got != strings.Join(want, " ") {
			t.Errorf("dying at %q: heard by %s, want %v", when, got, want)
		}
		for _, f := range table.fragments {
			if f.version == 0 {
				t.Error("a fragment without a version")
			}
		}
	}
	// who withdrew longer ago than somebody else has nothing to tell the others
	var heard []string
	table := at.clone()
	u := Unifier{Hub: loud{direct(table), &heard, func(string) error { return nil }}, Rules: rules, Pause: func(context.Context, int) error { return nil }}
	u.Process(t.Context(), []events.Fact{withdrawal})
	heard = nil
	u.Process(t.Context(), []events.Fact{customer("shop", "1", 4, "email", "a@x.vn", "withdraw:email:marketing", "4")})
	if !slices.Equal(heard, []string{string(id('c', "shop", "1"))}) {
		t.Error(heard)
	}
}

// TestABounceIsHeard: what came back lies on the address alone, and all whose view
// shows it hear of it, the person whom we wrote to among them.
func TestABounceIsHeard(t *testing.T) {
	rules, at := unifytest.Rules(), newTable()
	settled(t, rules, at, customer("shop", "1", 1, "email", "a@x.vn"), customer("till", "1", 1, "email", "a@x.vn"),
		events.Fact{Workspace: "w", Connection: "operator", Kind: events.Decision, Record: "p", Version: 2, At: 2, Fields: events.Fields{"op": events.Text("split"),
			"fragment_a": events.Text(string(fragmentOf(rules, "shop"))), "fragment_b": events.Text(string(fragmentOf(rules, "till")))}})
	mine, other := fragmentOf(rules, "shop"), fragmentOf(rules, "till")
	for bounce, want := range map[string]int{"permanent": 2, "transient": 0} {
		table, heard := at.clone(), []string{}
		u := Unifier{Hub: loud{direct(table), &heard, func(string) error { return nil }}, Rules: rules, Pause: func(context.Context, int) error { return nil }}
		f := events.Fact{Workspace: "w", Connection: "email", Kind: events.Engagement, Record: string(mine) + ".m", Version: 9, At: 9, Fields: events.Fields{"fragment": events.Text(string(mine)),
			"message": events.Text("m"), "bounced_at": events.Text("9"), "bounce": events.Text(bounce), "email": events.Text("a@x.vn")}}
		for range 2 {
			if failed := u.Process(t.Context(), []events.Fact{f}); len(failed) > 0 {
				t.Fatal(failed)
			}
		}
		slices.Sort(heard)
		if heard = slices.Compact(heard); len(heard) != want || want > 0 && (!slices.Contains(heard, string(mine)) || !slices.Contains(heard, string(other))) {
			t.Errorf("%s: heard by %v", bounce, heard)
		}
		r := table.rest()
		v := profile.Combine([]profile.Fragment{r.Fragments[other]}, r.Identities, rules.Limits)
		if _, shown := v.Consent[profile.Bounced]; shown != (want > 0) {
			t.Errorf("%s: %v", bounce, v.Consent)
		}
	}
}

func fragmentOf(rules profile.Rules, connection string) profile.ID {
	return rules.Key.Fragment(profile.Anchor{Class: profile.CustomerClass, Connection: connection, Value: "1"})
}

// TestAnOlderOrderDatedAnewIsAnnounced: windows of segments look beyond the newest.
func TestAnOlderOrderDatedAnewIsAnnounced(t *testing.T) {
	rules, at := unifytest.Rules(), newTable()
	for n := range 6 {
		settled(t, rules, at, guestOrder(n+1))
	}
	moved := guestOrder(2)
	moved.Version = 2
	moved.Fields["ordered_at"] = events.Text("3")
	var said [][]profile.Change
	u := Unifier{Hub: saying{direct(at), &said}, Rules: rules}
	if failed := u.Process(t.Context(), []events.Fact{moved}); len(failed) > 0 {
		t.Fatal(failed)
	}
	if len(said) == 0 || !slices.Contains(said[0], profile.OrdersChanged) {
		t.Error(said)
	}
}

type saying struct {
	*hub
	said *[][]profile.Change
}

func (s saying) Commit(ctx context.Context, f profile.Fragment, moves []profile.Move, changes []profile.Change, occurred ...events.Occurrence) error {
	*s.said = append(*s.said, changes)
	return s.hub.Commit(ctx, f, moves, changes, occurred...)
}
