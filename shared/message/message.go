// Package message is what we send to customers: templates, the decision before
// each send, and what became of it. It is pure: it reads no clock and calls nobody.
package message

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Test is the purpose of a message that somebody sends to himself to look at it.
// It needs no consent, and counts in no cap.
const Test workspace.Purpose = "test"

// Request is what a journey or an operator wants sent. It never changes.
type Request struct {
	ID         string            `json:"id"` // NewID
	Fragment   profile.ID        `json:"fragment"`
	Connection string            `json:"connection"`
	Template   string            `json:"template"`
	Purpose    workspace.Purpose `json:"purpose"`
	Journey    string            `json:"journey,omitempty"`
	Version    string            `json:"version,omitempty"` // of the journey, as it asked; templates are always those that count now
	Entry      string            `json:"entry,omitempty"`
	Variant    string            `json:"variant,omitempty"`
	Step       string            `json:"step,omitempty"`
	Voucher    Voucher           `json:"voucher,omitzero"`
	Event      map[string]string `json:"event,omitempty"`  // properties of what triggered it
	At         int64             `json:"at"`               // Unix ms
	To         string            `json:"to,omitempty"`     // of a test: one of the connection's test addresses
	Locale     string            `json:"locale,omitempty"` // of a test: whose content to show
}

// Voucher is a code that was taken out of a pool for this message.
type Voucher struct {
	Pool string `json:"pool,omitempty"`
	Code string `json:"code,omitempty"`
}

// NewID gives a message's id: its moment, by which ids sort, and a hash of its cause.
func NewID(at time.Time, cause string) string {
	return fmt.Sprintf("%011x-%s", at.UnixMilli(), hash(cause))
}

// Status is where a message stands.
type Status string

// The statuses. Requested is what an item that says nothing has.
const (
	Requested Status = "requested"
	Waiting   Status = "waiting" // until a moment, for a reason
	Dropped   Status = "dropped" // for a reason, for good
	Claimed   Status = "claimed" // counted, about to be sent: nobody else sends it
	Sent      Status = "sent"
	Failed    Status = "failed"  // the channel refused it
	Unknown   Status = "unknown" // claimed, and nobody knows whether it was sent: never sent again
)

// next are the statuses that may follow each.
var next = map[Status][]Status{
	Requested: {Waiting, Dropped, Claimed},
	Waiting:   {Waiting, Dropped, Claimed},
	Claimed:   {Sent, Failed, Unknown, Requested, Waiting}, // back where the channel surely did not take it
	Unknown:   {Sent, Failed},                              // once the channel tells
}

// Message is a request and what became of it.
type Message struct {
	Request
	Status   Status   `json:"status,omitempty"`
	Reason   Reason   `json:"reason,omitempty"`
	Until    int64    `json:"until,omitempty"`   // of a waiting one, Unix ms
	Changed  int64    `json:"changed,omitempty"` // when it became what it is, Unix ms
	Claimed  int64    `json:"claimed,omitempty"` // when it was counted, Unix ms
	Provider string   `json:"provider,omitempty"`
	Content  string   `json:"content,omitempty"` // the locale that it was written in
	Links    []string `json:"links,omitempty"`   // where its click links lead, the first being number 1

	Stored int64 `json:"-"` // version of the stored item; 0 = not stored
}

// Is tells whether the message stands there.
func (m Message) Is(s Status) bool { return m.Status == s || m.Status == "" && s == Requested }

// Open tells whether it may still be decided on.
func (m Message) Open() bool { return m.Is(Requested) || m.Is(Waiting) }

// Uncertain tells whether it was about to be sent, and nobody has said what became of it.
func (m Message) Uncertain() bool { return m.Is(Claimed) || m.Is(Unknown) }

// Announced tells whether others are told what the message is now.
func (m Message) Announced() bool {
	return m.Is(Sent) || m.Is(Dropped) || m.Is(Failed) || m.Is(Unknown)
}

