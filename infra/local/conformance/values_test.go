package conformance

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Values in the protocol's form.
func s(v string) object                { return object{"S": v} }
func n(v string) object                { return object{"N": v} }
func b(v string) object                { return object{"B": base64.StdEncoding.EncodeToString([]byte(v))} }
func m(v object) object                { return object{"M": v} }
func list(v ...any) object             { return object{"L": v} }
func set(k string, v ...string) object { return object{k: v} }

func (g *generator) pick(options ...string) string { return options[g.IntN(len(options))] }

// scalar is a value of a kind that has an order.
func (g *generator) scalar() object {
	switch g.IntN(5) {
	case 0:
		return s(g.pick("", "x", "xy", "é", "z", "𝄞"))
	case 1:
		return b(g.pick("", "x", "xy", "\x00"))
	}
	return n(g.pick("0", "1", "-1", "2", "10", "1.5", "1000", "-0.001", "12345678901234567890", "1e20", "-3E-5",
		"99999999999999999999999999999999999999", "0.1", "9.9999999999999999999999999999999999999e125", "1e-130"))
}

func (g *generator) value() object {
	switch g.IntN(12) {
	case 0:
		return object{"BOOL": g.IntN(2) == 0}
	case 1:
		return object{"NULL": true}
	case 2, 3:
		elements := []any{}
		for range g.IntN(3) {
			elements = append(elements, g.scalar())
		}
		return list(elements...)
	case 4, 5:
		members := object{}
		for range g.IntN(3) {
			members[g.pick("a", "b", "n")] = g.value()
		}
		return m(members)
	case 6:
		return set("SS", "x", g.pick("y", "z"))
	case 7:
		return set("NS", "1", g.pick("2", "10"))
	}
	return g.scalar()
}

// typed is a value that usually has the type that the attribute's name suggests.
func (g *generator) typed(name string) object {
	if g.IntN(8) == 0 {
		return g.value()
	}
	switch name {
	case "n", "r":
		return n(g.pick("0", "1", "-1", "2", "10", "1.5"))
	case "l":
		return list(g.scalar(), g.value())
	case "m":
		return m(object{"a": g.value(), "n": n("1")})
	case "ss":
		return set("SS", "x", g.pick("y", "z"))
	case "ns":
		return set("NS", "1", g.pick("2", "10", "-1.50"))
	case "bs":
		return set("BS", "eA==", g.pick("eQ==", "AA=="))
	}
	return s(g.pick("x", "xy", "w", strings.Repeat("long ", 300)))
}

// keyed are the attributes of keys, which have one type.
var keyed = map[string]bool{"pk": true, "sk": true, "p": true, "n": false, "id": true, "pw": true, "pt": true,
	"g": true, "h": true}

// indexed is a value of the type that a key wants.
func (g *generator) indexed(name string) object {
	switch name {
	case "pk":
		return s(g.pick("a", "b"))
	case "sk", "id":
		return s(g.pick("1", "2", "3", "33", "a"))
	case "p", "h":
		return b(g.pick("x", "xy"))
	case "n", "pt":
		return n(g.pick("0", "1", "2", "-3.5", "10.0"))
	}
	return s(g.pick("x", "xy", "w"))
}

// settable is a value for an attribute: of the type of the index that it belongs to, or any.
func (g *generator) settable(name string) object {
	if keyed[name] {
		return g.indexed(name)
	}
	return g.typed(name)
}

func (g *generator) item(k keyspace) object {
	item := k.key(g)
	for range g.IntN(7) {
		name := g.pick(k.attributes...)
		item[name] = g.settable(name)
	}
	return item
}

// path is a document path; some of its names are placeholders.
func (g *generator) path(k keyspace) string {
	root := g.pick(k.attributes...)
	name := root
	if g.IntN(4) == 0 {
		g.names["#"+root] = root
		root = "#" + root
	}
	if g.IntN(2) == 0 {
		switch name {
		case "m":
			root += "." + g.pick("a", "b", "n") + g.pick("", "", "[0]", ".a")
		case "l":
			root += "[" + g.pick("0", "1", "5") + "]" + g.pick("", "", ".a", "[0]")
		}
	}
	return root
}

// target is a path that an update may set to anything: not a key of an index.
func (g *generator) target(k keyspace) string {
	for {
		names := len(g.names)
		p := g.path(k)
		if root := strings.TrimPrefix(strings.FieldsFunc(p, func(r rune) bool { return r == '.' || r == '[' })[0],
			"#"); !keyed[root] {
			return p
		}
		if len(g.names) > names {
			delete(g.names, p)
		}
	}
}

func (g *generator) placeholder(v object) string {
	name := fmt.Sprintf(":v%d", len(g.values))
	g.values[name] = v
	return name
}

func (g *generator) operand(k keyspace) string {
	switch g.IntN(6) {
	case 0, 1:
		return g.placeholder(g.value())
	case 2:
		return "size(" + g.path(k) + ")"
	}
	return g.path(k)
}

