package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"loophub/infra/local"
)

var everyRemoval = flag.Bool("removals", false, "take each permission away, and not one of each role alone")

// removal is a run of the hub under a template that lacks something.
type removal struct {
	template []byte
	scene    scenario
	needs    func(asked) bool       // what is to be refused
	shows    func(local.Asked) bool // what the platform does about it, where it is the platform's; nil = see stage
	stage    string                 // whose log is to say so
}

var errNoticed = errors.New("it was noticed")

// noticed is what came of a removal.
type noticed struct {
	refusal string // as whoever was refused heard it
	how     string // "said" in the stage's log, "shown" by the platform, else ""
	err     error  // of the scenario, where nothing was said or shown
}

// run plays the scenario until somebody was refused and it shows.
func (r removal) run(t *testing.T) noticed {
	t.Helper()
	var text, how atomic.Value
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	show := func(word string) {
		if text.Load() != nil && how.CompareAndSwap(nil, word) {
			cancel(errNoticed)
		}
	}
	err := r.scene.run(ctx, t, r.template, func(o *local.Options) {
		o.Asked = func(a local.Asked) {
			if refused, no := refusal(a); no && r.needs(the(a)) {
				text.CompareAndSwap(nil, refused)
			}
			if r.shows != nil && r.shows(a) {
				show("shown")
			}
		}
		o.Tail = func(l local.Line) {
			if !l.Event && l.Source == r.stage && denied(l.Text) {
				show("said")
			}
		}
	})
	n := noticed{err: err}
	n.refusal, _ = text.Load().(string)
	if n.how, _ = how.Load().(string); n.how != "" {
		n.err = nil // it was stopped in the middle
	}
	return n
}

// denied tells whether a line of a function says at ERROR that AWS refused something. Of what Lambda does in the function's
// name, AWS shows it as a metric, and the local cloud as a line of text.
func denied(text string) bool {
	var m line
	if json.Unmarshal([]byte(text), &m) != nil {
		return strings.Contains(text, "is not authorized to perform: ")
	}
	return m.Level == "ERROR" && (m.Code == "AccessDenied" || m.Code == "AccessDeniedException")
}

// names tells whether a refusal says which action on which resource it was about. SQS writes actions in small letters.
func names(refusal, action, resource string) bool {
	stem, _, _ := strings.Cut(resource, "*")
	return strings.Contains(strings.ToLower(refusal), strings.ToLower(action)) && strings.Contains(refusal, stem)
}

// otherwise are grants whose lack shows, but not by their refusal in the stage's log.
var otherwise = map[string]string{
	"IngestRole sqs:SendMessage on SpillQueue": "the sender is answered 503 and sends again; the log says why the Inbox, which " +
		"is asked first, took nothing",
}

// TestRemovals takes one action on one resource away from one role at a time. The role's stage is refused, in AWS's words,
// and it shows: the stage says so in its log, or the cloud does not even start, as a deployment would fail. By default of
// what stages call one grant of each is tried; `make iam` tries all.
func TestRemovals(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: it runs a hub for each")
	}
	tried, platform := map[string]bool{}, byPlatform()
	for _, g := range granted(t) {
		s, ok := scene(t, g.covers)
		if !ok {
			t.Errorf("%s: no scenario needs it", g)
			continue
		}
		if _, cheap := platform[g.String()]; !cheap && !*everyRemoval {
			if tried[g.role] {
				continue
			}
			tried[g.role] = true
		}
		r := removal{template: s.template(t, g), scene: s, needs: g.covers, stage: g.stage()}
		if r.stage == "" {
			r.shows = scheduled(g)
		}
		t.Run(g.String(), func(t *testing.T) {
			t.Parallel()
			n := r.run(t)
			why, known := otherwise[g.String()]
			switch {
			case !names(n.refusal, g.action, g.resource):
				t.Errorf("nobody was refused it, but %q", n.refusal)
			case n.how == "" && n.err == nil:
				t.Error("nobody noticed that it was refused")
			case n.how == "" && !known && !strings.Contains(n.err.Error(), n.refusal):
				t.Errorf("nobody says that it was refused: %v", n.err)
			case n.how != "" && known:
				t.Errorf("it is said now: the list need not say that %s", why)
			}
		})
	}
}

// scheduled is how it shows that the scheduler may not do something: a minute that could not begin is buried, and one that
// can't be buried either is lost, of which AWS makes a metric.
func scheduled(g grant) func(local.Asked) bool {
	return func(a local.Asked) bool {
		_, no := refusal(a)
		return a.Principal == g.principal && a.Action == "sqs:SendMessage" && no == (g.action == a.Action)
	}
}

// TestHoles takes one line at a time out of what lets services, and anybody, in. What could not be delivered lies in the
// dead-letter queue; where that takes nothing either it is lost, of which AWS makes a metric; an address answers 403; an
// event destination that could not publish is not made. By default one of each kind is tried; `make iam` tries all.
func TestHoles(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: it runs a hub for each")
	}
	all := holes(t)
	tried := map[string]bool{}
	for _, h := range all {
		kind := h.service + h.action
		if h.dead() {
			kind += " dead"
		}
		if tried[kind] && !*everyRemoval || slices.Contains(unasked, h.name) {
			continue
		}
		tried[kind] = true
		first := h // what is refused first
		if h.dead() {
			first = target(t, all, h)
		}
		s, ok := scene(t, first.allows)
		if !ok {
			t.Errorf("%s: no scenario needs it", first.name)
			continue
		}
		r := removal{scene: s, needs: h.allows, shows: buried(h, first), template: edited(t, func(resources object) {
			h.cut(resources)
			if h.dead() {
				first.cut(resources)
			}
		})}
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			n := r.run(t)
			open := h.service == "" || h.action == "sns:Publish"
			switch {
			case !names(n.refusal, h.action, h.on):
				t.Errorf("nobody was refused it, but %q", n.refusal)
			case n.how == "" && n.err == nil:
				t.Error("nobody noticed that it was refused")
			case n.how == "" && !(open && (strings.Contains(n.err.Error(), "answered 403") || strings.Contains(n.err.Error(), n.refusal))):
				t.Errorf("it shows otherwise: %v", n.err)
			}
		})
	}
}

// target is what has to be refused before something is buried for a source.
func target(t *testing.T, all []hole, dead hole) hole {
	t.Helper()
	for _, h := range all {
		log := strings.HasSuffix(dead.source, "EventLogRule") && h.action == "logs:PutLogEvents"
		if !h.dead() && h.service == dead.service && (h.source == dead.source || log) {
			return h
		}
	}
	t.Fatalf("%s: what would be buried?", dead.name)
	return hole{}
}

// buried is how it shows that something could not be delivered.
func buried(h, first hole) func(local.Asked) bool {
	return func(a local.Asked) bool {
		_, no := refusal(a)
		source := a.Context["aws:sourcearn"]
		return a.Service == h.service && h.service != "" && a.Action == "sqs:SendMessage" && strings.HasSuffix(a.Resource, "DeadQueue") &&
			(source == first.source || first.source == "" && strings.HasSuffix(source, "EventLogRule")) && no == h.dead()
	}
}
