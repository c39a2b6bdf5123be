// Package simulator is HubSpot for tests and the local cloud: contacts in memory,
// the calls that the connector makes, the limits that HubSpot enforces, and a
// webhook for each change. Where the vendor's OpenAPI document is at hand, every
// request and every reply is held to it.
package simulator

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	connector "loophub/connectors"
)

// Config is one HubSpot account with one app in it.
type Config struct {
	Token  string           // the app's access token
	App    string           // the app's id
	Secret connector.Secret // the app's client secret, which signs webhooks
	Hook   string           // where webhooks go; "" = none are made
	// Specs is the folder with the vendor's OpenAPI document; "" = nothing is held to it.
	Specs string
	// Properties that exist beside HubSpot's own.
	Properties []string
	// Requests that are let through within ten seconds; 0 = 100.
	Requests int
	Now      func() time.Time
	// Fault, where set, is asked at each call what goes wrong with it.
	Fault func(c Call) Fault
	// Pause lets the time of a Fault.Delay pass; nil = none passes.
	Pause func(time.Duration)
}

// Call is a request as Fault sees it.
type Call struct {
	N    int // from 1
	Path string
}

// Fault is what goes wrong with a call. The zero value: nothing.
type Fault struct {
	Status  int           // answered instead
	Retry   time.Duration // Retry-After, with Status
	After   bool          // the call takes effect first; its answer is lost, or Status
	Hang    bool          // no answer at all: the connection breaks
	Twice   bool          // the request arrives a second time after the answer is made
	Delay   time.Duration // before the answer
	Empty   bool          // takes effect, and answers 200 with no results
	Records []string      // ids or addresses that fail on their own, with 207
}

// Simulator is the account. It is an http.Handler, and an http.RoundTripper for
// tests that open no socket.
type Simulator struct {
	Config
	// Journal, if not nil, gets what each call changes. Set it before the first.
	Journal  Journal
	contract *contract

	mu         sync.Mutex
	contacts   map[string]*Contact // by id
	properties map[string]bool
	groups     map[string]bool
	nextID     int
	nextEvent  int64
	calls      int
	recent     []time.Time // of requests, for the rate
	writes     []Write
	queue      []event
	problems   []string
	fresh      effect // what the call at hand has changed
	taken      int64  // the last event that Webhooks handed out
}

// Contact is a contact as the account holds it.
type Contact struct {
	ID         string
	Properties map[string]string
	Created    time.Time
	Updated    time.Time
}

// Write is one property written by the API.
type Write struct {
	Contact, Property, Value string
	Same                     bool // it had that value already
}

// own are the properties that every account has and that tests need.
var own = []string{"email", "firstname", "lastname", "phone", "company", "city", "state", "country", "hs_language", "hs_lead_status", "lifecyclestage"}

// New makes an account without contacts.
func New(c Config) (*Simulator, error) {
	s := &Simulator{Config: c, contacts: map[string]*Contact{}, properties: map[string]bool{}, groups: map[string]bool{"contactinformation": true}, nextID: 100}
	s.Requests = cmp.Or(s.Requests, 100)
	for _, p := range slices.Concat(own, c.Properties) {
		s.properties[p] = true
	}
	if c.Specs == "" {
		return s, nil
	}
	var err error
	s.contract, err = load(c.Specs)
	return s, err
}

// Contact gives the contact with that e-mail address.
func (s *Simulator) Contact(email string) (Contact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byEmail(email)
	if c == nil {
		return Contact{}, false
	}
	return c.copy(), true
}

// Contacts are all contacts, by id.
func (s *Simulator) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []Contact
	for _, id := range slices.Sorted(maps.Keys(s.contacts)) {
		l = append(l, s.contacts[id].copy())
	}
	return l
}

// Writes are all properties that the API wrote, in their order.
func (s *Simulator) Writes() []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

// Calls is how many requests came in.
func (s *Simulator) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Problems are the requests and replies that are not as the vendor's document
// says: none, where connector and simulator are right.
func (s *Simulator) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// Person is who changes something in HubSpot's own pages.
const person = "userId:9586504"

// Edit is what a person does in HubSpot: it makes or changes a contact.
func (s *Simulator) Edit(email string, properties map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byEmail(email)
	by := origin{"CRM_UI", person}
	if c == nil {
		c = s.create(by)
		s.set(c, "email", email, by)
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		s.define(name)
		s.set(c, name, properties[name], by)
	}
	_ = s.keep() // who keeps the journal says so
	return c.ID
}

// Delete is what a person does in HubSpot.
func (s *Simulator) Delete(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.byEmail(email); c != nil {
		delete(s.contacts, c.ID)
		s.fresh.Deleted = append(s.fresh.Deleted, c.ID)
		s.emit(event{"subscriptionType": "contact.deletion", "objectId": number(c.ID), "changeFlag": "DELETED"}, origin{"CRM_UI", person})
		_ = s.keep() // who keeps the journal says so
	}
}

func (c *Contact) copy() Contact {
	d := *c
	d.Properties = maps.Clone(c.Properties)
	return d
}

func (s *Simulator) byEmail(email string) *Contact {
	for _, c := range s.contacts {
		if email != "" && strings.EqualFold(c.Properties["email"], email) {
			return c
		}
	}
	return nil
}

// origin is who made a change.
type origin struct{ source, id string }

func (s *Simulator) create(by origin) *Contact {
	s.nextID++
	now := s.Now().UTC()
	c := &Contact{ID: strconv.Itoa(s.nextID), Properties: map[string]string{}, Created: now, Updated: now}
	s.contacts[c.ID] = c
	s.touch(c)
	s.emit(event{"subscriptionType": "contact.creation", "objectId": s.nextID, "changeFlag": "NEW"}, by)
	return c
}

// set changes a property, and tells whoever listens; one that has the value
// already is no change.
func (s *Simulator) set(c *Contact, name, value string, by origin) {
	if name == "email" {
		value = strings.ToLower(value)
	}
	if c.Properties[name] == value {
		return
	}
	c.Properties[name], c.Updated = value, s.Now().UTC()
	s.touch(c)
	s.emit(event{"subscriptionType": "contact.propertyChange", "objectId": number(c.ID), "propertyName": name, "propertyValue": value}, by)
}

func number(id string) int {
	n, _ := strconv.Atoi(id) // ids are our own
	return n
}

// RoundTrip answers a request without a socket.
func (s *Simulator) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.trip(r)
}
