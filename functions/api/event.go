package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	hub "loophub/events"
	"loophub/shared/delivery"
	"loophub/shared/profile"
)

// Event is something that a person did, as the caller tells it. Whether it can be
// taken is decided by who reads it out of the Inbox.
type Event struct {
	Name                      string
	ID                        string    // the caller's own; "" = none
	At                        time.Time // zero = when it is received
	Email, Phone, AnonymousID string
	Fragment                  profile.ID // in place of these
	Properties                map[string]string
	Product                   string
	Value                     *int64 // minor units
	Currency                  string
}

// track puts an event into the Inbox. One with an id is one delivery, however
// often it is sent; one without is dated, so that the next is another.
func (h *handling) track(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct {
		Name, ID, At, Email, Phone, Profile, Product, Currency string
		AnonymousID                                            string `json:"anonymous_id"`
		Properties                                             map[string]json.RawMessage
		Value                                                  *int64
	}
	if err := h.body(&in); err != nil {
		return nil, err
	}
	e := Event{Name: in.Name, ID: in.ID, Email: in.Email, Phone: in.Phone, AnonymousID: in.AnonymousID, Product: in.Product, Value: in.Value, Currency: in.Currency}
	if !hub.ValidName(in.Name) {
		return nil, badRequest("name is up to 60 lower-case letters, digits, dots, dashes and underscores, such as tasting.booked; names that begin with order. checkout. form. consent. message. or segment. are Loophub's own")
	}
	var err error
	if e.At, err = h.dated(in.At, in.ID); err != nil {
		return nil, err
	}
	if e.Properties, err = texts(in.Properties); err != nil {
		return nil, err
	}
	if in.Profile != "" {
		if e.Fragment, err = h.known(ctx, in.Profile); err != nil {
			return nil, err
		}
	}
	d, refusal, err := h.Events(h.workspace, e, h.now)
	if err != nil {
		return nil, fmt.Errorf("writing the event: %w", err)
	}
	if refusal != "" {
		return nil, badRequest("%s", refusal)
	}
	d.Workspace, d.Trace = h.workspace.ID, h.line.Trace
	k, _, err := h.Inbox.Put(ctx, delivery.Seal(d))
	if err != nil {
		return nil, fmt.Errorf("storing the event: %w", err)
	}
	h.line.Connection, h.line.Delivery = k.Connection, k.String()
	return map[string]string{"delivery": k.String()}, nil
}

// dated reads when it happened. An event with an id is dated by its reception, so
// that what is sent again says the same; one without by now.
func (h *handling) dated(text, id string) (time.Time, error) {
	switch at, err := time.Parse(time.RFC3339, text); {
	case text == "" && id == "":
		return h.now, nil
	case text == "":
		return time.Time{}, nil
	case err != nil || at.Year() < 2000:
		return time.Time{}, badRequest("at is a time such as 2026-11-20T02:14:32Z")
	default:
		return at.UTC(), nil
	}
}

// texts reads properties: texts as they are, numbers and yes or no as they stand.
func texts(given map[string]json.RawMessage) (map[string]string, error) {
	if given == nil {
		return nil, nil
	}
	out := map[string]string{}
	for name, raw := range given {
		var text string
		switch {
		case json.Unmarshal(raw, &text) == nil && string(raw) != "null":
			out[name] = text
		case strings.ContainsRune("-0123456789tf", rune(raw[0])):
			out[name] = string(raw)
		default:
			return nil, badRequest("a property is a text, a number, true or false")
		}
	}
	return out, nil
}

// known is the fragment that an id names, if there is one.
func (h *handling) known(ctx context.Context, text string) (profile.ID, error) {
	id, err := parseID(text)
	if err != nil {
		return "", err
	}
	l, err := h.hub.Fragments(ctx, []profile.ID{id})
	if err != nil {
		return "", fmt.Errorf("reading fragments: %w", err)
	}
	if len(l) != 1 || l[0].Version == 0 {
		return "", notFound("there is no such profile; GET /v1/profiles finds one by email or phone")
	}
	return id, nil
}
