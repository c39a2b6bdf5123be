package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"loophub/shared/delivery"
	"loophub/shared/workspace"
)

// received is a delivery in a list.
type received struct {
	Key        string          `json:"key"`
	Connection string          `json:"connection"`
	Object     string          `json:"object"`
	Delivery   string          `json:"delivery"`
	Status     delivery.Status `json:"status"`
	ReceivedAt string          `json:"received_at"`
	ParkedAt   *string         `json:"parked_at"`
	Clash      bool            `json:"clash"`
	Faults     []reason        `json:"faults"`
}

type reason struct {
	Class  string `json:"class"`
	Reason string `json:"reason"`
}

const usualDeliveries = 50

// deliveries lists what lies in the Inbox.
func (h *handling) deliveries(ctx context.Context) (any, error) {
	q, err := h.query("connection", "status", "limit", "cursor")
	if err != nil {
		return nil, err
	}
	l := delivery.Listing{Workspace: h.workspace.ID, Connection: q["connection"], Cursor: q["cursor"], Now: h.now, Key: h.rules.Key}
	if l.Limit, err = limit(q, usualDeliveries); err != nil {
		return nil, err
	}
	switch status := delivery.Status(q["status"]); {
	case l.Connection != "" && !workspace.ValidID(l.Connection):
		return nil, badRequest("connection is the name of a connection, as the workspace's definition has it")
	case len(l.Cursor) > maxCursor:
		return nil, errCursor
	case status != "" && status != delivery.Received && status != delivery.Parked:
		return nil, badRequest("status is received or parked")
	case status == delivery.Received && l.Connection == "":
		return nil, badRequest("name the connection: what is received is listed for one at a time")
	case status == delivery.Received:
		return list(h.Inbox.ListReceived(ctx, l))
	case l.Connection != "":
		return list(h.Inbox.ListParked(ctx, l))
	}
	return h.parked(ctx, l)
}

// list writes a page.
func list(page []delivery.Summary, next string, err error) (any, error) {
	if errors.Is(err, delivery.ErrCursor) {
		return nil, errCursor
	}
	if err != nil {
		return nil, fmt.Errorf("listing deliveries: %w", err)
	}
	out := make([]received, 0, len(page))
	for _, s := range page {
		one := received{
			Key: s.Key.String(), Connection: s.Connection, Object: s.Object, Delivery: s.Delivery, Status: s.Status,
			ReceivedAt: stamp(s.ReceivedAt.UnixMilli()), Clash: s.Clash, Faults: []reason{},
		}
		if !s.ParkedAt.IsZero() {
			one.ParkedAt = moment(s.ParkedAt.UnixMilli())
		}
		for _, f := range s.Faults {
			one.Faults = append(one.Faults, reason{string(f.Class), f.Reason})
		}
		out = append(out, one)
	}
	answer := map[string]any{"deliveries": out, "next_cursor": nil}
	if next != "" {
		answer["next_cursor"] = next
	}
	return answer, nil
}

// through is where a list over all connections ended.
type through struct {
	Version    int    `json:"v"`
	Connection string `json:"c"`           // the one to go on with
	Cursor     string `json:"k,omitempty"` // within it
}

// maxConnections bounds how many connections one request asks.
const maxConnections = 50

// parked lists over all connections, one after the other by name, newest first
// within each. A page may be short, or empty, although more follow.
func (h *handling) parked(ctx context.Context, l delivery.Listing) (any, error) {
	var at through
	if l.Cursor != "" && (!open(l.Cursor, &at) || at.Version != cursorVersion || !workspace.ValidID(at.Connection)) {
		return nil, errCursor
	}
	var found []delivery.Summary
	asked, want := 0, l.Limit
	for _, name := range slices.Sorted(maps.Keys(h.workspace.Connections)) {
		if name < at.Connection {
			continue
		}
		if len(found) == want || asked == maxConnections {
			return list(found, through{cursorVersion, name, ""}.text(), nil)
		}
		l.Connection, l.Cursor, l.Limit = name, "", want-len(found)
		if name == at.Connection {
			l.Cursor = at.Cursor
		}
		page, next, err := h.Inbox.ListParked(ctx, l)
		if err != nil {
			return list(nil, "", err)
		}
		asked++
		found = append(found, page...)
		if next != "" {
			return list(found, through{cursorVersion, name, next}.text(), nil)
		}
	}
	return list(found, "", nil)
}

func (t through) text() string {
	b, err := encode(t)
	if err != nil {
		panic(err) // texts always encode
	}
	return seal(b)
}

// maxKey bounds the parts of a delivery's key: ingest makes them of up to 200
// bytes, and marks a clash by 33 more.
const maxKey = 300

// replay puts a delivery back into the queue.
func (h *handling) replay(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	k, err := delivery.ParseKey(h.workspace.ID, h.args["key"])
	if err != nil || !workspace.ValidID(k.Connection) || !keyPart(k.Object) || !keyPart(k.Delivery) {
		return nil, badRequest("that is not a delivery's key; take one from GET /v1/deliveries")
	}
	if err := h.Inbox.Replay(ctx, k, h.now); errors.Is(err, delivery.ErrAbsent) {
		return nil, notFound("there is no such delivery; received ones are kept for 30 days")
	} else if err != nil {
		return nil, fmt.Errorf("replaying: %w", err)
	}
	h.line.Delivery = k.String()
	return map[string]string{"delivery": k.String()}, nil
}

func keyPart(s string) bool { return len(s) <= maxKey && utf8.ValidString(s) }

// replayAll puts a page of a connection's parked deliveries back into the queue:
// after an outage there are thousands.
func (h *handling) replayAll(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct{ Connection, Class, Cursor string }
	if err := h.body(&in); err != nil {
		return nil, err
	}
	switch {
	case !workspace.ValidID(in.Connection):
		return nil, badRequest("name the connection whose parked deliveries are to be processed again")
	case len(in.Cursor) > maxCursor:
		return nil, errCursor
	}
	page, next, err := h.Inbox.ListParked(ctx, delivery.Listing{Workspace: h.workspace.ID, Connection: in.Connection,
		Cursor: in.Cursor, Limit: maxLimit, Now: h.now, Key: h.rules.Key})
	if errors.Is(err, delivery.ErrCursor) {
		return nil, errCursor
	}
	if err != nil {
		return nil, fmt.Errorf("listing deliveries: %w", err)
	}
	replayed := 0
	for _, d := range page {
		if in.Class != "" && !slices.ContainsFunc(d.Faults, func(f delivery.Fault) bool { return string(f.Class) == in.Class }) {
			continue
		}
		switch err := h.Inbox.Replay(ctx, d.Key, h.now); {
		case err == nil:
			replayed++
		case !errors.Is(err, delivery.ErrAbsent): // absent: it has expired meanwhile
			return nil, fmt.Errorf("replaying: %w", err)
		}
	}
	answer := map[string]any{"replayed": replayed, "next_cursor": nil}
	if next != "" {
		answer["next_cursor"] = next
	}
	return answer, nil
}
