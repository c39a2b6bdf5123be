package unify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

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
	printed    *[16]byte // of what print gives, until the next write
	told       map[occurrence]int
}

// occurrence is what was told to have happened, and of whom.
type occurrence struct {
	fragment     profile.ID
	what, record string
}

// print is everything that is stored, as text.
func (t *table) print() string {
	var b strings.Builder
	for _, r := range slices.Sorted(maps.Keys(t.facts)) {
		fmt.Fprint(&b, r, slices.Sorted(maps.Keys(t.facts[r])))
	}
	fmt.Fprint(&b, t.index, t.fragments, t.older, t.identities)
	return b.String()
}

// digest tells tables apart.
func (t *table) digest() [16]byte {
	if t.printed == nil {
		d := sha256.Sum256([]byte(t.print()))
		t.printed = (*[16]byte)(d[:16])
	}
	return *t.printed
}

func (t *table) wrote() { t.printed = nil }

// clone copies the table. The maps inside are never changed in place, but for told.
func (t *table) clone() *table {
	return &table{maps.Clone(t.facts), maps.Clone(t.index), maps.Clone(t.fragments), maps.Clone(t.older), maps.Clone(t.identities), t.printed, t.told}
}

type stored struct {
	version int64
	body    string
}

func newTable() *table {
	return &table{map[string]map[string]events.Fact{}, map[profile.ID]map[string]bool{}, map[profile.ID]stored{},
		map[profile.ID]map[profile.Lookup]profile.Order{}, map[string]stored{}, nil, map[occurrence]int{}}
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

// fragment reads what is stored afresh: were a worker to reach into another's
// copy, the two would differ.
func (t *table) fragment(id profile.ID) profile.Fragment {
	f := profile.Fragment{ID: id, Version: t.fragments[id].version}
	load(t.fragments[id].body, &f)
	return f
}

func (t *table) identity(id string) profile.Identity {
	i := profile.Identity{ID: id, Version: t.identities[id].version}
	load(t.identities[id].body, &i)
	return i
}

// decoded are fragments by what is stored of them: decoding the same again and
// again would take most of the time. A worker gets a copy of its own.
var decoded = struct {
	sync.Mutex
	fragments map[string]profile.Fragment
}{fragments: map[string]profile.Fragment{}}

func loaded(id profile.ID, s stored) profile.Fragment {
	decoded.Lock()
	defer decoded.Unlock()
	f, known := decoded.fragments[s.body]
	if !known {
		load(s.body, &f)
		if len(decoded.fragments) > 20_000 {
			clear(decoded.fragments)
		}
		decoded.fragments[s.body] = f
	}
	f = f.Clone()
	f.ID, f.Version = id, s.version
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

// call is one call of a worker to the table: what it does there, what the worker
// sees of it, and that in words.
type call struct {
	name string
	run  func(t *table) (sees any, said string)
}

// hub is one worker's view of the table. It hands each call to the scheduler,
// which runs it, runs somebody else first, or kills the worker before it.
type hub struct {
	yield    func(call) bool
	sees     any // of the call that it handed over last
	bug      bug
	believed map[string][]events.Fact        // what it believes the log holds, for bugs
	read     map[profile.ID]string           // what it read last, for bugs
	own      map[profile.ID]profile.Fragment // what it wrote last, for bugs
}

func newHub(b bug) *hub {
	return &hub{bug: b, believed: map[string][]events.Fact{}, read: map[profile.ID]string{}, own: map[profile.ID]profile.Fragment{}}
}

// direct is a hub whose calls run on a table at once.
func direct(t *table) *hub {
	h := newHub("")
	h.yield = func(c call) bool {
		h.sees, _ = c.run(t)
		return true
	}
	return h
}

type killed struct{}

func (h *hub) do(name string, run func(t *table) (sees any, said string)) any {
	if !h.yield(call{name, run}) {
		panic(killed{})
	}
	return h.sees
}

func (h *hub) Facts(_ context.Context, record string) ([]events.Fact, error) {
	l, _ := h.do("facts "+record, func(t *table) (any, string) {
		var l []events.Fact
		ids := slices.Sorted(maps.Keys(t.facts[record]))
		for _, id := range ids {
			l = append(l, t.facts[record][id])
		}
		return l, strings.Join(ids, ";")
	}).([]events.Fact)
	if h.bug == logAfterState || h.bug == noSecondLook && len(h.own) > 0 {
		if old, ok := h.believed[record]; ok {
			return old, nil
		}
	}
	h.believed[record] = l
	return l, nil
}

func (h *hub) Known(_ context.Context, f events.Fact) (bool, error) {
	id, record := f.ID(), f.RecordKey()
	known := h.do("known "+id, func(t *table) (any, string) {
		old, ok := t.facts[record][id]
		known := ok && old.Received <= f.Received
		return known, fmt.Sprint(known)
	})
	return known == true, nil
}

func (h *hub) Put(_ context.Context, f events.Fact) error {
	id, r := f.ID(), f.RecordKey()
	h.do("put "+id, func(t *table) (any, string) {
		old, ok := t.facts[r][id]
		if !ok || f.Received < old.Received {
			t.facts[r] = maps.Clone(t.facts[r])
			if t.facts[r] == nil {
				t.facts[r] = map[string]events.Fact{}
			}
			t.facts[r][id] = f
			t.wrote()
		}
		return nil, ""
	})
	return nil
}

func (h *hub) Index(_ context.Context, id profile.ID, record string, _ int64) error {
	h.do("index "+string(id)+record, func(t *table) (any, string) {
		if !t.index[id][record] {
			t.index[id] = maps.Clone(t.index[id])
			if t.index[id] == nil {
				t.index[id] = map[string]bool{}
			}
			t.index[id][record] = true
			t.wrote()
		}
		return nil, ""
	})
	return nil
}

func (h *hub) Fragment(_ context.Context, id profile.ID) (profile.Fragment, error) {
	s := h.do("fragment "+string(id), func(t *table) (any, string) {
		s := t.fragments[id]
		return s, fmt.Sprint(s.version, s.body)
	}).(stored)
	if f, ok := h.own[id]; ok && h.bug == noSecondLook {
		return f, nil
	}
	h.read[id] = s.body
	return loaded(id, s), nil
}

func (h *hub) Older(_ context.Context, id profile.ID, own []profile.Lookup, ends bool) (profile.Older, error) {
	o := h.do("older "+string(id), func(t *table) (any, string) {
		var o profile.Older
		for _, l := range own {
			if x, ok := t.older[id][l]; ok {
				o.Own = &x
			}
		}
		if ends {
			l := slices.SortedFunc(maps.Values(t.older[id]), byPlace)
			for n := range min(2, len(l)) {
				o.Oldest, o.Newest = append(o.Oldest, l[n]), append(o.Newest, l[len(l)-1-n])
			}
		}
		return o, dump(o)
	})
	return o.(profile.Older), nil
}

func byPlace(a, b profile.Order) int {
	return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Record, b.Record))
}

