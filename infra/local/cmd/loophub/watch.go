package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"loophub/events"
	"loophub/infra/local"
)

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// note takes a line of the cloud; it never blocks.
func (h *hub) note(l local.Line) {
	h.mu.Lock()
	h.lines = append(h.lines, l)
	h.mu.Unlock()
	select {
	case h.woken <- struct{}{}:
	default:
	}
}

// taken gives the lines since the last time.
func (h *hub) taken() []local.Line {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lines
	h.lines = nil
	return l
}

// became tells, from log and bus, what happened since the last time.
func (h *hub) became() string {
	var stored, unified, happened []string // ingest may log after unify: they run side by side
	var delivery string
	for _, l := range h.taken() {
		if l.Event {
			for _, e := range announced(l) {
				if !slices.Contains(happened, e) {
					happened = append(happened, e)
				}
			}
			continue
		}
		var m line
		if json.Unmarshal([]byte(l.Text), &m) != nil {
			continue
		}
		switch l.Source {
		case "ingest":
			stored = append(stored, m.Msg)
		case "unify":
			unified = append(unified, m.Msg)
		default:
			continue
		}
		if m.Msg == "parked" {
			delivery = m.Delivery
		}
	}
	text := ""
	if words := append(stored, unified...); len(words) > 0 {
		text += " " + strings.Join(words, ", ")
	}
	for _, e := range happened {
		text += " · " + e
	}
	if delivery != "" {
		text += " · replay it as " + delivery
	}
	return text
}

// follow prints what happens, one line each, until ctx ends.
func (h *hub) follow(ctx context.Context, out io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.woken:
			for _, l := range h.taken() {
				if s := readable(l); s != "" {
					fmt.Fprintf(out, "%s  %s\n", l.Time.Local().Format("15:04:05"), s)
				}
			}
		}
	}
}

// line is what the stages log, see shared/telemetry.
type line struct {
	Level, Msg, Workspace, Connection, Delivery, Class, Code, Route string
	Status, Items                                                   int
}

// readable puts a line of a function or of the bus into words.
func readable(l local.Line) string {
	if l.Event {
		return strings.Join(announced(l), "; ")
	}
	var m line
	if json.Unmarshal([]byte(l.Text), &m) != nil {
		return l.Source + ": " + l.Text
	}
	switch {
	case m.Level == "ERROR":
		return fmt.Sprintf("%-9s %s %s %s %s", l.Source, m.Msg, m.Class, m.Code, m.Delivery)
	case l.Source == "ingest" && m.Msg == "refused":
		return fmt.Sprintf("webhook   %s → %d refused: it does not verify; its connector's README says what to look for", dash(m.Connection), m.Status)
	case l.Source == "unify" && m.Msg == "parked":
		return fmt.Sprintf("%-9s %s, %s; GET /v1/deliveries?status=parked says why", m.Msg, m.Connection, facts(m.Items))
	case l.Source == "ingest":
		return fmt.Sprintf("webhook   %s → %d %s %s", dash(m.Connection), m.Status, m.Msg, m.Delivery)
	case l.Source == "unify":
		return fmt.Sprintf("%-9s %s, %s", m.Msg, m.Connection, facts(m.Items))
	case l.Source == "api":
		return fmt.Sprintf("api       %s → %d", m.Route, m.Status)
	}
	return ""
}

func facts(n int) string {
	if n == 1 {
		return "1 fact"
	}
	return fmt.Sprintf("%d facts", n)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// announced puts an event of the bus into words.
func announced(l local.Line) []string {
	var entry struct {
		Detail events.Envelope `json:"detail"`
	}
	if json.Unmarshal([]byte(l.Text), &entry) != nil {
		return nil
	}
	switch e := entry.Detail; e.Type {
	case events.ProfileChanged:
		return changed(e)
	case events.SegmentEntered, events.SegmentLeft:
		var m events.Membership
		if json.Unmarshal(e.Data, &m) != nil {
			return nil
		}
		verb := "entered"
		if e.Type == events.SegmentLeft {
			verb = "left"
		}
		return []string{fmt.Sprintf("%s %s by %s", verb, m.Segment, m.Cause)}
	case events.MessageRequested, events.MessageDecided:
		return []string{strings.TrimSuffix(strings.ReplaceAll(e.Type, ".", " "), " v1")}
	}
	return nil
}

// changed tells which profiles changed, and in what.
func changed(e events.Envelope) []string {
	var data events.ProfileChanges
	if json.Unmarshal(e.Data, &data) != nil {
		return nil
	}
	parts := map[string][]string{}
	for _, c := range data.Changes {
		for _, p := range c.Parts {
			if !slices.Contains(parts[c.Profile], p) {
				parts[c.Profile] = append(parts[c.Profile], p)
			}
		}
	}
	var words []string
	for _, id := range slices.Sorted(keys(parts)) {
		words = append(words, fmt.Sprintf("profile %s (%s)", id, strings.Join(parts[id], ", ")))
	}
	return words
}
