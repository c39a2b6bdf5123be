package profile

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"loophub/events"
)

// State is what a fragment knows. Every part is either a sum of what its records
// contribute now, or a join: so it is a function of the set of facts. Orders
// beyond the newest lie beside it as items of their own.
type State struct {
	Orders   int64               `json:"o,omitempty"` // counted orders, older ones included
	Sums     map[string]Sum      `json:"m,omitempty"` // by currency
	Recent   []Order             `json:"r,omitempty"` // the newest, newest first
	First    *Order              `json:"f,omitempty"`
	Traits   map[string]Register `json:"a,omitempty"`
	Snapshot *Register           `json:"s,omitempty"` // all tags, as the source last listed them
	Tags     map[string]Register `json:"g,omitempty"` // tags added and removed since
	Consent  map[string]Consent  `json:"k,omitempty"` // by channel:purpose
	Claims   map[string]Claim    `json:"i,omitempty"` // identifiers that facts tied to the fragment
	Checkout *Register           `json:"w,omitempty"` // the newest checkout, as JSON of LastCheckout
	Events   map[string][]Event  `json:"e,omitempty"` // by name, newest first: the newest four of each
	Marks    map[string]Register `json:"h,omitempty"` // tags that we ourselves added or removed; no source's snapshot undoes them
}

// Sum is what counted orders of one currency add up to, in minor units.
type Sum struct {
	Orders   int64 `json:"o"`
	Total    int64 `json:"n"`
	Refunded int64 `json:"b,omitempty"`
}

// Consent for one channel and purpose: newest grant and newest withdrawal, Unix
// ms, 0 = never. It is given if the grant is newer than every withdrawal.
type Consent struct {
	Granted   int64 `json:"g,omitempty"`
	Withdrawn int64 `json:"w,omitempty"`
}

// Join takes the newest of both.
func (c Consent) Join(o Consent) Consent {
	return Consent{max(c.Granted, o.Granted), max(c.Withdrawn, o.Withdrawn)}
}

// Given tells whether there is consent; unknown means no.
func (c Consent) Given() bool { return c.Granted > c.Withdrawn }

// Claim is a statement that an identifier is the fragment's. Claims only grow.
type Claim struct {
	At    int64  `json:"t"` // newest statement, Unix ms
	Value string `json:"x"` // the identifier as people write it
}

// LastCheckout is the value of State.Checkout.
type LastCheckout struct {
	Record    string `json:"r"` // connection|checkout|id
	Started   int64  `json:"s,omitempty"`
	Completed int64  `json:"c,omitempty"`
	Total     int64  `json:"n,omitempty"`
	Currency  string `json:"u,omitempty"`
}

// Statement is what one fact says by itself, whatever else is known: what joins
// into the fragment that the fact names, and the identifiers that it claims for it.
type Statement struct {
	Anchor   Anchor
	Fragment ID
	Claims   map[string]Claim              // by stored identifier
	Stops    map[string]map[string]Consent // withdrawals that lie on an address itself: identifier → channel:purpose
	fact     events.Fact
	denied   map[string]bool // address fields that hold nobody's own
}

// Statement reads one fact by itself. ok is false where it says nothing of a
// fragment: an order of a known customer (a gift, a clerk's own address), a
// partial body, a product. A fact of our own that names a fragment has no anchor
// and claims nothing; what came back from an address lies on that all the same.
func (rules Rules) Statement(f events.Fact) (s Statement, ok bool) {
	s = Statement{fact: f, Claims: map[string]Claim{}, Stops: map[string]map[string]Consent{}}
	if s.Fragment, ok = named(f); ok {
		for _, i := range rules.named(f) {
			s.stop(rules.Key.Identifier(i), i.Kind)
		}
		return s, true
	}
	switch f.Kind {
	case events.Customer, events.Form, events.Checkout, events.Event:
	case events.Order:
		if c, said := f.Fields["customer"]; !said || !c.IsNull() {
			return Statement{}, false
		}
	default:
		return Statement{}, false
	}
	anchor, ok := rules.Anchor(f.Kind, f.Connection, f.Record, Join(f))
	if !ok {
		return Statement{}, false
	}
	s.Anchor, s.Fragment, s.denied = anchor, rules.Key.Fragment(anchor), rules.deniedFields(f)
	if f.Kind != events.Customer && anchor.Class == CustomerClass {
		return s, true // the record is the customer's, the addresses on it may be anybody's
	}
	for _, i := range rules.named(f) {
		id := rules.Key.Identifier(i)
		s.Claims[id] = Claim{At: f.At, Value: i.Value}
		s.stop(id, i.Kind)
	}
	return s, true
}