// to moves the message on.
func (m Message) to(s Status, reason Reason, now time.Time) (Message, error) {
	was := m.Status
	if was == "" {
		was = Requested
	}
	if !slices.Contains(next[was], s) {
		return m, fmt.Errorf("message %s is %s and can't become %s", m.ID, was, s)
	}
	m.Status, m.Reason, m.Until, m.Changed = s, reason, 0, now.UnixMilli()
	return m, nil
}

// Wait lets it wait for a moment.
func (m Message) Wait(until time.Time, why Reason, now time.Time) (Message, error) {
	m, err := m.to(Waiting, why, now)
	m.Until = until.UnixMilli()
	return m, err
}

// Drop gives it up.
func (m Message) Drop(why Reason, now time.Time) (Message, error) { return m.to(Dropped, why, now) }

// Claim makes it ours to send, as it was rendered.
func (m Message) Claim(r Rendered, now time.Time) (Message, error) {
	m, err := m.to(Claimed, "", now)
	m.Claimed, m.Content, m.Links = now.UnixMilli(), r.Locale, r.Links
	return m, err
}

// Release takes a claim back, where the channel surely did not take the message.
func (m Message) Release(now time.Time) (Message, error) {
	m, err := m.to(Requested, "", now)
	return m.unclaimed(), err
}

// Postpone takes a claim back until the channel may have room again.
func (m Message) Postpone(until time.Time, now time.Time) (Message, error) {
	m, err := m.Wait(until, Throttled, now)
	return m.unclaimed(), err
}

func (m Message) unclaimed() Message {
	m.Claimed, m.Content, m.Links = 0, "", nil
	return m
}

// Room is when a channel that was busy may be asked again. Messages spread over
// some minutes, each always by the same.
func (m Message) Room(now time.Time) time.Time {
	h := sha256.Sum256([]byte(m.ID))
	return now.Add(busy + time.Duration(binary.BigEndian.Uint16(h[:]))*busy/(1<<16))
}

// busy is how long a channel that had no room is left alone, at least.
const busy = 5 * time.Minute

// Send notes that the channel took it, under the channel's own id.
func (m Message) Send(provider string, now time.Time) (Message, error) {
	m, err := m.to(Sent, "", now)
	m.Provider = provider
	return m, err
}

// Fail notes that the channel refused it.
func (m Message) Fail(why Reason, now time.Time) (Message, error) { return m.to(Failed, why, now) }

// Lose notes that nobody knows whether the channel took it.
func (m Message) Lose(now time.Time) (Message, error) { return m.to(Unknown, Lost, now) }

// Link is where a click link leads.
func (m Message) Link(number int) (string, bool) {
	if number < 1 || number > len(m.Links) {
		return "", false
	}
	return m.Links[number-1], true
}

// Grace is how long a claim may be somebody's who is still sending. It is longer
// than the stage may run, and shorter than its queue hides a message.
const Grace = 2 * time.Minute

// Reconcile settles a message of which nobody knows whether it was sent, by what
// the channel has told of it since. ok is false where that says nothing yet.
func (m Message) Reconcile(facts []events.Fact, now time.Time) (out Message, ok bool) {
	if !m.Uncertain() {
		return m, false
	}
	happened := Engagement(facts)
	var err error
	switch failed := happened["failed_at"]; {
	case len(happened) == 0:
		return m, false
	case failed != 0 && len(happened) == 1:
		out, err = m.Fail(Refused, now)
	default:
		out, err = m.Send(m.Provider, now)
	}
	return out, err == nil
}

// moments are the fields of an engagement fact that say when something happened.
var moments = []string{"sent_at", "delivered_at", "opened_at", "clicked_at", "bounced_at", "complained_at", "unsubscribed_at", "failed_at"}

// Engagement gives, by field, when each thing first happened to a message.
func Engagement(facts []events.Fact) map[string]int64 {
	first := map[string]int64{}
	for _, f := range facts {
		for _, field := range moments {
			at, ok := integer(f.Fields[field].String())
			if was, seen := first[field]; ok && (!seen || at < was) {
				first[field] = at
			}
		}
	}
	return first
}
