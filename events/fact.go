// Package events is the vocabulary that travels: facts as connectors read them
// out of deliveries, and the events that the bus carries, with their catalogue.
package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
)

// Kind is the kind of source record that a fact speaks of.
type Kind string

// The kinds of record. Catalogue lists the fields of each.
const (
	Customer Kind = "customer" // a customer record of a shop, till or CRM
	Order    Kind = "order"    // a sale; amended, cancelled and refunded in place
	Checkout Kind = "checkout" // a checkout that was started, completed or not
	Cart     Kind = "cart"     // a cart; names no person
	Product  Kind = "product"  // an item of the catalogue; names no person
	Form     Kind = "form"     // one submission of a form
	Decision Kind = "decision" // two customers are one, or are not: an operator's or the source's word
	Privacy  Kind = "privacy"  // a person's or a platform's legal request, as the source passed it on
	App      Kind = "app"      // the connection itself: installed, uninstalled
	Event    Kind = "event"    // something that a person did, under a name that the merchant chose; never amended
	// Engagement is what became of one message of ours: sent, delivered, opened,
	// clicked… Message is the type of the bus.
	Engagement Kind = "message"
)

// Fact is what one delivery says about one source record. Facts are immutable;
// a record's state is a join over the set of its facts, so their order, copies
// and gaps do no harm.
type Fact struct {
	Workspace  string `json:"-"`
	Connection string `json:"-"`
	Kind       Kind   `json:"k"`
	Record     string `json:"r"` // the record's id at the source, within the connection; never an address
	Version    int64  `json:"v"` // the source's own order of amendments, usually its updated_at in ms
	At         int64  `json:"t"` // occurred at, Unix ms, as the source says; 0 = it does not
	Received   int64  `json:"-"` // when the first delivery of the fact arrived, Unix ms; not part of what is said
	Rank       int    `json:"n"` // decoder rank: of two readings of the same bytes the newer decoder's wins
	Fields     Fields `json:"f"`
}

// Fields of a fact. An absent field is no opinion; a Null field was cleared.
type Fields map[string]Value

// Value is the canonical text of a field, or Null. See Type for the texts.
type Value struct {
	text string
	set  bool
}

// Null says that the source cleared the field.
var Null = Value{}

// Text is a value with canonical text s.
func Text(s string) Value { return Value{text: s, set: true} }

// IsNull tells whether the source cleared the field.
func (v Value) IsNull() bool { return !v.set }

// String is the canonical text, "" for Null.
func (v Value) String() string { return v.text }

// MarshalJSON gives a JSON string, or null.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.set {
		return []byte("null"), nil
	}
	return marshal(v.text)
}

// UnmarshalJSON reads a JSON string, or null.
func (v *Value) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*v = Null
		return nil
	}
	v.set = true
	return json.Unmarshal(b, &v.text)
}

// Time is when the fact occurred, Unix ms: as the source says, else when it was
// first received. It is for people; only At orders what is said.
func (f Fact) Time() int64 {
	if f.At != 0 {
		return f.At
	}
	return f.Received
}

// RecordKey names the fact's record within its workspace: connection, kind, record.
func (f Fact) RecordKey() string { return f.Connection + "|" + string(f.Kind) + "|" + f.Record }

// ID is the same for the same statement, however often and in whatever delivery
// it arrives: a hash of workspace, connection, record, version, time and fields.
// When it was received and by which decoder is not part of it.
func (f Fact) ID() string {
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	part(f.Workspace)
	part(f.RecordKey())
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(f.Version))
	binary.BigEndian.PutUint64(n[8:], uint64(f.At))
	h.Write(n[:])
	for _, k := range slices.Sorted(maps.Keys(f.Fields)) {
		part(k)
		v := f.Fields[k]
		if v.IsNull() {
			h.Write([]byte{0})
			continue
		}
		h.Write([]byte{1})
		part(v.text)
	}
	return Short(h.Sum(nil))
}

var base = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// digest names byte strings.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return Short(h.Sum(nil))
}

// Short writes the first 15 bytes of a digest as 24 lower-case characters.
func Short(digest []byte) string { return base.EncodeToString(digest[:15]) }

// marshal is json.Marshal without HTML escapes, so texts stay readable and short.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
