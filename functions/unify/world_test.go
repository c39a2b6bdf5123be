package unify

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/shared/profile"
)

// table is the Hub in memory, in the shape of the real one: whole items, each
// written under its version. Everything is stored as bytes, so that no worker
// can reach into another's copy.
type table struct {
	facts      map[string]map[string]events.Fact
	index      map[profile.ID]map[string]bool
	fragments  map[profile.ID]stored
	older      map[profile.ID]map[profile.Lookup]profile.Order
	identities map[string]stored
	writes     int
	printed    string // of print, until the next write
}

// print is everything that is stored, as text.
func (t *table) print() string {
	if t.printed == "" {
		var b strings.Builder
		for _, r := range slices.Sorted(maps.Keys(t.facts)) {
			fmt.Fprint(&b, r, slices.Sorted(maps.Keys(t.facts[r])))
		}
		fmt.Fprint(&b, t.index, t.fragments, t.older, t.identities)
		t.printed = b.String()
	}
	return t.printed
}

func (t *table) wrote(n int) { t.writes, t.printed = t.writes+n, "" }

type stored struct {
	version int64
	body    string
}

func newTable() *table {
	return &table{map[string]map[string]events.Fact{}, map[profile.ID]map[string]bool{}, map[profile.ID]stored{},
		map[profile.ID]map[profile.Lookup]profile.Order{}, map[string]stored{}, 0, ""}
}

// rest is what the table holds, to be compared.
func (t *table) rest() unifytest.Rest {
	r := unifytest.NewRest()
	for id := range t.fragments {
		r.Fragments[id] = t.fragment(id)
	}
	for id := range t.identities {
		r.Identities[id] = t.identity(id)
	}
	r.Older, r.Index = t.older, t.index
	return r
}

func (t *table) fragment(id profile.ID) profile.Fragment {
	return loaded(id, t.fragments[id].version, t.fragments[id].body)
}

func (t *table) identity(id string) profile.Identity {
	i := profile.Identity{ID: id, Version: t.identities[id].version}
	load(t.identities[id].body, &i)
	return i
}

func loaded(id profile.ID, version int64, body string) profile.Fragment {
	f := profile.Fragment{ID: id, Version: version}
	load(body, &f)
	return f
}

func load(s string, v any) {
	if s == "" {
		return
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		panic(err)
	}
}

