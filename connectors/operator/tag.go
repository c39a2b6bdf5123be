package operator

import (
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/contact"
	"loophub/shared/document"
)

// Tag adds a tag to a fragment, or removes one: exactly one of Add and Remove. The
// same cause tags a fragment once, however often it is said.
type Tag struct {
	Fragment string `json:"fragment"`
	Add      string `json:"add,omitempty"`
	Remove   string `json:"remove,omitempty"`
	Cause    string `json:"cause"` // what led to it, such as a journey's entry and step; never an address
}

// Tags are what is tagged at once.
type Tags struct {
	Tags []Tag  `json:"tags"`
	By   string `json:"by"` // a role or a program, never an address
}

// Request gives the delivery that holds the tags, for the Inbox. The time is no
// part of what it says: said again later it is the same delivery, and counts from
// when it was first received.
func (t Tags) Request(at time.Time) (connector.Request, error) { return request(t, at) }

const maxTag = 100 // bytes

// tag reads a decision on one tag of a fragment. Its record is the cause.
func tag(v document.Value, by string, at int64) (events.Fact, string) {
	fragment, cause := v.Field("fragment").Text(), v.Field("cause").Text()
	name, op := contact.Line(v.Field("add").Text(), maxTag), "+"
	if remove := contact.Line(v.Field("remove").Text(), maxTag); remove != "" && name != "" {
		return events.Fact{}, "add and remove are two entries"
	} else if remove != "" {
		name, op = remove, "-"
	}
	switch {
	case !fragmentID(fragment):
		return events.Fact{}, "fragment is no fragment's id"
	case name == "":
		return events.Fact{}, "add or remove names the tag"
	case cause == "":
		return events.Fact{}, "cause says what led to it"
	}
	f := events.Fact{Kind: events.Decision, Record: "tag." + connector.Digest([]byte(fragment+"\n"+name+"\n"+cause)), Version: at, At: at,
		Fields: events.Fields{"fragment": events.Text(fragment), "tag:" + name: events.Text(op)}}
	signed(f, by)
	if f.Validate() != nil {
		return f, "the tag is no text"
	}
	return f, ""
}
