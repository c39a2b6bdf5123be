package callsite

import (
	"fmt"
	"go/ast"
	"go/types"
	"strings"
)

// node is a function, a function literal, the initial value of a package's variable, or a value that a field of a function
// type is given.
type node struct {
	name     string // "shared/aws/hub.Workspace.Commit"; literals and values have that of the function around them
	room     *room
	exported bool
	mentions []*node          // what it may cause to run
	abstract []method         // methods of interfaces that it mentions
	fields   []*types.Var     // fields of function types whose value it mentions, and parameters and variables that are put into such
	calls    map[request]bool // what it asks of others than the module
}

// method is one of an interface.
type method struct {
	of   *types.Interface
	name string
	from *types.Package // whose name it is, if it is not exported
}

// request is an operation of a service, or a request to a system outside.
type request struct{ service, operation string }

// graph is who may cause whom to run.
type graph struct {
	*house
	sdk       string // prefix of the SDK's packages of services
	functions map[*types.Func]*node
	variables map[*types.Var]*node
	given     map[*types.Var][]*node // values of fields, parameters and variables
	errs      []error
}

func newGraph(h *house, sdk string) *graph {
	g := &graph{house: h, sdk: sdk, functions: map[*types.Func]*node{}, variables: map[*types.Var]*node{},
		given: map[*types.Var][]*node{}}
	for _, r := range h.packages {
		g.declare(r)
	}
	for _, r := range h.packages {
		g.read(r)
	}
	return g
}

func (g *graph) node(r *room, name string, exported bool) *node {
	return &node{name: name, room: r, exported: exported, calls: map[request]bool{}}
}

// declare makes nodes of a package's functions and variables.
func (g *graph) declare(r *room) {
	scope := r.types.Scope()
	for _, name := range scope.Names() {
		if v, ok := scope.Lookup(name).(*types.Var); ok {
			g.variables[v] = g.node(r, g.short(r.path)+"."+name, false)
		}
	}
	for _, o := range r.info.Defs {
		if f, ok := o.(*types.Func); ok {
			g.functions[f] = g.node(r, g.short(r.path)+"."+plain(f), f.Exported())
		}
	}
}

// plain is a function's name after its package's: Workspace.Commit.
func plain(f *types.Func) string {
	receiver := f.Signature().Recv()
	if receiver == nil {
		return f.Name()
	}
	t := receiver.Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name() + "." + f.Name()
	}
	return f.Name()
}

// read fills the nodes of a package.
func (g *graph) read(r *room) {
	for _, file := range r.syntax {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if f, ok := r.info.Defs[d.Name].(*types.Func); ok && d.Body != nil {
					g.visit(reading{g, g.functions[f]}, d.Body)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok {
						g.readVariables(r, v)
					}
				}
			}
		}
	}
}

func (g *graph) readVariables(r *room, s *ast.ValueSpec) {
	for i, name := range s.Names {
		v, ok := r.info.Defs[name].(*types.Var)
		if !ok || len(s.Values) == 0 {
			continue
		}
		n := g.variables[v]
		if n == nil { // it is called _
			n = g.node(r, g.short(r.path)+"._", false)
		}
		value := s.Values[min(i, len(s.Values)-1)]
		g.visit(reading{g, n}, value)
	}
}

func (g *graph) visit(into reading, n ast.Node) { ast.Walk(into, n) }

// reading notes in a node what a piece of code mentions.
type reading struct {
	*graph
	into *node
}

// Visit implements ast.Visitor.
func (r reading) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.FuncLit:
		inner := r.node(r.into.room, r.into.name, r.into.exported)
		r.into.mentions = append(r.into.mentions, inner)
		r.visit(reading{r.graph, inner}, n.Body)
		return nil
	case *ast.CompositeLit:
		return r.composite(n)
	case *ast.AssignStmt:
		return r.assign(n)
	case *ast.CallExpr:
		return r.call(n)
	case *ast.ValueSpec:
		if len(n.Names) == len(n.Values) {
			for i, name := range n.Names {
				r.keep(name, n.Values[i])
			}
			return nil
		}
	case *ast.SelectorExpr:
		if s := r.into.room.info.Selections[n]; s != nil {
			r.selected(s)
			r.visit(r, n.X)
			return nil
		}
	case *ast.Ident:
		r.used(r.into.room.info.Uses[n])
	}
	return r
}

// composite reads a literal of a struct: its fields of function types are given values.
func (r reading) composite(n *ast.CompositeLit) ast.Visitor {
	s := structOf(r.into.room.info.TypeOf(n))
	if s == nil {
		return r
	}
	for i, e := range n.Elts {
		value, field := e, (*types.Var)(nil)
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			value = pair.Value
			if key, ok := pair.Key.(*ast.Ident); ok {
				field, _ = r.into.room.info.Uses[key].(*types.Var)
			}
		} else {
			field = s.Field(i)
		}
		r.give(field, value)
	}
	if n.Type != nil {
		r.visit(r, n.Type)
	}
	return nil
}

// structOf is the struct that a literal makes; the & of an element's pointer is left out in a list of them.
func structOf(t types.Type) *types.Struct {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, _ := t.Underlying().(*types.Struct)
	return s
}

