package writeback

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// Extra is what a destination's rule and expressions see beside the profile.
type Extra struct {
	Segments []string // names of those that the profile is in, sorted
	Campaign Campaign // of the message that was decided last
	Outcome  Outcome  // what messages brought from the profile
}

// Campaign is a message as a CRM's people want to see it.
type Campaign struct {
	Journey, Variant, Template, Result string
	At                                 time.Time
}

// Outcome is what messages brought from a profile.
type Outcome struct {
	Count int64
	Net   map[string]int64 // minor units by currency, less refunds
}

// Times are what an answer depends on beside what it was given.
type Times struct {
	Next  time.Time // when time alone may change the answer; zero = never
	Older time.Time // not zero: no answer yet; it wants the orders placed from then on in the view
}

// join takes the earlier of both.
func (t Times) join(o Times) Times { return Times{sooner(t.Next, o.Next), sooner(t.Older, o.Older)} }

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Rule says who is written to a destination.
type Rule interface {
	Holds(v segment.View, x Extra, now time.Time) (in bool, t Times, err error)
}

// Expression gives the text of a property, as the destination takes it.
type Expression interface {
	Value(v segment.View, x Extra, now time.Time) (text string, t Times, err error)
}

// Language compiles what people write. Its errors are segment.Problems where the
// text is at fault.
type Language interface {
	Rule(text string, zone *time.Location) (Rule, error)
	Expression(text string, zone *time.Location) (Expression, error)
}

// Plan is a destination that was compiled. It may be used by many goroutines.
type Plan struct {
	Name       string
	Connection string

	key        string // the property by which records are found
	when       Rule   // nil = everybody who has a key
	properties []property
}

type property struct {
	name string
	text Expression
}

// Compile reads a destination; key is its connector's Outbound.Key.
func Compile(d workspace.Destination, key string, l Language, zone *time.Location) (Plan, error) {
	p := Plan{Name: d.Name, Connection: d.Connection, key: key}
	var err error
	if d.When != "" {
		if p.when, err = l.Rule(d.When, zone); err != nil {
			return p, fmt.Errorf("reading the rule of destination %s: %w", d.Name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		e, err := l.Expression(d.Properties[name], zone)
		if err != nil {
			return p, fmt.Errorf("reading property %s of destination %s: %w", name, d.Name, err)
		}
		p.properties = append(p.properties, property{name, e})
	}
	return p, nil
}

// Wanted is what the destination should hold of a profile.
type Wanted struct {
	Times
	Values map[string]string
	Match  string // value of the key
	In     bool   // false: the profile is not written there
}

// Wanted decides what the destination should hold. Who does not meet the rule, or
// has no key, is not written; what was written before stays there as it is.
func (p Plan) Wanted(v segment.View, x Extra, now time.Time) (Wanted, error) {
	var w Wanted
	if p.when != nil {
		in, times, err := p.when.Holds(v, x, now)
		if w.Times = times; err != nil || !times.Older.IsZero() || !in {
			return w, err
		}
	}
	w.Values = map[string]string{}
	for _, one := range p.properties {
		text, times, err := one.text.Value(v, x, now)
		if err != nil {
			return Wanted{}, fmt.Errorf("property %s: %w", one.name, err)
		}
		w.Times = w.join(times)
		w.Values[one.name] = text
	}
	if !w.Older.IsZero() {
		return Wanted{Times: w.Times}, nil
	}
	w.Match = w.Values[p.key]
	w.In = w.Match != ""
	return w, nil
}
