// Package attribution says what messages and journeys brought. It is pure: what
// a profile contributes to the counters is a function of the set of its messages,
// entries, issued vouchers and orders, so that order and copies change nothing.
//
// An order is credited to at most one message, the last that touched the
// customer: the one whose voucher code the order used, else the one whose link
// was clicked last before it, each within its window. Entries are counted apart
// from that, by whether their people ordered afterwards: so those who are held
// out can be compared with those who got something.
package attribution

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"loophub/events"
	"loophub/shared/profile"
)

// Sent is a message that was sent, or may have been.
type Sent struct {
	ID         string     `json:"i"`
	Fragment   profile.ID `json:"-"` // that it lies under
	Journey    string     `json:"j"` // "" = of no journey: it is not counted, and takes no credit
	Variant    string     `json:"v,omitempty"`
	Template   string     `json:"t,omitempty"`
	Connection string     `json:"c,omitempty"` // that tells its engagement
	At         int64      `json:"a"`           // sent at, Unix ms
	Voucher    string     `json:"k,omitempty"` // code that it carries
	Unknown    bool       `json:"u,omitempty"` // whether it left is not known; engagement will tell
}

// Engagement is what became of a message: first times, Unix ms, 0 = not told.
type Engagement struct {
	Sent         int64 `json:"s,omitempty"`
	Delivered    int64 `json:"d,omitempty"`
	Opened       int64 `json:"o,omitempty"`
	Clicked      int64 `json:"c,omitempty"`
	Bounced      int64 `json:"b,omitempty"` // for good
	Complained   int64 `json:"p,omitempty"`
	Unsubscribed int64 `json:"u,omitempty"`
	Failed       int64 `json:"f,omitempty"`
	// Clicks are the newest clicks, oldest first: the last before an order counts.
	Clicks []int64 `json:"l,omitempty"`
}

// MaxClicks bounds Engagement.Clicks. Scanners of links click without end; of an
// order before all of the newest, the first click still counts.
const MaxClicks = 16

// Fold reads engagement off the facts of a message. Copies and order do not matter.
func Fold(facts []events.Fact) Engagement {
	var e Engagement
	for _, f := range facts {
		for field, first := range map[string]*int64{
			"sent_at": &e.Sent, "delivered_at": &e.Delivered, "opened_at": &e.Opened, "clicked_at": &e.Clicked, "bounced_at": &e.Bounced,
			"complained_at": &e.Complained, "unsubscribed_at": &e.Unsubscribed, "failed_at": &e.Failed,
		} {
			at, err := strconv.ParseInt(f.Fields[field].String(), 10, 64)
			if err != nil || at <= 0 || field == "bounced_at" && f.Fields["bounce"].String() == "transient" {
				continue // it says nothing of that
			}
			*first = earlier(*first, at)
			if field == "clicked_at" {
				e.Clicks = append(e.Clicks, at)
			}
		}
	}
	e.Clicks = newest(e.Clicks)
	return e
}

// Join takes the first of both, and the newest clicks of both.
func (e Engagement) Join(o Engagement) Engagement {
	return Engagement{
		Sent: earlier(e.Sent, o.Sent), Delivered: earlier(e.Delivered, o.Delivered), Opened: earlier(e.Opened, o.Opened),
		Clicked: earlier(e.Clicked, o.Clicked), Bounced: earlier(e.Bounced, o.Bounced), Complained: earlier(e.Complained, o.Complained),
		Unsubscribed: earlier(e.Unsubscribed, o.Unsubscribed), Failed: earlier(e.Failed, o.Failed),
		Clicks: newest(slices.Concat(e.Clicks, o.Clicks)),
	}
}

func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func newest(clicks []int64) []int64 {
	slices.Sort(clicks)
	clicks = slices.Compact(clicks)
	return clicks[max(0, len(clicks)-MaxClicks):]
}

// arrived tells whether anything shows that the message left us.
func (e Engagement) arrived() bool {
	return e.Sent+e.Delivered+e.Opened+e.Clicked+e.Bounced+e.Complained+e.Unsubscribed > 0
}

// lastClick before a moment, or at it; 0 = none.
func (e Engagement) lastClick(at int64) int64 {
	last := int64(0)
	for _, c := range append(slices.Clone(e.Clicks), e.Clicked) {
		if c <= at {
			last = max(last, c)
		}
	}
	return last
}

// Message is a message and what became of it.
type Message struct {
	Sent
	Engagement Engagement `json:"e,omitzero"`
}

// left tells whether the message counts: it is of a journey and went out.
func (m Message) left() bool { return m.Journey != "" && (!m.Unknown || m.Engagement.arrived()) }

func (m Message) compare(o Message) int {
	return cmp.Or(cmp.Compare(m.At, o.At), cmp.Compare(m.Fragment, o.Fragment), cmp.Compare(m.ID, o.ID))
}

