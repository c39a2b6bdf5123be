// Package segment decides who belongs to a segment. A rule is CEL over a
// customer's profile; its answer is a pure function of definition, view and now,
// and comes with the next moment at which time alone can change it.
package segment

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"loophub/shared/profile"
)

// Definition is a segment as people write it.
type Definition struct {
	About string // for people; may be empty
	When  string // the rule: true for those who are in
}

// Segment is a definition that was compiled. It may be used by many goroutines.
type Segment struct {
	Name  string
	About string
	Rule
}

// Rule is a condition over a customer. It may be used by many goroutines.
type Rule struct {
	When string

	zone    *time.Location
	rule    *clause
	reads   []profile.Change
	windows []lookup // of the orders
	digest  string
}

// Reads are the parts of a profile that the rule looks at: a change of any other
// part leaves the answer as it is. Whom a profile is made of always counts.
func (r Rule) Reads() []profile.Change { return r.reads }

// Digest tells rules apart: by their text and the zone in which days begin.
func (r Rule) Digest() string { return r.digest }

// digest is short: it tells apart what one profile or one workspace has.
func digest(texts ...string) string {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:6])
}

// clause is a node of the rule's top: what joins others by && or ||, or a
// condition that is evaluated whole.
type clause struct {
	all   bool // every kid must hold; otherwise one of them
	kids  []*clause
	text  string
	holds cel.Program // nil where there are kids
	count *threshold  // what the condition is, where it only compares the orders of a window
}

// Problem is one thing that is wrong with a rule.
type Problem struct {
	Line, Column int // within the rule, from 1
	Reason       string
}

func (p Problem) String() string {
	return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Reason)
}

// Problems is everything that is wrong with a rule, in its order.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}
