// Package operator reads what comes through the API and from journeys: decisions
// that two fragments are one person or are not, events of a person, and tags of our
// own. They lie in the Inbox like any delivery, so that they are kept, replayed and
// explained like any other fact. Nothing from outside may post to it.
package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
)

// Name is the connector's name, and that of the connection that every workspace
// has of it.
const Name = "operator"

// maxEntries is how many decisions, events or tags one delivery holds.
const maxEntries = 100

// Decision says of two fragments that they are one person (tie) or not (split).
type Decision struct {
	Op string `json:"op"`
	A  string `json:"fragment_a"`
	B  string `json:"fragment_b"`
}

// Decisions are what is decided at once.
type Decisions struct {
	Decisions []Decision `json:"decisions"`
	By        string     `json:"by"` // a role or a program, never an address
	At        int64      `json:"at"` // Unix ms
}

// Request gives the delivery that holds the decisions, for the Inbox.
func (d Decisions) Request() (connector.Request, error) {
	return request(d, time.UnixMilli(d.At))
}

func request(v any, at time.Time) (connector.Request, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return connector.Request{}, fmt.Errorf("encoding a delivery of the operator: %w", err)
	}
	return connector.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		ReceivedAt: at.UTC(),
	}, nil
}

// New describes the connector.
func New() connector.Connector {
	m := connector.Manifest{
		Name: Name, Title: "Operators, scripts and journeys", Rank: 1, Internal: true, Topics: []string{"decisions", "events", "tags"},
		Refusal: http.StatusNotFound,
	}
	return connector.Connector{Manifest: m, Source: func(s connector.Settings) (connector.Source, error) {
		s, err := m.Fill(s)
		if err != nil {
			return nil, err
		}
		return source{s.Country, s.Currency}, nil
	}}
}

type source struct{ country, currency string }

// Verify refuses everything: deliveries come from the API and from journeys alone,
// which put them into the Inbox themselves.
func (source) Verify(connector.Request, []connector.Secret) error {
	return errors.New("verifying: this comes through the API, and is never posted here")
}

// Key gives the same for what says the same, and for an event with an id whatever
// else it says.
func (source) Key(r connector.Request) (object, delivery string) {
	id := connector.Digest(r.Body)
	body, err := document.Parse(r.Body)
	switch topic(body) {
	case "events":
		if name, alone := only(body.Field("events")); err == nil && alone {
			id = connector.Digest([]byte("event\n" + name))
		}
		return "events:" + id, id
	case "tags":
		return "tags:" + id, id
	}
	return "decisions:" + id, id
}

// topic is what a body holds, "" where it is nothing that we write.
func topic(body document.Value) string {
	for _, t := range []string{"decisions", "events", "tags"} {
		if body.Field(t).Kind() == document.Array {
			return t
		}
	}
	return ""
}

// Decode gives a fact for each entry.
func (s source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	body, err := document.Parse(r.Body)
	topic := topic(body)
	by := contact.Line(body.Field("by").Text(), 100)
	at, timed := moment(body.Field("at"))
	var read func(v document.Value) (events.Fact, string)
	switch {
	case err != nil || topic == "" || topic == "decisions" && !timed:
		return nil, []connector.Fault{{Class: connector.Undecodable, Reason: `decisions: the body needs "decisions" and "at" in Unix ms, or "events", or "tags"`}}
	case topic == "events":
		read = func(v document.Value) (events.Fact, string) { return s.event(v, r) }
	case topic == "tags":
		read = func(v document.Value) (events.Fact, string) { return tag(v, by, r.ReceivedAt.UnixMilli()) }
	default:
		read = func(v document.Value) (events.Fact, string) { return decision(v, by, at) }
	}
	var facts []events.Fact
	var faults []connector.Fault
	for one := range body.Field(topic).Items() {
		if len(facts)+len(faults) == maxEntries {
			return facts, append(faults, connector.Fault{Class: connector.InvalidValue, Reason: topic + ": more than " +
				strconv.Itoa(maxEntries) + " at once; send the others on their own"})
		}
		fact, fault := read(one)
		if fault != "" {
			faults = append(faults, connector.Fault{Class: connector.InvalidValue, Reason: topic + ": " + fault})
			continue
		}
		facts = append(facts, fact)
	}
	return facts, faults
}

// signed puts who said it into the fact: a role, never a person's address.
func signed(f events.Fact, by string) {
	if by != "" && !strings.Contains(by, "@") {
		f.Fields["by"] = events.Text(by)
	}
}

func moment(v document.Value) (int64, bool) {
	ms, err := strconv.ParseInt(v.Text(), 10, 64)
	return ms, err == nil && ms > 0 && ms < 4_102_444_800_000
}

// decision reads that two fragments are one person, or are not. Its record is the
// pair, so a later decision about the two replaces an earlier one.
func decision(v document.Value, by string, at int64) (events.Fact, string) {
	op, pair := v.Field("op").Text(), []string{v.Field("fragment_a").Text(), v.Field("fragment_b").Text()}
	slices.Sort(pair)
	f := events.Fact{Kind: events.Decision, Record: pair[0] + "+" + pair[1], Version: at, At: at, Fields: events.Fields{
		"op": events.Text(op), "fragment_a": events.Text(pair[0]), "fragment_b": events.Text(pair[1]),
	}}
	signed(f, by)
	switch {
	case op != "tie" && op != "split":
		return f, "op is neither tie nor split"
	case pair[0] == "" || pair[0] == pair[1]:
		return f, "two different fragments are needed"
	case f.Validate() != nil:
		return f, "a fragment is no id"
	}
	return f, ""
}
