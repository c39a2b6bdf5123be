package segment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

func TestEntersAndLeaves(t *testing.T) {
	w := newWorld(t, maps.Clone(rules))
	w.write(lan, tags("vip"))
	w.gives("+vip change c", w.changed(lan))
	w.write(lan, bought("1", noon))
	w.gives("+fresh change c", w.changed(lan))
	if at := w.armed(lan, noon); len(at) != 1 || at[0] != noon.Add(30*24*time.Hour).UnixMilli() {
		t.Fatal(at)
	}
	w.now = noon.Add(30*24*time.Hour - time.Millisecond)
	w.gives("", due(lan, w.now.Add(time.Millisecond))) // by a clock that is ahead
	if at := w.armed(lan, noon.Add(30*24*time.Hour)); len(at) == 0 {
		t.Error("what came too early was the last")
	}
	w.now = w.now.Add(time.Millisecond)
	w.gives("-fresh time c", due(lan, w.now))
	w.write(lan, tags())
	w.gives("+plain change c, -vip change c", w.changed(lan))
	w.defs["plain"] = `size(tags) == 0 && orders.count > 0`
	delete(w.defs, "vip")
	w.gives("", due(lan, w.now))
	clear(w.defs)
	w.write(lan, tags("x"))
	w.gives("", w.changed(lan))
	w.gives("-plain definition c", due(lan, w.now))
}

// TestOlderOrders: they are read where a rule reaches beyond the newest, once.
func TestOlderOrders(t *testing.T) {
	w := newWorld(t, definitions{"many": `orders.within("60d").count > 12`})
	for n := range 13 {
		w.write(lan, bought(fmt.Sprint(10+n), noon.Add(-time.Duration(20-n)*24*time.Hour)))
	}
	w.older[lan] = []profile.Order{{At: noon.Add(-20 * 24 * time.Hour).UnixMilli(), Record: "shop|order|10", Total: 100, Currency: "VND"}}
	w.gives("+many change c", w.changed(lan))
	w.now = noon.Add(40 * 24 * time.Hour)
	w.gives("-many time c", due(lan, w.now))
}

// TestRefuses: what is not understood comes again and goes to the dead-letter
// queue; nothing of it is in the log.
func TestRefuses(t *testing.T) {
	w := newWorld(t, rules)
	w.write(lan, tags("vip"))
	other, err := events.NewEnvelope("hanoi", events.DueReached, noon, events.Due{What: string(lan)})
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := events.ForQueue(other)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{"MARKER", "{}", queued("profile.changed.v2", nil), queued(events.DueReached, events.Due{What: "MARKER"}), queued(events.ProfileChanged, "MARKER"),
		queued(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: "MARKER"}}}), unknown}
	for range 2 {
		if failed := handle(w.stage, append(bad, w.changed(lan))...); len(failed) != len(bad) {
			t.Error(failed)
		}
	}
	if strings.Contains(w.log.String(), "MARKER") || !strings.Contains(w.log.String(), `"entered":1`) || !strings.Contains(w.log.String(), `"stale":1`) {
		t.Error(w.log.String())
	}
	// What is gone is no failure: nothing can come of it.
	w.gives("", due(form, noon), queued(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(form), Version: 3, Profile: string(form)}}}))
	if len(w.kept) != 1 {
		t.Error(w.kept)
	}
}

// TestCallsFail: whichever call fails, before or after it took effect, the event
// comes again, and in the end everything was announced once.
func TestCallsFail(t *testing.T) {
	for _, call := range []string{"load", "older", "memberships", "arm", "commit"} {
		w := newWorld(t, definitions{"fresh": `orders.within("30d").count > 0`, "many": `orders.within("60d").count > 12`})
		for n := range 13 {
			w.write(lan, bought(fmt.Sprint(10+n), noon.Add(-time.Duration(20-n)*24*time.Hour)))
		}
		w.older[lan] = []profile.Order{{At: noon.Add(-20 * 24 * time.Hour).UnixMilli(), Record: "shop|order|10", Total: 100, Currency: "VND"}}
		w.hub.fail = func(c string) error {
			if c == call {
				return errors.New("down")
			}
			return nil
		}
		if failed := handle(w.stage, w.changed(lan)); len(failed) != 1 {
			t.Errorf("%s: acknowledged", call)
		}
		w.hub.fail = nil
		handle(w.stage, w.changed(lan))
		if got := strings.Join(w.said, ", "); got != "+fresh change c, +many change c" {
			t.Errorf("%s: %s", call, got)
		}
	}
}