func (g *generator) condition(k keyspace, depth int) string {
	if g.calm {
		return g.pick("attribute_exists(", "attribute_not_exists(") + g.path(k) + ") OR s = " + g.placeholder(g.scalar())
	}
	if depth > 0 {
		switch g.IntN(5) {
		case 0:
			return g.condition(k, depth-1) + " AND " + g.condition(k, depth-1)
		case 1:
			return g.condition(k, depth-1) + " OR " + g.condition(k, depth-1)
		case 2:
			return "NOT " + g.condition(k, depth-1)
		case 3:
			return "(" + g.condition(k, depth-1) + ") AND " + g.condition(k, 0)
		}
	}
	switch g.IntN(9) {
	case 0:
		return "attribute_exists(" + g.path(k) + ")"
	case 1:
		return "attribute_not_exists (" + g.path(k) + ")"
	case 2:
		return "attribute_type(" + g.path(k) + ", " + g.placeholder(s(g.pick("S", "N", "L", "M", "SS", "NS", "BS",
			"B", "BOOL", "NULL"))) + ")"
	case 3:
		return "begins_with(" + g.path(k) + ", " + g.placeholder(s(g.pick("", "x", "xy"))) + ")"
	case 4:
		return "contains(" + g.path(k) + ", " + g.operand(k) + ")"
	case 5:
		return g.operand(k) + " between " + g.placeholder(n("0")) + " AND " + g.placeholder(n("2"))
	case 6:
		return g.operand(k) + " IN (" + g.operand(k) + ", " + g.operand(k) + ")"
	}
	return g.operand(k) + g.pick("=", " <> ", "<", " <= ", ">", " >= ") + g.operand(k)
}

func (g *generator) assigned(k keyspace) string {
	switch g.IntN(8) {
	case 0:
		return "if_not_exists(" + g.path(k) + ", " + g.placeholder(g.value()) + ")"
	case 1:
		return "list_append(" + g.path(k) + ", " + g.placeholder(g.typed("l")) + ")"
	case 2:
		return "list_append(" + g.placeholder(g.typed("l")) + ", if_not_exists(l, " + g.placeholder(g.typed("l")) + "))"
	case 3:
		return "if_not_exists(r, " + g.placeholder(n("0")) + ") + " + g.placeholder(g.number())
	case 4:
		return g.pick("r", "r", g.target(k)) + " - " + g.placeholder(g.number())
	case 5:
		return g.path(k)
	}
	return g.placeholder(g.value())
}

// number is an addend; some sums with it have more than 38 digits.
func (g *generator) number() object {
	return n(g.pick("1", "-1", "0.5", "1e37", "-1E-10", "99999999999999999999999999999999999999", "1e125"))
}

// updateExpression changes every attribute once at most, but for one in twenty: paths that overlap are refused.
func (g *generator) updateExpression(k keyspace) string {
	if g.calm {
		return "SET s = " + g.placeholder(g.value())
	}
	taken := map[string]bool{}
	free := func(path string) bool {
		root := strings.TrimPrefix(strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' })[0], "#")
		defer func() { taken[root] = true }()
		return !taken[root] || g.IntN(20) == 0
	}
	fresh := func(path func() string) string {
		for {
			if p := path(); free(p) {
				return p
			}
		}
	}
	clauses := map[string][]string{}
	for range 1 + g.IntN(3) {
		switch g.IntN(8) {
		case 0:
			clauses["remove "] = append(clauses["remove "], fresh(func() string { return g.path(k) }))
		case 1:
			name := fresh(func() string { return g.pick("r", "ss", "ns", "m.n") })
			clauses["ADD "] = append(clauses["ADD "], name+" "+g.placeholder(g.typed(strings.TrimPrefix(name, "m."))))
		case 2:
			name := fresh(func() string { return g.pick("ss", "ns", "bs", "m.ss") })
			clauses["DELETE "] = append(clauses["DELETE "], name+" "+g.placeholder(g.typed(strings.TrimPrefix(name, "m."))))
		case 3:
			if by := k.index(g); by != "" && free(by) {
				clauses["SET "] = append(clauses["SET "], by+" = "+g.placeholder(g.indexed(by)))
				break
			}
			fallthrough
		default:
			clauses["SET "] = append(clauses["SET "], fresh(func() string { return g.target(k) })+" = "+g.assigned(k))
		}
	}
	var sections []string
	for _, name := range slices.Sorted(maps.Keys(clauses)) {
		sections = append(sections, name+strings.Join(clauses[name], ", "))
	}
	g.Shuffle(len(sections), func(i, j int) { sections[i], sections[j] = sections[j], sections[i] })
	return strings.Join(sections, " ")
}

// index is an attribute by which an index goes, "" if there is none.
func (k keyspace) index(g *generator) string {
	if len(k.indexes) == 0 {
		return ""
	}
	by := k.indexes[g.IntN(len(k.indexes))]
	return g.pick(by.hash, by.sort)
}
