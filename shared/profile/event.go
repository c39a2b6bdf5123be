package profile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/events"
)

// Event is one time that something happened.
type Event struct {
	At     int64  `json:"t"` // Unix ms, 0 = the source does not say
	Record string `json:"r"` // connection|kind|id of the record that tells it
}

func (e Event) compare(o Event) int {
	return cmp.Or(cmp.Compare(e.At, o.At), cmp.Compare(e.Record, o.Record))
}

// What Loophub itself tells of. Those of messages follow engagements.
const (
	OrderPlaced     = "order.placed"
	CheckoutStarted = "checkout.started"
	FormSubmitted   = "form.submitted"
	ConsentAsked    = "consent.asked"
)

// engagements are the fields of a message's facts that are events of a person,
// with what each is called.
var engagements = map[string]string{
	"delivered_at": "message.delivered", "opened_at": "message.opened", "clicked_at": "message.clicked",
	"bounced_at": "message.bounced", "complained_at": "message.complained", "unsubscribed_at": "message.unsubscribed",
}

const (
	keptEvents = 4  // the newest of a name, one per record
	keptNames  = 24 // that merchants chose: the least by the alphabet, so that nobody can fill an item; our own come beside
)

// told is what one fact tells by itself, by name.
func told(f events.Fact) map[string]Event {
	m := map[string]Event{}
	tell := func(name string, at int64) { m[name] = Event{max(at, m[name].At), f.RecordKey()} }
	switch f.Kind {
	case events.Event:
		if name := f.Fields["name"].String(); events.ValidName(name) {
			tell(name, f.At)
		}
	case events.Form:
		tell(FormSubmitted, f.At)
	}
	for field, v := range f.Fields {
		at, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			continue
		}
		if name := engagements[field]; name != "" && f.Kind == events.Engagement {
			tell(name, at)
		} else if strings.HasPrefix(field, "ask:") {
			tell(ConsentAsked, at)
		}
	}
	return m
}

// joinEvent adds an event: per name the newest few, of a record its newest time.
// What falls out can never come back, so the order of joins does not matter.
func (s *State) joinEvent(name string, e Event) {
	l := withEvent(s.Events[name], e)
	s.Events = maps.Clone(s.Events) // neither map nor lists are changed in place: copies of the state share them
	if s.Events == nil {
		s.Events = map[string][]Event{}
	}
	s.Events[name] = l
	var chosen []string
	for name := range s.Events {
		if !events.Reserved(name) {
			chosen = append(chosen, name)
		}
	}
	slices.Sort(chosen)
	for _, name := range chosen[min(len(chosen), keptNames):] {
		delete(s.Events, name)
	}
}

func withEvent(l []Event, e Event) []Event {
	if i := slices.IndexFunc(l, func(o Event) bool { return o.Record == e.Record }); i >= 0 {
		if l[i].At >= e.At {
			return l
		}
		l = slices.Delete(slices.Clone(l), i, i+1)
	}
	l = append(slices.Clone(l), e)
	slices.SortFunc(l, func(a, b Event) int { return b.compare(a) })
	return l[:min(len(l), keptEvents)]
}

// late is how long before its reception something may have happened to be told as
// happening now.
const late = 24 * time.Hour

// Occurrences tells what happened to a customer between two versions of a
// fragment, by the facts that the later one took in: orders, checkouts and events
// that are new in it and were received within a day. Each is told by the write
// that takes it in, so a copy of a fact tells nothing. In the order of time.
func Occurrences(was, is Fragment, facts []events.Fact) []events.Occurrence {
	set := map[events.Occurrence]bool{}
	for _, f := range facts {
		add := func(what string, at int64, message string) {
			if at == 0 {
				at = f.Received
			}
			if at >= f.Received-late.Milliseconds() {
				set[events.Occurrence{What: what, Record: f.RecordKey(), At: at, Message: message}] = true
			}
		}
		switch f.Kind {
		case events.Order:
			if i := is.State.recent(f.RecordKey()); i >= 0 && was.State.recent(f.RecordKey()) < 0 {
				add(OrderPlaced, is.State.Recent[i].At, "")
			}
		case events.Checkout:
			if c, ok := is.State.lastCheckout(); ok && c.Record == f.RecordKey() && c.Completed == 0 {
				if old, _ := was.State.lastCheckout(); old.Record != c.Record {
					add(CheckoutStarted, c.Started, "")
				}
			}
		}
		for name, e := range told(f) {
			if holds(is, name, e.Record) && !holds(was, name, e.Record) {
				add(name, e.At, f.Fields["message"].String())
			}
		}
	}
	return slices.SortedFunc(maps.Keys(set), func(a, b events.Occurrence) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.What, b.What), cmp.Compare(a.Record, b.Record))
	})
}

func holds(f Fragment, name, record string) bool {
	return slices.ContainsFunc(f.State.Events[name], func(e Event) bool { return e.Record == record })
}
