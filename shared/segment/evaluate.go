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
	r, err := At(v, now).Why(s.Rule)
	if err != nil {
		return r, fmt.Errorf("segment %s: %w", s.Name, err)
	}
	return r, nil
}

// Why decides a rule, and says why.
func (m *Moment) Why(r Rule) (Result, error) {
	d, err := m.Holds(r)
	if err != nil || !d.Older.IsZero() {
		return Result{Decision: d}, err
	}
	why, err := m.explain(r)
	return Result{d, why}, err
}

// Decide gives the bare answer.
func (m *Moment) Decide(s Segment) (Decision, error) {
	d, err := m.Holds(s.Rule)
	if err != nil {
		return d, fmt.Errorf("segment %s: %w", s.Name, err)
	}
	return d, nil
}

// Holds decides a rule: In where it holds.
func (m *Moment) Holds(r Rule) (Decision, error) {
	m.begin(r.zone)
	in, err := m.holds(r.rule)
	if err != nil {
		return Decision{}, fmt.Errorf("deciding: %w", err)
	}
	if m.missing {
		return Decision{Older: m.older(r.windows)}, nil
	}
	return Decision{In: in, Next: m.due()}, nil
}

// due is the next moment of the decision that was made.
func (m *Moment) due() time.Time {
	if m.next == 0 {
		return time.Time{}
	}
	return time.UnixMilli(m.next).UTC()
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
func (m *Moment) explain(r Rule) ([]Clause, error) {
	var why []Clause
	defer func() { m.log = nil }()
	var visit func(c *clause, deciding bool) (bool, error)
	visit = func(c *clause, deciding bool) (bool, error) {
		if c.kids == nil {
			m.begin(r.zone)
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
	if _, err := visit(r.rule, true); err != nil {
		return nil, fmt.Errorf("explaining: %w", err)
	}
	return why, nil
}
