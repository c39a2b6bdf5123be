package attribution

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Holdout is the variant of those to whom a journey does nothing. No variant in a
// definition can have this name.
const Holdout = "(holdout)"

// Key names one counter. What counts entries has no template; an order by a code
// of a journey that no message carried has none either.
type Key struct {
	Journey, Variant, Template string
	Measure                    Measure
}

// Measure is what is counted.
type Measure string

// The measures of messages, each message once, and of entries.
const (
	MessagesSent Measure = "sent"
	Delivered    Measure = "delivered"
	Opened       Measure = "opened"
	Clicked      Measure = "clicked"
	Bounced      Measure = "bounced"
	Complained   Measure = "complained"
	Unsubscribed Measure = "unsubscribed"
	Converted    Measure = "converted" // messages that orders are credited to
	Entered      Measure = "entered"
	Reached      Measure = "reached" // entries whose goal was reached
	Ordered      Measure = "ordered" // entries with an order within their window
)

// The families of measures by currency: credited orders and what they are worth,
// and orders after an entry.
const (
	Orders      = "orders:"
	Net         = "net:"
	EntryOrders = "entry-orders:"
	EntryNet    = "entry-net:"
)

// In gives the measure of a family for a currency.
func In(family, currency string) Measure { return Measure(family + currency) }

// Currency reads the currency off a measure of a family.
func (m Measure) Currency(family string) (currency string, ok bool) {
	if !strings.HasPrefix(string(m), family) {
		return "", false
	}
	return string(m)[len(family):], true
}

// MarshalText and UnmarshalText let counts be stored as a JSON object.
func (k Key) MarshalText() ([]byte, error) {
	return []byte(k.Journey + "|" + k.Variant + "|" + k.Template + "|" + string(k.Measure)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (k *Key) UnmarshalText(b []byte) error {
	p := strings.Split(string(b), "|")
	if len(p) != 4 {
		return errors.New("a counter's name has four parts")
	}
	*k = Key{p[0], p[1], p[2], Measure(p[3])}
	return nil
}

func (k Key) compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Journey, o.Journey), cmp.Compare(k.Variant, o.Variant), cmp.Compare(k.Template, o.Template), cmp.Compare(k.Measure, o.Measure))
}

// Counts are counters by name. None is 0.
type Counts map[Key]int64

// Add adds to a counter.
func (c Counts) Add(k Key, n int64) {
	if c[k] += n; c[k] == 0 {
		delete(c, k)
	}
}

// Merge adds all of o.
func (c Counts) Merge(o Counts) {
	for k, n := range o {
		c.Add(k, n)
	}
}

// Keys are the counters' names, sorted.
func (c Counts) Keys() []Key { return slices.SortedFunc(maps.Keys(c), Key.compare) }

// Outcome is what is told to a CRM of one profile.
type Outcome struct {
	Orders   int64            `json:"o,omitempty"` // credited to messages
	Net      map[string]int64 `json:"n,omitempty"` // their worth by currency, minor units
	Campaign *Campaign        `json:"c,omitempty"` // of the newest message
}

// Equal compares everything.
func (o Outcome) Equal(p Outcome) bool {
	same := o.Campaign == p.Campaign || o.Campaign != nil && p.Campaign != nil && *o.Campaign == *p.Campaign
	return same && o.Orders == p.Orders && maps.Equal(o.Net, p.Net)
}

// IsZero tells whether there is nothing to tell.
func (o Outcome) IsZero() bool { return o.Orders == 0 && len(o.Net) == 0 && o.Campaign == nil }

// Campaign is the newest message of a profile, and the furthest that came of it.
type Campaign struct {
	Journey  string `json:"j"`
	Variant  string `json:"v,omitempty"`
	Template string `json:"t"`
	Result   string `json:"r"` // sent, delivered, opened, clicked, bounced, failed, unsubscribed, complained, converted
	At       int64  `json:"a"` // of that result, Unix ms
}

// Count gives what a profile contributes to the counters, and its outcome.
func Count(p Profile, w Windows) (Counts, Outcome) {
	p = p.normal()
	c := Counts{}
	credits := credit(p, w)
	first := map[string]int64{} // when the first order of a message was placed
	out := Outcome{}
	for _, t := range credits {
		c.Add(Key{t.journey, t.variant, t.template, In(Orders, t.order.Currency)}, 1)
		c.Add(Key{t.journey, t.variant, t.template, In(Net, t.order.Currency)}, t.order.Net)
		out.Orders++
		if out.Net == nil {
			out.Net = map[string]int64{}
		}
		out.Net[t.order.Currency] += t.order.Net
		if t.message != "" {
			first[t.message] = earlier(first[t.message], max(t.order.At, 1))
		}
	}
	for _, m := range p.Messages {
		e := m.Engagement
		for measure, at := range map[Measure]int64{MessagesSent: 1, Delivered: e.Delivered, Opened: e.Opened, Clicked: e.Clicked,
			Bounced: e.Bounced, Complained: e.Complained, Unsubscribed: e.Unsubscribed, Converted: first[m.name()]} {
			if at > 0 {
				c.Add(Key{m.Journey, m.Variant, m.Template, measure}, 1)
			}
		}
	}
	if n := len(p.Messages); n > 0 {
		out.Campaign = p.Messages[n-1].campaign(first[p.Messages[n-1].name()])
	}
	countEntries(c, p, w)
	return c, out
}