func dump(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// bug is a mistake planted into the protocol, to see that the tests catch it.
type bug string

const (
	noSecondLook  bug = "no second look"
	noVersion     bug = "no version condition"
	onlyIfChanged bug = "members written only if changed"
	noEpoch       bug = "pending without epoch"
	logAfterState bug = "the log read before the fragment"
)

// hub is one worker's view of the table. Before every call it yields to the
// scheduler, which may run somebody else or kill the worker there.
type hub struct {
	*table
	yield    func(struct{}) bool
	bug      bug
	saw      *memory
	believed map[string][]events.Fact        // what it believes the log holds, for bugs
	read     map[profile.ID]string           // what it read last, for bugs
	own      map[profile.ID]profile.Fragment // what it wrote last, for bugs
}

type killed struct{}

func (h *hub) step(call string) {
	// Nobody reads the index here, so writing it commutes with everything: it is no
	// moment of its own.
	if call != "index" && !h.yield(struct{}{}) {
		panic(killed{})
	}
	if h.saw != nil {
		h.saw.call(call)
	}
}

func (h *hub) note(v any) {
	if h.saw != nil {
		h.saw.look += fmt.Sprint(v, ";")
	}
}

// memory is what a deterministic worker still knows: what it planned by, and
// what it saw since it last began to look at a fragment. What it saw before has
// no influence any more, but for the count of lost races.
type memory struct {
	plan, look string
	settling   bool
	wrote      bool // by its last call
}

func (m *memory) call(name string) {
	m.wrote = strings.HasPrefix(name, "put ") || strings.HasPrefix(name, "commit ")
	switch {
	case strings.HasPrefix(name, "put "): // it puts what it puts, whatever it saw
		m.look = ""
	case strings.HasPrefix(name, "fragment "):
		if !m.settling {
			m.plan, m.settling = m.look, true
		}
		m.look = ""
	case strings.HasPrefix(name, "facts ") && !m.settling:
		m.look = ""
	}
	m.look += name + ";"
}

func (h *hub) Facts(_ context.Context, record string) ([]events.Fact, error) {
	h.step("facts " + record)
	var l []events.Fact
	for _, id := range slices.Sorted(maps.Keys(h.facts[record])) {
		l = append(l, h.facts[record][id])
		h.note(id)
	}
	if h.bug == logAfterState || h.bug == noSecondLook && len(h.own) > 0 {
		if old, ok := h.believed[record]; ok {
			return old, nil
		}
	}
	h.believed[record] = l
	return l, nil
}

func (h *hub) Known(_ context.Context, f events.Fact) (bool, error) {
	h.step("known " + f.ID())
	old, ok := h.facts[f.RecordKey()][f.ID()]
	h.note(ok)
	return ok && old.Received <= f.Received, nil
}

func (h *hub) Put(_ context.Context, f events.Fact) error {
	h.step("put " + f.ID())
	r := f.RecordKey()
	if h.facts[r] == nil {
		h.facts[r] = map[string]events.Fact{}
	}
	if old, ok := h.facts[r][f.ID()]; !ok || f.Received < old.Received {
		h.facts[r][f.ID()] = f
	}
	h.table.wrote(1)
	return nil
}

func (h *hub) Index(_ context.Context, id profile.ID, record string, _ int64) error {
	h.step("index")
	if h.index[id] == nil {
		h.index[id] = map[string]bool{}
	}
	h.index[id][record] = true
	h.table.wrote(1)
	return nil
}

func (h *hub) Fragment(_ context.Context, id profile.ID) (profile.Fragment, error) {
	h.step("fragment " + string(id))
	h.note(h.fragments[id])
	if f, ok := h.own[id]; ok && h.bug == noSecondLook {
		return f, nil
	}
	h.read[id] = h.fragments[id].body
	return h.fragment(id), nil
}

func (h *hub) Older(_ context.Context, id profile.ID, own []profile.Lookup, ends bool) (profile.Older, error) {
	h.step("older " + string(id))
	var o profile.Older
	for _, l := range own {
		if x, ok := h.older[id][l]; ok {
			o.Own = &x
		}
	}
	if ends {
		l := slices.SortedFunc(maps.Values(h.older[id]), func(a, b profile.Order) int {
			if a.At != b.At {
				return int(a.At - b.At)
			}
			return strings.Compare(a.Record, b.Record)
		})
		for n := range min(2, len(l)) {
			o.Oldest, o.Newest = append(o.Oldest, l[n]), append(o.Newest, l[len(l)-1-n])
		}
	}
	h.note(dump(o))
	return o, nil
}

func (h *hub) Commit(_ context.Context, f profile.Fragment, moves []profile.Move, _ []profile.Change) error {
	h.step("commit " + string(f.ID))
	old := h.fragments[f.ID]
	body := dump(f)
	if h.bug == onlyIfChanged && body == h.read[f.ID] {
		return nil
	}
	if h.bug == noEpoch {
		f.Pending = maps.Clone(f.Pending)
		for i := range f.Pending {
			f.Pending[i] = 1
		}
		body = dump(f)
	}
	if old.version != f.Version && h.bug != noVersion {
		h.note("lost")
		clear(h.believed)
		return profile.ErrLost
	}
	h.note("ok")
	if h.bug == noSecondLook {
		h.own[f.ID] = loaded(f.ID, old.version+1, body)
	}
	h.fragments[f.ID] = stored{old.version + 1, body}
	if h.older[f.ID] == nil {
		h.older[f.ID] = map[profile.Lookup]profile.Order{}
	}
	for _, m := range moves {
		if at := (profile.Lookup{At: m.Order.At, Record: m.Order.Record}); m.Put {
			h.older[f.ID][at] = m.Order
		} else {
			delete(h.older[f.ID], at)
		}
	}
	h.table.wrote(1 + len(moves))
	return nil
}

func (h *hub) Identity(_ context.Context, id string) (profile.Identity, error) {
	h.step("identity " + id)
	h.note(h.identities[id])
	return h.identity(id), nil
}

func (h *hub) CommitIdentity(_ context.Context, i profile.Identity) error {
	h.step("commit identity " + i.ID)
	old := h.identities[i.ID]
	if old.version != i.Version {
		h.note("lost")
		return profile.ErrLost
	}
	h.note("ok")
	h.identities[i.ID] = stored{old.version + 1, dump(i)}
	h.table.wrote(1)
	return nil
}

// worker runs a task one call at a time.
type worker struct {
	next func() (struct{}, bool)
	stop func()
	saw  *memory
	err  error
}

// start makes a worker on the table; it stands before its first call.
func start(t *table, b bug, task func(Unifier) error, rules profile.Rules, record bool) *worker {
	w := &worker{}
	if record {
		w.saw = &memory{}
	}
	w.next, w.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
			}
		}()
		h := &hub{table: t, yield: yield, bug: b, saw: w.saw,
			believed: map[string][]events.Fact{}, read: map[profile.ID]string{}, own: map[profile.ID]profile.Fragment{}}
		w.err = task(Unifier{Hub: h, Rules: rules, Pause: func(context.Context, int) error { return nil }})
	})
	return w
}