func (r reading) assign(n *ast.AssignStmt) ast.Visitor {
	if len(n.Lhs) != len(n.Rhs) {
		return r
	}
	for i, left := range n.Lhs {
		switch left := left.(type) {
		case *ast.SelectorExpr:
			var field *types.Var
			if chosen := r.into.room.info.Selections[left]; chosen != nil {
				field, _ = chosen.Obj().(*types.Var)
			}
			r.give(field, n.Rhs[i])
			r.visit(r, left.X)
		case *ast.Ident:
			r.keep(left, n.Rhs[i])
		default:
			r.visit(r, left)
			r.visit(r, n.Rhs[i])
		}
	}
	return nil
}

// keep reads what a variable of a function is given, which may run at once.
func (r reading) keep(name *ast.Ident, value ast.Expr) {
	v, ok := r.into.room.info.Defs[name].(*types.Var)
	if !ok {
		v, ok = r.into.room.info.Uses[name].(*types.Var)
	}
	if !ok || !function(v.Type()) {
		r.visit(r, value)
		return
	}
	r.into.mentions = append(r.into.mentions, r.value(v, value))
}

// give notes what a field is given. What a function's field is given runs where the field is mentioned, and not here.
func (r reading) give(field *types.Var, value ast.Expr) {
	if field == nil || !function(field.Type()) {
		r.visit(r, value)
		return
	}
	r.value(field.Origin(), value)
}

// call reads a call: parameters of function types are given values, too. These may run in the function that is called, or
// where that one puts them.
func (r reading) call(n *ast.CallExpr) ast.Visitor {
	s, ok := r.into.room.info.TypeOf(n.Fun).(*types.Signature)
	r.visit(r, n.Fun)
	for i, a := range n.Args {
		if ok && i < s.Params().Len() && function(s.Params().At(i).Type()) {
			// What was itself passed is mentioned by whoever passed it first.
			if n := r.value(s.Params().At(i).Origin(), a); r.local(a) == nil {
				r.into.mentions = append(r.into.mentions, n)
			}
			continue
		}
		r.visit(r, a)
	}
	return nil
}

// value notes what a field, parameter or variable of a function type is given. Where that is a parameter or variable, it
// is what these are given.
func (r reading) value(of *types.Var, value ast.Expr) *node {
	n := r.node(r.into.room, r.into.name, r.into.exported)
	r.given[of] = append(r.given[of], n)
	if v := r.local(value); v != nil {
		n.fields = append(n.fields, v)
		return n
	}
	r.visit(reading{r.graph, n}, value)
	return n
}

// local is the parameter or variable of a function that a value is; nil: it is none.
func (r reading) local(value ast.Expr) *types.Var {
	id, ok := value.(*ast.Ident)
	if !ok {
		return nil
	}
	v, ok := r.into.room.info.Uses[id].(*types.Var)
	if !ok || r.variables[v] != nil {
		return nil
	}
	return v
}

func function(t types.Type) bool {
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

// selected notes a method or field, x.f.
func (r reading) selected(s *types.Selection) {
	f, ok := s.Obj().(*types.Func)
	if !ok {
		r.used(s.Obj())
		return
	}
	if of, ok := s.Recv().Underlying().(*types.Interface); ok {
		r.abstractly(of, f)
		return
	}
	r.used(f)
}

// used notes a function, method, variable or field.
func (r reading) used(o types.Object) {
	switch o := o.(type) {
	case *types.Var:
		switch {
		case o.IsField() && function(o.Type()):
			r.into.fields = append(r.into.fields, o.Origin())
		case r.variables[o] != nil:
			r.into.mentions = append(r.into.mentions, r.variables[o])
		}
	case *types.Func:
		if receiver := o.Signature().Recv(); receiver != nil {
			if of, ok := receiver.Type().Underlying().(*types.Interface); ok {
				r.abstractly(of, o)
				return
			}
		}
		if n := r.functions[o.Origin()]; n != nil {
			r.into.mentions = append(r.into.mentions, n)
			return
		}
		r.foreign(o)
	}
}

// abstractly notes a method of an interface. Of others' interfaces one is a call: it carries a request to somebody outside.
func (r reading) abstractly(of *types.Interface, f *types.Func) {
	if f.FullName() == "(net/http.RoundTripper).RoundTrip" {
		r.into.calls[request{Outside, ""}] = true
		return
	}
	if f.Pkg() != nil && r.packages[f.Pkg().Path()] != nil {
		r.into.abstract = append(r.into.abstract, method{of, f.Name(), f.Pkg()})
	}
}

// foreign notes a function of somebody else's, if it is an operation of a service.
func (r reading) foreign(f *types.Func) {
	if f.Pkg() == nil {
		return
	}
	name := plain(f)
	if f.Pkg().Path() == "net/http" && (strings.HasPrefix(name, "Client.") || name == "Get" || name == "Post" || name == "PostForm" || name == "Head") {
		r.errs = append(r.errs, fmt.Errorf("%s calls net/http's %s; requests to systems outside go through an http.RoundTripper", r.into.name, name))
	}
	service, ok := strings.CutPrefix(f.Pkg().Path(), r.sdk)
	if !ok || strings.Contains(service, "/") {
		return
	}
	operation, ok := strings.CutPrefix(name, "Client.")
	if pages, paginates := strings.CutSuffix(name, "Paginator"); paginates {
		operation, ok = strings.CutPrefix(pages, "New")
	}
	if ok && operation != "Options" {
		r.into.calls[request{service, operation}] = true
	}
	if strings.HasSuffix(name, "Waiter") {
		r.errs = append(r.errs, fmt.Errorf("%s uses %s.%s, whose operations can't be told; call them yourself", r.into.name, service, name))
	}
}
