package connector

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Destination writes to the records of one connection: the contacts of a CRM.
// Its methods keep nothing between two calls; when to call, and what with, is
// the shell's to decide.
type Destination interface {
	// Apply writes fields to records: one receipt per change, in their order. It
	// takes at most Outbound.Batch changes. A change names its record where that is
	// known; else the record is sought by Match and made where there is none.
	// Applying a change twice leaves what applying it once leaves. One change that
	// the system refuses keeps none of the others from being written.
	Apply(ctx context.Context, do Doer, changes []Change) []Receipt
	// Find reads records: one Found per key, in their order. It takes at most
	// Outbound.Batch keys. Its error, classed, says that nothing is known of any.
	Find(ctx context.Context, do Doer, keys []Key, fields []string) ([]Found, error)
}

// Preparer is a Destination that can make the fields which it is to write, for
// the merchant's setup.
type Preparer interface {
	// Prepare makes the fields that are not there yet. Preparing twice is harmless.
	Prepare(ctx context.Context, do Doer, fields []string) error
}

// Doer sends requests to the system of one connection. It adds the credentials,
// which a connector never sees, keeps to the system's rate, ends what takes too
// long, and lets no request go elsewhere: a request's URL is a path below
// Outbound.Base. Its errors are classed. A reply that asks to wait (429; 4xx and
// 503 with Retry-After) is an error, with the moment where it names one; a reply
// of another status is none.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Key says which record is meant.
type Key struct {
	Record string // the system's own id; "" = not known yet
	Match  string // value of the property Outbound.Key, by which a record is sought
}

// Change sets fields of one record. Values are texts as the system takes them;
// "" clears a field.
type Change struct {
	Key
	Fields map[string]string
}

// Receipt says what became of a change.
type Receipt struct {
	Record string // id of the record that was written
	New    bool   // it was made
	// Err says why nothing was written. Of class Transient it may have been, and
	// only Find can tell; of any other class it surely was not. Its text is for
	// operators: it names fields, never a value.
	Err error
}

// Found is what a system holds of a record.
type Found struct {
	Record string // "" = there is none
	Fields map[string]string
}

// ErrGone is in the error of a receipt whose record is no longer there.
var ErrGone = errors.New("the record is no longer there")

// Outbound is what a Doer and the definition's checks need to know of a system
// that is written to.
type Outbound struct {
	Base        string            // URL of the system's API: https, without a path
	Bearer      string            // name, within the connection's credentials, of the token that is sent
	Key         string            // the property by which a record is sought: a destination must give it
	Property    string            // pattern of the names of properties
	Batch       int               // the most changes of one Apply, and keys of one Find
	Requests    int               // at most so many requests
	Per         time.Duration     // in any span of that length
	TimeOut     time.Duration     // of one request
	Reply       int64             // the largest reply that is read, in bytes
	Traits      map[string]string // property → the customer's field that Decode makes of it
	Credentials string            // what the credentials are, in words
}
