package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 20, 9, 14, 32, 0, time.FixedZone("ICT", 7*3600))

func TestNewProfileChanged(t *testing.T) {
	changes := []ProfileChange{{Fragment: "caaaaaaaaaaaaaaaaaaaaaaaa", Version: 7, Profile: "caaaaaaaaaaaaaaaaaaaaaaaa", Parts: []string{"orders"}}}
	e, err := NewProfileChanged("saigon", at, changes)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(e); err != nil {
		t.Error(err)
	}
	if e.Source != "loophub/saigon" || e.Workspace != "saigon" || e.Time.Location() != time.UTC || !e.Time.Equal(at) {
		t.Errorf("%+v", e)
	}
	again, _ := NewProfileChanged("saigon", at.Add(time.Hour), changes)
	other, _ := NewProfileChanged("hanoi", at, changes)
	changes[0].Version++
	later, _ := NewProfileChanged("saigon", at, changes)
	if again.ID != e.ID || other.ID == e.ID || later.ID == e.ID {
		t.Error("an event's id says what it says, and for which workspace; not when")
	}
}

// check says what of an event is not as readers may rely on it.
func check(e Envelope) error {
	if e.SpecVersion != "1.0" || len(e.ID) != 24 || e.Source != Source+"/"+e.Workspace || e.Type != ProfileChanged || e.Time.IsZero() {
		return errEnvelope
	}
	var d ProfileChanges
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return err
	}
	for _, c := range d.Changes {
		if len(c.Fragment) != 25 || len(c.Profile) != 25 || c.Version < 1 || len(c.Parts) == 0 || slices.Contains(c.Parts, "") {
			return errChange
		}
	}
	if len(d.Changes) == 0 {
		return errChange
	}
	return nil
}

type broken string

func (b broken) Error() string { return string(b) }

const (
	errEnvelope = broken("the envelope is incomplete")
	errChange   = broken("a change is incomplete")
)

// TestExamplesDecode: an event that was ever sent is read for ever, also with
// fields that a later version adds. Examples are added, never changed.
func TestExamplesDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.v*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	types := map[string]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var e Envelope
		if err := json.Unmarshal(b, &e); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if want := filepath.Base(filepath.Dir(file)); e.Type != want {
			t.Errorf("%s: is of type %q", file, e.Type)
		}
		if err := check(e); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		types[e.Type] = true
	}
	if !types[ProfileChanged] {
		t.Errorf("no example of %s", ProfileChanged)
	}
	for name, broken := range map[string]string{
		"no id":      `{"specversion":"1.0","source":"loophub/w","type":"profile.changed.v1","time":"2026-11-20T02:14:32Z","workspace":"w","data":{"changes":[]}}`,
		"no changes": `{"specversion":"1.0","id":"aaaaaaaaaaaaaaaaaaaaaaaa","source":"loophub/w","type":"profile.changed.v1","time":"2026-11-20T02:14:32Z","workspace":"w","data":{"changes":[]}}`,
	} {
		var e Envelope
		if err := json.Unmarshal([]byte(broken), &e); err != nil || check(e) == nil {
			t.Errorf("%s: the check does not see it", name)
		}
	}
}
