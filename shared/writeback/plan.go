package writeback

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// Plan is a destination that was compiled. It may be used by many goroutines.
type Plan struct {
	Name       string
	Connection string

	key        string        // the property by which records are found
	when       *segment.Rule // nil = everybody who has a key
	properties []property
}

type property struct {
	name       string
	expression segment.Expression
}

// Compile reads a destination; key is its connector's Outbound.Key.
func Compile(d workspace.Destination, key string, zone *time.Location) (Plan, error) {
	p := Plan{Name: d.Name, Connection: d.Connection, key: key}
	if d.When != "" {
		rule, err := segment.CompileRule(d.When, zone, segment.SegmentWords)
		if err != nil {
			return p, fmt.Errorf("reading the rule of destination %s: %w", d.Name, err)
		}
		p.when = &rule
	}
	for _, name := range slices.Sorted(maps.Keys(d.Properties)) {
		e, err := segment.CompileExpression(d.Properties[name], zone)
		if err != nil {
			return p, fmt.Errorf("reading property %s of destination %s: %w", name, d.Name, err)
		}
		p.properties = append(p.properties, property{name, e})
	}
	return p, nil
}

// parts of a profile that this version knows.
var parts = []profile.Change{profile.OrdersChanged, profile.TraitsChanged, profile.TagsChanged, profile.ConsentChanged, profile.CheckoutChanged,
	profile.IdentityChanged, profile.EventsChanged}

// Concerns tells whether a change of these parts of a profile can be one of what the destination should hold. Of a part
// that is not known here, and of none, nothing can be said: it may.
func (p Plan) Concerns(changed []string) bool {
	if len(changed) == 0 {
		return true
	}
	reads := func(c profile.Change) bool {
		return p.when != nil && slices.Contains(p.when.Reads(), c) ||
			slices.ContainsFunc(p.properties, func(o property) bool { return slices.Contains(o.expression.Reads(), c) })
	}
	return slices.ContainsFunc(changed, func(name string) bool {
		c := profile.Change(name)
		return !slices.Contains(parts, c) || c == profile.IdentityChanged || reads(c)
	})
}

// Wanted is what the destination should hold of a profile.
type Wanted struct {
	Values map[string]string
	Match  string    // value of the key
	In     bool      // false: the profile is not written there
	Next   time.Time // when time alone may change the answer; zero = never
	Older  time.Time // not zero: no answer yet; it wants the orders placed from then on in the view
}

// Wanted decides what the destination should hold. Who does not meet the rule, or
// has no key, is not written; what was written before stays there as it is.
func (p Plan) Wanted(v segment.View, b segment.Beside, now time.Time) (Wanted, error) {
	m := segment.At(v, now).With(b)
	w := Wanted{Values: map[string]string{}}
	if p.when != nil {
		d, err := m.Holds(*p.when)
		if err != nil || !d.In {
			return Wanted{Next: d.Next, Older: d.Older}, err
		}
		w.Next = d.Next
	}
	for _, one := range p.properties {
		a, err := m.Value(one.expression)
		if err != nil {
			return Wanted{}, fmt.Errorf("property %s: %w", one.name, err)
		}
		w.Next, w.Older = sooner(w.Next, a.Next), sooner(w.Older, a.Older)
		w.Values[one.name] = text(a.Value)
	}
	if !w.Older.IsZero() {
		return Wanted{Older: w.Older}, nil
	}
	w.Match = w.Values[p.key]
	w.In = w.Match != ""
	return w, nil
}

// text is the value of an expression as destinations take it.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case []string:
		return strings.Join(v, ";")
	}
	return "" // there is no answer yet
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
