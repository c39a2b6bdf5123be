package api

import (
	"context"
	"fmt"
	"slices"

	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// The shapes of openapi.yaml.

type whyJourney struct {
	Profile profile.ID `json:"profile"`
	Journey string     `json:"journey"`
	grounds
	Entries []passage   `json:"entries"`
	Now     *whyEntered `json:"now"`
}

type passage struct {
	ID      string  `json:"id"`
	Status  string  `json:"status"`
	Cause   string  `json:"cause"`
	Version string  `json:"version"`
	Variant string  `json:"variant"`
	Began   string  `json:"began"`
	Ended   *string `json:"ended"`
	Due     *string `json:"due"`
	Steps   []taken `json:"steps"`
}

type taken struct {
	At   string `json:"at"`
	Step string `json:"step"`
	What string `json:"what"`
	Why  string `json:"why"`
}

type whyEntered struct {
	Trigger string   `json:"trigger"`
	In      bool     `json:"in"`
	Why     string   `json:"why"`
	Clauses []clause `json:"clauses"`
}

// whyJourney tells what a journey did with a profile up to a moment, and whether its
// trigger would have let the profile in then.
func (h *handling) whyJourney(ctx context.Context, name string, at asOf) (any, error) {
	if at.basis == future {
		return nil, badRequest("what a journey will do is no answer of this path; GET /v1/forecast tells it. Give a moment that is past, or no at")
	}
	if !workspace.ValidID(name) {
		return nil, notFound("there is no such journey in the workspace's definition")
	}
	p, err := h.person(ctx, at)
	if err != nil {
		return nil, err
	}
	entries, err := h.hub.Entries(ctx, ids(p.today), name)
	if err != nil {
		return nil, fmt.Errorf("reading entries: %w", err)
	}
	d, ok := journey.Of(h.workspace, name)
	if !ok && len(entries) == 0 { // who was in a journey that is gone can still be asked for
		return nil, notFound("there is no such journey in the workspace's definition")
	}
	w := whyJourney{Profile: p.id(), Journey: name, grounds: p.grounds(), Entries: []passage{}}
	if at.basis == past {
		entries = entriesBy(entries, at.at.UnixMilli())
	}
	for _, e := range entries {
		w.Entries = append(w.Entries, passageOf(e))
	}
	if ok {
		w.Now, err = h.mayEnter(ctx, d, p, entries)
	}
	return w, err
}

func passageOf(e journey.Entry) passage {
	p := passage{ID: e.ID, Status: string(e.Status), Cause: e.Cause, Version: e.Definition, Variant: e.Variant(), Began: stamp(e.Began),
		Ended: moment(e.Ended), Due: moment(e.Due), Steps: []taken{}}
	for _, s := range e.Steps {
		p.Steps = append(p.Steps, taken{stamp(s.At), s.Step, s.What, s.Why})
	}
	return p
}

// entriesBy are entries as they stood at a moment, as far as they tell: until when
// they waited then is not kept.
func entriesBy(entries []journey.Entry, at int64) (l []journey.Entry) {
	for _, e := range entries {
		if e.Began > at || len(e.Steps) > 0 && e.Steps[0].What == "entered" && e.Steps[0].At > at {
			continue // a beginning is reckoned from its trigger, and may be a little before it was noted
		}
		later := slices.IndexFunc(e.Steps, func(t journey.Taken) bool { return t.At > at })
		if later < 0 {
			l = append(l, e) // nothing happened to it since
			continue
		}
		e.Choices = slices.DeleteFunc(slices.Clone(e.Choices), func(c journey.Choice) bool {
			sent := func(t journey.Taken) bool { return t.Step == c.Split && t.What == "variant "+c.Variant }
			return slices.ContainsFunc(e.Steps[later:], sent) && !slices.ContainsFunc(e.Steps[:later], sent)
		})
		e.Steps = e.Steps[:later]
		e.Due = 0
		if e.Ended > at {
			if e.Ended, e.Status = 0, journey.Active; e.Held {
				e.Status = journey.Holdout
			}
		}
		l = append(l, e)
	}
	return l
}

// mayEnter decides what the journey stage would, or would have, if the trigger fired
// at the moment.
func (h *handling) mayEnter(ctx context.Context, d journey.Definition, p *person, entries []journey.Entry) (*whyEntered, error) {
	trigger, err := h.triggerAt(ctx, d.Journey.Trigger, p)
	if err != nil {
		return nil, err
	}
	if !p.known() {
		return &whyEntered{Trigger: trigger, Why: unheard, Clauses: []clause{}}, nil
	}
	j, err := journey.Compile(d)
	if err != nil {
		return nil, err
	}
	heads, segments, err := h.beside(ctx, j, p, entries)
	if err != nil {
		return nil, err
	}
	v := p.view
	verdict, err := j.MayEnter(heads, v, segments, p.at)
	if err == nil && !verdict.Older.IsZero() {
		if v, err = h.withOlder(ctx, v, p.members, verdict.Older); err == nil {
			verdict, err = j.MayEnter(heads, v, segments, p.at)
		}
	}
	if err != nil {
		return nil, err
	}
	w := &whyEntered{Trigger: trigger, In: verdict.In, Why: verdict.Why}
	w.Clauses, err = h.clauses(ctx, p, verdict.Rule)
	return w, err
}

// beside is what decides on an entry besides the profile: how the entries of the
// journey stand, and the segments that the profile is in. What the segment stage had
// decided at a moment of the past is not kept, so the rules themselves are asked.
func (h *handling) beside(ctx context.Context, j journey.Journey, p *person, entries []journey.Entry) (heads []journey.Head, segments []string, err error) {
	if p.basis == past {
		segments, err = h.segmentsBy(ctx, p)
		for _, e := range entries { // newest first: the first of a fragment has the say
			if !slices.ContainsFunc(heads, func(h journey.Head) bool { return h.Fragment == e.Fragment }) {
				heads = append(heads, j.Head(e, journey.Head{}))
			}
		}
		return heads, segments, err
	}
	all, err := h.hub.Heads(ctx, ids(p.members))
	if err != nil {
		return nil, nil, fmt.Errorf("reading heads: %w", err)
	}
	for _, one := range all {
		if one.Journey == j.Name {
			heads = append(heads, one)
		}
	}
	kept, err := h.hub.Memberships(ctx, ids(p.members))
	if err != nil {
		return nil, nil, fmt.Errorf("reading memberships: %w", err)
	}
	return heads, profile.InSegments(kept), nil
}

func (h *handling) segmentsBy(ctx context.Context, p *person) (names []string, err error) {
	all, err := segment.CompileAll(h.workspace)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		r, err := h.evaluate(ctx, s, p)
		if err != nil {
			return nil, fmt.Errorf("deciding segment %s: %w", s.Name, err)
		}
		if r.In {
			names = append(names, s.Name)
		}
	}
	return names, nil
}

// triggerAt says what the trigger waits for and, of a segment, how things stand or
// stood.
func (h *handling) triggerAt(ctx context.Context, t workspace.Trigger, p *person) (string, error) {
	name, turn := t.Entered, "entered"
	if t.Left != "" {
		name, turn = t.Left, "left"
	}
	switch {
	case t.Event != "":
		return "waits for the event " + t.Event, nil
	case t.Date != nil:
		return "waits for a day of the trait " + t.Date.Trait, nil
	case t.API:
		return "waits for a call of the API", nil
	}
	s, err := compile(h.workspace.Segments[name], h.workspace.Zone)
	if err != nil {
		return "", err
	}
	in := false
	if p.known() {
		r, err := h.evaluate(ctx, s, p)
		if err != nil {
			return "", fmt.Errorf("deciding segment %s: %w", name, err)
		}
		in = r.In
	}
	words := map[bool]string{true: "is in it now", false: "is not in it now"}
	if p.basis == past {
		words = map[bool]string{true: "was in it", false: "was not in it"}
	}
	return fmt.Sprintf("waits for segment %s to be %s; the profile %s", name, turn, words[in]), nil
}
