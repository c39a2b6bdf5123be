package journey

import (
	"fmt"
	"strings"
	"time"

	"loophub/shared/segment"
)

// rule is a condition of a journey, in the words of segments. Everything that
// journeys know of that language is here.
type rule struct{ segment.Rule }

// compileRule reads a rule; nil where there is none.
func compileRule(name, when string, zone *time.Location) (*rule, error) {
	if when == "" {
		return nil, nil
	}
	r, err := segment.CompileRule(when, zone, segment.SegmentWords)
	if err != nil {
		return nil, fmt.Errorf("reading the rule of %s: %w", name, err)
	}
	return &rule{r}, nil
}

// checkRule calls refuse with everything that is wrong with a rule.
func checkRule(when string, zone *time.Location, refuse func(line, column int, reason string)) {
	_, err := segment.CompileRule(when, zone, segment.SegmentWords)
	segment.Refuse(err, refuse)
}

// decide answers for a profile that is in those segments, with the reasons.
func (r rule) decide(v segment.View, segments []string, now time.Time) (segment.Result, error) {
	return segment.At(v, now).With(segment.Beside{Segments: segments}).Why(r.Rule)
}

// reason names the clauses that decided. It holds no values: they are asked for
// where the profile is, and change with it.
func reason(d segment.Result) string {
	var l []string
	for _, c := range d.Why {
		if c.Decided {
			l = append(l, fmt.Sprintf("%s: %v", c.Text, c.Value))
		}
	}
	return strings.Join(l, "; ")
}
