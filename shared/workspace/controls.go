package workspace

import (
	"maps"
	"slices"
	"strings"
)

// The kinds of control: what people can stop for a while. ControlAll has no name,
// and stops every message of the workspace.
const (
	ControlAll         = "stop_all"
	ControlConnection  = "connection"
	ControlJourney     = "journey"
	ControlDestination = "destination"
)

// Control names a control: of one connection, journey or destination, or ControlAll.
func Control(kind, name string) string {
	if kind == ControlAll {
		return ControlAll
	}
	return kind + "|" + name
}

// Turn is a control being turned off or on again.
type Turn struct {
	Control string `json:"control"`
	Off     bool   `json:"off"` // what it controls stands still
	At      int64  `json:"at"`  // Unix ms
	By      string `json:"by"`
}

// Kind and Name take a control's name apart.
func (t Turn) Kind() string { kind, _, _ := strings.Cut(t.Control, "|"); return kind }

// Name is "" for ControlAll.
func (t Turn) Name() string { _, name, _ := strings.Cut(t.Control, "|"); return name }

// Controls are the last turn of each control that was ever turned. The zero value
// stops nothing.
type Controls struct {
	Turns   map[string]Turn `json:"turns"`
	Version int64           `json:"-"` // of what is stored; 0 = nothing is
}

// Stops tells whether a control is off.
func (c Controls) Stops(control string) bool { return c.Turns[control].Off }

// StopAll tells whether no message may go out.
func (c Controls) StopAll() bool { return c.Stops(ControlAll) }

// Paused tells whether a connection, journey or destination stands still.
func (c Controls) Paused(kind, name string) bool { return c.Stops(Control(kind, name)) }

// Off lists what stands still, by control.
func (c Controls) Off() []Turn {
	var l []Turn
	for _, name := range slices.Sorted(maps.Keys(c.Turns)) {
		if c.Turns[name].Off {
			l = append(l, c.Turns[name])
		}
	}
	return l
}

// Turned gives the controls after a turn; changed is false where it changes nothing:
// then the one who turned first is who did it.
func (c Controls) Turned(t Turn) (after Controls, changed bool) {
	if c.Stops(t.Control) == t.Off {
		return c, false
	}
	after = Controls{Turns: maps.Clone(c.Turns), Version: c.Version}
	if after.Turns == nil {
		after.Turns = map[string]Turn{}
	}
	after.Turns[t.Control] = t
	return after, true
}

// Held is something that waits for a control to be on again.
type Held struct {
	Control string
	Stage   string // whose queue it goes to then, or HeldDeliveries
	What    string // in the words of the stage
	Times   int64  // that it was held
}

// HeldDeliveries stands for what a connection received while it was paused, under
// the connection's name: it lies parked in the Inbox.
const HeldDeliveries = "inbox"
