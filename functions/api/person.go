package api

import (
	"context"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
)

// basis says what an answer is reckoned from.
type basis string

const (
	present basis = "present" // the profile as it is, now
	past    basis = "past"    // the facts that had been received by a moment
	future  basis = "future"  // the profile as it is, at a moment to come
)

// asOf is the moment that a question is about.
type asOf struct {
	at    time.Time
	basis basis
}

// farthest is how far a question may look: as far as the longest window of a rule.
const farthest = 10 * 366 * 24 * time.Hour

// asOf reads a moment; without one the question is about now.
func (h *handling) asOf(text string) (asOf, error) {
	if text == "" {
		return asOf{h.now, present}, nil
	}
	at, ok := parseTime(text)
	switch {
	case !ok || at.Before(time.UnixMilli(0)) || at.After(h.now.Add(farthest)):
		return asOf{}, badRequest("at is a moment from 1970 to ten years ahead, such as 2026-11-20T09:00:00Z")
	case at.After(h.now):
		return asOf{at, future}, nil
	}
	return asOf{at, past}, nil
}

// parseTime reads a moment of a query. People forget to escape the plus sign of an
// offset, which then reads as a space.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+"))
	return t.UTC().Truncate(time.Millisecond), err == nil
}

// person is a profile as far as it is known at a moment.
type person struct {
	asOf
	today      []profile.Fragment // its members as they are now
	members    []profile.Fragment // those that were known at the moment, as they were
	identities map[string]profile.Identity
	view       segment.View
	facts      map[string][]events.Fact // of records that were read: what was known of them
}

// person reads the profile that the path names. All answers go on from here,
// whatever moment they are about.
func (h *handling) person(ctx context.Context, at asOf) (*person, error) {
	p := &person{asOf: at, facts: map[string][]events.Fact{}}
	var err error
	if p.today, err = h.one(ctx); err != nil {
		return nil, err
	}
	if at.basis == past {
		err = h.recall(ctx, p)
	} else {
		p.members = p.today
		p.identities, err = h.identities(ctx, p.members)
	}
	if err == nil && p.known() {
		p.view = segment.Combine(p.members, p.identities, h.rules.Limits)
	}
	return p, err
}

// id is the profile's as it is called today.
func (p *person) id() profile.ID { return p.today[0].ID }

// known tells whether anything had been heard of the profile.
func (p *person) known() bool { return len(p.members) > 0 }

// grounds say which moment an answer is about, and what it stands on.
type grounds struct {
	At      string       `json:"at"`
	Basis   basis        `json:"basis"`
	Members []profile.ID `json:"members"` // that were known
	Note    string       `json:"note"`
}

var notes = map[basis]string{
	present: "As things are.",
	past:    "Reckoned from the facts that had been received by then. Who is tied to whom, and every rule, are those of today.",
	future:  "If nothing happens until then: the profile and every rule as they are today.",
}

const unheard = "Nothing had been received of the profile by then."

func (p *person) grounds() grounds {
	a := grounds{At: stamp(p.at.UnixMilli()), Basis: p.basis, Members: append([]profile.ID{}, ids(p.members)...), Note: notes[p.basis]}
	if !p.known() {
		a.Note = unheard
	}
	return a
}
