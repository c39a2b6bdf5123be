package journey

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// Way is the kind of trigger by which somebody comes in.
type Way string

// The ways in.
const (
	ByEntered Way = "entered"
	ByLeft    Way = "left"
	ByEvent   Way = "event"
	ByDate    Way = "date"
	ByAPI     Way = "api"
)

// Wish is that somebody enter a journey, made through the API.
type Wish struct {
	Journey    string            `json:"journey"`
	ID         string            `json:"id"` // the caller's; the same wish twice is one
	Fragment   profile.ID        `json:"fragment"`
	Properties map[string]string `json:"properties,omitempty"`
	At         int64             `json:"at"` // Unix ms
}

// Cause is the wish as what may let its person in.
func (w Wish) Cause() Cause {
	return Cause{Way: ByAPI, Name: w.Journey, Record: w.ID, Fragment: w.Fragment, At: w.At}
}

// Cause is what may let a person in. Way, Name, Record and, of segments, At name it:
// the same cause lets in once, however often it comes.
type Cause struct {
	Way      Way
	Name     string     // segment, event, or day of the year
	Record   string     // of an event: its record; of a segment or date: the fragment that it names; of the API: the caller's id
	Fragment profile.ID // whom it is about, by any member
	At       int64      // Unix ms
	Message  string     // of message.*: the message
}

// Entry is the id of the entry that the cause leads to.
func (c Cause) Entry(journey string) string {
	at := ""
	if c.Way == ByEntered || c.Way == ByLeft {
		at = fmt.Sprint(c.At)
	}
	return hash("entry", journey, string(c.Way), c.Name, c.Record, c.Message, at)
}

func (c Cause) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Way, c.Name, c.Record))
}

// Occurrence is the event that the cause is, if it is one.
func (c Cause) Occurrence() events.Occurrence {
	return events.Occurrence{What: c.Name, Record: c.Record, At: c.At, Message: c.Message}
}

// Answers tells whether a journey's trigger waits for such a cause.
func (j Journey) Answers(c Cause) bool {
	switch t := j.def.Trigger; c.Way {
	case ByEntered:
		return t.Entered != "" && t.Entered == c.Name
	case ByLeft:
		return t.Left != "" && t.Left == c.Name
	case ByEvent:
		return t.Event != "" && t.Event == c.Name
	case ByDate:
		return t.Date != nil
	case ByAPI:
		return t.API
	}
	return false
}

// Dated tells whether the journey begins on days of the year.
func (j Journey) Dated() bool { return j.def.Trigger.Date != nil }

// Verdict says whether somebody may come in, and why.
type Verdict struct {
	In    bool
	Why   string
	Older time.Time // asks for the orders placed from then on; nothing is decided
	Rule  []segment.Clause
}

// MayEnter decides on re-entry and the trigger's rule. Heads are those of the
// journey under all members of the profile, segments the names of those it is in.
func (j Journey) MayEnter(heads []Head, v segment.View, segments []string, now time.Time) (Verdict, error) {
	if why := j.again(heads, now); why != "" {
		return Verdict{Why: why}, nil
	}
	if j.when == nil {
		return Verdict{In: true, Why: "nothing speaks against it"}, nil
	}
	d, err := j.when.decide(v, segments, now)
	if err != nil {
		return Verdict{}, fmt.Errorf("deciding who may enter %s: %w", j.Name, err)
	}
	return Verdict{In: d.In && d.Older.IsZero(), Why: "the trigger's rule: " + reason(d), Older: d.Older, Rule: d.Why}, nil
}

// mostADay is how often a person enters a journey within a day. Journeys whose tags
// move people into each other's segments would let them in for ever.
const (
	mostADay = 24
	aDay     = 24 * time.Hour
)

// again says why nobody comes in again; "" = nothing speaks against it.
func (j Journey) again(heads []Head, now time.Time) string {
	for _, h := range heads {
		began := time.UnixMilli(h.Began)
		switch {
		case h.Entry == "":
		case h.Open():
			return "entry " + h.Entry + " goes on"
		case h.Times >= mostADay && now.Before(time.UnixMilli(h.Day).Add(aDay)):
			return fmt.Sprintf("it began %d times since %s, which looks like a loop; it may begin again a day after that", h.Times, stamp(h.Day))
		case j.def.ReEntry.Always:
		case j.def.ReEntry.After == 0:
			return "entry " + h.Entry + " was there, and nobody enters twice"
		case now.Before(began.Add(j.def.ReEntry.After)):
			return "the last entry began at " + stamp(h.Began) + "; the next may begin at " + stamp(began.Add(j.def.ReEntry.After).UnixMilli())
		}
	}
	return ""
}

// person is the fragment that decides a person's variants: that of the first entry
// there ever was, so that links change no variant.
func person(heads []Head, least profile.ID) profile.ID {
	first := Head{}
	for _, h := range heads {
		if h.Person != "" && (first.Person == "" || h.Began < first.Began || h.Began == first.Began && h.Person < first.Person) {
			first = h
		}
	}
	if first.Person == "" {
		return least
	}
	return first.Person
}

// watch is how long a holdout is watched where its goal names no time.
const watch = 30 * 24 * time.Hour

// Enter makes the entry of somebody who may come in. Nothing happened to it yet:
// it is to be stepped at once.
func (j Journey) Enter(c Cause, members []profile.ID, heads []Head, properties map[string]string, now time.Time) Entry {
	now = now.Truncate(time.Millisecond)
	began := taken(time.UnixMilli(c.At), now)
	least := slices.Min(members)
	e := Entry{ID: c.Entry(j.Name), Journey: j.Name, Definition: j.Version, Fragment: least, Person: person(heads, least), Cause: c.String(),
		Event: properties, Status: Active, Began: began.UnixMilli(), Since: began.UnixMilli()}
	if len(j.nodes) > 0 {
		e.At = j.nodes[0].place
	}
	if c.Way == ByEvent { // what let in is not what is hoped for
		e.use(c.Occurrence())
	}
	e.note(now, "", "entered", e.Cause)
	if lot := draw(j.Name, "holdout", string(e.Person)); lot < j.def.Holdout {
		long := watch
		if j.def.Goal != nil && j.def.Goal.Within > 0 {
			long = j.def.Goal.Within
		}
		e.Status, e.Held, e.At, e.Due = Holdout, true, "", began.Add(long).UnixMilli()
		e.note(now, "", string(Holdout), fmt.Sprintf("%d of 100", lot))
	}
	return e
}

// told are the fields of a record that templates may name as event.*, besides
// properties.
var told = []string{"number", "total", "currency", "url", "form", "page", "channel", "name", "product", "value"}

// Properties are what a trigger's record says, for templates.
func Properties(facts []events.Fact) map[string]string {
	m := map[string]string{}
	record := profile.Join(facts...)
	for name, r := range record {
		short, property := strings.CutPrefix(name, "property:")
		if !property && !slices.Contains(told, name) {
			continue
		}
		if v := r.Value.String(); v != "" && len(v) <= 500 {
			m[short] = v
		}
	}
	return m
}
