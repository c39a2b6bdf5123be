package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	if e.SpecVersion != "1.0" || len(e.ID) != 24 || e.Source != Source+"/"+e.Workspace || e.Time.IsZero() {
		return errEnvelope
	}
	of, known := types[e.Type]
	if !known {
		return errEnvelope
	}
	return of(e.Data)
}

// types are all types of event, with what readers rely on.
var types = map[string]func([]byte) error{
	ProfileChanged: func(b []byte) error {
		return reads(b, func(d ProfileChanges) bool {
			return len(d.Changes) > 0 && !slices.ContainsFunc(d.Changes, func(c ProfileChange) bool { return !whole(c) })
		})
	},
	SegmentEntered: turn, SegmentLeft: turn,
	MessageRequested: message, MessageDecided: message,
	EntryChanged: func(b []byte) error {
		return reads(b, func(d Entry) bool { return len(d.Fragment) == 25 && d.Journey != "" && d.Entry != "" })
	},
	OutcomeChanged: func(b []byte) error { return reads(b, func(d Outcome) bool { return len(d.Fragment) == 25 }) },
	TaskCreated: func(b []byte) error {
		return reads(b, func(d Task) bool { return len(d.Fragment) == 25 && d.Task != "" })
	},
	EntryRequested: func(b []byte) error {
		return reads(b, func(d EntryRequest) bool { return len(d.Fragment) == 25 && d.Journey != "" && d.ID != "" })
	},
	DueReached: func(b []byte) error { return reads(b, func(d Due) bool { return d.What != "" && d.At > 0 }) },
}

func whole(c ProfileChange) bool {
	for _, o := range c.Occurred {
		if o.What == "" || len(strings.Split(o.Record, "|")) != 3 || o.At <= 0 || (o.Message != "") != strings.HasPrefix(o.What, "message.") {
			return false
		}
	}
	return len(c.Fragment) == 25 && len(c.Profile) == 25 && c.Version >= 1 && len(c.Parts) > 0 && !slices.Contains(c.Parts, "")
}

func turn(b []byte) error {
	return reads(b, func(d Membership) bool {
		return len(d.Fragment) == 25 && d.Segment != "" && d.At > 0 && slices.Contains([]Cause{ByChange, ByTime, ByLink, ByDefinition, ByReplay}, d.Cause)
	})
}

func message(b []byte) error {
	return reads(b, func(d Message) bool { return len(d.Fragment) == 25 && d.Message != "" })
}

func reads[T any](b []byte, complete func(T) bool) error {
	var d T
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	if !complete(d) {
		return errData
	}
	return nil
}

type broken string

func (b broken) Error() string { return string(b) }

const (
	errEnvelope = broken("the envelope is incomplete")
	errData     = broken("the data are incomplete")
)

// TestExamplesDecode: an event that was ever sent is read for ever, also with
// fields that a later version adds. Examples are added, never changed.
func TestExamplesDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.v*/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no examples", err)
	}
	seen := map[string]bool{}
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
		seen[e.Type] = true
	}
	for kind := range types {
		if !seen[kind] {
			t.Errorf("no example of %s", kind)
		}
	}
	for name, broken := range map[string]string{
		"no id":      `{"specversion":"1.0","source":"loophub/w","type":"profile.changed.v1","time":"2026-11-20T02:14:32Z","workspace":"w","data":{"changes":[]}}`,
		"no segment": `{"specversion":"1.0","id":"aaaaaaaaaaaaaaaaaaaaaaaa","source":"loophub/w","type":"segment.left.v1","time":"2026-11-20T02:14:32Z","workspace":"w","data":{"fragment":"caaaaaaaaaaaaaaaaaaaaaaaa","at":1,"cause":"time"}}`,
		"of no type": `{"specversion":"1.0","id":"aaaaaaaaaaaaaaaaaaaaaaaa","source":"loophub/w","type":"weather.changed.v1","time":"2026-11-20T02:14:32Z","workspace":"w","data":{}}`,
		"no changes": `{"specversion":"1.0","id":"aaaaaaaaaaaaaaaaaaaaaaaa","source":"loophub/w","type":"profile.changed.v1","time":"2026-11-20T02:14:32Z","workspace":"w","data":{"changes":[]}}`,
	} {
		var e Envelope
		if err := json.Unmarshal([]byte(broken), &e); err != nil || check(e) == nil {
			t.Errorf("%s: the check does not see it", name)
		}
	}
}

// TestQueue: an event comes back from a queue as it was, and what is no event of
// ours is refused.
func TestQueue(t *testing.T) {
	e, err := NewEnvelope("saigon", DueReached, at, Due{What: "x", At: 5})
	if err != nil || check(e) != nil {
		t.Fatal(err, e)
	}
	body, err := ForQueue(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := FromQueue(body)
	if err != nil || got.ID != e.ID || string(got.Data) != string(e.Data) || !got.Time.Equal(e.Time) {
		t.Errorf("%+v %v", got, err)
	}
	for _, body := range []string{"", "{}", `{"detail":{"type":"due.reached.v1"}}`, `{"detail":{"workspace":"w"}}`, `{"detail":"MARKER"}`} {
		if _, err := FromQueue(body); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Error(body, err)
		}
	}
	other, _ := NewEnvelope("saigon", TaskCreated, at, Due{What: "x", At: 5})
	if other.ID == e.ID {
		t.Error("two types have one id")
	}
}
