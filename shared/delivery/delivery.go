// Package delivery names what lies in the Inbox: one webhook as it arrived.
package delivery

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	connector "loophub/connectors"
)

// Key is a delivery's place in the Inbox. Workspace, connection and object lie
// together, so what concerns one object is read in one place.
type Key struct {
	Workspace, Connection, Object, Delivery string
}

// String is the key as operators and URLs write it, without the workspace: the
// caller's token says which one that is.
func (k Key) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(k.Connection + "\n" + k.Object + "\n" + k.Delivery))
}

// ParseKey reads String's text back, within a workspace.
func ParseKey(workspace, text string) (Key, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(b), "\n")
	if err != nil || len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return Key{}, errors.New("not a delivery key; take one from GET /v1/deliveries")
	}
	return Key{workspace, parts[0], parts[1], parts[2]}, nil
}

// Delivery is one webhook as it was received and verified.
type Delivery struct {
	Key
	Request connector.Request
	Trace   string // our own trace id, from webhook to CRM write
	Lane    Lane
}

// Lane says how a delivery came. Only what comes live may cause something to be
// sent; all lanes change profiles alike.
type Lane string

// The lanes.
const (
	Live     Lane = ""         // the source sent it just now
	Replay   Lane = "replay"   // an operator had it processed again
	Backfill Lane = "backfill" // it was fetched out of the source's history
)

// Fault is why a delivery, or a part of it, gave no facts, and when that was found.
type Fault = connector.Fault

// Status of a delivery.
type Status string

// The states of a delivery.
const (
	Received Status = "received"
	Parked   Status = "parked"
)

// Summary is what lists show of a delivery: no body.
type Summary struct {
	Key
	Status     Status
	ReceivedAt time.Time
	ParkedAt   time.Time
	Faults     []Fault // why it is parked
	Clash      bool    // another body was stored under the same key before
}

// ErrCursor says that a cursor is none that the list gave.
var ErrCursor = errors.New("the cursor is not valid; begin without one")

// Listing asks for a page of summaries.
type Listing struct {
	Workspace  string
	Connection string // "" = all of the workspace, where the list allows it
	Cursor     string // where the last page ended; "" = the beginning
	Limit      int    // at most this many, 1 to 100
	Now        time.Time
	Key        []byte // the workspace's identity key, which seals the cursor
}
