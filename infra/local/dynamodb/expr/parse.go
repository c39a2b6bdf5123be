package expr

import (
	"strconv"
	"strings"

	"loophub/infra/local/dynamodb/attr"
)

// nodeKind says what a node of the tree is.
type nodeKind uint8

const (
	pathNode    nodeKind = iota // a document path
	valueNode                   // a :placeholder
	callNode                    // op(kids…); whether it is an operand or a condition, its name decides
	sumNode                     // kids[0] op kids[1], op is + or -
	compareNode                 // kids[0] op kids[1]
	betweenNode                 // kids[0] BETWEEN kids[1] AND kids[2]
	inNode                      // kids[0] IN (kids[1:]…)
	notNode                     // NOT kids[0]
	logicNode                   // kids[0] op kids[1], op is AND or OR
)

// node is one node of an expression's tree.
type node struct {
	kind    nodeKind
	op      string // operator, function, or the placeholder of a value
	kids    []*node
	path    Path
	value   attr.Value
	grouped bool // stands in parentheses
}

// operand says whether the node can only be a value, never a condition.
func (n *node) operand() bool { return n.kind == pathNode || n.kind == valueNode || n.kind == sumNode }

// condition says whether the node can only be a condition.
func (n *node) condition() bool { return n.kind >= compareNode }

// Binding powers, weakest first.
const (
	anyPower = iota
	orPower
	andPower
	notPower
	comparePower
	operandPower
)

// maxLength is the longest expression in bytes.
const maxLength = 4096

// parser is a Pratt parser over one expression.
type parser struct {
	field     string // "ConditionExpression"…, for errors
	src       string
	tokens    []token
	at        int
	update    bool // in an update, parentheses hold sums and not conditions
	within    int  // functions and sums of an update around the next token; in them, parentheses hold no sum
	redundant bool // doubled parentheses were seen
}

