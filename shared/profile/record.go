package profile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"loophub/events"
)

// Register is a field's value with the statement that it comes from. Registers
// are totally ordered, so joining them by the greatest is safe in any order.
type Register struct {
	Version int64        `json:"v"`
	At      int64        `json:"t"`
	Rank    int          `json:"n,omitempty"`
	Value   events.Value `json:"x"`
}

func (r Register) compare(o Register) int {
	return cmp.Or(
		cmp.Compare(r.Version, o.Version), cmp.Compare(r.At, o.At), cmp.Compare(r.Rank, o.Rank),
		cmp.Compare(b2i(!r.Value.IsNull()), b2i(!o.Value.IsNull())), cmp.Compare(r.Value.String(), o.Value.String()),
	)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func join(m map[string]Register, field string, r Register) {
	if old, ok := m[field]; !ok || old.compare(r) < 0 {
		m[field] = r
	}
}

func register(f events.Fact, v events.Value) Register {
	return Register{Version: f.Version, At: f.At, Rank: f.Rank, Value: v}
}

// Record is the state of a source record: the join of all its facts, per field.
type Record map[string]Register

// Join folds facts of one record. Their order and copies do not matter.
func Join(facts ...events.Fact) Record {
	r := Record{}
	for _, f := range facts {
		for k, v := range f.Fields {
			join(r, k, register(f, v))
		}
	}
	return r
}

func (r Record) text(field string) string { return r[field].Value.String() }

func (r Record) number(field string) (int64, bool) {
	n, err := strconv.ParseInt(r.text(field), 10, 64)
	return n, err == nil
}

// identifiers that the record names and that are not denied, in the order of kinds.
func (rules Rules) identifiers(email, phone, anonymous string) []Identifier {
	var l []Identifier
	for _, i := range []Identifier{{Email, email}, {Phone, phone}, {Anonymous, anonymous}} {
		if i.Value != "" && !rules.denies(i) {
			l = append(l, i)
		}
	}
	return l
}

func anchorAt(connection string, i Identifier) Anchor {
	class := GuestClass
	if i.Kind == Anonymous {
		class = AnonymousClass
	}
	return Anchor{class, connection, string(i.Kind) + "/" + i.Value}
}

// Anchor gives the fragment that a record belongs to now: the connection's
// customer, else the guest's e-mail address, else phone, else anonymous id, each
// within its connection. ok is false for what names nobody: a walk-in, a product.
func (rules Rules) Anchor(kind events.Kind, connection, record string, state Record) (a Anchor, ok bool) {
	switch kind {
	case events.Customer:
		return Anchor{CustomerClass, connection, record}, true
	case events.Order, events.Checkout, events.Form:
		if c := state.text("customer"); c != "" {
			return Anchor{CustomerClass, connection, c}, true
		}
		ids := rules.identifiers(state.text("email"), state.text("phone"), state.text("anonymous_id"))
		if len(ids) > 0 {
			return anchorAt(connection, ids[0]), true
		}
	case events.Privacy:
		if c := state.text("customer"); c != "" {
			return Anchor{CustomerClass, connection, c}, true
		}
	}
	return Anchor{}, false
}

// Names are the fragments that one fact can tie its record to.
func (rules Rules) Names(f events.Fact) []ID {
	switch f.Kind {
	case events.Customer:
		return []ID{rules.Key.Fragment(Anchor{CustomerClass, f.Connection, f.Record})}
	case events.Decision:
		if p, _, ok := rules.Decision(f); ok {
			return p[:]
		}
		return nil
	}
	var l []ID
	if c := f.Fields["customer"].String(); c != "" {
		l = append(l, rules.Key.Fragment(Anchor{CustomerClass, f.Connection, c}))
	}
	if f.Kind == events.Order || f.Kind == events.Checkout || f.Kind == events.Form {
		for _, i := range rules.named(f) {
			l = append(l, rules.Key.Fragment(anchorAt(f.Connection, i)))
		}
	}
	return l
}

// Candidates are the fragments that any join of these facts, or of some of them,
// can name: where the record is found, and where its contribution may have to be
// withdrawn. The addresses on the sale of a known customer count only once some
// fact says that the customer is none after all.
func (rules Rules) Candidates(facts ...events.Fact) []ID {
	nobody := slices.ContainsFunc(facts, func(f events.Fact) bool {
		c, said := f.Fields["customer"]
		return said && c.IsNull()
	})
	set := map[ID]bool{}
	for _, f := range facts {
		names := rules.Names(f)
		if f.Fields["customer"].String() != "" && !nobody {
			names = names[:1] // the customer's
		}
		for _, id := range names {
			set[id] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Holders are the fragments that may hold a contribution of the record: the
// candidates, and those of addresses that the workspace has denied since.
func (rules Rules) Holders(facts ...events.Fact) []ID {
	rules.Denied = nil
	return rules.Candidates(facts...)
}

// Hidden are the fragments that only several of the facts together name, and
// none by itself.
func (rules Rules) Hidden(facts []events.Fact) []ID {
	l := rules.Candidates(facts...)
	for _, f := range facts {
		alone := rules.Candidates(f)
		l = slices.DeleteFunc(l, func(id ID) bool { return slices.Contains(alone, id) })
	}
	return l
}

// named are the identifiers that a fact itself names and that are not denied.
func (rules Rules) named(f events.Fact) []Identifier {
	return rules.identifiers(f.Fields["email"].String(), f.Fields["phone"].String(), f.Fields["anonymous_id"].String())
}

// Order is what one order gives to its fragment.
type Order struct {
	At       int64    `json:"t"` // ordered at, Unix ms
	Record   string   `json:"r"` // connection|order|id
	Total    int64    `json:"n"` // minor units, before refunds
	Refunded int64    `json:"b,omitempty"`
	Currency string   `json:"c"`
	Codes    []string `json:"x,omitempty"` // discount codes that the customer used: upper case, the first five by the alphabet
}

// Equal compares everything.
func (o Order) Equal(p Order) bool {
	return o.At == p.At && o.Record == p.Record && o.Total == p.Total && o.Refunded == p.Refunded && o.Currency == p.Currency && slices.Equal(o.Codes, p.Codes)
}

// Net is what the order is worth after refunds, in minor units.
func (o Order) Net() int64 { return o.Total - o.Refunded }

func (o Order) compare(p Order) int {
	return cmp.Or(cmp.Compare(o.At, p.At), cmp.Compare(o.Record, p.Record))
}

// Contribution is what the facts of one order record give, and to which fragment.
// ok is false where it counts nowhere: nobody named, cancelled, deleted, a test,
// or total, currency or date not known yet.
func (rules Rules) Contribution(facts []events.Fact) (fragment ID, o Order, ok bool) {
	if len(facts) == 0 || facts[0].Kind != events.Order {
		return "", Order{}, false
	}
	f, state := facts[0], Join(facts...)
	anchor, named := rules.Anchor(events.Order, f.Connection, f.Record, state)
	total, priced := state.number("total")
	at, dated := state.number("ordered_at")
	if !named || !priced || !dated || state.text("currency") == "" ||
		state.text("cancelled_at") != "" || state.text("deleted") == "true" || state.text("test") == "true" {
		return "", Order{}, false
	}
	o = Order{At: at, Record: f.RecordKey(), Total: total, Currency: state.text("currency")}
	for field := range state {
		if strings.HasPrefix(field, "refund:") {
			n, _ := state.number(field)
			o.Refunded += n
		}
	}
	return rules.Key.Fragment(anchor), o, true
}

// OrderTimes are all times at which facts ever dated an order: where its
// contribution may lie among the older ones.
func OrderTimes(facts []events.Fact) []int64 {
	set := map[int64]bool{}
	for _, f := range facts {
		if n, err := strconv.ParseInt(f.Fields["ordered_at"].String(), 10, 64); err == nil {
			set[n] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Decision reads a fact that two fragments are one person, or are not. ok is
// false where it names no two of them.
func (rules Rules) Decision(f events.Fact) (pair [2]ID, d Decision, ok bool) {
	if f.Kind != events.Decision {
		return pair, d, false
	}
	one := func(suffix string) ID {
		if c := f.Fields["customer"+suffix].String(); c != "" {
			return rules.Key.Fragment(Anchor{CustomerClass, f.Connection, c})
		}
		id, _ := ParseID(f.Fields["fragment"+suffix].String())
		return id
	}
	pair = Pair(one("_a"), one("_b"))
	return pair, Decision{At: f.Version, Split: f.Fields["op"].String() == "split"}, pair[0] != "" && pair[0] != pair[1]
}
