package api

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// Ahead is what is to come, and what it hangs on. All of it is read only.
type Ahead interface {
	// Ahead lists the moments of the stages segment, journey and message, from one on
	// up to another, at most limit of them. None that comes before whole is missing.
	Ahead(ctx context.Context, from, to time.Time, limit int) (l []Due, whole time.Time, err error)
	// Entry reads an entry; Revision 0 = not stored.
	Entry(ctx context.Context, fragment profile.ID, name, id string) (journey.Entry, error)
	// KeptJourney is a definition by which somebody is inside.
	KeptJourney(ctx context.Context, name, version string) (journey.Definition, error)
	// FindCode finds a code that a cause may take; "" = the pool is empty.
	FindCode(ctx context.Context, pool, cause string) (string, error)
}

// Due is a moment that a stage waits for, in its own words.
type Due struct {
	Stage, What string
	At          time.Time
}

// Limits of a forecast.
const (
	furthest = 48 * time.Hour
	overdue  = time.Hour // what came in it and was not told yet is about to be
	maxDue   = 500
	maxPlans = 2_000 // messages
	maxSteps = 200   // moments of one profile
)

// The shapes of openapi.yaml.

type forecasted struct {
	At           string     `json:"at"`
	Until        string     `json:"until"`
	Truncated    bool       `json:"truncated"`
	CoveredUntil string     `json:"covered_until"`
	Paused       []string   `json:"paused"`      // journeys in which something would happen
	EmptyPools   []string   `json:"empty_pools"` // that a step would wait for
	Turns        []turning  `json:"turns"`
	Entries      []entering `json:"entries"`
	Sends        []planned  `json:"sends"`
}

type turning struct {
	Profile profile.ID   `json:"profile"`
	Segment string       `json:"segment"`
	In      bool         `json:"in"`
	At      string       `json:"at"`
	Cause   events.Cause `json:"cause"`
}

type entering struct {
	Profile profile.ID `json:"profile"`
	Journey string     `json:"journey"`
	At      string     `json:"at"`
	Cause   string     `json:"cause"`
	Holdout bool       `json:"holdout"`
}

type planned struct {
	Profile     profile.ID     `json:"profile"`
	Journey     *string        `json:"journey"`
	Template    string         `json:"template"`
	Connection  string         `json:"connection"`
	Purpose     string         `json:"purpose"`
	Variant     string         `json:"variant"`
	Step        string         `json:"step"`
	Message     *string        `json:"message"` // of one that was asked for already
	RequestedAt string         `json:"requested_at"`
	Decision    message.Verb   `json:"decision"`
	At          string         `json:"at"`
	Reason      message.Reason `json:"reason"`
	Words       string         `json:"words"`
	Delayed     message.Reason `json:"delayed_by,omitempty"`
}

// outlook is one forecast on its way. What it finds out is of this moment: it keeps
// nothing and tells nobody.
type outlook struct {
	*handling
	until    time.Time
	whole    time.Time // nothing that comes before it was left out
	segments []segment.Segment
	current  map[string]journey.Journey // of the definition that counts
	versions map[string]journey.Journey // by name and version, which people are inside
	controls workspace.Controls
	paused   map[string]bool
	pools    map[string]string // a code of each that was asked for; "" = it is empty
	answer   forecasted
}

// forecast tells who would get what if nothing but time happened: it goes ahead
// through the moments that are armed, by the functions by which the stages decide.
func (h *handling) forecast(ctx context.Context) (any, error) {
	o, err := h.outlook()
	if err != nil {
		return nil, err
	}
	if o.controls, err = h.hub.Controls(ctx); err != nil {
		return nil, fmt.Errorf("reading controls: %w", err)
	}
	l, whole, err := h.hub.Ahead(ctx, h.now.Add(-overdue), o.until, maxDue)
	if err != nil {
		return nil, fmt.Errorf("reading what is to come: %w", err)
	}
	o.cut(whole)
	people, err := o.people(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		if err := p.run(ctx); err != nil {
			return nil, err
		}
	}
	return o.told(), nil
}