func newParser(field, src string) (*parser, error) {
	if src == "" {
		return nil, refuse("Invalid " + field + ": The expression can not be empty;")
	}
	if len(src) > maxLength {
		return nil, refuse("Invalid " + field +
			": Expression size has exceeded the maximum allowed size; expression size: " + strconv.Itoa(len(src)))
	}
	return &parser{field: field, src: src, tokens: lex(src)}, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// is says whether the next token is the symbol.
func (p *parser) is(symbol string) bool {
	t := p.peek()
	return t.kind == symbolToken && t.text == symbol
}

// word says whether the next token is the keyword, in any case.
func (p *parser) word(keyword string) bool {
	t := p.peek()
	return t.kind == wordToken && strings.EqualFold(t.text, keyword)
}

// skip steps over the symbol, if it is next.
func (p *parser) skip(symbol string) bool {
	if !p.is(symbol) {
		return false
	}
	p.at++
	return true
}

// syntax refuses the next token. AWS shows it with its neighbours on either side.
func (p *parser) syntax() error {
	t := p.peek()
	start, end := 0, t.end
	if p.at > 0 {
		start = p.tokens[p.at-1].start
	}
	if t.kind != endToken && p.tokens[p.at+1].kind != endToken {
		end = p.tokens[p.at+1].end
	}
	return refuse("Invalid " + p.field + `: Syntax error; token: "` + t.text + `", near: "` + p.src[start:end] + `"`)
}

// whole reads a condition that takes up the whole source.
func (p *parser) whole() (*node, error) {
	n, err := p.parse(anyPower)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != endToken || n.operand() {
		return nil, p.syntax()
	}
	if p.redundant {
		return nil, refuse("Invalid " + p.field + ": The expression has redundant parentheses;")
	}
	return n, nil
}

// parse reads an expression whose operators all bind stronger than power.
func (p *parser) parse(power int) (*node, error) {
	if power >= comparePower && p.word("NOT") {
		return nil, p.syntax()
	}
	left, err := p.prefix()
	for err == nil {
		var next int
		switch {
		case p.word("OR"):
			next = orPower
		case p.word("AND"):
			next = andPower
		case p.word("BETWEEN"), p.word("IN"), comparator(p.peek()):
			next = comparePower
		}
		if next <= power {
			return left, nil
		}
		left, err = p.infix(left, next)
	}
	return nil, err
}

func comparator(t token) bool {
	if t.kind != symbolToken {
		return false
	}
	switch t.text {
	case "=", "<>", "<", "<=", ">", ">=":
		return true
	}
	return false
}

func (p *parser) prefix() (*node, error) {
	t := p.peek()
	switch {
	case p.word("NOT") && !p.update:
		p.take()
		kid, err := p.parse(notPower)
		if err != nil {
			return nil, err
		}
		if kid.operand() {
			return nil, p.syntax()
		}
		return &node{kind: notNode, op: "NOT", kids: []*node{kid}}, nil
	case p.is("("):
		return p.group()
	case t.kind == valueToken:
		p.take()
		return &node{kind: valueNode, op: t.text}, nil
	case t.kind == wordToken && p.tokens[p.at+1].text == "(":
		p.take()
		kids, err := p.list()
		return &node{kind: callNode, op: t.text, kids: kids}, err
	}
	return p.document()
}

func (p *parser) group() (*node, error) {
	p.take()
	var n *node
	var err error
	switch {
	case p.within > 0:
		n, err = p.prefix()
	case p.update:
		n, err = p.sum()
	default:
		n, err = p.parse(anyPower)
	}
	if err != nil {
		return nil, err
	}
	if !p.skip(")") {
		return nil, p.syntax()
	}
	p.redundant = p.redundant || n.grouped
	n.grouped = true
	return n, nil
}

// list reads "(operand, …)".
func (p *parser) list() ([]*node, error) {
	if !p.skip("(") {
		return nil, p.syntax()
	}
	if p.update {
		p.within++
		defer func() { p.within-- }()
	}
	var kids []*node
	for {
		n, err := p.value()
		if err != nil {
			return nil, err
		}
		kids = append(kids, n)
		if p.skip(")") {
			return kids, nil
		}
		if !p.skip(",") {
			return nil, p.syntax()
		}
	}
}

// value reads an operand.
func (p *parser) value() (*node, error) {
	n, err := p.parse(operandPower)
	if err == nil && n.condition() {
		return nil, p.syntax()
	}
	return n, err
}

func (p *parser) infix(left *node, power int) (*node, error) {
	if power == comparePower {
		if left.condition() {
			return nil, p.syntax()
		}
		return p.comparison(left)
	}
	if left.operand() {
		return nil, p.syntax()
	}
	op := strings.ToUpper(p.take().text)
	right, err := p.parse(power)
	if err != nil {
		return nil, err
	}
	if right.operand() {
		return nil, p.syntax()
	}
	return &node{kind: logicNode, op: op, kids: []*node{left, right}}, nil
}

func (p *parser) comparison(left *node) (*node, error) {
	op := p.take()
	switch strings.ToUpper(op.text) {
	case "IN":
		kids, err := p.list()
		return &node{kind: inNode, op: "IN", kids: append([]*node{left}, kids...)}, err
	case "BETWEEN":
		low, err := p.value()
		if err != nil {
			return nil, err
		}
		if !p.word("AND") {
			return nil, p.syntax()
		}
		p.take()
		high, err := p.value()
		return &node{kind: betweenNode, op: "BETWEEN", kids: []*node{left, low, high}}, err
	}
	right, err := p.value()
	return &node{kind: compareNode, op: op.text, kids: []*node{left, right}}, err
}

// sum reads an operand, or two with + or - between them.
func (p *parser) sum() (*node, error) {
	left, err := p.prefix()
	if err != nil || left.kind == sumNode || !p.is("+") && !p.is("-") {
		return left, err // a sum has two terms, even in parentheses
	}
	op := p.take().text
	p.within++
	right, err := p.prefix()
	p.within--
	return &node{kind: sumNode, op: op, kids: []*node{left, right}}, err
}

// keywords cannot stand in a document path; clauses cannot in that of an update.
var (
	keywords = map[string]bool{"AND": true, "OR": true, "NOT": true, "BETWEEN": true, "IN": true}
	clauses  = map[string]bool{"SET": true, "REMOVE": true, "ADD": true, "DELETE": true}
)

// document reads a document path. Names are resolved when the whole expression is known to be well formed.
func (p *parser) document() (*node, error) {
	n := &node{kind: pathNode}
	for {
		t := p.peek()
		word := strings.ToUpper(t.text)
		if t.kind != wordToken && t.kind != nameToken || keywords[word] || p.update && clauses[word] {
			return nil, p.syntax()
		}
		p.take()
		n.path = append(n.path, part{name: t.text, index: isName})
		for p.skip("[") {
			t := p.peek()
			if t.kind != numberToken {
				return nil, p.syntax()
			}
			p.take()
			step := part{name: t.text, index: outOfRange}
			if index, err := strconv.ParseInt(t.text, 10, 32); err == nil {
				step = part{index: int(index)}
			}
			if !p.skip("]") {
				return nil, p.syntax()
			}
			n.path = append(n.path, step)
		}
		if !p.skip(".") {
			return n, nil
		}
	}
}
