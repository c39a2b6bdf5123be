package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Source is what the bus's rules match as the source of all our events.
const Source = "loophub"

// The types of event. Within a version only optional fields are added.
const (
	ProfileChanged   = "profile.changed.v1"   // ProfileChanges: load them if that concerns you
	SegmentEntered   = "segment.entered.v1"   // Membership
	SegmentLeft      = "segment.left.v1"      // Membership
	MessageRequested = "message.requested.v1" // Message: a journey or an operator wants it sent
	MessageDecided   = "message.decided.v1"   // Message: it was sent, dropped, or its fate is unknown
	EntryChanged     = "entry.changed.v1"     // Entry: somebody entered a journey, its variant is known, or its goal is reached
	OutcomeChanged   = "outcome.changed.v1"   // Outcome: what messages brought from a profile is another sum now
	TaskCreated      = "task.created.v1"      // Task
	EntryRequested   = "entry.requested.v1"   // EntryRequest: somebody asked through the API for an entry into a journey
	DueReached       = "due.reached.v1"       // Due: on queues alone; sweep sends it straight to the stage that asked for it
)

// Envelope is an event as the bus carries it, with the names of CloudEvents. It
// holds ids and versions, never personal data.
type Envelope struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"` // the same for the same content: readers may drop what they have seen
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`
	Workspace   string          `json:"workspace"`
	Data        json.RawMessage `json:"data"`
}

// ProfileChanges is the data of ProfileChanged.
type ProfileChanges struct {
	Changes []ProfileChange `json:"changes"`
}

// ProfileChange says that one fragment of a profile changed. Readers that have
// seen the fragment's version, or a later one, may drop it.
type ProfileChange struct {
	Fragment string   `json:"fragment"`
	Version  int64    `json:"version"`
	Profile  string   `json:"profile"`
	Parts    []string `json:"parts"` // orders, traits, tags, consent, checkout, identity, events; more may come
	// Occurred is what happened to the customer just now, as the fragment's new
	// facts tell. Old, replayed or backfilled facts change profiles and give none.
	Occurred []Occurrence `json:"occurred,omitempty"`
}

// Occurrence is something that happened to a customer at a moment: what journeys
// may start on or wait for. Its What and Record together name it; it may come twice.
type Occurrence struct {
	What    string `json:"what"`              // order.placed, checkout.started, form.submitted, consent.asked, message.clicked, or a name that the merchant chose
	Record  string `json:"record"`            // connection|kind|id of the record that tells it
	At      int64  `json:"at"`                // Unix ms
	Message string `json:"message,omitempty"` // of message.*: the message's id
}

// Membership says that a profile turned to be in a segment, or out of it.
type Membership struct {
	Fragment string `json:"fragment"` // least of the profile at that time
	Segment  string `json:"segment"`
	At       int64  `json:"at"`    // Unix ms; with fragment and segment it names the turn
	Cause    Cause  `json:"cause"` // journeys start for change and time alone
}

// Cause is why a membership turned.
type Cause string

// The causes of a turn.
const (
	ByChange     Cause = "change"     // a new fact
	ByTime       Cause = "time"       // nothing but time passed
	ByLink       Cause = "link"       // fragments were linked or cut
	ByDefinition Cause = "definition" // the segment is new, or its rule another
	ByReplay     Cause = "replay"     // facts that were replayed or backfilled
)

// Message names a message.
type Message struct {
	Fragment string `json:"fragment"`
	Message  string `json:"message"`
}

// Outcome names a profile whose orders are credited to messages in another way.
type Outcome struct {
	Fragment string `json:"fragment"`
	Version  int64  `json:"version,omitempty"` // of what is stored; it tells one change from the next
}

// Entry names an entry into a journey. Those who are held out have entries too.
type Entry struct {
	Fragment string `json:"fragment"`
	Journey  string `json:"journey"`
	Entry    string `json:"entry"`
}

// Task names a task for people.
type Task struct {
	Fragment string `json:"fragment"`
	Task     string `json:"task"`
}

// EntryRequest names a wish that a customer enter a journey.
type EntryRequest struct {
	Fragment string `json:"fragment"`
	Journey  string `json:"journey"`
	ID       string `json:"id"` // the caller's
}

// Due says that a moment which somebody waits for has come.
type Due struct {
	What string `json:"what"` // in the words of the stage that asked for it
	At   int64  `json:"at"`   // the moment, Unix ms
}

// Announcement is an event that an item of the Hub table carries until publish
// has put it on the bus.
type Announcement struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// NewProfileChanged makes the event for changes of one workspace.
func NewProfileChanged(workspace string, at time.Time, changes []ProfileChange) (Envelope, error) {
	return NewEnvelope(workspace, ProfileChanged, at, ProfileChanges{changes})
}

// NewEnvelope makes an event of a workspace.
func NewEnvelope(workspace, kind string, at time.Time, data any) (Envelope, error) {
	b, err := json.Marshal(data)
	if err != nil {
		return Envelope{}, fmt.Errorf("encoding %s: %w", kind, err)
	}
	id := digest([]byte(workspace), b)
	if kind != ProfileChanged { // whose ids stay what they were
		id = digest([]byte(workspace), []byte(kind), b)
	}
	return Envelope{SpecVersion: "1.0", ID: id, Source: Source + "/" + workspace, Type: kind, Time: at.UTC(), Workspace: workspace, Data: b}, nil
}

// FromQueue reads the body of a queue's message, which is what a rule of the bus
// sends on: the event stands in detail. What sweep sends has the same shape.
func FromQueue(body string) (Envelope, error) {
	var m struct {
		Detail Envelope `json:"detail"`
	}
	if json.Unmarshal([]byte(body), &m) != nil || m.Detail.Type == "" || m.Detail.Workspace == "" {
		return Envelope{}, errors.New("reading a queue's message: it holds no event of ours")
	}
	return m.Detail, nil
}

// ForQueue writes an event as a rule of the bus would send it on.
func ForQueue(e Envelope) (string, error) {
	b, err := json.Marshal(map[string]any{"source": Source, "detail-type": e.Type, "detail": e})
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", e.Type, err)
	}
	return string(b), nil
}
