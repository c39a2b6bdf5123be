// Package profile decides who is who and what a customer's profile says. It is
// pure: everything is a function of facts, decisions and rules, so that order,
// copies and deaths between two calls change nothing.
//
// The words: a record's facts join into its state; the state names an anchor,
// and a fragment is what one anchor knows. Facts claim identifiers for their
// fragment; fragments that hold a live identifier together, or that somebody
// tied, are one profile. Fragments are never mixed: a profile is a view.
package profile

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"

	"loophub/events"
	"loophub/shared/contact"
)

// ID names a fragment: its class, then a keyed hash of its anchor. IDs sort by
// class, so that the least of a profile's fragments is a customer where it has one.
type ID string

// Class says what kind of anchor a fragment stands on.
type Class byte

// The classes, in the order in which they give a profile its id.
const (
	CustomerClass  Class = 'c' // a customer record of a connection
	GuestClass     Class = 'g' // an address that a guest of a connection gave
	AnonymousClass Class = 'n' // a browser or device of a connection
)

// Class of the fragment.
func (id ID) Class() Class {
	if id == "" {
		return 0
	}
	return Class(id[0])
}

// ParseID accepts what looks like a fragment id.
func ParseID(s string) (ID, bool) {
	if len(s) != 25 || !strings.ContainsRune("cgn", rune(s[0])) || strings.Trim(s[1:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return "", false
	}
	return ID(s), true
}

// Anchor is what a fragment stands on, within one connection.
type Anchor struct {
	Class      Class
	Connection string
	Value      string // customer record id, address or anonymous id
}

// Kind of identifier.
type Kind string

// The kinds, in the order in which they link.
const (
	Email     Kind = "email"
	Phone     Kind = "phone"
	Anonymous Kind = "anonymous"
)

var kinds = []Kind{Email, Phone, Anonymous}

// Identifier is an address or device that can tie fragments together.
type Identifier struct {
	Kind  Kind
	Value string // normalised
}

// Key is a workspace's own secret key. Ids are hashes under it, so they tell
// nothing outside. It is made once and never rotated.
type Key []byte

func (k Key) hash(parts ...string) string {
	m := hmac.New(sha256.New, k)
	m.Write([]byte(strings.Join(parts, "\x00")))
	return events.Short(m.Sum(nil))
}

// Fragment gives the id of the fragment that stands on an anchor.
func (k Key) Fragment(a Anchor) ID {
	return ID(string(a.Class) + k.hash("fragment", string(a.Class), a.Connection, a.Value))
}

// Identifier gives the id under which an identifier is stored: kind/hash.
func (k Key) Identifier(i Identifier) string {
	return string(i.Kind) + "/" + k.hash("identifier", string(i.Kind), i.Value)
}

// KindOf reads the kind off a stored identifier.
func KindOf(identifier string) Kind {
	k, _, _ := strings.Cut(identifier, "/")
	return Kind(k)
}

// Rules are what a workspace decides about identity. The limits are the same
// for everybody; tests make them smaller.
type Rules struct {
	Key    Key
	Denied map[Identifier]bool // addresses that tie nobody, beside the known placeholders: the shop's own
	Limits Limits
}

// NewRules makes a workspace's rules. Addresses are normalised.
func NewRules(key []byte, deniedEmails, deniedPhones []string) Rules {
	r := Rules{Key: key, Denied: map[Identifier]bool{}, Limits: DefaultLimits}
	for _, e := range deniedEmails {
		r.Denied[Identifier{Email, e}] = true
	}
	for _, p := range deniedPhones {
		r.Denied[Identifier{Phone, p}] = true
	}
	return r
}

// denies tells whether an identifier ties nobody.
func (rules Rules) denies(i Identifier) bool {
	return rules.Denied[i] || i.Kind == Email && contact.PlaceholderEmail(i.Value) || i.Kind == Phone && contact.PlaceholderPhone(i.Value)
}

// Limits bound what a mistake at a source can tie together.
type Limits struct {
	Recent    int          // newest counted orders kept inside a fragment
	Members   int          // fragments of a profile; beyond, each stands alone
	Claimants int          // fragments that may claim an identifier before it is shared
	Shared    map[Kind]int // customer records of one connection that may hold an identifier
	Fan       map[Kind]int // identifiers of a kind that a fragment may hold
}

// DefaultLimits are the limits of every workspace.
var DefaultLimits = Limits{
	Recent:    12,
	Members:   32,
	Claimants: 32,
	Shared:    map[Kind]int{Email: 3, Phone: 1, Anonymous: 1},
	Fan:       map[Kind]int{Email: 5, Phone: 5, Anonymous: 32},
}