// Entry is an entry into a journey.
type Entry struct {
	ID       string     `json:"i"` // within fragment and journey
	Fragment profile.ID `json:"-"`
	Journey  string     `json:"j"`
	Variant  string     `json:"v,omitempty"` // "" = none yet
	Holdout  bool       `json:"h,omitempty"` // nothing happens to it
	At       int64      `json:"a"`           // entered at, Unix ms
	Goal     int64      `json:"g,omitempty"` // reached its goal at; 0 = it did not
}

func (e Entry) variant() string {
	if e.Holdout {
		return Holdout
	}
	return e.Variant
}

func (e Entry) compare(o Entry) int {
	return cmp.Or(cmp.Compare(e.At, o.At), cmp.Compare(e.Fragment, o.Fragment), cmp.Compare(e.ID, o.ID))
}

// Issue is a voucher code that a journey gave to a fragment.
type Issue struct {
	Code             string
	Fragment         profile.ID
	Journey, Variant string
	At               int64 // Unix ms
}

// Order is a counted order.
type Order struct {
	At       int64 // ordered at, Unix ms
	Record   string
	Net      int64 // minor units, after refunds
	Currency string
	Codes    []string // upper case
}

// OrderOf takes what counts off a profile's order.
func OrderOf(o profile.Order) Order { return Order{o.At, o.Record, o.Net(), o.Currency, o.Codes} }

func (o Order) uses(code string) bool {
	return code != "" && slices.Contains(o.Codes, strings.ToUpper(code))
}

// Profile is everything of one profile that counts. The lists may be in any order
// and hold copies.
type Profile struct {
	Messages []Message
	Entries  []Entry
	Issues   []Issue
	Orders   []Order
}

// Since is the moment from which on orders count, Unix ms: the first message or
// entry. A voucher is given by an entry, so none is older. ok is false where no
// order can count.
func (p Profile) Since() (at int64, ok bool) {
	for _, m := range p.Messages {
		if m.left() && (!ok || m.At < at) {
			at, ok = m.At, true
		}
	}
	for _, e := range p.Entries {
		if !ok || e.At < at {
			at, ok = e.At, true
		}
	}
	return at, ok
}

// Codes are those that orders used and no message that counts carries: vouchers of
// a journey may be among them.
func (p Profile) Codes() []string {
	var l []string
	for _, o := range p.Orders {
		for _, code := range o.Codes {
			if !p.carried(code) {
				l = append(l, code)
			}
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}

func (p Profile) carried(code string) bool {
	return slices.ContainsFunc(p.Messages, func(m Message) bool { return m.left() && strings.EqualFold(m.Voucher, code) })
}

// normal sorts and drops copies: of two readings of one thing, joined.
func (p Profile) normal() Profile {
	n := Profile{}
	for _, i := range p.Issues {
		if i.Journey != "" && !p.carried(i.Code) {
			n.Issues = append(n.Issues, i)
		}
	}
	for _, m := range joined(p.Messages) {
		if m.left() {
			n.Messages = append(n.Messages, m)
		}
	}
	n.Entries = joinedEntries(p.Entries)
	since, any := p.Since()
	for _, o := range p.Orders {
		if any && o.At >= since {
			n.Orders = append(n.Orders, o)
		}
	}
	slices.SortFunc(n.Orders, func(a, b Order) int {
		return cmp.Or(cmp.Compare(a.Record, b.Record), cmp.Compare(b.At, a.At), cmp.Compare(a.Net, b.Net))
	})
	n.Orders = slices.CompactFunc(n.Orders, func(a, b Order) bool { return a.Record == b.Record })
	return n
}

// joined drops copies of messages and sorts them.
func joined(l []Message) []Message {
	type name struct {
		fragment profile.ID
		id       string
	}
	at := map[name]int{}
	var out []Message
	for _, m := range l {
		k := name{m.Fragment, m.ID}
		n, seen := at[k]
		if !seen {
			at[k] = len(out)
			out = append(out, m)
			continue
		}
		was := out[n]
		m.Engagement = m.Engagement.Join(was.Engagement)
		m.Unknown = m.Unknown && was.Unknown
		out[n] = m
	}
	slices.SortFunc(out, Message.compare)
	return out
}

// joinedEntries drops copies of entries and sorts them. Variant and goal become
// known and stay.
func joinedEntries(l []Entry) []Entry {
	type name struct {
		fragment    profile.ID
		journey, id string
	}
	at := map[name]int{}
	var out []Entry
	for _, e := range l {
		k := name{e.Fragment, e.Journey, e.ID}
		n, seen := at[k]
		if !seen {
			at[k] = len(out)
			out = append(out, e)
			continue
		}
		was := out[n]
		e.Variant, e.Holdout, e.Goal = cmp.Or(e.Variant, was.Variant), e.Holdout || was.Holdout, earlier(e.Goal, was.Goal)
		out[n] = e
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Or(a.compare(b), cmp.Compare(a.Journey, b.Journey)) })
	return out
}
