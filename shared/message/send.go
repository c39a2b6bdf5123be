package message

import (
	"slices"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Send is a message that was claimed: what caps and duplicates count.
type Send struct {
	Message  string            `json:"m"`
	Template string            `json:"t"`
	Channel  string            `json:"c"` // connector
	Purpose  workspace.Purpose `json:"p"`
	At       int64             `json:"a"` // when it was claimed, Unix ms
}

// Sends are the messages of one fragment.
type Sends struct {
	Fragment profile.ID `json:"-"`
	Version  int64      `json:"-"` // of the stored item; 0 = not stored
	List     []Send     `json:"s"`
}

// maxSends is how many messages are remembered, of each channel and purpose. A cap
// may ask for no more, so that what is forgotten changes no decision.
const maxSends = 300

// With adds a message and forgets what no cap can ask for.
func (s Sends) With(one Send) Sends {
	s.List = append(s.Without(one.Message).List, one)
	slices.SortStableFunc(s.List, func(a, b Send) int { return int(b.At - a.At) })
	type group struct {
		channel string
		purpose workspace.Purpose
	}
	n := map[group]int{}
	s.List = slices.DeleteFunc(s.List, func(x Send) bool {
		g := group{x.Channel, x.Purpose}
		n[g]++
		return n[g] > maxSends
	})
	return s
}

// Without takes a message out again.
func (s Sends) Without(id string) Sends {
	s.List = slices.DeleteFunc(slices.Clone(s.List), func(x Send) bool { return x.Message == id })
	return s
}
