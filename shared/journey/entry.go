package journey

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Status is what became of an entry.
type Status string

// What an entry can be. All but the first two are ends.
const (
	Active   Status = "active"
	Holdout  Status = "holdout"  // nothing happens to the person, but the goal is watched
	Finished Status = "finished" // the last step was taken
	Reached  Status = "goal"     // the goal was reached
	Left     Status = "left"     // an exit step, or the rule of exit
	Watched  Status = "watched"  // a holdout's time is over
)

// Entry is one person's way through a journey.
type Entry struct {
	ID         string            `json:"id"`
	Journey    string            `json:"journey"`
	Definition string            `json:"definition"` // version by which it goes on
	Fragment   profile.ID        `json:"fragment"`   // under which it lies
	Person     profile.ID        `json:"person"`     // the fragment that decides variants, the same at every entry
	Cause      string            `json:"cause"`      // what let the person in
	Event      map[string]string `json:"event,omitempty"`
	Status     Status            `json:"status"`
	Began      int64             `json:"began"`           // Unix ms
	Ended      int64             `json:"ended,omitempty"` // Unix ms; 0 = it goes on
	At         string            `json:"at,omitempty"`    // place of the step that comes next, or that it waits in
	Waiting    bool              `json:"waiting,omitempty"`
	Since      int64             `json:"since"`          // when that step was reached, Unix ms
	Due        int64             `json:"due,omitempty"`  // when to look again, Unix ms; 0 = never
	Held       bool              `json:"held,omitempty"` // it is or was a holdout
	Choices    []Choice          `json:"choices,omitempty"`
	Voucher    *Voucher          `json:"voucher,omitempty"`  // the newest
	Messages   []string          `json:"messages,omitempty"` // that it asked for, newest last
	Goal       int64             `json:"goal,omitempty"`     // when it was reached, Unix ms
	Used       []string          `json:"used,omitempty"`     // occurrences that had their effect, newest last
	Count      int               `json:"count"`              // steps taken
	Steps      []Taken           `json:"steps"`              // the newest of them
	Revision   int64             `json:"-"`                  // of the stored item; 0 = not stored
}

// Choice is the way that a split sent somebody.
type Choice struct {
	Split   string `json:"split"`
	Variant string `json:"variant"`
}

// Voucher is a code of a pool.
type Voucher struct {
	Pool string `json:"pool"`
	Code string `json:"code"`
}

// Taken is one step that was taken, and why.
type Taken struct {
	At   int64  `json:"at"` // Unix ms
	Step string `json:"step"`
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
}

const (
	maxSteps  = 60  // that an entry keeps
	maxUsed   = 24  // occurrences that it remembers, and messages
	maxRun    = 200 // steps that one call takes
	maxWrites = 60  // items that one call's effects may take: a transaction holds a hundred
)

// Open tells whether something can still come of the entry.
func (e Entry) Open() bool { return e.Status == Active || e.Status == Holdout }

// Variant names the ways that all splits so far sent the person, "" before any.
func (e Entry) Variant() string {
	if e.Held {
		return string(Holdout)
	}
	names := make([]string, len(e.Choices))
	for n, c := range e.Choices {
		names[n] = c.Variant
	}
	return strings.Join(names, "/")
}

// News tells whether an entry differs from how it was in what reports count: that it
// began, its variant, its goal.
func (e Entry) News(was Entry) bool {
	return was.Revision == 0 || e.Goal != was.Goal || e.Variant() != was.Variant()
}

func (e *Entry) note(now time.Time, step, what, why string) {
	if len(why) > 300 {
		why = strings.ToValidUTF8(why[:300], "") + "…"
	}
	e.Steps = append(slices.Clone(e.Steps), Taken{now.UnixMilli(), step, what, why})
	e.Steps = e.Steps[max(0, len(e.Steps)-maxSteps):]
}

// use remembers an occurrence, so that its copies do nothing.
func (e *Entry) use(o events.Occurrence) {
	e.Used = append(slices.Clone(e.Used), mark(o))
	e.Used = e.Used[max(0, len(e.Used)-maxUsed):]
}

// concerns tells whether an occurrence is the entry's: what becomes of a message is
// that of those that it asked for, or of any where it asked for none.
func (e *Entry) concerns(o events.Occurrence) bool {
	return o.Message == "" || len(e.Messages) == 0 || slices.Contains(e.Messages, o.Message)
}

// mark names an occurrence.
func mark(o events.Occurrence) string { return hash("occurrence", o.What, o.Record, o.Message) }

