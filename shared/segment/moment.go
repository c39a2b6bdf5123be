package segment

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"

	"loophub/shared/profile"
)

// Moment is a profile at a point in time. Segments that are decided at one Moment
// share what they look up. It is for one goroutine.
type Moment struct {
	view   View
	now    int64
	orders []profile.Order // all at hand, newest first
	known  int64           // every order placed then or later is at hand
	zone   *time.Location
	seen   map[lookup]*span
	values map[string]ref.Val

	// of the decision that is being made
	next    int64 // least boundary after now; 0 = none
	missing bool  // a window reaches further back than known
	log     *[]Saw
}

type lookup struct {
	zone           *time.Location
	function, text string
}

// At makes the moment at which segments are decided.
func At(v View, now time.Time) *Moment {
	m := &Moment{view: v, now: now.UnixMilli(), seen: map[lookup]*span{}}
	m.orders, m.known = v.orders()
	m.values = map[string]ref.Val{
		"orders": &orders{m: m}, "traits": &person{m: m}, "consents": &consents{m: m}, "checkout": &checkout{m: m},
		"occurred": &occurred{m: m},
		"tags":     texts(v.Tags), "sources": texts(connections(v.Sources)),
		"segments": texts(nil), "campaign": &campaign{m: m}, "outcome": &outcome{m: m},
	}
	return m
}

// Beside is what texts with SegmentWords or ResultWords speak of besides the profile.
type Beside struct {
	Segments []string // names of those that the customer is in
	Campaign Campaign
	Outcome  Outcome
}

// Campaign is the last message that was decided about, and where it came from.
type Campaign struct {
	Journey, Variant, Template, Result string
	At                                 time.Time // zero = there is none
}

// Outcome is what messages brought from a customer.
type Outcome struct {
	Count int64            // orders
	Net   map[string]int64 // by currency, minor units
}

// With gives the moment what lies beside the profile. It changes the moment.
func (m *Moment) With(b Beside) *Moment {
	m.values["segments"] = texts(slices.Sorted(slices.Values(b.Segments)))
	m.values["campaign"], m.values["outcome"] = &campaign{m: m, Campaign: b.Campaign}, &outcome{m: m, Outcome: b.Outcome}
	return m
}

func connections(sources []profile.Source) []string {
	var l []string
	for _, s := range sources {
		l = append(l, s.Connection)
	}
	slices.Sort(l)
	return slices.Compact(l)
}

// ResolveName gives a variable of the language its value.
func (m *Moment) ResolveName(name string) (any, bool) {
	v, ok := m.values[name]
	if l, list := v.(*list); list && m.log != nil {
		m.saw(name, l.show(), nil)
	}
	return v, ok
}

// Parent is none: a moment knows all variables.
func (m *Moment) Parent() cel.Activation { return nil }

// begin forgets the decision before.
func (m *Moment) begin(zone *time.Location) { m.zone, m.next, m.missing = zone, 0, false }

// turn notes a moment at which something looked at becomes different.
func (m *Moment) turn(t int64) {
	if t > m.now && (m.next == 0 || t < m.next) {
		m.next = t
	}
}

// inside tells whether t lies inside a window now, and notes when that changes.
func (m *Moment) inside(function, text string, t int64) bool {
	w, ok := windowOf(function, text, m.zone)
	if !ok {
		return false // Compile has refused it
	}
	from, until := w.stay(t)
	m.turn(from)
	m.turn(until)
	return from <= m.now && m.now < until
}

// span gives a window of the orders, and notes that the decision hangs on it.
func (m *Moment) span(function, text string) *span {
	s := m.look(function, text)
	m.turn(s.next)
	m.missing = m.missing || s.missing
	return s
}

// look looks a window of the orders up, once for all segments.
func (m *Moment) look(function, text string) *span {
	k := lookup{m.zone, function, text}
	s, ok := m.seen[k]
	if !ok {
		s = m.open(function, text)
		m.seen[k] = s
	}
	return s
}

func (m *Moment) open(function, text string) *span {
	s := &span{m: m, function: function, text: text}
	w, ok := windowOf(function, text, m.zone)
	if !ok {
		return s // Compile has refused it
	}
	since := w.since(m.now)
	s.missing = since < m.known
	turn := func(t int64) {
		if t > m.now && (s.next == 0 || t < s.next) {
			s.next = t
		}
	}
	first, last := 0, 0 // newest first, those inside lie side by side
	for n, o := range m.orders {
		if o.At < since {
			break // they have left for ever
		}
		from, until := w.stay(o.At)
		turn(from)
		turn(until)
		if from <= m.now && m.now < until {
			if last == 0 {
				first = n
			}
			last = n + 1
		}
	}
	s.orders = m.orders[first:last:last]
	return s
}

// older is from when on orders must be read for a window to be exact.
func (m *Moment) older(windows []lookup) time.Time {
	since := m.now
	for _, l := range windows {
		if w, ok := windowOf(l.function, l.text, l.zone); ok {
			since = min(since, w.since(m.now))
		}
	}
	return time.UnixMilli(since).UTC()
}

// saw notes what a clause looked at, where somebody wants to know.
func (m *Moment) saw(text, value string, records []string) {
	if m.log != nil && !slices.ContainsFunc(*m.log, func(s Saw) bool { return s.Text == text }) {
		*m.log = append(*m.log, Saw{text, value, records})
	}
}