func (h *hub) Commit(_ context.Context, f profile.Fragment, moves []profile.Move, changes []profile.Change, occurred ...events.Occurrence) error {
	if len(occurred) > 0 && len(changes) == 0 {
		panic("something occurred, and nothing changed that would announce it")
	}
	body := dump(f)
	if h.bug == noEpoch {
		f.Pending = maps.Clone(f.Pending)
		for i := range f.Pending {
			f.Pending[i] = 1
		}
		body = dump(f)
	}
	id, version, moves := f.ID, f.Version, slices.Clone(moves)
	if h.bug == onlyIfChanged && body == h.read[id] {
		return nil
	}
	now := h.do("commit "+string(id), func(t *table) (any, string) {
		old := t.fragments[id]
		if old.version != version && h.bug != noVersion {
			return stored{}, "lost"
		}
		t.fragments[id] = stored{old.version + 1, body}
		if t.older[id] = maps.Clone(t.older[id]); t.older[id] == nil {
			t.older[id] = map[profile.Lookup]profile.Order{}
		}
		for _, m := range moves {
			if at := (profile.Lookup{At: m.Order.At, Record: m.Order.Record}); m.Put {
				t.older[id][at] = m.Order
			} else {
				delete(t.older[id], at)
			}
		}
		for _, o := range occurred {
			t.told[occurrence{id, o.What, o.Record}]++
		}
		t.wrote()
		return t.fragments[id], fmt.Sprint("ok ", old.version)
	}).(stored)
	if now.version == 0 {
		clear(h.believed)
		return profile.ErrLost
	}
	if h.bug == noSecondLook {
		h.own[id] = loaded(id, now)
	}
	return nil
}

func (h *hub) Identity(_ context.Context, id string) (profile.Identity, error) {
	s := h.do("identity "+id, func(t *table) (any, string) {
		s := t.identities[id]
		return s, fmt.Sprint(s.version, s.body)
	}).(stored)
	i := profile.Identity{ID: id, Version: s.version}
	load(s.body, &i)
	return i, nil
}

func (h *hub) CommitIdentity(_ context.Context, i profile.Identity) error {
	body := dump(i)
	won := h.do("commit identity "+i.ID, func(t *table) (any, string) {
		old := t.identities[i.ID]
		if old.version != i.Version {
			return false, "lost"
		}
		t.identities[i.ID] = stored{old.version + 1, body}
		t.wrote()
		return true, "ok"
	})
	if won != true {
		return profile.ErrLost
	}
	return nil
}

// worker runs a task one call at a time. It always stands before a call, or is done.
type worker struct {
	call
	done bool
	err  error
	hub  *hub
	pull func() (call, bool)
	stop func()
}

// start makes a worker; it stands before its first call.
func start(b bug, rules profile.Rules, task func(Unifier) error) *worker {
	w := &worker{hub: newHub(b)}
	w.pull, w.stop = iter.Pull(func(yield func(call) bool) {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
			}
		}()
		w.hub.yield = yield
		w.err = task(Unifier{Hub: w.hub, Rules: rules, Pause: func(context.Context, int) error { return nil }})
	})
	w.feed(nil)
	return w
}

// feed gives a worker what it sees of its call, and lets it go on to the next.
func (w *worker) feed(sees any) {
	w.hub.sees = sees
	c, more := w.pull()
	w.call, w.done = c, !more
}

// step runs a worker's call on the table.
func (w *worker) step(t *table) {
	sees, _ := w.run(t)
	w.feed(sees)
}

func process(facts []events.Fact) func(Unifier) error { return inLane(facts, false) }

func inLane(facts []events.Fact, quiet bool) func(Unifier) error {
	return func(u Unifier) error {
		u.Quiet = quiet
		for n, err := range u.Process(context.Background(), facts) {
			return fmt.Errorf("fact %d: %w", n, err)
		}
		return nil
	}
}
