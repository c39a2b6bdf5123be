// Package operator reads the decisions that people make through the API: these
// two fragments are one person, or are not. They lie in the Inbox like any
// delivery, so that they are kept, replayed and explained like any other fact.
// Nothing from outside may post to it.
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

// maxDecisions is how many decisions one delivery holds.
const maxDecisions = 100

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
	body, err := json.Marshal(d)
	if err != nil {
		return connector.Request{}, fmt.Errorf("encoding decisions: %w", err)
	}
	return connector.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		ReceivedAt: time.UnixMilli(d.At).UTC(),
	}, nil
}

// New describes the connector.
func New() connector.Connector {
	m := connector.Manifest{
		Name: Name, Title: "Decisions of operators", Rank: 1, Internal: true, Topics: []string{"decisions", "tags"},
		Refusal: http.StatusNotFound,
	}
	return connector.Connector{Manifest: m, Source: func(s connector.Settings) (connector.Source, error) {
		if _, err := m.Fill(s); err != nil {
			return nil, err
		}
		return source{}, nil
	}}
}

type source struct{}

// Verify refuses everything: decisions come from the API alone, which puts them
// into the Inbox itself.
func (source) Verify(connector.Request, []connector.Secret) error {
	return errors.New("verifying: decisions are made through the API, never posted here")
}

// Key: one delivery is an object of its own.
func (source) Key(r connector.Request) (object, delivery string) {
	id := connector.Digest(r.Body)
	return "decisions:" + id, id
}

// Decode gives a fact for each decision. Its record is the pair, so a later
// decision about the two replaces an earlier one.
func (source) Decode(r connector.Request) ([]events.Fact, []connector.Fault) {
	body, err := document.Parse(r.Body)
	list := body.Field("decisions")
	at, timed := moment(body.Field("at"))
	if tags := body.Field("tags"); err == nil && tags.Kind() == document.Array && timed {
		return tagged(tags, contact.Line(body.Field("by").Text(), 100), at)
	}
	if err != nil || list.Kind() != document.Array || !timed {
		return nil, []connector.Fault{{Class: connector.Undecodable, Reason: `decisions: the body needs "decisions" and "at" in Unix ms`}}
	}
	var facts []events.Fact
	var faults []connector.Fault
	for one := range list.Items() {
		if len(facts)+len(faults) == maxDecisions {
			return facts, append(faults, connector.Fault{Class: connector.InvalidValue, Reason: "decisions: more than " +
				strconv.Itoa(maxDecisions) + " at once; send the others on their own"})
		}
		fact, fault := decision(one, contact.Line(body.Field("by").Text(), 100), at)
		if fault != "" {
			faults = append(faults, connector.Fault{Class: connector.InvalidValue, Reason: "decisions: " + fault})
			continue
		}
		facts = append(facts, fact)
	}
	return facts, faults
}

func moment(v document.Value) (int64, bool) {
	ms, err := strconv.ParseInt(v.Text(), 10, 64)
	return ms, err == nil && ms > 0 && ms < 4_102_444_800_000
}

func decision(v document.Value, by string, at int64) (events.Fact, string) {
	op, pair := v.Field("op").Text(), []string{v.Field("fragment_a").Text(), v.Field("fragment_b").Text()}
	slices.Sort(pair)
	f := events.Fact{Kind: events.Decision, Record: pair[0] + "+" + pair[1], Version: at, At: at, Fields: events.Fields{
		"op": events.Text(op), "fragment_a": events.Text(pair[0]), "fragment_b": events.Text(pair[1]),
	}}
	if by != "" && !strings.Contains(by, "@") { // a role, never a person's address
		f.Fields["by"] = events.Text(by)
	}
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
