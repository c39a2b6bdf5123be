package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

const (
	lan  = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	form = profile.ID("gbbbbbbbbbbbbbbbbbbbbbbbb")
	hoa  = profile.ID("gcccccccccccccccccccccccc")
	aDay = 24 * time.Hour
)

var noon = time.Date(2026, 3, 10, 5, 0, 0, 0, time.UTC)

// world is the stage before a Hub in memory. Every call of a port is a step at which
// something may happen, and a worker may die.
type world struct {
	t     testing.TB
	stage *Stage
	now   time.Time
	log   *bytes.Buffer
	def   workspace.Workspace

	fragments map[profile.ID]profile.Fragment
	facts     map[string][]events.Fact
	older     []profile.Order
	news      int // entries announced
	heads     map[string]journey.Head
	entries   map[string]journey.Entry
	messages  map[string]journey.Request
	tasks     map[string]journey.Task
	tags      map[string]journey.Tagging // by cause
	free      map[string]bool            // codes
	used      map[string]string          // cause → code
	kept      map[string]journey.Definition
	armed     map[string]bool // ms|what
	paused    map[string]bool
	held      []string
	wishes    map[string]map[string]string

	sloppy bool // commits pass whatever was written meanwhile
	calls  int
	before func(call int, name string) error // an error: the call has no effect
	after  func(call int, name string) error // an error: it has
}

func newWorld(t testing.TB, j workspace.Journey) *world {
	w := &world{t: t, now: noon, log: &bytes.Buffer{}, fragments: map[profile.ID]profile.Fragment{}, facts: map[string][]events.Fact{},
		heads: map[string]journey.Head{}, entries: map[string]journey.Entry{}, messages: map[string]journey.Request{}, tasks: map[string]journey.Task{},
		tags: map[string]journey.Tagging{}, free: map[string]bool{}, used: map[string]string{}, kept: map[string]journey.Definition{},
		armed: map[string]bool{}, paused: map[string]bool{}, wishes: map[string]map[string]string{}}
	w.def = workspace.Workspace{ID: "saigon", Zone: "Asia/Ho_Chi_Minh", Segments: map[string]workspace.Segment{"lost": {Name: "lost"}},
		Vouchers: map[string]workspace.Voucher{"ten": {Name: "ten"}}, Journeys: map[string]workspace.Journey{"come-back": j},
		Templates: map[string]workspace.Template{"gift": {Connection: "email", Purpose: workspace.Marketing}, "plain": {Connection: "email"}}}
	journey.Checks(w.def, func(path string, line, column int, reason string) { t.Errorf("%s: %s", path, reason) })
	w.know(lan)
	w.restart()
	return w
}

// restart begins a new process, which remembers nothing.
func (w *world) restart() {
	w.stage = New(Config{Definitions: definitions{w}, Hub: func(string) Hub { return w }, Tags: w, Log: telemetry.New(w.log, "journey"),
		Pause: func(context.Context, int) error { return nil }, Now: func() time.Time { return w.now }})
}

// know stores fragments as one profile.
func (w *world) know(ids ...profile.ID) {
	for _, id := range ids {
		f := profile.Fragment{ID: id, Version: 1}
		f.SetMembers(ids)
		w.fragments[id] = f
	}
}

// Known reads a profile and what is kept of it.
func (w *world) Known(ctx context.Context, id profile.ID) (k Known, err error) {
	k.Members, k.Identities, err = w.Load(ctx, id)
	if err != nil {
		return k, err
	}
	var ids []profile.ID
	for _, f := range k.Members {
		ids = append(ids, f.ID)
	}
	k.Memberships, err = w.Memberships(ctx, ids)
	return k, err
}

func (w *world) Stand(_ context.Context, id profile.ID) (f profile.Fragment, l []journey.Head, err error) {
	err = w.step("stand", func() error {
		f = w.fragments[id]
		for _, k := range slices.Sorted(maps.Keys(w.heads)) {
			if w.heads[k].Fragment == id {
				l = append(l, w.heads[k])
			}
		}
		return nil
	})
	return f, l, err
}

// Memberships: all are lost but who is found, as a tag says.
func (w *world) Memberships(_ context.Context, ids []profile.ID) (l []profile.Memberships, err error) {
	for _, id := range ids {
		m := profile.Memberships{Fragment: id}
		if !slices.Contains(w.fragments[id].State.TagList(), "found") {
			m.Segments = map[string]profile.Standing{"lost": {Since: 1}}
		}
		l = append(l, m)
	}
	return l, w.step("memberships", func() error { return nil })
}