// TestShuffled: deliveries in any order, some of them twice, leave the same, byte
// for byte.
func TestShuffled(t *testing.T) {
	var want string
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		hubTable := newTable()
		h := &hub{do: func(run func(t *table)) { run(hubTable) }}
		s := stage(rules, h, func() time.Time { return noon }, io.Discard)
		hubTable.write(form, tags("late"))
		var told []string
		for _, change := range []func(){
			func() { hubTable.write(lan, tags("new")); told = append(told, hubTable.changed(lan)) },
			func() {
				hubTable.write(lan, bought("1", noon.Add(-time.Hour)))
				told = append(told, hubTable.changed(lan))
			},
			func() {
				linkAll(hubTable, lan, form)
				told = append(told, hubTable.changed(lan), hubTable.changed(form))
			},
			func() { hubTable.write(form, tags("vip")); told = append(told, hubTable.changed(form)) },
			func() { hubTable.write(lan, tags()); told = append(told, hubTable.changed(lan)) },
		} {
			change()
			for len(told) > 0 && r.IntN(3) == 0 {
				n := r.IntN(len(told))
				handle(s, told[n])
				if r.IntN(3) > 0 {
					told = append(told[:n:n], told[n+1:]...)
				}
			}
		}
		r.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
		handle(s, told...)
		b, err := json.Marshal(hubTable.kept)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(b)
		}
		if string(b) != want {
			t.Fatalf("seed %d\n%s\nwant\n%s", seed, b, want)
		}
	}
}

// TestDefinitionIsCompiledOnce: and anew where it differs.
func TestDefinitionIsCompiledOnce(t *testing.T) {
	d := definitions{"vip": `"vip" in tags`}
	s := stage(d, nil, time.Now, io.Discard)
	load := func() workspace.Workspace {
		w, err := d.Load(context.Background(), "saigon")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	one, err := s.segments(load())
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.segments(load()); err != nil || &again[0] != &one[0] {
		t.Error("compiled again", err)
	}
	d["vip"] = `"VIP" in tags`
	if again, err := s.segments(load()); err != nil || again[0].Digest() == one[0].Digest() {
		t.Error("the old rule stays", err)
	}
	d["vip"] = `no rule`
	if _, err := s.segments(load()); err == nil {
		t.Error("accepted")
	}
}

// TestLinkingWaits: while fragments do not agree, nothing is decided, and the event
// comes again.
func TestLinkingWaits(t *testing.T) {
	w := newWorld(t, rules)
	w.write(lan, tags("vip"))
	w.write(form, tags())
	w.write(lan, members(lan, form))
	if failed := handle(w.stage, w.changed(lan)); len(failed) != 1 || len(w.kept) != 0 {
		t.Error(failed, w.kept)
	}
	w.write(form, members(lan, form))
	w.gives("+vip change c", w.changed(lan), w.changed(form))
}

// TestWaitsForLinks: a fragment whose links are yet to be made is nobody's: the
// order of a known customer, placed as a guest, is not her first one. Links that
// nobody makes are waited for as long as the queue is patient, and begin nothing.
func TestWaitsForLinks(t *testing.T) {
	pending := func(f *profile.Fragment) { f.Pend("email/lan") }
	d := definitions{"first": `orders.count == 1`, "more": `orders.count > 1`}
	w := newWorld(t, d)
	w.write(lan, bought("1", noon))
	w.gives("+first change c", w.changed(lan))
	w.write(form, func(f *profile.Fragment) { bought("2", noon)(f); pending(f) })
	early := w.changed(form)
	if failed := handle(w.stage, early, due(form, noon)); len(failed) != 2 || len(w.said) != 1 {
		t.Error(failed, w.said)
	}
	linkAll(w.table, lan, form)
	if failed := handle(w.stage, early, w.changed(lan)); len(failed) != 2 {
		t.Error("decided before all links are made", w.said)
	}
	w.write(form, func(f *profile.Fragment) { f.Pending = nil })
	w.gives("-first change c, +more change c", early, w.changed(lan))

	w = newWorld(t, d)
	w.write(form, func(f *profile.Fragment) { bought("2", noon)(f); pending(f) })
	w.now = noon.Add(patience - time.Millisecond)
	if failed := handle(w.stage, w.changed(form)); len(failed) != 1 {
		t.Error("impatient")
	}
	w.now = noon.Add(patience)
	w.gives("+first link g", w.changed(form))
}
