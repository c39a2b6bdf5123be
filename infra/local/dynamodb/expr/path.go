package expr

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// part is one step of a document path: a name, or an index into a list.
type part struct {
	name  string
	index int // or one of those below
}

const (
	isName     = -1 // the step goes by its name
	outOfRange = -2 // an index that no list has; name is its digits
)

func (p part) String() string {
	if p.index < 0 {
		return p.name
	}
	return "[" + strconv.Itoa(p.index) + "]"
}

// Path is a document path; it begins with a name.
type Path []part

// Root is the top-level attribute of a path.
func (p Path) Root() string { return p[0].name }

// String is the path as AWS writes it in errors: [m, a, [0]].
func (p Path) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.String()
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// compare orders paths step by step; indexes numerically.
func (p Path) compare(q Path) int {
	return slices.CompareFunc(p, q, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.name, b.name))
	})
}

// find returns what lies at the path.
func (p Path) find(item attr.Map) (attr.Value, bool) {
	v, ok := item[p[0].name]
	for _, s := range p[1:] {
		switch {
		case !ok:
			return attr.Value{}, false
		case s.index < 0:
			v, ok = v.Map[s.name] // the map of any other kind is nil
		case v.Kind == attr.L && s.index < len(v.List):
			v = v.List[s.index]
		default:
			return attr.Value{}, false
		}
	}
	return v, ok
}

// disjoint refuses paths of which one contains another, or which take one value for a list and for a map.
func disjoint(field string, paths []Path) error {
	for i, p := range paths {
		for _, q := range paths[:i] {
			n := 0
			for n < len(p) && n < len(q) && p[n] == q[n] {
				n++
			}
			clash := ""
			switch {
			case n == len(p) || n == len(q):
				clash = "overlap"
			case (p[n].index < 0) != (q[n].index < 0):
				clash = "conflict"
			default:
				continue
			}
			return refuse("Invalid " + field + ": Two document paths " + clash +
				" with each other; must remove or rewrite one of these paths; path one: " + q.String() +
				", path two: " + p.String())
		}
	}
	return nil
}

// roots lists the top-level attributes of paths.
func roots(paths []Path) []string {
	var names []string
	for _, p := range paths {
		if !slices.Contains(names, p.Root()) {
			names = append(names, p.Root())
		}
	}
	return names
}

// Projection picks parts of an item.
type Projection []Path

// Projection reads a ProjectionExpression.
func (b *Bindings) Projection(src string) (Projection, error) {
	p, err := newParser("ProjectionExpression", src)
	if err != nil {
		return nil, err
	}
	var paths Projection
	for {
		n, err := p.document()
		if err != nil {
			return nil, err
		}
		paths = append(paths, n.path)
		if !p.skip(",") {
			break
		}
	}
	if p.peek().kind != endToken {
		return nil, p.syntax()
	}
	c := checker{p.field, b}
	for _, path := range paths {
		if err := c.words(path); err != nil {
			return nil, err
		}
	}
	for _, path := range paths {
		if err := c.path(path); err != nil {
			return nil, err
		}
	}
	return paths, disjoint(p.field, paths)
}

// Roots lists the top-level attributes that the projection names.
func (p Projection) Roots() []string { return roots(p) }

// Apply returns the parts of the item that the projection names. List elements close up.
func (p Projection) Apply(item attr.Map) attr.Map {
	sorted := slices.Clone(p)
	slices.SortFunc(sorted, Path.compare)
	v, ok := pick(attr.Value{Kind: attr.M, Map: item}, sorted)
	if !ok {
		return attr.Map{}
	}
	return v.Map
}

// pick returns the parts of v that lie at the paths, which are in order, and whether there are any.
func pick(v attr.Value, paths []Path) (attr.Value, bool) {
	if len(paths[0]) == 0 {
		return v, true
	}
	picked := attr.Value{Kind: v.Kind}
	for len(paths) > 0 {
		step := paths[0][0]
		var below []Path
		for len(paths) > 0 && paths[0][0] == step {
			below = append(below, paths[0][1:])
			paths = paths[1:]
		}
		switch {
		case step.index >= 0 && v.Kind == attr.L && step.index < len(v.List):
			if e, ok := pick(v.List[step.index], below); ok {
				picked.List = append(picked.List, e)
			}
		case step.index < 0 && v.Kind == attr.M:
			child, ok := v.Map[step.name]
			if !ok {
				continue
			}
			if child, ok = pick(child, below); ok {
				if picked.Map == nil {
					picked.Map = attr.Map{}
				}
				picked.Map[step.name] = child
			}
		}
	}
	return picked, picked.List != nil || picked.Map != nil
}
