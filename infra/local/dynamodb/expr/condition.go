package expr

import (
	"strings"
	"unicode/utf16"

	"loophub/infra/local/dynamodb/attr"
)

// Condition decides about an item. Its zero value holds for every item.
type Condition struct{ root *node }

// Condition reads a ConditionExpression or FilterExpression, which of them field says.
func (b *Bindings) Condition(field, src string) (Condition, error) {
	root, err := b.tree(field, src)
	return Condition{root}, err
}

func (b *Bindings) tree(field, src string) (*node, error) {
	p, err := newParser(field, src)
	if err != nil {
		return nil, err
	}
	root, err := p.whole()
	if err != nil {
		return nil, err
	}
	return root, checker{field, b}.conditions(root)
}

// Holds says whether the condition is true of the item; a missing item is an empty one.
func (c Condition) Holds(item attr.Map) bool { return c.root == nil || c.root.holds(item) }

// Paths lists what the condition reads.
func (c Condition) Paths() []Path {
	if c.root == nil {
		return nil
	}
	return c.root.paths(nil)
}

func (n *node) paths(found []Path) []Path {
	if n.kind == pathNode {
		found = append(found, n.path)
	}
	for _, k := range n.kids {
		found = k.paths(found)
	}
	return found
}

func (n *node) holds(item attr.Map) bool {
	switch n.kind {
	case notNode:
		return !n.kids[0].holds(item)
	case logicNode:
		if n.op == "AND" {
			return n.kids[0].holds(item) && n.kids[1].holds(item)
		}
		return n.kids[0].holds(item) || n.kids[1].holds(item)
	case callNode:
		return n.decides(item)
	}
	x, present := n.kids[0].of(item)
	if n.kind == compareNode {
		y, ok := n.kids[1].of(item)
		return compares(n.op, x, y, present && ok)
	}
	if !present {
		return false
	}
	if n.kind == betweenNode {
		low, ok1 := n.kids[1].of(item)
		high, ok2 := n.kids[2].of(item)
		return compares(">=", x, low, ok1) && compares("<=", x, high, ok2)
	}
	for _, k := range n.kids[1:] { // IN
		if y, ok := k.of(item); ok && x.Equal(y) {
			return true
		}
	}
	return false
}

// compares applies a comparator. A missing operand equals nothing: only <> is true of it.
func compares(op string, x, y attr.Value, present bool) bool {
	switch op {
	case "=":
		return present && x.Equal(y)
	case "<>":
		return !present || !x.Equal(y)
	}
	order, comparable := x.Compare(y)
	if !present || !comparable {
		return false
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// decides evaluates a function that is a condition.
func (n *node) decides(item attr.Map) bool {
	x, present := n.kids[0].of(item)
	switch n.op {
	case "attribute_exists":
		return present
	case "attribute_not_exists":
		return !present
	}
	y, ok := n.kids[1].of(item)
	if !present || !ok {
		return false
	}
	switch n.op {
	case "attribute_type":
		return y.Kind == attr.S && x.Kind.String() == y.Text
	case "begins_with":
		return x.Kind == y.Kind && (x.Kind == attr.S || x.Kind == attr.B) && strings.HasPrefix(x.Text, y.Text)
	}
	return contains(x, y)
}

func contains(x, y attr.Value) bool {
	switch {
	case x.Kind == attr.L:
		for _, e := range x.List {
			if e.Equal(y) {
				return true
			}
		}
		return false
	case x.Kind.Set():
		return x.Contains(y)
	case x.Kind == attr.S || x.Kind == attr.B:
		return y.Kind == x.Kind && strings.Contains(x.Text, y.Text)
	}
	return false
}

// of evaluates an operand of a condition, and says whether it is present.
func (n *node) of(item attr.Map) (attr.Value, bool) {
	switch n.kind {
	case pathNode:
		return n.path.find(item)
	case valueNode:
		return n.value, true
	}
	v, ok := n.kids[0].of(item) // size is the one function that is an operand here
	if !ok {
		return attr.Value{}, false
	}
	size, ok := extent(v)
	return attr.NumberValue(attr.Int(int64(size))), ok
}

// extent is what size() gives: strings count UTF-16 units, as DynamoDB Local does; AWS says only "the length".
func extent(v attr.Value) (int, bool) {
	switch v.Kind {
	case attr.S:
		return len(utf16.Encode([]rune(v.Text))), true
	case attr.B:
		return len(v.Text), true
	case attr.M:
		return len(v.Map), true
	case attr.L, attr.SS, attr.NS, attr.BS:
		return len(v.List), true
	}
	return 0, false
}
