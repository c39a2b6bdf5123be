package expr

import "loophub/infra/local/dynamodb/attr"

// KeyTest is one condition of a KeyConditionExpression: the attribute, the operator (=, <, <=, >, >=, BETWEEN,
// begins_with), and one value, or two for BETWEEN.
type KeyTest struct {
	Name   string
	Op     string
	Values []attr.Value
}

// KeyCondition is a KeyConditionExpression that was read.
type KeyCondition struct{ root *node }

// Key reads a KeyConditionExpression.
func (b *Bindings) Key(src string) (KeyCondition, error) {
	root, err := b.tree("KeyConditionExpression", src)
	return KeyCondition{root}, err
}

// Tests are the tests that the condition joins by AND. Key says whether a name is one of the key's; whether the tests fit
// them, the caller knows.
func (k KeyCondition) Tests(key func(name string) bool) ([]KeyTest, error) {
	return k.root.keyTests(nil, key)
}

func (n *node) keyTests(tests []KeyTest, key func(string) bool) ([]KeyTest, error) {
	if n.kind == logicNode && n.op == "AND" {
		tests, err := n.kids[0].keyTests(tests, key)
		if err != nil {
			return nil, err
		}
		return n.kids[1].keyTests(tests, key)
	}
	if n.kind == logicNode || n.kind == notNode || n.kind == inNode || n.op == "<>" ||
		n.kind == callNode && n.op != "begins_with" {
		return nil, refuse("Invalid operator used in KeyConditionExpression: " + n.op)
	}
	t, err := n.keyTest(key)
	return append(tests, t), err
}

// mirrored are the comparators seen from the other side.
var mirrored = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func (n *node) keyTest(key func(string) bool) (KeyTest, error) {
	t := KeyTest{Op: n.op}
	for i, k := range n.kids {
		switch k.kind {
		case pathNode:
			if t.Name != "" {
				return t, refuse("Invalid condition in KeyConditionExpression: " +
					"Multiple attribute names used in one condition")
			}
			if len(k.path) > 1 && !key(k.path.Root()) {
				return t, refuse("KeyConditionExpressions cannot have conditions on nested attributes")
			}
			if len(k.path) > 1 {
				return t, refuse("Key attributes must be scalars; list random access '[]' and map lookup '.' are not " +
					"allowed: Key: " + k.path.Root())
			}
			if i > 0 && n.kind != compareNode {
				return t, refuse("Invalid condition in KeyConditionExpression: " + n.op +
					" operator must have the key attribute as its first operand")
			}
			if i > 0 {
				t.Op = mirrored[n.op]
			}
			t.Name = k.path.Root()
		case valueNode:
			t.Values = append(t.Values, k.value)
		default:
			return t, refuse("KeyConditionExpressions cannot contain nested operations")
		}
	}
	if t.Name == "" {
		return t, refuse("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	return t, nil
}
