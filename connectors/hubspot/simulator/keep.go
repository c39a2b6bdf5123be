package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Journal takes what a call changes, before the call is answered. HubSpot does not forget when the hub ends; so a hub that
// is kept keeps its account too, or the ledger of what was written would not fit what is there.
type Journal interface {
	Append(record []byte) error
}

// effect is what one call changes.
type effect struct {
	Contacts   []Contact `json:",omitempty"` // as they are now
	Deleted    []string  `json:",omitempty"`
	Properties []string  `json:",omitempty"` // new ones
	Groups     []string  `json:",omitempty"`
	Writes     []Write   `json:",omitempty"`
	Events     []event   `json:",omitempty"` // to be told
	Heard      int64     `json:",omitempty"` // the last event that was told, and heard
	NextID     int       `json:",omitempty"`
	NextEvent  int64     `json:",omitempty"`

	touched map[string]bool
}

func (s *Simulator) touch(c *Contact) {
	if s.fresh.touched == nil {
		s.fresh.touched = map[string]bool{}
	}
	s.fresh.touched[c.ID] = true
}

func (s *Simulator) define(property string) {
	if !s.properties[property] {
		s.properties[property] = true
		s.fresh.Properties = append(s.fresh.Properties, property)
	}
}

// keep appends what the call at hand has changed. The caller holds the lock.
func (s *Simulator) keep() error {
	e := s.fresh
	s.fresh = effect{}
	if s.Journal == nil {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(e.touched)) {
		if c := s.contacts[id]; c != nil {
			e.Contacts = append(e.Contacts, *c)
		}
	}
	if len(e.Contacts)+len(e.Deleted)+len(e.Properties)+len(e.Groups)+len(e.Writes)+len(e.Events) == 0 && e.Heard == 0 {
		return nil
	}
	e.NextID, e.NextEvent = s.nextID, s.nextEvent
	return e.write(s.Journal.Append)
}

func (e effect) write(write func([]byte) error) error {
	record, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding what changed: %w", err)
	}
	return write(record)
}

// Heard says that all webhooks that were handed out have been delivered. Until then they come again after a restart.
func (s *Simulator) Heard() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fresh.Heard = s.taken
	return s.keep()
}

func (e event) id() int64 {
	n, _ := strconv.ParseInt(fmt.Sprint(e["eventId"]), 10, 64) // ids are our own
	return n
}

// Dump writes the whole account as records for Load.
func (s *Simulator) Dump(write func(record []byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := effect{Properties: slices.Sorted(maps.Keys(s.properties)), Groups: slices.Sorted(maps.Keys(s.groups)), Writes: s.writes,
		Events: s.queue, NextID: s.nextID, NextEvent: s.nextEvent}
	if err := all.write(write); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(s.contacts)) {
		if err := (effect{Contacts: []Contact{*s.contacts[id]}}).write(write); err != nil {
			return err
		}
	}
	return nil
}

// Load takes a record of Dump or of the journal, before the first call.
func (s *Simulator) Load(record []byte) error {
	d := json.NewDecoder(bytes.NewReader(record))
	d.UseNumber() // events are made of numbers that no float may touch
	var e effect
	if err := d.Decode(&e); err != nil {
		return fmt.Errorf("decoding what changed: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range e.Contacts {
		s.contacts[c.ID] = &c
	}
	for _, id := range e.Deleted {
		delete(s.contacts, id)
	}
	for _, p := range e.Properties {
		s.properties[p] = true
	}
	for _, g := range e.Groups {
		s.groups[g] = true
	}
	s.writes = append(s.writes, e.Writes...)
	for _, one := range e.Events {
		if n, ok := one["attemptNumber"].(json.Number); ok {
			attempt, _ := n.Int64() // ours
			one["attemptNumber"] = int(attempt)
		}
		s.queue = append(s.queue, one)
	}
	s.queue = slices.DeleteFunc(s.queue, func(one event) bool { return one.id() <= e.Heard })
	s.nextID, s.nextEvent = max(s.nextID, e.NextID), max(s.nextEvent, e.NextEvent)
	return nil
}
