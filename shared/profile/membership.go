package profile

import (
	"maps"
	"slices"
)

// Memberships is what is kept of the segments of a profile: under its least
// fragment, while those of its other fragments are empty.
type Memberships struct {
	Fragment ID    `json:"-"`
	Version  int64 `json:"-"` // of the stored item; 0 = nobody has decided about the fragment yet
	Armed    int64 `json:"-"` // the next moment at which the profile will be looked at, Unix ms; 0 = none

	Into     ID                  `json:"i,omitempty"` // where they are kept instead, when these were emptied
	Segments map[string]Standing `json:"s,omitempty"`
	Seen     map[ID]int64        `json:"f,omitempty"` // the profile's fragments, each with the version that was decided about
	Parts    map[Change]string   `json:"p,omitempty"` // digests of what was decided about
}

// Standing is how a profile stands to one segment.
type Standing struct {
	Since int64  `json:"t,omitempty"` // since when it is in, Unix ms; 0 = it is not
	Rule  string `json:"r"`           // digest of the rule that decided
	Next  int64  `json:"n,omitempty"` // the next moment at which time alone can change that, Unix ms; 0 = never
}

// In tells whether the profile is in the segment.
func (s Standing) In() bool { return s.Since != 0 }

// InSegments are the names of the segments that a profile is in, sorted: what is
// kept under all of its fragments.
func InSegments(kept []Memberships) []string {
	in := map[string]bool{}
	for _, m := range kept {
		for name, s := range m.Segments {
			if s.In() {
				in[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(in))
}
