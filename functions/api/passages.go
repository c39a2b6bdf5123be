package api

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"loophub/shared/journey"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// Journeys are people on their way.
type Journeys interface {
	// Entries are a journey's entries under any of the fragments, newest first.
	Entries(ctx context.Context, fragments []profile.ID, name string) ([]journey.Entry, error)
	// Heads are the heads of all journeys under any of the fragments.
	Heads(ctx context.Context, fragments []profile.ID) ([]journey.Head, error)
	// Ask stores a wish for an entry, if it is new; the journey stage hears of it.
	Ask(ctx context.Context, w journey.Wish) (fresh bool, err error)
	// Tasks are the newest under any of the fragments, newest first.
	Tasks(ctx context.Context, fragments []profile.ID, limit int) ([]journey.Task, error)
}

const (
	maxProperties = 20
	maxProperty   = 500 // bytes
)

var (
	wishPattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$`)
	propertyPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
)

type asked struct {
	Journey string `json:"journey"`
	Entry   string `json:"entry"` // that it leads to, if nothing speaks against it
}

// ask wants a profile to enter a journey. The same id again is the same wish.
func (h *handling) ask(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	name := h.args["name"]
	def, ok := h.workspace.Journeys[name]
	if !ok {
		return nil, notFound("there is no such journey in the workspace's definition")
	}
	if !def.Trigger.API {
		return nil, conflict("this journey has another trigger; nobody enters it through the API")
	}
	var in struct {
		Profile, ID string
		Properties  map[string]string
	}
	if err := h.body(&in); err != nil {
		return nil, err
	}
	if !wishPattern.MatchString(in.ID) {
		return nil, badRequest("give an id of your own, such as an order's number: up to 100 letters, digits, dots, colons and dashes")
	}
	if len(in.Properties) > maxProperties {
		return nil, badRequest("properties holds up to %d texts", maxProperties)
	}
	for key, v := range in.Properties {
		if !propertyPattern.MatchString(key) || len(v) > maxProperty {
			return nil, badRequest("a property has a name of up to 40 lower-case letters, digits and underscores, and a text of up to %d bytes", maxProperty)
		}
	}
	h.args["id"] = in.Profile
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	w := journey.Wish{Journey: name, ID: in.ID, Fragment: members[0].ID, Properties: in.Properties, At: h.now.UnixMilli()}
	if _, err := h.hub.Ask(ctx, w); err != nil {
		return nil, fmt.Errorf("storing the wish: %w", err)
	}
	return asked{name, w.Cause().Entry(name)}, nil
}

// The shapes of openapi.yaml.

type whyJourney struct {
	Profile profile.ID  `json:"profile"`
	Journey string      `json:"journey"`
	At      string      `json:"at"`
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

// whyJourney tells what a journey did with a profile, and whether its trigger would
// let the profile in now.
func (h *handling) whyJourney(ctx context.Context, name string) (any, error) {
	if !workspace.ValidID(name) {
		return nil, notFound("there is no such journey in the workspace's definition")
	}
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := h.hub.Entries(ctx, ids(members), name)
	if err != nil {
		return nil, fmt.Errorf("reading entries: %w", err)
	}
	d, ok := journey.Of(h.workspace, name)
	if !ok && len(entries) == 0 { // who was in a journey that is gone can still be asked for
		return nil, notFound("there is no such journey in the workspace's definition")
	}
	w := whyJourney{Profile: members[0].ID, Journey: name, At: stamp(h.now.UnixMilli()), Entries: []passage{}}
	for _, e := range entries {
		w.Entries = append(w.Entries, passageOf(e))
	}
	if ok {
		w.Now, err = h.mayEnter(ctx, d, members)
	}
	return w, err
}

func passageOf(e journey.Entry) passage {
	p := passage{ID: e.ID, Status: string(e.Status), Cause: e.Cause, Version: e.Definition, Variant: e.Variant(), Began: stamp(e.Began),
		Ended: stampOf(e.Ended), Due: stampOf(e.Due), Steps: []taken{}}
	for _, s := range e.Steps {
		p.Steps = append(p.Steps, taken{stamp(s.At), s.Step, s.What, s.Why})
	}
	return p
}

// stampOf is nil for no time.
func stampOf(ms int64) *string {
	if ms == 0 {
		return nil
	}
	s := stamp(ms)
	return &s
}

// mayEnter decides what the journey stage would if the trigger fired now.
func (h *handling) mayEnter(ctx context.Context, d journey.Definition, members []profile.Fragment) (*whyEntered, error) {
	j, err := journey.Compile(d)
	if err != nil {
		return nil, err
	}
	all, err := h.hub.Heads(ctx, ids(members))
	if err != nil {
		return nil, fmt.Errorf("reading heads: %w", err)
	}
	var heads []journey.Head
	for _, one := range all {
		if one.Journey == j.Name {
			heads = append(heads, one)
		}
	}
	identities, err := h.identities(ctx, members)
	if err != nil {
		return nil, err
	}
	kept, err := h.hub.Memberships(ctx, ids(members))
	if err != nil {
		return nil, fmt.Errorf("reading memberships: %w", err)
	}
	v := segment.Combine(members, identities, h.rules.Limits)
	verdict, err := j.MayEnter(heads, v, profile.InSegments(kept), h.now)
	if err == nil && !verdict.Older.IsZero() {
		if v, err = h.withOlder(ctx, v, members, verdict.Older); err == nil {
			verdict, err = j.MayEnter(heads, v, profile.InSegments(kept), h.now)
		}
	}
	if err != nil {
		return nil, err
	}
	trigger, err := h.triggerNow(ctx, d.Journey.Trigger, v, members)
	return &whyEntered{Trigger: trigger, In: verdict.In, Why: verdict.Why, Clauses: clausesOf(verdict.Rule)}, err
}

// triggerNow says what the trigger waits for and, of a segment, how things stand.
func (h *handling) triggerNow(ctx context.Context, t workspace.Trigger, v segment.View, members []profile.Fragment) (string, error) {
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
	r, err := h.evaluate(ctx, s, v, members)
	if err != nil {
		return "", fmt.Errorf("deciding segment %s: %w", name, err)
	}
	is := "is not in it"
	if r.In {
		is = "is in it"
	}
	return fmt.Sprintf("waits for segment %s to be %s; the profile %s now", name, turn, is), nil
}

// withOlder reads older orders into a view.
func (h *handling) withOlder(ctx context.Context, v segment.View, members []profile.Fragment, since time.Time) (segment.View, error) {
	var older []profile.Order
	for _, f := range members {
		if f.State.Orders == int64(len(f.State.Recent)) {
			continue
		}
		l, err := h.hub.OlderOrders(ctx, f.ID, since)
		if err != nil {
			return v, fmt.Errorf("reading older orders: %w", err)
		}
		older = append(older, l...)
	}
	return v.With(older, since), nil
}

type task struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Note    string `json:"note"`
	Journey string `json:"journey"`
	Entry   string `json:"entry"`
	Step    string `json:"step"`
	At      string `json:"at"`
}

// tasks are the newest that journeys made about a profile.
func (h *handling) tasks(ctx context.Context) (any, error) {
	q, err := h.query("limit")
	if err != nil {
		return nil, err
	}
	most, err := limit(q, 20)
	if err != nil {
		return nil, err
	}
	members, err := h.one(ctx)
	if err != nil {
		return nil, err
	}
	list, err := h.hub.Tasks(ctx, ids(members), most)
	if err != nil {
		return nil, fmt.Errorf("reading tasks: %w", err)
	}
	out := []task{}
	for _, t := range list {
		out = append(out, task{t.ID, t.Title, strings.TrimSpace(t.Note), t.Journey, t.Entry, t.Step, stamp(t.At)})
	}
	return map[string]any{"profile": members[0].ID, "tasks": out}, nil
}
