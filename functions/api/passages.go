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
