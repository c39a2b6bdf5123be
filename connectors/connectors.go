// Package connector is the contract between Loophub and an outside system. Its
// comments are the specification; conformance holds every connector to them.
//
// A connector is a folder connectors/<system> whose package gives one function,
// New, returning a Connector. What it can do is said by the optional interfaces
// that its Source implements. Everything here is pure: the shell hands in bytes,
// secrets and times, and stores or sends what comes out.
package connector

import (
	"net/http"
	"net/url"
	"time"

	"loophub/events"
)

// Connector is one outside system.
type Connector struct {
	Manifest Manifest
	// Source makes the reading side for one connection. It refuses settings that
	// are missing or wrong, naming the setting; nil where nothing comes in.
	Source func(Settings) (Source, error)
	// Address says whose a delivery of the platform is; it is there exactly where
	// Manifest.Platform is set.
	Address Address
	// Destination makes the writing side for one connection; nil where nothing is
	// written. It takes the same settings. Manifest.Outbound is there with it.
	Destination func(Settings) (Destination, error)
}

// Address finds the workspace and connection that a delivery of the platform
// names: all of them come by one way, without a URL of their own. It is pure, and
// r may hold anything that the platform sends: what is not ours is not ok.
type Address func(r Request) (workspace, connection string, ok bool)

// Source reads the webhooks of one connection. Its methods are pure, never panic
// and take time linear in the size of the request.
type Source interface {
	// Verify says whether the system itself sent r, over the raw bytes as they
	// arrived. Secrets rotate: any of them may match, but never an empty one.
	// Comparisons take constant time. The error names what was missing or wrong,
	// never a secret.
	Verify(r Request, secrets []Secret) error
	// Key names the delivery for the Inbox: the object that it speaks of (deliveries
	// of one object lie together) and the delivery itself. A system's retry of a
	// delivery has the same key; another delivery has another. Neither holds an
	// e-mail address or a phone number, nor one of # | ~ or a control character;
	// both are 1 to 200 bytes, whatever r holds. Where the system sends no id, or
	// something that does not look like one, Digest of the body serves.
	Key(r Request) (object, delivery string)
	// Decode reads a verified request. Facts carry Kind, Record, Version, At and
	// Fields, and pass Validate; the shell adds workspace, connection and rank. What
	// can't be read is a Fault with its class, never silence; the facts beside it
	// still count. A delivery that rightly says nothing (a ping) gives neither.
	Decode(r Request) ([]events.Fact, []Fault)
}

// Answerer is a Source that answers some requests itself: handshakes, unsigned
// pings, or a reply that the system insists on. When ok is false the request is
// verified and stored and the answer is 200.
type Answerer interface {
	// Answer is asked before Verify. With final, the request ends here: nothing is
	// stored. Without, the response is what is sent once the delivery is stored.
	Answer(r Request) (response Response, final, ok bool)
}

// Request is an HTTP request of a connected system.
type Request struct {
	Method     string
	URL        string // as the sender addressed it, undecoded; known to Verify and Answer alone, "" afterwards
	Rest       string // path below /hooks/{workspace}/{connection}/, unescaped
	Query      url.Values
	Header     http.Header // canonical names
	Body       []byte      // raw bytes as they arrived
	ReceivedAt time.Time   // UTC
}

// Response is what a system is answered.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Secret signs a connection's deliveries. It prints as stars.
type Secret string

// String hides the secret from logs and errors.
func (Secret) String() string { return "***" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "***" }

// Settings are a connection's settings from the workspace file, and what the
// workspace says about places and money.
type Settings struct {
	Values   map[string]string
	Country  string // ISO 3166 code for phone numbers without a country
	Currency string // ISO 4217 code for amounts without a currency
	Zone     string // IANA time zone for times without a zone
}

// Fault is something in a verified delivery that gave no fact.
type Fault struct {
	Class  FaultClass `json:"class"`
	Reason string     `json:"reason"` // for the operator: what, where, what to do; never a value from the body
}

// FaultClass sorts faults for counting.
type FaultClass string

// The classes of fault.
const (
	UnknownTopic FaultClass = "unknown_topic" // a topic that the connector does not read
	Undecodable  FaultClass = "undecodable"   // the body is not what the topic promises
	Incomplete   FaultClass = "incomplete"    // what identifies the record is missing
	Unconnected  FaultClass = "unconnected"   // its connection is no longer in the workspace's definition
	Paused       FaultClass = "paused"        // its connection is paused; it is taken in when that goes on
	Unprocessed  FaultClass = "unprocessed"   // it could be read, but not taken in, several times over
	InvalidValue FaultClass = "invalid_value" // an impossible date, amount, currency…
)

// Manifest describes a connector: README tables, setup instructions and checks
// of the workspace file come from it.
type Manifest struct {
	Name     string    // the system's folder and package: lower-case letters and digits
	Title    string    // as people write it
	Rank     int       // decoder rank, raised when Decode reads the same bytes differently
	Internal bool      // no outside system may post to it
	Platform bool      // its deliveries come from the deployment's own cloud account, which vouches for them; nobody may post to it
	Channel  string    // what it sends, such as email; "" = nothing
	Topics   []string  // what it reads, sorted
	Settings []Setting // what a connection needs
	Secrets  string    // what signs its deliveries, in words; "" = nothing does
	Headers  []string  // headers that Decode and Key read: they alone are stored with the body
	Proof    []string  // headers that Verify reads beside those: not stored, but told where they are missing
	Refusal  int       // status for a request that does not verify; 0 = 401
	Answers  string    // what the Source answers itself, in words; "" = 200 once stored
	Setup    []string  // the merchant's steps; one says where {url} goes, one where {secret}, if there is one
	Unsure   []string  // what is unconfirmed, for the README
	Pages    []Page    // the vendor's pages, with the date they were read
	Outbound *Outbound // of a system that results are written back to
}

// Vouched tells whether the deployment itself brings the connector's deliveries,
// so that nothing needs to sign them and nobody may post them.
func (m Manifest) Vouched() bool { return m.Internal || m.Platform }

// PlatformID is the header under which a delivery of the platform carries the id
// that is the same in all of its retries.
const PlatformID = "Loophub-Platform-Id"

// Setting is one setting of a connection.
type Setting struct {
	Name      string
	About     string
	Required  bool
	Sensitive bool
	Pattern   string // regular expression over the whole value; "" = any
	Default   string
}

// Page is a page of the vendor's documentation.
type Page struct {
	URL  string
	Read string // YYYY-MM-DD
}
