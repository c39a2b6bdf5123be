package segment

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

const (
	lan  = profile.ID("caaaaaaaaaaaaaaaaaaaaaaaa")
	form = profile.ID("gbbbbbbbbbbbbbbbbbbbbbbbb")
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// table is the Hub in memory.
type table struct {
	fragments map[profile.ID]profile.Fragment
	older     map[profile.ID][]profile.Order
	kept      map[profile.ID]profile.Memberships
	dues      []events.Due
	said      []string // announcements, in the order of their commits
	failed    []string // messages that the queue gives again
}

func newTable() *table {
	return &table{map[profile.ID]profile.Fragment{}, map[profile.ID][]profile.Order{}, map[profile.ID]profile.Memberships{}, nil, nil, nil}
}

func (t *table) clone() *table {
	return &table{maps.Clone(t.fragments), maps.Clone(t.older), maps.Clone(t.kept), slices.Clone(t.dues), slices.Clone(t.said), nil}
}

// write changes a fragment, as unify does.
func (t *table) write(id profile.ID, change func(f *profile.Fragment)) {
	f := t.fragments[id].Clone()
	f.ID, f.Version = id, f.Version+1
	change(&f)
	t.fragments[id] = f
}

func tags(l ...string) func(f *profile.Fragment) {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	return func(f *profile.Fragment) {
		f.State.Snapshot = &profile.Register{Version: f.Version, Value: events.Text(string(b))}
	}
}

func bought(id string, at time.Time) func(f *profile.Fragment) {
	return func(f *profile.Fragment) {
		o := profile.Order{At: at.UnixMilli(), Record: "shop|order|" + id, Total: 100, Currency: "VND"}
		f.State.Settle(12, o.Record, &o, profile.Older{})
	}
}

func members(l ...profile.ID) func(f *profile.Fragment) {
	return func(f *profile.Fragment) { f.SetMembers(l) }
}

// changed is the event that tells of a fragment as it stands now.
func (t *table) changed(id profile.ID) string {
	f := t.fragments[id]
	return queued(events.ProfileChanged, events.ProfileChanges{Changes: []events.ProfileChange{
		{Fragment: string(id), Version: f.Version, Profile: string(f.Profile()[0]), Parts: []string{"tags"}}}})
}

func due(id profile.ID, at time.Time) string {
	return queued(events.DueReached, events.Due{What: string(id), At: at.UnixMilli()})
}

func queued(kind string, data any) string {
	e, err := events.NewEnvelope("saigon", kind, noon, data)
	if err != nil {
		panic(err)
	}
	body, err := events.ForQueue(e)
	if err != nil {
		panic(err)
	}
	return body
}

// bug is a mistake planted into the protocol, to see that the tests catch it.
type bug string

const (
	noVersion bug = "no version condition"
	lateArm   bug = "armed after the state"
	lateKept  bug = "the profile read before what is kept"
	notHeld   bug = "no look at others who decided"
	notMarked bug = "other fragments' memberships left as they are"
)

// hub is one worker's view of the table. do runs a call, or has somebody else run first.
type hub struct {
	do    func(run func(t *table))
	bug   bug
	early map[profile.ID]profile.Fragment // what it read too early, for bugs
	armed []events.Due                    // for bugs
	fail  func(call string) error
}

func (h *hub) failing(call string) error {
	if h.fail == nil {
		return nil
	}
	return h.fail(call)
}

func (h *hub) Load(_ context.Context, id profile.ID) (l []profile.Fragment, _ map[string]profile.Identity, err error) {
	h.do(func(t *table) {
		all := t.fragments
		if h.bug == lateKept {
			all = h.early
		}
		f, there := all[id]
		if !there {
			return
		}
		for _, m := range f.Profile() {
			if o, there := all[m]; there {
				l = append(l, o.Clone())
			}
		}
	})
	return l, nil, h.failing("load")
}

func (h *hub) OlderOrders(_ context.Context, id profile.ID, since time.Time) (l []profile.Order, err error) {
	h.do(func(t *table) {
		for _, o := range t.older[id] {
			if o.At >= since.UnixMilli() {
				l = append(l, o)
			}
		}
	})
	return l, h.failing("older")
}

func (h *hub) Memberships(_ context.Context, ids []profile.ID) (l []profile.Memberships, err error) {
	if h.bug == lateKept {
		h.do(func(t *table) { h.early = maps.Clone(t.fragments) })
	}
	h.do(func(t *table) {
		for _, id := range ids {
			m := t.kept[id]
			m.Fragment = id
			l = append(l, m)
		}
	})
	return l, h.failing("memberships")
}

func (h *hub) CommitMemberships(_ context.Context, m profile.Memberships, emptied, held []profile.Memberships, l []events.Announcement) (err error) {
	h.do(func(t *table) {
		if h.bug == notHeld {
			held = nil
		}
		for _, one := range slices.Concat(emptied, held, []profile.Memberships{m}) {
			if t.kept[one.Fragment].Version != one.Version && h.bug != noVersion {
				err = profile.ErrLost
				return
			}
		}
		if h.bug == notMarked {
			emptied = nil
		}
		for _, e := range emptied {
			t.kept[e.Fragment] = profile.Memberships{Fragment: e.Fragment, Version: e.Version + 1, Into: m.Fragment}
		}
		m.Version++
		t.kept[m.Fragment] = m
		for _, a := range l {
			var d events.Membership
			if err := json.Unmarshal(a.Data, &d); err != nil {
				panic(err)
			}
			t.said = append(t.said, fmt.Sprintf("%s%s %s %s", map[string]string{events.SegmentEntered: "+", events.SegmentLeft: "-"}[a.Type], d.Segment, d.Cause, d.Fragment[:1]))
		}
	})
	if h.bug == lateArm {
		h.do(func(t *table) { t.dues = append(t.dues, h.armed...) })
	}
	if err == nil {
		err = h.failing("commit")
	}
	return err
}

func (h *hub) Arm(_ context.Context, id profile.ID, at time.Time) error {
	d := events.Due{What: string(id), At: at.UnixMilli()}
	if h.bug == lateArm {
		h.armed = []events.Due{d}
		return nil
	}
	h.do(func(t *table) { t.dues = append(t.dues, d) })
	return h.failing("arm")
}

// definitions are those of one workspace.
type definitions map[string]string

func (d definitions) Load(_ context.Context, id string) (workspace.Workspace, error) {
	if id != "saigon" {
		return workspace.Workspace{}, workspace.ErrUnknown
	}
	w := workspace.Workspace{ID: id, Zone: "Asia/Ho_Chi_Minh", Segments: map[string]workspace.Segment{}}
	for name, when := range d {
		w.Segments[name] = workspace.Segment{Name: name, When: when}
	}
	return w, nil
}

// stage makes the stage before a hub.
func stage(d Definitions, h Hub, now func() time.Time, log io.Writer) *Stage {
	s := New(Config{Definitions: d, Hub: func(string) Hub { return h }, Now: now, Log: telemetry.New(log, "segment"),
		Pause: func(_ context.Context, n int) error {
			if n == 2 {
				return context.DeadlineExceeded
			}
			return nil
		}})
	if d, ok := d.(definitions); ok && maps.Equal(d, rules) {
		s.compiled["saigon"] = compiledRules() // compiling takes longer than a play
	}
	return s
}

var compiledRules = sync.OnceValue(func() compiled {
	w, _ := rules.Load(context.Background(), "saigon")
	l, err := segment.CompileAll(w)
	if err != nil {
		panic(err)
	}
	return compiled{w.Zone, w.Segments, l}
})

// handle gives the stage messages and tells which of them failed.
func handle(s *Stage, bodies ...string) (failed []string) {
	var e lambdaevents.SQSEvent
	for n, b := range bodies {
		e.Records = append(e.Records, lambdaevents.SQSMessage{MessageId: fmt.Sprint(n), Body: b})
	}
	r, err := s.Handle(context.Background(), e)
	if err != nil {
		panic(err)
	}
	for _, f := range r.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	return failed
}

// world is the stage before a table that nobody else works on.
type world struct {
	*table
	t     *testing.T
	defs  definitions
	hub   *hub
	stage *Stage
	now   time.Time
	log   strings.Builder
}

func newWorld(t *testing.T, d definitions) *world {
	w := &world{table: newTable(), t: t, defs: d, now: noon}
	w.hub = &hub{do: func(run func(*table)) { run(w.table) }}
	w.stage = stage(w.defs, w.hub, func() time.Time { return w.now }, &w.log)
	return w
}

// gives hands messages over, each twice, and holds what was announced to want.
func (w *world) gives(want string, bodies ...string) {
	w.t.Helper()
	w.said = nil
	for _, b := range bodies {
		for range 2 {
			if failed := handle(w.stage, b); failed != nil {
				w.t.Errorf("%s failed: %s", b, w.log.String())
			}
		}
	}
	if got := strings.Join(w.said, ", "); got != want {
		w.t.Errorf("announced %q, want %q", got, want)
	}
}

// worker runs a task one call at a time. It always stands before a call, or is done.
type worker struct {
	task func(h *hub)
	call func(t *table)
	done bool
	pull func() (func(t *table), bool)
	stop func()
}

type killed struct{}

func start(b bug, task func(h *hub)) *worker {
	w := &worker{task: task}
	w.pull, w.stop = iter.Pull(func(yield func(func(t *table)) bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
			}
		}()
		task(&hub{bug: b, do: func(run func(t *table)) {
			if !yield(run) {
				panic(killed{})
			}
		}})
	})
	w.next()
	return w
}

func (w *worker) next() {
	call, more := w.pull()
	w.call, w.done = call, !more
}
