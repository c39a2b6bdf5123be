package expr

import (
	"slices"
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// Update changes an item.
type Update struct{ actions []action }

// action is one change: a path, and for all but REMOVE an operand.
type action struct {
	clause  string // SET, REMOVE, ADD, DELETE
	path    Path
	operand *node
}

// Errors that depend on the item.
const (
	badPath    = "The document path provided in the update expression is invalid for update"
	badOperand = "An operand in the update expression has an incorrect data type"
	noOperand  = "The provided expression refers to an attribute that does not exist in the item"
)

const updateField = "UpdateExpression"

// Update reads an UpdateExpression.
func (b *Bindings) Update(src string) (Update, error) {
	p, err := newParser(updateField, src)
	if err != nil {
		return Update{}, err
	}
	p.update = true
	u, err := p.clauses()
	if err != nil {
		return Update{}, err
	}
	return u, checker{updateField, b}.update(u)
}

// update checks a well-formed update, pass by pass, since of several mistakes one is named: paths before operands, and
// within a pass the last first.
func (c checker) update(u Update) error {
	operators := 0
	for _, a := range u.actions {
		if err := c.words(a.path); err != nil {
			return err
		}
		if a.operand == nil {
			continue
		}
		if err := c.shape(a.operand, true); err != nil {
			return err
		}
		operators += a.operand.operators()
	}
	for _, a := range slices.Backward(u.actions) {
		if err := c.path(a.path); err != nil {
			return err
		}
	}
	if err := disjoint(updateField, u.Paths()); err != nil {
		return err
	}
	for _, a := range slices.Backward(u.actions) {
		if err := c.action(a); err != nil {
			return err
		}
	}
	if operators > maxOperators {
		return c.refuse(tooManyOperators)
	}
	return nil
}

func (p *parser) clauses() (Update, error) {
	var u Update
	seen := map[string]bool{}
	for len(u.actions) == 0 || p.peek().kind != endToken {
		clause := strings.ToUpper(p.peek().text)
		if !clauses[clause] {
			return u, p.syntax()
		}
		if seen[clause] {
			return u, refuse("Invalid " + p.field + `: The "` + clause +
				`" section can only be used once in an update expression;`)
		}
		seen[clause] = true
		p.take()
		for {
			a, err := p.action(clause)
			if err != nil {
				return u, err
			}
			u.actions = append(u.actions, a)
			if !p.skip(",") {
				break
			}
		}
	}
	if p.redundant {
		return u, refuse("Invalid " + p.field + ": The expression has redundant parentheses;")
	}
	return u, nil
}

func (p *parser) action(clause string) (action, error) {
	a := action{clause: clause}
	target, err := p.document()
	if err != nil {
		return a, err
	}
	a.path = target.path
	switch clause {
	case "SET":
		if !p.skip("=") {
			return a, p.syntax()
		}
		a.operand, err = p.sum()
	case "ADD", "DELETE":
		if p.peek().kind != valueToken {
			return a, p.syntax()
		}
		a.operand, err = p.prefix()
	}
	return a, err
}

// longNames are the kinds as ADD and DELETE call them in errors.
var longNames = map[attr.Kind]string{
	attr.S: "STRING", attr.N: "NUMBER", attr.B: "BINARY", attr.Bool: "BOOLEAN", attr.Null: "NULL", attr.M: "MAP", attr.L: "LIST",
}

func (c checker) action(a action) error {
	if a.operand == nil {
		return nil
	}
	if err := c.operand(a.operand); err != nil {
		return err
	}
	kind := a.operand.value.Kind
	if a.clause == "SET" || kind.Set() || a.clause == "ADD" && kind == attr.N {
		return nil
	}
	return c.refuse("Incorrect operand type for operator or function; operator: " + a.clause + ", operand type: " +
		longNames[kind] + ", typeSet: ALLOWED_FOR_" + a.clause + "_OPERAND")
}

// Paths lists what the update changes, as a projection of it.
func (u Update) Paths() Projection {
	paths := make(Projection, len(u.actions))
	for i, a := range u.actions {
		paths[i] = a.path
	}
	return paths
}

// Apply returns the changed item. Every operand is read from the item as it was. The item itself stays as it is. Of
// several actions that fail, the one is named whose path comes first.
func (u Update) Apply(item attr.Map) (attr.Map, error) {
	type write struct {
		path  Path
		value attr.Value // None removes
	}
	actions := slices.Clone(u.actions)
	slices.SortFunc(actions, func(a, b action) int { return a.path.compare(b.path) })
	var sets, removals []write
	for _, a := range actions {
		if err := a.path.reach(item); err != nil {
			return nil, err
		}
		v, err := a.outcome(item)
		if err != nil {
			return nil, err
		}
		if v.Kind == attr.None {
			removals = append(removals, write{path: a.path})
		} else {
			sets = append(sets, write{a.path, v})
		}
	}
	// In order of indexes, elements beyond the end of a list are appended in order; and removals from the last to
	// the first find every element where it was.
	slices.Reverse(removals)
	changed := attr.Value{Kind: attr.M, Map: item}
	for _, w := range append(sets, removals...) {
		changed = put(changed, w.path, w.value)
	}
	return changed.Map, nil
}

// reach refuses a path whose last step has nothing to stand on.
func (p Path) reach(item attr.Map) error {
	v := attr.Value{Kind: attr.M, Map: item}
	for i, step := range p {
		var ok bool
		switch {
		case step.index < 0 && v.Kind == attr.M:
			v, ok = v.Map[step.name]
		case step.index >= 0 && v.Kind == attr.L:
			if ok = step.index < len(v.List); ok {
				v = v.List[step.index]
			}
		default:
			return refuse(badPath)
		}
		if !ok && i < len(p)-1 {
			return refuse(badPath)
		}
	}
	return nil
}

// outcome is the value that the action leaves at its path; None if it leaves nothing.
func (a action) outcome(item attr.Map) (attr.Value, error) {
	if a.clause == "REMOVE" {
		return attr.Value{}, nil
	}
	v, err := a.operand.evaluate(item)
	if err != nil || a.clause == "SET" {
		return v, err
	}
	old, ok := a.path.find(item)
	switch {
	case !ok && a.clause == "ADD":
		return v, nil
	case !ok:
		return attr.Value{}, nil
	case old.Kind != v.Kind:
		return attr.Value{}, refuse(badOperand)
	case v.Kind == attr.N:
		sum, err := old.Num.Add(v.Num)
		return attr.NumberValue(sum), err
	case a.clause == "ADD":
		return old.Union(v), nil
	}
	if rest := old.Without(v); len(rest.List) > 0 {
		return rest, nil
	}
	return attr.Value{}, nil
}

// evaluate computes an operand of SET.
func (n *node) evaluate(item attr.Map) (attr.Value, error) {
	switch {
	case n.kind == pathNode:
		v, ok := n.path.find(item)
		if !ok {
			return v, refuse(noOperand)
		}
		return v, nil
	case n.kind == valueNode:
		return n.value, nil
	case n.op == "if_not_exists":
		if v, ok := n.kids[0].path.find(item); ok {
			return v, nil
		}
		return n.kids[1].evaluate(item)
	}
	x, err := n.kids[0].evaluate(item)
	if err != nil {
		return x, err
	}
	y, err := n.kids[1].evaluate(item)
	if err != nil {
		return y, err
	}
	if n.op == "list_append" {
		if x.Kind != attr.L || y.Kind != attr.L {
			return x, refuse(badOperand)
		}
		return attr.Value{Kind: attr.L, List: slices.Concat(x.List, y.List)}, nil
	}
	if x.Kind != attr.N || y.Kind != attr.N {
		return x, refuse(badOperand)
	}
	if n.op == "-" {
		y.Num = y.Num.Negated()
	}
	sum, err := x.Num.Add(y.Num)
	return attr.NumberValue(sum), err
}

// put returns v with a value set, or removed if it is None, at a path that it reaches. What lies along the path is copied.
func put(v attr.Value, path Path, value attr.Value) attr.Value {
	step, last := path[0], len(path) == 1
	if step.index < 0 {
		if !last {
			value = put(v.Map[step.name], path[1:], value)
		}
		v.Map = with(v.Map, step.name, value)
		return v
	}
	if !last {
		value = put(v.List[step.index], path[1:], value)
	}
	inside := step.index < len(v.List)
	switch {
	case inside && value.Kind != attr.None:
		v.List = slices.Clone(v.List)
		v.List[step.index] = value
	case inside:
		v.List = slices.Delete(slices.Clone(v.List), step.index, step.index+1)
	case value.Kind != attr.None:
		v.List = append(slices.Clip(v.List), value)
	}
	return v
}

// with returns a copy of m in which name has the value, or is missing if the value is None.
func with(m attr.Map, name string, value attr.Value) attr.Map {
	c := make(attr.Map, len(m)+1)
	for k, v := range m {
		c[k] = v
	}
	if value.Kind == attr.None {
		delete(c, name)
	} else {
		c[name] = value
	}
	return c
}