// step is a call of a port.
func (w *world) step(name string, effect func() error) error {
	w.calls++
	n := w.calls
	if w.before != nil {
		if err := w.before(n, name); err != nil {
			return err
		}
	}
	if err := effect(); err != nil {
		return err
	}
	if w.after != nil {
		return w.after(n, name)
	}
	return nil
}

// definitions are those of a world.
type definitions struct{ *world }

func (w definitions) Load(_ context.Context, id string) (workspace.Workspace, error) {
	if id != w.def.ID {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	return w.def, nil // remembered for a minute: no call
}

func (w *world) Load(ctx context.Context, id profile.ID) (l []profile.Fragment, _ map[string]profile.Identity, err error) {
	return l, nil, w.step("load", func() error {
		groups, err := profile.Around(ctx, func(_ context.Context, ids []profile.ID) (l []profile.Fragment, err error) {
			for _, id := range ids {
				l = append(l, w.fragments[id])
			}
			return l, nil
		}, []profile.ID{id})
		if len(groups) > 0 {
			l = groups[0]
		}
		return err
	})
}

func (w *world) OlderOrders(_ context.Context, _ profile.ID, since time.Time) (l []profile.Order, err error) {
	return l, w.step("older", func() error {
		for _, o := range w.older {
			if o.At >= since.UnixMilli() {
				l = append(l, o)
			}
		}
		return nil
	})
}

func (w *world) Facts(_ context.Context, record string) ([]events.Fact, error) {
	return w.facts[record], w.step("facts", func() error { return nil })
}

func (w *world) Heads(_ context.Context, ids []profile.ID) (l []journey.Head, err error) {
	return l, w.step("heads", func() error {
		for _, k := range slices.Sorted(maps.Keys(w.heads)) {
			if slices.Contains(ids, w.heads[k].Fragment) {
				l = append(l, w.heads[k])
			}
		}
		return nil
	})
}

func at(parts ...any) string { return fmt.Sprint(parts...) }

func (w *world) Entry(_ context.Context, f profile.ID, name, id string) (e journey.Entry, err error) {
	return e, w.step("entry", func() error {
		e = w.entries[at(f, name, id)]
		return nil
	})
}

func (w *world) Commit(_ context.Context, s Step) error {
	return w.step("commit", func() error { return w.commit(s) })
}

func (w *world) commit(s Step) error {
	e, h := at(s.Entry.Fragment, s.Entry.Journey, s.Entry.ID), at(s.Head.Fragment, s.Head.Journey)
	ok := w.entries[e].Revision == s.Entry.Revision && w.heads[h].Revision == s.Head.Revision
	for _, o := range s.Others {
		ok = ok && w.heads[at(o.Fragment, o.Journey)].Revision == o.Revision
	}
	for _, v := range s.Vouchers {
		_, taken := w.used[v.Cause]
		ok = ok && w.free[v.Code] && !taken
	}
	if !ok && !w.sloppy {
		return profile.ErrLost
	}
	if s.News {
		w.news++
	}
	s.Entry.Revision++
	s.Head.Revision++
	w.entries[e], w.heads[h] = s.Entry, s.Head
	for _, v := range s.Vouchers {
		delete(w.free, v.Code)
		w.used[v.Cause] = v.Code
	}
	for _, m := range s.Messages {
		w.messages[m.ID] = m
	}
	for _, t := range s.Tasks {
		w.tasks[t.ID] = t
	}
	return nil
}

func (w *world) CommitHead(_ context.Context, h journey.Head) error {
	return w.step("head", func() error {
		k := at(h.Fragment, h.Journey)
		if w.heads[k].Revision != h.Revision {
			return profile.ErrLost
		}
		h.Revision++
		w.heads[k] = h
		return nil
	})
}

func (w *world) KeepJourney(_ context.Context, version string, d journey.Definition) error {
	return w.step("keep", func() error { w.kept[d.Journey.Name+version] = d; return nil })
}

func (w *world) KeptJourney(_ context.Context, name, version string) (d journey.Definition, err error) {
	return d, w.step("kept", func() error {
		var ok bool
		if d, ok = w.kept[name+version]; !ok {
			return errors.New("not kept")
		}
		return nil
	})
}

func (w *world) FindCode(_ context.Context, _, cause string) (code string, err error) {
	return code, w.step("find", func() error {
		if code = w.used[cause]; code == "" && len(w.free) > 0 {
			code = slices.Sorted(maps.Keys(w.free))[0]
		}
		return nil
	})
}

func (w *world) Properties(_ context.Context, f profile.ID, name, id string) (map[string]string, int64, error) {
	return w.wishes[at(f, name, id)], noon.UnixMilli(), w.step("wish", func() error { return nil })
}

func (w *world) Arm(_ context.Context, _, what string, at time.Time) error {
	return w.step("arm", func() error { w.armed[fmt.Sprintf("%d|%s", at.UnixMilli(), what)] = true; return nil })
}

func (w *world) Paused(_ context.Context, name string) (bool, error) {
	return w.paused[name], w.step("paused", func() error { return nil })
}

func (w *world) Hold(_ context.Context, _, _, what string) error {
	return w.step("hold", func() error {
		if !slices.Contains(w.held, what) {
			w.held = append(w.held, what)
		}
		return nil
	})
}

func (w *world) Tag(_ context.Context, _ string, t journey.Tagging) error {
	return w.step("tag", func() error { w.tags[t.Cause] = t; return nil })
}

// try gives the stage a message, and tells whether it was taken.
func (w *world) try(kind string, data any) bool {
	w.t.Helper()
	e, err := events.NewEnvelope("saigon", kind, w.now, data)
	if err != nil {
		w.t.Fatal(err)
	}
	body, err := events.ForQueue(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.invoke(body)
}

func (w *world) invoke(body string) bool {
	w.t.Helper()
	payload, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{MessageId: "m", Body: body}}})
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.stage.Invoke(w.t.Context(), payload)
	if err != nil {
		w.t.Fatal(err)
	}
	var r lambdaevents.SQSEventResponse
	if err := json.Unmarshal(out, &r); err != nil {
		w.t.Fatal(err)
	}
	return len(r.BatchItemFailures) == 0
}

