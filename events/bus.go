package events

import (
	"encoding/json"
	"fmt"
	"time"
)

// Source is what the bus's rules match as the source of all our events.
const Source = "loophub"

// ProfileChanged is the type of events that say: these profiles changed, load
// them if that concerns you. Within v1 only optional fields are added.
const ProfileChanged = "profile.changed.v1"

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
	Parts    []string `json:"parts"` // orders, traits, tags, consent, checkout, identity; more may come
}

// NewProfileChanged makes the event for changes of one workspace.
func NewProfileChanged(workspace string, at time.Time, changes []ProfileChange) (Envelope, error) {
	data, err := json.Marshal(ProfileChanges{changes})
	if err != nil {
		return Envelope{}, fmt.Errorf("encoding changes: %w", err)
	}
	return Envelope{SpecVersion: "1.0", ID: digest([]byte(workspace), data), Source: Source + "/" + workspace,
		Type: ProfileChanged, Time: at.UTC(), Workspace: workspace, Data: data}, nil
}
