package segment

import (
	"strconv"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// threshold is a condition like orders.within("30d").count >= 3. Whoever orders
// often would need older orders for the count, and seldom for the answer: if the
// orders at hand are enough, no older one changes it.
type threshold struct {
	window lookup
	op     string
	n      int64
}

// threshold reads a condition, and is nil where it is of another form.
func (r *reader) threshold(e celast.Expr) *threshold {
	if e.Kind() != celast.CallKind || len(e.AsCall().Args()) != 2 {
		return nil
	}
	field, literal := e.AsCall().Args()[0], e.AsCall().Args()[1]
	if field.Kind() != celast.SelectKind || field.AsSelect().FieldName() != "count" || literal.Kind() != celast.LiteralKind {
		return nil
	}
	n, number := literal.AsLiteral().Value().(int64)
	on := field.AsSelect().Operand()
	if !number || on.Kind() != celast.CallKind || r.ast.GetType(on.ID()).TypeName() != windowType.TypeName() {
		return nil
	}
	arg := on.AsCall().Args()[0]
	if arg.Kind() != celast.LiteralKind {
		return nil
	}
	text, _ := arg.AsLiteral().Value().(string) // a text: it was checked
	return &threshold{lookup{r.zone, on.AsCall().FunctionName(), text}, e.AsCall().FunctionName(), n}
}

// certain answers where older orders are missing and can't matter. It holds until
// the first order at hand leaves: older ones have entered before it and leave
// before it, so that there are never fewer than those at hand.
func (m *Moment) certain(t *threshold) (is, certain bool) {
	if t == nil || m.known == everything {
		return false, false
	}
	s := m.look(t.window.function, t.window.text)
	if !s.missing {
		return false, false
	}
	is, certain = t.holds(int64(len(s.orders)))
	if certain {
		m.turn(s.next)
		if m.log != nil {
			m.saw(s.path()+".count", strconv.Itoa(len(s.orders))+" or more", recordsOf(s.orders))
		}
	}
	return is, certain
}

// holds answers for any count of at least so many, where that is one answer.
func (t *threshold) holds(least int64) (is, certain bool) {
	switch t.op {
	case operators.GreaterEquals:
		return true, least >= t.n
	case operators.Greater:
		return true, least > t.n
	case operators.NotEquals:
		return true, least > t.n
	case operators.Equals, operators.LessEquals:
		return false, least > t.n
	case operators.Less:
		return false, least >= t.n
	}
	return false, false
}
