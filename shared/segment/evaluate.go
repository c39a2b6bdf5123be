package segment

import (
	"fmt"
	"time"

	"cel.dev/cel-go/common/types"
)

// Decision is the bare answer.
type Decision struct {
	In bool
	// Next is the next moment at which the answer can change without any new fact;
	// zero = never.
	Next time.Time
	// Older, where not zero, says that there is no answer yet: read the orders that
	// were placed from then on, put them into the View and decide again.
	Older time.Time
}

// Result is an answer with its reasons.
type Result struct {
	Decision
	Why []Clause // in the order of the rule; empty where there is no answer yet
}

// Clause is one condition of a rule.
type Clause struct {
	Text    string
	Value   bool
	Decided bool // false: those before it had already decided
	Unknown bool // true: it did not decide, and would need older orders
	Saw     []Saw
}

// Saw is one thing that a clause looked at.
type Saw struct {
	Text    string   // as rules write it, such as orders.within("30d").count
	Value   string   // as rules write it
	Records []string // connection|kind|id, the newest 12 where there are more; none where a profile keeps none
}

// Evaluate decides a segment for a view at a moment, and says why.
func Evaluate(s Segment, v View, now time.Time) (Result, error) {
	m := At(v, now)
	d, err := m.Decide(s)
	if err != nil || !d.Older.IsZero() {
		return Result{Decision: d}, err
	}
	why, err := m.explain(s)
	return Result{d, why}, err
}

// Decide gives the bare answer.
func (m *Moment) Decide(s Segment) (Decision, error) {
	m.begin(s.zone)
	in, err := m.holds(s.rule)
	if err != nil {
		return Decision{}, fmt.Errorf("deciding segment %s: %w", s.Name, err)
	}
	if m.missing {
		return Decision{Older: m.older(s.windows)}, nil
	}
	d := Decision{In: in}
	if m.next != 0 {
		d.Next = time.UnixMilli(m.next).UTC()
	}
	return d, nil
}

// holds decides from left to right and stops where the rest can't matter: what
// was not looked at makes nothing due.
func (m *Moment) holds(c *clause) (bool, error) {
	if c.kids == nil {
		return m.leaf(c)
	}
	for _, kid := range c.kids {
		is, err := m.holds(kid)
		if err != nil || is != c.all {
			return is, err
		}
	}
	return c.all, nil
}

func (m *Moment) leaf(c *clause) (bool, error) {
	if is, certain := m.certain(c.count); certain {
		return is, nil
	}
	out, _, err := c.holds.Eval(m)
	if err != nil {
		return false, fmt.Errorf("evaluating %s: %w", c.text, err)
	}
	is, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("evaluating %s: it gives %s", c.text, out.Type().TypeName())
	}
	return bool(is), nil
}

// explain evaluates every condition, also those that the answer did not need:
// who asks why not wants to see them all.
func (m *Moment) explain(s Segment) ([]Clause, error) {
	var why []Clause
	defer func() { m.log = nil }()
	var visit func(c *clause, deciding bool) (bool, error)
	visit = func(c *clause, deciding bool) (bool, error) {
		if c.kids == nil {
			m.begin(s.zone)
			var saw []Saw
			m.log = &saw
			is, err := m.leaf(c)
			if err != nil {
				return false, err
			}
			if m.missing {
				is, saw = false, nil
			}
			why = append(why, Clause{c.text, is, deciding, m.missing, saw})
			return is, nil
		}
		result, open := c.all, true
		for _, kid := range c.kids {
			is, err := visit(kid, deciding && open)
			if err != nil {
				return false, err
			}
			if open && is != c.all {
				result, open = is, false
			}
		}
		return result, nil
	}
	if _, err := visit(s.rule, true); err != nil {
		return nil, fmt.Errorf("explaining segment %s: %w", s.Name, err)
	}
	return why, nil
}
