package operator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/document"
)

// Tag says that a fragment's customer has a tag from now on, or has it no more.
type Tag struct {
	Fragment string `json:"fragment"`
	Name     string `json:"name"`
	Op       string `json:"op"`    // + or -
	Cause    string `json:"cause"` // the same cause is one statement, however often it comes
}

// Tags are what is tagged at once.
type Tags struct {
	Tags []Tag  `json:"tags"`
	By   string `json:"by"` // a role or a program, never an address
	At   int64  `json:"at"` // Unix ms
}

// Request gives the delivery that holds the tags, for the Inbox.
func (t Tags) Request() (connector.Request, error) {
	body, err := json.Marshal(t)
	if err != nil {
		return connector.Request{}, fmt.Errorf("encoding tags: %w", err)
	}
	return connector.Request{
		Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
		ReceivedAt: time.UnixMilli(t.At).UTC(),
	}, nil
}

// tagged gives a fact for each tag. Its record is the cause.
func tagged(list document.Value, by string, at int64) (facts []events.Fact, faults []connector.Fault) {
	for one := range list.Items() {
		if len(facts)+len(faults) == maxDecisions {
			return facts, append(faults, connector.Fault{Class: connector.InvalidValue, Reason: "tags: more than " +
				strconv.Itoa(maxDecisions) + " at once; send the others on their own"})
		}
		name, op, cause := one.Field("name").Text(), one.Field("op").Text(), one.Field("cause").Text()
		f := events.Fact{Kind: events.Decision, Record: "tag-" + connector.Digest([]byte(cause)), Version: at, At: at, Fields: events.Fields{
			"fragment": events.Text(one.Field("fragment").Text()), "tag:" + name: events.Text(op)}}
		if by != "" && !strings.Contains(by, "@") { // a role, never a person's address
			f.Fields["by"] = events.Text(by)
		}
		if name == "" || cause == "" || f.Validate() != nil {
			faults = append(faults, connector.Fault{Class: connector.InvalidValue, Reason: "tags: one lacks its fragment, name, cause, or an op that is + or -"})
			continue
		}
		facts = append(facts, f)
	}
	return facts, faults
}
