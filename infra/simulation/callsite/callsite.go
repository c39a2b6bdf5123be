// Package callsite lists by reading the code from where each stage calls an operation of AWS or a system outside. It is
// what the matrix of faults has to reach: infra/local/sim names calls the same way while they run, see sim.SiteOf.
//
// Its rules are simple and take in too much rather than too little:
//
//   - a function may run whatever it mentions: functions and methods, called or not, literals, variables of packages;
//   - a method of an interface of the module is that of every type that implements the interface and is declared in a
//     package which the stage's wiring imports, directly or not; methods that come by an embedded field count;
//   - a field of a function type is whatever any code gives it, and runs where the field is mentioned;
//   - a stage begins with New of its wiring, and with the method Invoke of its own, by which Lambda calls it;
//   - an operation is a method of the Client of a package of the SDK; a request outside is RoundTrip of net/http.
//
// What can't be told so is an error, and not left out: a field that is given an element of a list, a waiter of the SDK, a
// client of net/http.
package callsite

import (
	"cmp"
	"errors"
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// Site is a place from which a stage calls.
type Site struct {
	Stage     string // "unify"
	Caller    string // the function of the stage for which the call is made: "functions/unify.Unifier.commit"
	Function  string // the innermost exported function of an adapter or connector around the call: "shared/aws/hub.Workspace.Commit"
	Service   string // as the SDK names its package, or Outside
	Operation string // "PutItem"; "" for Outside
}

// Outside is the service of requests that go to no service of AWS.
const Outside = "outside"

func (s Site) String() string {
	return strings.Join([]string{s.Stage, s.Caller, s.Function, s.Service, s.Operation}, " ")
}

// Compare orders sites by their words.
func Compare(a, b Site) int {
	return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Function, b.Function),
		cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
}

const (
	sdk    = "github.com/aws/aws-sdk-go-v2/service/"
	rooms  = "functions/"
	wiring = "/wiring"
	mains  = "/lambda"
)

// List lists all sites of all stages of the module in a folder, in order.
func List(dir, module string) ([]Site, error) {
	h, err := load(dir, module, module+"/"+rooms+"..."+wiring, module+"/"+rooms+"..."+mains)
	if err != nil {
		return nil, err
	}
	return newGraph(h, sdk).sites()
}

func (g *graph) sites() ([]Site, error) {
	found := map[Site]bool{}
	for _, path := range slices.Sorted(maps.Keys(g.packages)) {
		stage, ok := strings.CutSuffix(strings.TrimPrefix(path, g.module+rooms), wiring)
		if ok && !strings.Contains(stage, "/") {
			w := walk{graph: g, stage: stage, scope: g.within(path), found: found, seen: map[state]bool{}, typed: map[string][]*node{}}
			if err := w.run(path); err != nil {
				return nil, err
			}
		}
	}
	return slices.SortedFunc(maps.Keys(found), Compare), errors.Join(g.errs...)
}

// walk goes through what one stage may run.
type walk struct {
	*graph
	stage string
	scope map[string]bool // packages
	found map[Site]bool
	seen  map[state]bool
	typed map[string][]*node // methods by interface and name
}

// state is a node, and how it was come by.
type state struct {
	at               *node
	caller, function string
}

func (w *walk) run(path string) error {
	begin := declared(w.packages[path], "New")
	if begin == nil {
		return fmt.Errorf("%s has no function New", path)
	}
	w.enter(w.functions[begin], state{})
	for f, n := range w.functions {
		if n.room.path == w.module+rooms+w.stage && f.Name() == "Invoke" && f.Signature().Recv() != nil {
			w.enter(n, state{})
		}
	}
	return nil
}

func declared(r *room, name string) *types.Func {
	f, _ := r.types.Scope().Lookup(name).(*types.Func)
	return f
}

// enter goes on to a node, by its rules of naming: see sim.SiteOf.
func (w *walk) enter(n *node, from state) {
	s := state{at: n, caller: from.caller, function: from.function}
	switch place := w.short(n.room.path); {
	case place == rooms+w.stage:
		s.caller, s.function = n.name, ""
	case n.exported && (strings.HasPrefix(place, "shared/aws/") || strings.HasPrefix(place, "connectors/")):
		s.function = n.name
	}
	if w.seen[s] {
		return
	}
	w.seen[s] = true
	for r := range n.calls {
		if s.caller == "" { // before any invocation, if at all
			continue
		}
		w.found[Site{w.stage, s.caller, s.function, r.service, r.operation}] = true
	}
	for _, m := range n.mentions {
		if w.scope[m.room.path] {
			w.enter(m, s)
		}
	}
	for _, f := range n.fields {
		if !f.IsField() && len(w.given[f]) == 0 {
			w.errs = append(w.errs, fmt.Errorf("%s: it can't be told which function %s is", w.files.Position(f.Pos()), f.Name()))
		}
		for _, m := range w.given[f] {
			if w.scope[m.room.path] {
				w.enter(m, s)
			}
		}
	}
	for _, m := range n.abstract {
		for _, m := range w.methods(m) {
			w.enter(m, s)
		}
	}
}

// methods are those that a method of an interface may be.
func (w *walk) methods(m method) []*node {
	key := m.of.String() + " " + m.name
	if l, known := w.typed[key]; known {
		return l
	}
	w.typed[key] = nil // an interface that is embedded may lead back to here
	var l []*node
	for path := range w.scope {
		scope := w.packages[path].types.Scope()
		for _, name := range scope.Names() {
			if t, ok := scope.Lookup(name).(*types.TypeName); ok && !t.IsAlias() {
				l = append(l, w.method(t.Type(), m)...)
			}
		}
	}
	w.typed[key] = l
	return l
}

// method is one of a type, if the type is what the interface asks for.
func (w *walk) method(t types.Type, m method) []*node {
	named, ok := t.(*types.Named)
	if !ok || named.TypeParams().Len() > 0 || types.IsInterface(t) {
		return nil
	}
	p := types.NewPointer(t)
	if !types.Implements(p, m.of) {
		return nil
	}
	o, _, _ := types.LookupFieldOrMethod(p, true, m.from, m.name)
	f, ok := o.(*types.Func)
	if !ok {
		return nil
	}
	if receiver := f.Signature().Recv(); receiver != nil {
		if of, ok := receiver.Type().Underlying().(*types.Interface); ok { // by an interface that is embedded
			return w.methods(method{of, m.name, m.from})
		}
	}
	if n := w.functions[f.Origin()]; n != nil {
		return []*node{n}
	}
	return nil
}
