package events

import "strconv"

// NewEngagement makes the fact of one event of a message: what names the event's
// field, such as opened_at, and at is when it happened, Unix ms. All events of a
// message are facts of one record; each is a version of its own, so that none
// hides another, and the first of several is the least of their times.
func NewEngagement(fragment, message, what string, at int64) Fact {
	return Fact{Kind: Engagement, Record: fragment + "." + message, Version: at, At: at, Fields: Fields{
		"fragment": Text(fragment), "message": Text(message), what: Text(strconv.FormatInt(at, 10)),
	}}
}