// deniedFields are the address fields whose value is nobody's: a placeholder, or the
// shop's own address that a till fills in. They are no traits either: a message or a
// CRM record would go there.
func (rules Rules) deniedFields(f events.Fact) map[string]bool {
	var l map[string]bool
	for _, i := range []Identifier{{Email, f.Fields["email"].String()}, {Phone, f.Fields["phone"].String()}} {
		if i.Value != "" && rules.denies(i) {
			if l == nil {
				l = map[string]bool{}
			}
			l[string(i.Kind)] = true
		}
	}
	return l
}

// named is the fragment that a fact of our own names: what became of a message,
// an event or a tag of the API. Unify lets nobody else say so.
func named(f events.Fact) (ID, bool) {
	switch f.Kind {
	case events.Engagement, events.Event, events.Decision:
		return ParseID(f.Fields["fragment"].String())
	}
	return "", false
}

// stop notes which of the fact's withdrawals lie on an address of its own.
func (s *Statement) stop(id string, k Kind) {
	subjects := consents(s.fact)
	if s.fact.Kind == events.Engagement {
		for subject, at := range returns(s.fact) {
			subjects[subject] = Consent{Withdrawn: at}
		}
	}
	for subject, c := range subjects {
		if c.Withdrawn > 0 && addressKind(subject) == k {
			if s.Stops[id] == nil {
				s.Stops[id] = map[string]Consent{}
			}
			s.Stops[id][subject] = Consent{Withdrawn: c.Withdrawn}
		}
	}
}

// Bounced and Complained are the subjects of what lies on an e-mail address that
// is not to be written to again, whatever for.
const (
	Bounced    = "email:bounced"
	Complained = "email:complained"
)

// marketing is what a complaint or an unsubscription withdraws.
const marketing = "email:marketing"

// returns are what came back for good from the address of a message: when.
func returns(f events.Fact) map[string]int64 {
	m := map[string]int64{}
	if at, err := strconv.ParseInt(f.Fields["bounced_at"].String(), 10, 64); err == nil && f.Fields["bounce"].String() == "permanent" {
		m[Bounced] = at
	}
	if at, err := strconv.ParseInt(f.Fields["complained_at"].String(), 10, 64); err == nil {
		m[Complained] = at
	}
	return m
}

// addressKind is the kind of address that a channel reaches.
func addressKind(subject string) Kind {
	if strings.HasPrefix(subject, "email:") {
		return Email
	}
	return Phone
}

// consents reads grant:<channel>:<purpose> and withdraw:<channel>:<purpose>, and
// what a person said by a complaint or an unsubscription.
func consents(f events.Fact) map[string]Consent {
	m := map[string]Consent{}
	for field, v := range f.Fields {
		verb, subject, found := strings.Cut(field, ":")
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if f.Kind == events.Engagement && (field == "complained_at" || field == "unsubscribed_at") {
			verb, subject, found = "withdraw", marketing, true
		}
		if !found || err != nil {
			continue
		}
		switch verb {
		case "grant":
			m[subject] = m[subject].Join(Consent{Granted: n})
		case "withdraw":
			m[subject] = m[subject].Join(Consent{Withdrawn: n})
		}
	}
	return m
}

// traits are the fields that describe a person; the rest of a fact describes
// the record.
var traits = map[string]bool{
	"email": true, "email_invalid": true, "phone": true, "phone_invalid": true, "first_name": true, "last_name": true,
	"locale": true, "country": true, "province": true, "city": true, "company": true,
	"deleted": true, "verified": true, "state": true, "birthday": true, "timezone": true,
}

// TraitNames are the names of the traits, sorted: what a definition may ask for.
func TraitNames() []string { return slices.Sorted(maps.Keys(traits)) }

// Join folds a statement into the state: idempotent, commutative, associative.
func (s *State) Join(st Statement) {
	f := st.fact
	if f.Kind == events.Decision {
		s.mark(f)
		return
	}
	if f.Kind == events.Checkout {
		s.joinCheckout(f)
	}
	if f.Kind != events.Customer && st.Anchor.Class == CustomerClass {
		return
	}
	for field, v := range f.Fields {
		r := register(f, v)
		tag, isTag := strings.CutPrefix(field, "tag:")
		switch {
		case isTag:
			s.Tags = joined(s.Tags, tag, r)
		case field == "tags":
			if s.Snapshot == nil || s.Snapshot.compare(r) < 0 {
				s.Snapshot = &r
			}
		case traits[field] && !st.denied[field] && f.Kind != events.Engagement: // whose address is that which bounced, not what the person gave
			s.Traits = joined(s.Traits, field, r)
		}
	}
	for subject, c := range consents(f) {
		if s.Consent == nil {
			s.Consent = map[string]Consent{}
		}
		s.Consent[subject] = s.Consent[subject].Join(c)
	}
	for name, e := range told(f) {
		s.joinEvent(name, e)
	}
	for tag, r := range s.Tags { // a newer snapshot already says it
		if s.Snapshot != nil && r.Version < s.Snapshot.Version {
			delete(s.Tags, tag)
		}
	}
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
}

