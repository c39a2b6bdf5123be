package delivery

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	connector "loophub/connectors"
)

// Outcome is what became of a delivery that was put into the Inbox.
type Outcome string

// The outcomes of a put. All three leave the delivery stored.
const (
	Stored    Outcome = "stored"
	Duplicate Outcome = "duplicate" // the same key and body were there already
	Clash     Outcome = "clash"     // another body lay under the key; this one was stored beside it
)

// ErrAbsent says that there is no such delivery, or that it has expired.
var ErrAbsent = errors.New("no such delivery")

// Retention is how long a delivery stays in the Inbox; parked ones stay until
// they are replayed.
const Retention = 30 * 24 * time.Hour

// Inline is the most bytes of packed request that an Inbox item holds (an item
// may be 400 KB); what is larger lies in the overflow bucket.
const Inline = 350 << 10

// Sealed is a delivery as it is stored: the request packed once, for whatever
// place takes it.
type Sealed struct {
	Key        Key
	Packed     []byte   // the request, packed; nil when it lies in Overflow
	Overflow   string   // object of the overflow bucket that holds it instead
	Hash       [16]byte // beginning of the SHA-256 of the body
	ReceivedAt time.Time
	Trace      string
	Lane       Lane
}

// Spilled is a delivery that waits in the spill queue.
type Spilled struct {
	Sealed
	Receipt string // what takes it out of the queue
	Err     error  // why its message can't be read; Sealed is empty then
}

// Seal packs a delivery. Milliseconds are all that is kept of ReceivedAt.
func Seal(d Delivery) Sealed {
	return Sealed{
		Key:        d.Key,
		Packed:     pack(d.Request),
		Hash:       HashOf(d.Request.Body),
		ReceivedAt: d.Request.ReceivedAt.Truncate(time.Millisecond).UTC(),
		Trace:      d.Trace,
		Lane:       d.Lane,
	}
}

// HashOf tells bodies apart under one key.
func HashOf(body []byte) (h [16]byte) {
	d := sha256.Sum256(body)
	copy(h[:], d[:])
	return h
}

// Object names the overflow object of a delivery. The same delivery has the same
// name, so storing it again changes nothing; a clash has another.
func (s Sealed) Object() string {
	id := s.Key.Connection + "\n" + s.Key.Object + "\n" + s.Key.Delivery + "\n" + string(s.Hash[:])
	return "overflow/" + s.Key.Workspace + "/" + connector.Digest([]byte(id))
}

// Open unpacks the delivery. Whatever the error, the key of the result is right,
// so that the delivery can be parked.
func (s Sealed) Open() (Delivery, error) {
	d := Delivery{Key: s.Key, Trace: s.Trace, Lane: s.Lane}
	d.Request.ReceivedAt = s.ReceivedAt
	r, err := unpack(s.Packed)
	if err != nil {
		return d, fmt.Errorf("unpacking delivery: %w", err)
	}
	h := HashOf(r.Body)
	if subtle.ConstantTimeCompare(h[:], s.Hash[:]) != 1 {
		return d, errors.New("unpacking delivery: the body is not the one that was stored")
	}
	r.ReceivedAt = s.ReceivedAt
	d.Request = r
	return d, nil
}
