package attribution

import (
	"slices"

	"loophub/shared/profile"
)

// Credits is what is kept of one fragment: the messages and entries that it ever
// had, which outlive the items that they were read from, and, on the least
// fragment of a profile, what the whole profile contributes to the counters now.
type Credits struct {
	Fragment profile.ID `json:"-"`
	Version  int64      `json:"-"` // of the stored item; 0 = not stored
	Messages []Message  `json:"m,omitempty"`
	Entries  []Entry    `json:"e,omitempty"`
	Counts   Counts     `json:"c,omitempty"`
	Outcome  Outcome    `json:"o,omitzero"`
}

// Bounds of what is kept of a fragment: the newest. A person gets some hundred
// messages a year at most.
const (
	maxMessages = 4000
	maxEntries  = 1000
)

// Named puts the fragment's name on what is kept under it.
func (c Credits) Named() Credits {
	c.Messages, c.Entries = slices.Clone(c.Messages), slices.Clone(c.Entries)
	for n := range c.Messages {
		c.Messages[n].Fragment = c.Fragment
	}
	for n := range c.Entries {
		c.Entries[n].Fragment = c.Fragment
	}
	return c
}

// Remember adds what was read of the fragment to what is kept.
func (c Credits) Remember(messages []Message, entries []Entry) Credits {
	read := Credits{Fragment: c.Fragment, Messages: messages, Entries: entries}.Named()
	messages, entries = read.Messages, read.Entries
	var ours []Message
	for _, m := range joined(slices.Concat(c.Messages, messages)) {
		if m.Journey != "" {
			ours = append(ours, m)
		}
	}
	c.Messages = ours[max(0, len(ours)-maxMessages):]
	c.Entries = joinedEntries(slices.Concat(c.Entries, entries))
	c.Entries = c.Entries[max(0, len(c.Entries)-maxEntries):]
	return c
}

// Empty tells whether there is nothing to keep.
func (c Credits) Empty() bool {
	return len(c.Messages) == 0 && len(c.Entries) == 0 && len(c.Counts) == 0 && c.Outcome.IsZero()
}

// Equal compares everything but the version.
func (c Credits) Equal(o Credits) bool {
	same := func(a, b Message) bool {
		return a.Sent == b.Sent && slices.Equal(a.Engagement.Clicks, b.Engagement.Clicks) && a.Engagement.times() == b.Engagement.times()
	}
	return c.Fragment == o.Fragment && slices.EqualFunc(c.Messages, o.Messages, same) && slices.Equal(c.Entries, o.Entries) &&
		len(Difference(c.Counts, o.Counts)) == 0 && c.Outcome.Equal(o.Outcome)
}

func (e Engagement) times() [8]int64 {
	return [8]int64{e.Sent, e.Delivered, e.Opened, e.Clicked, e.Bounced, e.Complained, e.Unsubscribed, e.Failed}
}

// Difference is what has to be added to a to make b.
func Difference(a, b Counts) Counts {
	d := Counts{}
	d.Merge(b)
	for k, n := range a {
		d.Add(k, -n)
	}
	return d
}

// Step is one write: all members of a profile as they are to be, least first, and
// what is added to the counters with them. Every step leaves the sum of the
// counters equal to the sum of what is kept.
type Step struct {
	Members   []Credits
	Changed   []bool // whether the member's item is another; the others are only held to their versions
	Add       Counts
	Announced bool // the outcome is another
}

// Empty tells whether there is nothing to write.
func (s Step) Empty() bool { return len(s.Add) == 0 && !slices.Contains(s.Changed, true) }

// Plan makes the next step from what is stored to what should be: the least
// fragment carries counts and outcome of the profile, the others none. A step
// writes at most limit items and counters together, but one counter at the least; what does not fit is left to
// the next, in the order of the counters' names. With touch, what is stored is
// written even if unchanged: then no slower worker can write what it read before.
func Plan(stored, kept []Credits, counts Counts, outcome Outcome, limit int, touch bool) Step {
	s := Step{Members: slices.Clone(kept), Changed: make([]bool, len(kept)), Add: Counts{}}
	now := Counts{}
	for n := range s.Members {
		now.Merge(stored[n].Counts)
		s.Members[n].Version = stored[n].Version
		s.Members[n].Counts, s.Members[n].Outcome = nil, Outcome{}
	}
	d := Difference(now, counts)
	for _, k := range d.Keys() {
		if len(s.Add) == max(1, limit-len(kept)) {
			break
		}
		s.Add[k] = d[k]
		now.Add(k, d[k])
	}
	s.Members[0].Counts, s.Members[0].Outcome = now, outcome
	s.Announced = !outcome.Equal(stored[0].Outcome)
	for n, m := range s.Members {
		s.Changed[n] = !m.Equal(stored[n]) || touch && m.Version > 0
	}
	return s
}