func (m Message) name() string { return string(m.Fragment) + "." + m.ID }

// campaign tells the furthest that came of a message: what a person would want to
// know first comes first.
func (m Message) campaign(converted int64) *Campaign {
	e := m.Engagement
	c := &Campaign{m.Journey, m.Variant, m.Template, "sent", m.At}
	for _, r := range []struct {
		result string
		at     int64
	}{{"converted", converted}, {"complained", e.Complained}, {"unsubscribed", e.Unsubscribed}, {"clicked", e.Clicked}, {"opened", e.Opened},
		{"bounced", e.Bounced}, {"delivered", e.Delivered}, {"failed", e.Failed}} {
		if r.at > 0 {
			c.Result, c.At = r.result, r.at
			break
		}
	}
	return c
}

// touch is an order with what it is credited to.
type touch struct {
	order                      Order
	journey, variant, template string
	message                    string // "" = a code that no message carried
}

// credit finds the last touch of each order that has one.
func credit(p Profile, w Windows) []touch {
	var l []touch
	for _, o := range p.Orders {
		if t, ok := byCode(o, p, w); ok {
			l = append(l, t)
		} else if t, ok := byClick(o, p.Messages, w); ok {
			l = append(l, t)
		}
	}
	return l
}

// byCode credits an order to the newest message whose code it used, else to the
// journey that gave the code by no message of ours.
func byCode(o Order, p Profile, w Windows) (t touch, ok bool) {
	for _, m := range p.Messages { // oldest first
		if o.uses(m.Voucher) && within(m.At, o.At, w.VoucherFor()) {
			t, ok = touch{o, m.Journey, m.Variant, m.Template, m.name()}, true
		}
	}
	if ok {
		return t, true
	}
	var best Issue
	for _, i := range p.Issues {
		if !o.uses(i.Code) || !within(i.At, o.At, w.VoucherFor()) {
			continue
		}
		if !ok || cmp.Or(cmp.Compare(i.At, best.At), cmp.Compare(i.Code, best.Code)) > 0 {
			best, ok = i, true
		}
	}
	return touch{o, best.Journey, best.Variant, "", ""}, ok
}

// byClick credits an order to the message that was clicked last before it.
func byClick(o Order, messages []Message, w Windows) (t touch, ok bool) {
	last := int64(0)
	for _, m := range messages { // of two clicked at once the newer counts
		click := m.Engagement.lastClick(o.At)
		if click > 0 && click >= last && within(click, o.At, w.ClickFor(m.Connection)) {
			t, ok, last = touch{o, m.Journey, m.Variant, m.Template, m.name()}, true, click
		}
	}
	return t, ok
}

func within(from, at int64, window time.Duration) bool {
	return from <= at && at-from <= window.Milliseconds()
}

// countEntries counts entries and the orders after them. Of several entries into
// one journey an order counts for the newest before it alone. The order that let
// somebody in is before the entry, or at the same moment.
func countEntries(c Counts, p Profile, w Windows) {
	key := func(e Entry, m Measure) Key { return Key{e.Journey, e.variant(), "", m} }
	ordered := map[int]bool{}
	for _, e := range p.Entries {
		c.Add(key(e, Entered), 1)
		if e.Goal > 0 {
			c.Add(key(e, Reached), 1)
		}
	}
	for _, o := range p.Orders {
		last := map[string]int{} // by journey
		for n, e := range p.Entries {
			if e.At < o.At {
				last[e.Journey] = n
			}
		}
		for journey, n := range last {
			e := p.Entries[n]
			if !within(e.At, o.At, w.EntryFor(journey)) {
				continue
			}
			c.Add(key(e, In(EntryOrders, o.Currency)), 1)
			c.Add(key(e, In(EntryNet, o.Currency)), o.Net)
			if !ordered[n] {
				ordered[n] = true
				c.Add(key(e, Ordered), 1)
			}
		}
	}
}

// Recount counts profiles from scratch: what the counters have to show.
func Recount(profiles []Profile, w Windows) Counts {
	c := Counts{}
	for _, p := range profiles {
		one, _ := Count(p, w)
		c.Merge(one)
	}
	return c
}