// end ends the entry.
func (e *Entry) end(now time.Time, s Status, step, why string) {
	e.note(now, step, string(s), why)
	e.Status, e.Ended, e.Due, e.Waiting = s, now.UnixMilli(), 0, false
}

// Head says under a fragment how its newest entry of a journey stands.
type Head struct {
	Fragment   profile.ID `json:"-"`
	Journey    string     `json:"-"`
	Revision   int64      `json:"-"` // of the stored item; 0 = not stored
	Entry      string     `json:"entry,omitempty"`
	Definition string     `json:"definition,omitempty"`
	Person     profile.ID `json:"person,omitempty"`
	Status     Status     `json:"status,omitempty"`
	Began      int64      `json:"began,omitempty"`
	Ended      int64      `json:"ended,omitempty"`
	Due        int64      `json:"due,omitempty"`     // when to look at it again, Unix ms
	Listens    []string   `json:"listens,omitempty"` // events that concern the entry as it stands
	Date       int64      `json:"date,omitempty"`    // the next day that is armed, Unix ms
	Times      int        `json:"times,omitempty"`   // entries within the day that began then
	Day        int64      `json:"day,omitempty"`     // Unix ms
}

// Open tells whether its entry goes on.
func (h Head) Open() bool { return h.Status == Active || h.Status == Holdout }

// Head is the head that an entry has, given the one before.
func (j Journey) Head(e Entry, before Head) Head {
	h := Head{Fragment: e.Fragment, Journey: e.Journey, Revision: before.Revision, Date: before.Date, Entry: e.ID,
		Definition: e.Definition, Person: e.Person, Status: e.Status, Began: e.Began, Ended: e.Ended, Due: e.Due,
		Times: before.Times, Day: before.Day}
	switch {
	case e.ID == before.Entry:
	case h.Times > 0 && e.Began < h.Day+aDay.Milliseconds():
		h.Times++
	default:
		h.Times, h.Day = 1, e.Began
	}
	if !e.Open() {
		return h
	}
	if j.def.Goal != nil {
		h.Listens = append(h.Listens, j.def.Goal.Event)
	}
	if n, ok := j.places[e.At]; ok && e.Waiting && j.nodes[n].step.WaitFor != nil {
		h.Listens = append(h.Listens, j.nodes[n].step.WaitFor.Event)
	}
	return h
}

// Request wants a message sent. It is an effect: whether it is sent is decided by
// shared/message at the time.
type Request struct {
	ID         string            `json:"id"`
	Fragment   profile.ID        `json:"fragment"`
	Connection string            `json:"connection"`
	Template   string            `json:"template"`
	Purpose    workspace.Purpose `json:"purpose"`
	Journey    string            `json:"journey"`
	Version    string            `json:"version"` // of the journey's definition
	Entry      string            `json:"entry"`
	Variant    string            `json:"variant,omitempty"`
	Step       string            `json:"step"`
	Voucher    Voucher           `json:"voucher,omitzero"`
	Event      map[string]string `json:"event,omitempty"`
	At         int64             `json:"at"` // Unix ms
}

// Assignment gives a voucher to somebody.
type Assignment struct {
	Voucher
	Cause    string     `json:"cause"` // the same cause takes one code, however often
	Fragment profile.ID `json:"fragment"`
	Entry    string     `json:"entry"`
	Journey  string     `json:"journey"`
	Variant  string     `json:"variant,omitempty"`
	At       int64      `json:"at"` // Unix ms
}

// Tagging adds a tag or removes it.
type Tagging struct {
	Fragment profile.ID
	Add      string
	Remove   string
	Cause    string
	At       int64 // Unix ms
}

// Task asks somebody to do something about a person.
type Task struct {
	ID       string     `json:"id"`
	Fragment profile.ID `json:"fragment"`
	Title    string     `json:"title"`
	Note     string     `json:"note,omitempty"`
	Journey  string     `json:"journey"`
	Entry    string     `json:"entry"`
	Step     string     `json:"step"`
	At       int64      `json:"at"` // Unix ms
}

// cause names what the entry does at a step, this time that it comes there.
func (e Entry) cause(place string) string { return fmt.Sprintf("%s.%s.%d", e.ID, place, e.Count) }

// named gives an id that sorts by time: of a message or a task.
func named(at time.Time, cause string) string {
	return fmt.Sprintf("%011x-%s", at.UnixMilli(), hash("effect", cause))
}

func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return events.Short(sum[:])
}