// mark takes tags that we ourselves add or remove.
func (s *State) mark(f events.Fact) {
	for field, v := range f.Fields {
		if tag, isTag := strings.CutPrefix(field, "tag:"); isTag {
			s.Marks = joined(s.Marks, tag, register(f, v))
		}
	}
}

func joined(m map[string]Register, k string, r Register) map[string]Register {
	if m == nil {
		m = map[string]Register{}
	}
	join(m, k, r)
	return m
}

func (s *State) joinCheckout(f events.Fact) {
	number := func(field string) int64 {
		n, _ := strconv.ParseInt(f.Fields[field].String(), 10, 64)
		return n
	}
	c := LastCheckout{f.RecordKey(), number("started_at"), number("completed_at"), number("total"), f.Fields["currency"].String()}
	if c.Started == 0 || f.Fields["deleted"].String() == "true" {
		return // a partial body; the next whole one says more
	}
	b, err := json.Marshal(c)
	if err != nil {
		return // a struct of numbers and texts always marshals
	}
	r := register(f, events.Text(string(b)))
	if s.Checkout == nil || s.Checkout.compare(r) < 0 {
		s.Checkout = &r
	}
}

// Claim adds a statement's claims and tells which are new. Of a kind that the
// fragment holds too many of, only as many are kept as show it, the least ones:
// they tie nobody any more, and a stranger who posts a form with ever new numbers
// must not fill the item. What is dropped is new again when it is said again.
func (s *State) Claim(claims map[string]Claim, l Limits) (fresh []string) {
	for id, c := range claims {
		if s.Claims == nil {
			s.Claims = map[string]Claim{}
		}
		old, known := s.Claims[id]
		if !known {
			fresh = append(fresh, id)
		}
		s.Claims[id] = Claim{max(old.At, c.At), c.Value}
	}
	slices.Sort(fresh)
	for _, k := range kinds {
		ids := slices.Sorted(maps.Keys(s.ClaimsOf(k)))
		for _, id := range ids[min(len(ids), l.Fan[k]+1):] {
			delete(s.Claims, id)
		}
	}
	return fresh
}

// Over tells whether the fragment holds more identifiers of a kind than one
// person has: then none of them ties.
func (s State) Over(k Kind, l Limits) bool {
	n := 0
	for id := range s.Claims {
		if KindOf(id) == k {
			n++
		}
	}
	return n > l.Fan[k]
}

// OverKinds are the kinds of which the fragment holds too many.
func (s State) OverKinds(l Limits) map[Kind]bool {
	m := map[Kind]bool{}
	for _, k := range kinds {
		if s.Over(k, l) {
			m[k] = true
		}
	}
	return m
}

// ClaimsOf are the claims of one kind.
func (s State) ClaimsOf(k Kind) map[string]Claim {
	m := map[string]Claim{}
	for id, c := range s.Claims {
		if KindOf(id) == k {
			m[id] = c
		}
	}
	return m
}

func (s State) lastCheckout() (c LastCheckout, ok bool) {
	return c, s.Checkout != nil && json.Unmarshal([]byte(s.Checkout.Value.String()), &c) == nil
}

// TagList gives the tags that hold, sorted.
func (s State) TagList() []string { return tagList(s.sourceTags(), s.Marks) }

// sourceTags are the tags that hold by the word of sources, each with the version
// of what says so last.
func (s State) sourceTags() map[string]int64 {
	on := map[string]int64{}
	if s.Snapshot != nil {
		var l []string
		if json.Unmarshal([]byte(s.Snapshot.Value.String()), &l) == nil {
			for _, t := range l {
				on[t] = s.Snapshot.Version
			}
		}
	}
	for t, r := range s.Tags {
		if r.Value.String() == "+" {
			on[t] = r.Version
		} else {
			delete(on, t)
		}
	}
	return on
}

// tagList puts our own word beside the sources': what we added holds until we
// remove it; what we removed is gone until a source names it again.
func tagList(on map[string]int64, marks map[string]Register) []string {
	var l []string
	for t, said := range on {
		if m, marked := marks[t]; !marked || m.Value.String() == "+" || said > m.Version {
			l = append(l, t)
		}
	}
	for t, m := range marks {
		if _, there := on[t]; !there && m.Value.String() == "+" {
			l = append(l, t)
		}
	}
	slices.Sort(l)
	return l
}
