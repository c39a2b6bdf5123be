package expr

import (
	"strconv"
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// Limits of expressions (developer guide, "Quotas", expression parameters).
const (
	maxOperators = 300
	maxOperands  = 100 // of IN
	maxSteps     = 32  // of a document path
)

// function is what a function may be used for and with.
type function struct {
	whole    bool // it is a condition, or all that an action sets; otherwise an operand
	update   bool // it belongs to update expressions
	path     bool // its first operand is a document path
	operands int
}

var functions = map[string]function{
	"attribute_exists":     {whole: true, path: true, operands: 1},
	"attribute_not_exists": {whole: true, path: true, operands: 1},
	"attribute_type":       {whole: true, path: true, operands: 2},
	"begins_with":          {whole: true, operands: 2},
	"contains":             {whole: true, operands: 2},
	"size":                 {operands: 1},
	"if_not_exists":        {update: true, path: true, operands: 2},
	"list_append":          {whole: true, update: true, operands: 2},
}

// checker resolves the placeholders of a well-formed expression and refuses what makes no sense in it.
type checker struct {
	field string
	bind  *Bindings
}

func (c checker) refuse(message string) error { return refuse("Invalid " + c.field + ": " + message) }

// conditions checks a tree that must be a condition. Each pass goes over the whole tree, so that of several mistakes the
// one is named that AWS would name.
func (c checker) conditions(n *node) error {
	if err := c.shape(n, true); err != nil {
		return err
	}
	if err := c.condition(n); err != nil {
		return err
	}
	if n.operators() > maxOperators {
		return c.refuse(tooManyOperators)
	}
	return nil
}

var tooManyOperators = "The expression contains too many operators; operator count: " + strconv.Itoa(maxOperators+1)

// shape refuses what is wrong whatever the placeholders stand for: functions in the wrong place, reserved words, indexes
// out of range. Whole says that the node is a condition, or all that an action sets.
func (c checker) shape(n *node, whole bool) error {
	if n.kind == pathNode {
		return c.words(n.path)
	}
	if n.kind == callNode {
		if err := c.place(n.op, whole); err != nil {
			return err
		}
	}
	for _, k := range n.kids {
		if err := c.shape(k, whole && (n.kind == notNode || n.kind == logicNode)); err != nil {
			return err
		}
	}
	return nil
}

// place refuses a function where it does not belong.
func (c checker) place(name string, whole bool) error {
	f, ok := functions[name]
	update := c.field == updateField
	switch {
	case !ok:
		return c.refuse("Invalid function name; function: " + name)
	case f.update && !update:
		return c.refuse("The function is not allowed in a condition expression; function: " + name)
	case !f.update && update:
		return c.refuse("The function is not allowed in an update expression; function: " + name)
	case f.whole && !whole, !f.whole && whole && !update:
		return c.refuse("The function is not allowed to be used this way in an expression; function: " + name)
	}
	return nil
}

// words refuses reserved words and indexes that no list has.
func (c checker) words(p Path) error {
	for _, s := range p {
		switch {
		case s.index == outOfRange:
			return c.refuse("List index is not within the allowable range; index: [" + s.name + "]")
		case s.index == isName && reserved[strings.ToUpper(s.name)]:
			return c.refuse("Attribute name is a reserved keyword; reserved keyword: " + s.name)
		}
	}
	return nil
}

func (n *node) operators() int {
	count := 0
	if n.kind != pathNode && n.kind != valueNode {
		count = 1
	}
	for _, k := range n.kids {
		count += k.operators()
	}
	return count
}

func (c checker) condition(n *node) error {
	switch n.kind {
	case callNode:
		return c.call(n)
	case notNode, logicNode:
		for _, k := range n.kids {
			if err := c.condition(k); err != nil {
				return err
			}
		}
		return nil
	}
	for _, k := range n.kids {
		if err := c.operand(k); err != nil {
			return err
		}
	}
	if n.op == "<" || n.op == "<=" || n.op == ">" || n.op == ">=" || n.kind == betweenNode {
		for _, k := range n.kids {
			if err := c.kinds(n.op, k, attr.S, attr.N, attr.B); err != nil {
				return err
			}
		}
	}
	if err := c.distinct(n); err != nil {
		return err
	}
	switch {
	case n.kind == betweenNode:
		return c.bounds(n.kids[1], n.kids[2])
	case n.kind == inNode && len(n.kids)-1 > maxOperands:
		return c.refuse("The IN operator is provided with too many operands; number of operands: " +
			strconv.Itoa(len(n.kids)-1))
	}
	return nil
}

func (c checker) operand(n *node) error {
	switch n.kind {
	case pathNode:
		return c.path(n.path)
	case valueNode:
		v, ok := c.bind.values[n.op]
		if !ok {
			return c.refuse("An expression attribute value used in expression is not defined; attribute value: " + n.op)
		}
		c.bind.used[n.op] = true
		n.value = v
		return nil
	case sumNode:
		for _, k := range n.kids {
			if err := c.operand(k); err != nil {
				return err
			}
			if err := c.kinds(n.op, k, attr.N); err != nil {
				return err
			}
		}
		return nil
	}
	return c.call(n)
}

// path resolves the names of a document path in place.
func (c checker) path(p Path) error {
	if len(p) > maxSteps {
		return c.refuse("The document path has too many nesting levels; nesting levels: " + strconv.Itoa(len(p)))
	}
	for i, s := range p {
		if s.index != isName || !strings.HasPrefix(s.name, "#") {
			continue
		}
		name, ok := c.bind.names[s.name]
		if !ok {
			return c.refuse("An expression attribute name used in the document path is not defined; attribute name: " + s.name)
		}
		c.bind.used[s.name] = true
		p[i].name = name
	}
	return nil
}

func (c checker) call(n *node) error {
	for _, k := range n.kids {
		if err := c.operand(k); err != nil {
			return err
		}
	}
	f := functions[n.op]
	if len(n.kids) != f.operands {
		return c.refuse("Incorrect number of operands for operator or function; operator or function: " + n.op +
			", number of operands: " + strconv.Itoa(len(n.kids)))
	}
	if f.path && n.kids[0].kind != pathNode {
		return c.refuse("Operator or function requires a document path; operator or function: " + n.op)
	}
	return c.operands(n)
}

// operands checks the kinds of a function's operands, as far as they are known before any item is.
func (c checker) operands(n *node) error {
	var allowed []attr.Kind
	switch n.op {
	case "attribute_type":
		if err := c.distinct(n); err != nil {
			return err
		}
		return c.typeName(n.kids[1])
	case "contains":
		return c.distinct(n)
	case "begins_with":
		if err := c.distinct(n); err != nil {
			return err
		}
		allowed = []attr.Kind{attr.S, attr.B}
	case "size":
		allowed = []attr.Kind{attr.S, attr.B, attr.SS, attr.NS, attr.BS, attr.L, attr.M}
	case "list_append":
		allowed = []attr.Kind{attr.L}
	default:
		return nil
	}
	for _, k := range n.kids {
		if err := c.kinds(n.op, k, allowed...); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) typeName(n *node) error {
	if err := c.kinds("attribute_type", n, attr.S); err != nil {
		return err
	}
	if n.kind != valueNode { // the type must be a value, which AWS says in words of its own storage
		return c.refuse("Incorrect operand type for operator or function; operator or function: attribute_type, operand type: " +
			"{DOUBLESET,DECIMALSET,B,NULL,DECIMAL,S,DOUBLE,DICT,N,HD,INTSET,BS,L,M,BOOL,SS,INT,FLOAT,NS,HDS,FS}")
	}
	if _, ok := attr.ParseKind(n.value.Text); !ok {
		return c.refuse("Invalid attribute type name found; type: " + n.value.Text +
			", valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}")
	}
	return nil
}

// static is the kind that an operand has for every item, if there is one.
func (n *node) static() attr.Kind {
	switch {
	case n.kind == valueNode:
		return n.value.Kind
	case n.kind == callNode && n.op == "size", n.kind == sumNode:
		return attr.N
	case n.kind == callNode && n.op == "list_append":
		return attr.L
	}
	return attr.None
}

func (c checker) kinds(op string, n *node, allowed ...attr.Kind) error {
	kind := n.static()
	if kind == attr.None {
		return nil
	}
	for _, k := range allowed {
		if k == kind {
			return nil
		}
	}
	return c.refuse("Incorrect operand type for operator or function; operator or function: " + op +
		", operand type: " + kind.String())
}

// distinct refuses an operator that compares a path with itself.
func (c checker) distinct(n *node) error {
	first := n.kids[0]
	if first.kind != pathNode {
		return nil
	}
	for _, k := range n.kids[1:] {
		if k.kind == pathNode && first.path.compare(k.path) == 0 {
			return c.refuse("The first operand must be distinct from the remaining operands for this operator or " +
				"function; operator: " + n.op + ", first operand: " + first.path.String())
		}
	}
	return nil
}

// bounds checks the two bounds of BETWEEN where both are values.
func (c checker) bounds(low, high *node) error {
	if low.kind != valueNode || high.kind != valueNode {
		return nil
	}
	order, same := low.value.Compare(high.value)
	if same && order <= 0 {
		return nil
	}
	rule := "upper bound to be greater than or equal to lower bound"
	if !same {
		rule = "same data type for lower and upper bounds"
	}
	return c.refuse("The BETWEEN operator requires " + rule + "; lower bound operand: AttributeValue: " +
		plain(low.value) + ", upper bound operand: AttributeValue: " + plain(high.value))
}

// plain writes a scalar as AWS does in errors: {N:2}.
func plain(v attr.Value) string {
	text := v.Text
	if v.Kind == attr.N {
		text = v.Num.String()
	}
	return "{" + v.Kind.String() + ":" + text + "}"
}