func (h *handling) outlook() (*outlook, error) {
	q, err := h.query("until")
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(h.workspace.Zone)
	if err != nil {
		return nil, fmt.Errorf("loading the workspace's zone: %w", err)
	}
	y, m, d := h.now.In(zone).Date()
	last := h.now.Add(furthest)
	o := &outlook{handling: h, until: time.Date(y, m, d+2, 0, 0, 0, 0, zone).Add(-time.Millisecond).UTC(), paused: map[string]bool{}, pools: map[string]string{},
		current: map[string]journey.Journey{}, versions: map[string]journey.Journey{}}
	if o.until.After(last) { // a day of a zone may have 25 hours
		o.until = last
	}
	if text, given := q["until"]; given {
		var ok bool
		if o.until, ok = parseTime(text); !ok || !o.until.After(h.now) || o.until.After(last) {
			return nil, badRequest("until is a moment within the next 48 hours, such as 2026-11-20T09:00:00Z")
		}
	}
	o.whole = o.until.Add(time.Millisecond)
	if o.segments, err = segment.CompileAll(h.workspace); err != nil {
		return nil, err
	}
	for name := range h.workspace.Journeys {
		def, _ := journey.Of(h.workspace, name)
		if o.current[name], err = journey.Compile(def); err != nil {
			return nil, fmt.Errorf("reading journey %s: %w", name, err)
		}
		o.versions[name+"|"+o.current[name].Version] = o.current[name]
	}
	return o, nil
}

// cut notes that something may be missing from a moment on.
func (o *outlook) cut(from time.Time) {
	if from.Before(o.whole) {
		o.whole, o.answer.Truncated = from, true
	}
}

// told is the answer, each list in the order of time.
func (o *outlook) told() forecasted {
	a := o.answer
	a.At, a.Until = stamp(o.now.UnixMilli()), stamp(o.until.UnixMilli())
	a.CoveredUntil = stamp(min(max(o.whole.UnixMilli(), o.now.UnixMilli()), o.until.UnixMilli()))
	a.Paused = append([]string{}, slices.Sorted(maps.Keys(o.paused))...)
	a.EmptyPools = []string{}
	for _, pool := range slices.Sorted(maps.Keys(o.pools)) {
		if o.pools[pool] == "" {
			a.EmptyPools = append(a.EmptyPools, pool)
		}
	}
	a.Turns, a.Entries, a.Sends = append([]turning{}, a.Turns...), append([]entering{}, a.Entries...), append([]planned{}, a.Sends...)
	slices.SortStableFunc(a.Turns, func(x, y turning) int { return cmp.Or(strings.Compare(x.At, y.At), cmp.Compare(x.Profile, y.Profile)) })
	slices.SortStableFunc(a.Entries, func(x, y entering) int { return cmp.Or(strings.Compare(x.At, y.At), cmp.Compare(x.Profile, y.Profile)) })
	slices.SortStableFunc(a.Sends, func(x, y planned) int { return cmp.Or(strings.Compare(x.At, y.At), cmp.Compare(x.Profile, y.Profile)) })
	return a
}

// version compiles the definition by which an entry goes on.
func (o *outlook) version(ctx context.Context, name, version string) (journey.Journey, error) {
	if j, ok := o.versions[name+"|"+version]; ok {
		return j, nil
	}
	d, err := o.hub.KeptJourney(ctx, name, version)
	if err != nil {
		return journey.Journey{}, fmt.Errorf("reading journey %s: %w", name, err)
	}
	j, err := journey.Compile(d)
	if err != nil {
		return j, fmt.Errorf("reading journey %s: %w", name, err)
	}
	o.versions[name+"|"+version] = j
	return j, nil
}

// stands tells whether a journey stands still, and notes that it matters.
func (o *outlook) stands(name string) bool {
	if !o.controls.Paused(workspace.ControlJourney, name) {
		return false
	}
	o.paused[name] = true
	return true
}
