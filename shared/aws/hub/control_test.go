package hub

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

type held = workspace.Held

// turn turns a control as an operator does: with what is there now.
func (w *world) turn(t workspace.Turn) workspace.Controls {
	w.t.Helper()
	c, err := w.Controls(w.t.Context())
	w.must(err)
	c, err = w.Turn(w.t.Context(), c, t)
	w.must(err)
	return c
}

func TestControls(t *testing.T) {
	w := newWorld(t)
	shop := workspace.Control(workspace.ControlConnection, "shop")
	if c, err := w.Controls(t.Context()); err != nil || c.StopAll() || c.Paused(workspace.ControlConnection, "shop") || len(c.Off()) != 0 {
		t.Fatal(c, err)
	}
	first := workspace.Turn{Control: workspace.ControlAll, Off: true, At: 1_000, By: "token a"}
	second := workspace.Turn{Control: shop, Off: true, At: 1_000, By: "token b"}
	third := workspace.Turn{Control: workspace.ControlAll, At: 2_000, By: "token c"}
	for _, turn := range []workspace.Turn{first, second, third} {
		for range 2 { // the second time changes nothing, nor who did it
			w.turn(turn)
			again := turn
			again.By, again.At = "somebody else", turn.At+500
			w.turn(again)
		}
	}
	c, err := w.Controls(t.Context())
	w.must(err)
	if c.Version != 3 || cmp.Diff(c.Off(), []workspace.Turn{second}) != "" {
		t.Errorf("%+v", c)
	}
	if stop, err := w.StopAll(t.Context()); stop || err != nil {
		t.Error(stop, err)
	}
	if paused, err := w.Paused(t.Context(), workspace.ControlConnection, "shop"); !paused || err != nil {
		t.Error(paused, err)
	}
	var all []workspace.Turn
	for before, first := "", true; first || before != ""; first = false {
		page, next, err := w.Turns(t.Context(), before, 1)
		w.must(err)
		all, before = append(all, page...), next
	}
	if d := cmp.Diff([]workspace.Turn{third, second, first}, all); d != "" {
		t.Error("not every turn is kept, newest first:", d)
	}
}

// Of two who turn at the same moment one learns of it, and may look again.
func TestTurnsRace(t *testing.T) {
	w := newWorld(t)
	before, err := w.Controls(t.Context())
	w.must(err)
	w.turn(workspace.Turn{Control: workspace.ControlAll, Off: true, At: 1})
	if _, err := w.Turn(t.Context(), before, workspace.Turn{Control: workspace.ControlAll, Off: true, At: 2}); !errors.Is(err, profile.ErrLost) {
		t.Error(err)
	}
	if turns, _, err := w.Turns(t.Context(), "", 10); err != nil || len(turns) != 1 {
		t.Error(turns, err)
	}
}

func TestHeld(t *testing.T) {
	w := newWorld(t)
	control := workspace.Control(workspace.ControlJourney, "come-back")
	if l, err := w.Holding(t.Context()); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
	for range 2 {
		for n := range 5 {
			w.must(w.Hold(t.Context(), control, "message", fmt.Sprint("g1.m|", n)))
		}
	}
	w.turn(workspace.Turn{Control: workspace.Control(workspace.ControlConnection, "shop"), Off: true, At: 1})
	if l, err := w.Holding(t.Context()); err != nil || cmp.Diff([]string{"connection|shop", control}, l) != "" {
		t.Error(l, err)
	}
	if l, err := w.Held(t.Context(), "connection|shop", held{}, 10); err != nil || cmp.Diff([]held{{Control: "connection|shop", Stage: workspace.HeldDeliveries, What: "shop", Times: 1}}, l) != "" {
		t.Error(l, err)
	}
	if l, err := w.Held(t.Context(), control, held{}, 3); err != nil || len(l) != 3 || l[0] != (held{Control: control, Stage: "message", What: "g1.m|0", Times: 2}) {
		t.Error(l, err)
	}
	// What is held again while it is sent on stays.
	w.must(w.Release(t.Context(), held{Control: control, Stage: "message", What: "g1.m|0", Times: 1}))
	if l, err := w.Held(t.Context(), control, held{}, 10); err != nil || len(l) != 5 {
		t.Error(l, err)
	}
	for range 2 {
		w.must(w.Release(t.Context(), held{Control: control, Stage: "message", What: "g1.m|0", Times: 2}))
	}
	if l, err := w.Held(t.Context(), control, held{}, 10); err != nil || len(l) != 4 {
		t.Error(l, err)
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	watch := w.Watch(w.Now)
	paused := func() bool {
		t.Helper()
		p, err := watch.Paused(t.Context(), "saigon", workspace.ControlConnection, "shop")
		w.must(err)
		return p
	}
	before := w.Calls("dynamodb.GetItem")
	for range 3 {
		if paused() {
			t.Error("paused from the start")
		}
	}
	if n := w.Calls("dynamodb.GetItem") - before; n != 1 {
		t.Errorf("%d reads", n)
	}
	w.turn(workspace.Turn{Control: "connection|shop", Off: true, At: 1})
	w.Advance(6 * time.Second)
	if !paused() {
		t.Error("not known after some seconds")
	}
}
