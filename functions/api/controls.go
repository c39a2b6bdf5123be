package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Controls are a workspace's controls. Reads are strongly consistent.
type Controls interface {
	Controls(ctx context.Context) (workspace.Controls, error)
	// Turn turns a control from what was read, or gives profile.ErrLost. Where it
	// changes nothing, nothing is written.
	Turn(ctx context.Context, c workspace.Controls, t workspace.Turn) (workspace.Controls, error)
	// Turns lists turns, newest first, after the place named before ("" = from the newest).
	Turns(ctx context.Context, before string, limit int) (turns []workspace.Turn, next string, err error)
}

// kinds of control as paths have them.
var kinds = map[string]string{
	"connections": workspace.ControlConnection, "journeys": workspace.ControlJourney, "destinations": workspace.ControlDestination,
}

// controls is what stands still.
type controls struct {
	Sends  stopped  `json:"sends"`
	Paused []paused `json:"paused"`
}

type stopped struct {
	Stopped bool    `json:"stopped"`
	Since   *string `json:"since"` // of the last change
	By      *string `json:"by"`
}

type paused struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Since string `json:"since"`
	By    string `json:"by"`
}

func (h *handling) controls(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	c, err := h.hub.Controls(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading controls: %w", err)
	}
	return written(c), nil
}

func written(c workspace.Controls) controls {
	out := controls{Paused: []paused{}}
	if t, ever := c.Turns[workspace.ControlAll]; ever {
		out.Sends = stopped{t.Off, moment(t.At), &t.By}
	}
	for _, t := range c.Off() {
		if t.Name() != "" {
			out.Paused = append(out.Paused, paused{plural(t.Kind()), t.Name(), stamp(t.At), t.By})
		}
	}
	return out
}

func plural(kind string) string { return kind + "s" }

// stop is the one switch for all messages.
func (h *handling) stop(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct{ Stopped *bool }
	if err := h.body(&in); err != nil {
		return nil, err
	}
	if in.Stopped == nil {
		return nil, badRequest(`say {"stopped":true} or {"stopped":false}`)
	}
	return h.turn(ctx, workspace.ControlAll, "", *in.Stopped)
}

// pause stops one connection, journey or destination, or lets it go on.
func (h *handling) pause(ctx context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	var in struct{ Paused *bool }
	if err := h.body(&in); err != nil {
		return nil, err
	}
	kind, known := kinds[h.args["kind"]]
	switch {
	case !known:
		return nil, notFound("there are controls of connections, journeys and destinations, and /v1/controls/sends")
	case !workspace.ValidID(h.args["name"]):
		return nil, badRequest("the name is not one of a definition: lower-case letters, digits and dashes, at most 40")
	case in.Paused == nil:
		return nil, badRequest(`say {"paused":true} or {"paused":false}`)
	case *in.Paused && kind == workspace.ControlConnection && slices.Contains(h.Own, h.args["name"]):
		return nil, conflict("nobody can pause this connection: by it come decisions of operators, and customers who unsubscribe")
	}
	return h.turn(ctx, kind, h.args["name"], *in.Paused)
}

// races is how often a control is turned anew after somebody else was faster.
const races = 5

// turn turns a control, and answers with all of them. Turning it to where it is
// changes nothing, and who did so first stays.
func (h *handling) turn(ctx context.Context, kind, name string, off bool) (any, error) {
	var err error
	for range races {
		var c workspace.Controls
		if c, err = h.hub.Controls(ctx); err != nil {
			return nil, fmt.Errorf("reading controls: %w", err)
		}
		if kind != workspace.ControlAll && !h.defines(kind, name) && (off || !c.Paused(kind, name)) {
			return nil, notFound("the workspace's definition has none of that name")
		}
		c, err = h.hub.Turn(ctx, c, workspace.Turn{Control: workspace.Control(kind, name), Off: off, At: h.now.UnixMilli(), By: h.by})
		if err == nil {
			return written(c), nil
		}
		if !errors.Is(err, profile.ErrLost) {
			break
		}
	}
	return nil, fmt.Errorf("turning a control: %w", err)
}

func (h *handling) defines(kind, name string) (there bool) {
	switch kind {
	case workspace.ControlConnection:
		_, there = h.workspace.Connections[name]
	case workspace.ControlJourney:
		_, there = h.workspace.Journeys[name]
	case workspace.ControlDestination:
		_, there = h.workspace.Destinations[name]
	}
	return there
}

// fingerprint tells tokens apart and gives nothing of them away: they are random.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "token " + hex.EncodeToString(sum[:4])
}

// turned is an entry of the history.
type turned struct {
	Kind string  `json:"kind"` // sends, connections, journeys, destinations
	Name *string `json:"name"`
	Off  bool    `json:"off"`
	At   string  `json:"at"`
	By   string  `json:"by"`
}

// done is where a page of the history ended.
type done struct {
	Version int    `json:"v"`
	Before  string `json:"p"`
}

var turnPlace = regexp.MustCompile(`^[0-9]{13}#[0-9]{8,19}$`)

func (h *handling) history(ctx context.Context) (any, error) {
	q, err := h.query("limit", "cursor")
	if err != nil {
		return nil, err
	}
	most, err := limit(q, usualDeliveries)
	if err != nil {
		return nil, err
	}
	var at done
	if q["cursor"] != "" && (!open(q["cursor"], &at) || at.Version != cursorVersion || !turnPlace.MatchString(at.Before)) {
		return nil, errCursor
	}
	list, next, err := h.hub.Turns(ctx, at.Before, most)
	if err != nil {
		return nil, fmt.Errorf("reading the history of controls: %w", err)
	}
	turns := make([]turned, 0, len(list))
	for _, t := range list {
		one := turned{Kind: "sends", Off: t.Off, At: stamp(t.At), By: t.By}
		if name := t.Name(); name != "" {
			one.Kind, one.Name = plural(t.Kind()), &name
		}
		turns = append(turns, one)
	}
	answer := map[string]any{"turns": turns, "next_cursor": nil}
	if next != "" {
		b, err := encode(done{cursorVersion, next})
		if err != nil {
			return nil, fmt.Errorf("writing a cursor: %w", err)
		}
		answer["next_cursor"] = seal(b)
	}
	return answer, nil
}