// tell gives the stage a message twice; the second time changes nothing.
func (w *world) tell(kind string, data any) {
	w.t.Helper()
	if w.sloppy {
		w.try(kind, data)
		return
	}
	before := ""
	for range 2 {
		if !w.try(kind, data) {
			w.t.Fatalf("%s %v failed: %s", kind, data, w.log)
		}
		if before != "" && before != w.print() {
			w.t.Errorf("%s %v: the second time changes something\n%s\n%s", kind, data, before, w.print())
		}
		before = w.print()
	}
}

func (w *world) entered(segment string, cause events.Cause) {
	w.t.Helper()
	w.tell(events.SegmentEntered, events.Membership{Fragment: string(lan), Segment: segment, At: w.now.UnixMilli(), Cause: cause})
}

func (w *world) occurred(id profile.ID, what, record string) {
	w.t.Helper()
	o := events.Occurrence{What: what, Record: record, At: w.now.UnixMilli(), Message: w.message(what)}
	w.tell(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{{Fragment: string(id), Version: 1, Occurred: []events.Occurrence{o}}}})
}

// message is the first one, where an event is about one.
func (w *world) message(what string) string {
	for _, id := range slices.Sorted(maps.Keys(w.messages)) {
		if strings.HasPrefix(what, "message.") {
			return id
		}
	}
	return ""
}

// until lets time pass: what is armed comes at its moment, twice.
func (w *world) until(to time.Time) {
	w.t.Helper()
	for {
		var next time.Time
		var what string
		for _, k := range slices.Sorted(maps.Keys(w.armed)) {
			var ms int64
			text, rest, _ := strings.Cut(k, "|")
			if _, err := fmt.Sscan(text, &ms); err != nil {
				w.t.Fatal(err)
			}
			if t := time.UnixMilli(ms); what == "" || t.Before(next) {
				next, what = t, rest
			}
		}
		if what == "" || next.After(to) {
			w.now = to
			return
		}
		delete(w.armed, fmt.Sprintf("%d|%s", next.UnixMilli(), what))
		if next.After(w.now) {
			w.now = next
		}
		w.tell(events.DueReached, events.Due{What: what, At: next.UnixMilli()})
	}
}

// print is what matters of what is stored: not what is armed.
func (w *world) print() string {
	b, err := json.Marshal([]any{w.heads, w.entries, w.messages, w.tasks, w.tags, w.used, w.held})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) sent() (l []string) {
	for _, id := range slices.Sorted(maps.Keys(w.messages)) {
		l = append(l, strings.TrimSpace(w.messages[id].Template+" "+w.messages[id].Voucher.Code))
	}
	return l
}

// one is the only entry.
func (w *world) one() journey.Entry {
	w.t.Helper()
	if len(w.entries) != 1 {
		w.t.Fatalf("%d entries", len(w.entries))
	}
	for _, e := range w.entries {
		return e
	}
	return journey.Entry{}
}
