package segment

import (
	"fmt"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"loophub/shared/profile"
)

// Expression gives a value of a customer: a text, a whole number, yes or no, or a
// list of texts. It may be used by many goroutines.
type Expression struct {
	Text string

	zone    *time.Location
	program cel.Program
	reads   []profile.Change
	windows []lookup
}

// Reads are the parts of a profile that the expression looks at.
func (e Expression) Reads() []profile.Change { return e.reads }

// Answer is the value of an expression.
type Answer struct {
	Value any       // string, int64, bool or []string; nil where there is no answer yet
	Next  time.Time // as in Decision
	Older time.Time // as in Decision
}

// CompileExpression reads an expression, which may use ResultWords. Its error is
// Problems where the expression is at fault.
func CompileExpression(text string, zone *time.Location) (Expression, error) {
	env, err := language(ResultWords)
	if err != nil {
		return Expression{}, fmt.Errorf("setting the language of expressions up: %w", err)
	}
	checked, r, err := check(env, text, zone, ResultWords)
	if err != nil {
		return Expression{}, err
	}
	switch t := checked.OutputType(); {
	case t.IsExactType(types.StringType), t.IsExactType(types.IntType), t.IsExactType(types.BoolType), t.IsExactType(types.NewListType(types.StringType)):
	default:
		r.refuse(r.ast.Expr().ID(), "the expression gives %s; give a text, a whole number, yes or no, or a list of texts, such as traits.city or orders.count", t)
	}
	if err := r.done(env, checked); err != nil {
		return Expression{}, err
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return Expression{}, fmt.Errorf("planning an expression: %w", err)
	}
	return Expression{text, r.zone, program, r.reads(), r.windows}, nil
}

// Value gives an expression's value.
func (m *Moment) Value(e Expression) (Answer, error) {
	m.begin(e.zone)
	out, _, err := e.program.Eval(m)
	if err != nil {
		return Answer{}, fmt.Errorf("evaluating %s: %w", e.Text, err)
	}
	if m.missing {
		return Answer{Older: m.older(e.windows)}, nil
	}
	v, err := plainValue(out)
	if err != nil {
		return Answer{}, fmt.Errorf("evaluating %s: %w", e.Text, err)
	}
	return Answer{Value: v, Next: m.due()}, nil
}

func plainValue(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return int64(v), nil
	case types.Bool:
		return bool(v), nil
	case traits.Lister:
		l := []string{}
		for i := v.Iterator(); i.HasNext() == types.True; {
			s, ok := i.Next().(types.String)
			if !ok {
				return nil, fmt.Errorf("it gives a list of something else")
			}
			l = append(l, string(s))
		}
		return l, nil
	}
	return nil, fmt.Errorf("it gives %s", v.Type().TypeName())
}
