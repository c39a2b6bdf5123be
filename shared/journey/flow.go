package journey

import (
	"regexp"
	"strings"

	"loophub/shared/workspace"
)

// ways are where a step can go on.
func (n node) out() []int {
	if n.ways != nil {
		return n.ways
	}
	return []int{n.next}
}

// waits tells whether time passes at the step.
func (n node) waits() bool { return n.step.Wait != nil || n.step.WaitFor != nil }

// flow checks what only the order of steps shows: who can be reached, what runs in
// a circle, and what a message lacks.
func (c *checker) flow(nodes []node) {
	seen := reach(nodes, 0, func(node) bool { return true })
	for n := range nodes {
		at := &nodes[n]
		if !seen[n] && c.first(nodes, n, seen) {
			c.no(at.path, "no way leads to this step; take it out, or the goto or exit before it")
		}
		if at.step.Goto == "" || !seen[n] {
			continue
		}
		if reach(nodes, at.next, func(n node) bool { return !n.waits() })[n] {
			c.no(at.path+".goto", "this runs in a circle without a wait; put a wait or a wait_for in between")
		}
	}
	have := vouchers(nodes)
	for n, at := range nodes {
		if t, ok := c.w.Templates[at.step.Send]; ok && seen[n] && !have[n] && needsVoucher(t) {
			c.no(at.path+".send", "template %q names voucher.code, and not on every way here a voucher is taken before", at.step.Send)
		}
	}
}

// first tells whether the step before in the same list can be reached: of what
// follows an exit, one step is named.
func (c *checker) first(nodes []node, n int, seen []bool) bool {
	path := nodes[n].path
	list := path[:strings.LastIndexByte(path, '[')]
	for before := n - 1; before >= 0; before-- {
		if p := nodes[before].path; p[:strings.LastIndexByte(p, '[')] == list {
			return seen[before]
		}
	}
	return false
}

// reach finds every step that can follow, itself included, where only steps that
// pass go on.
func reach(nodes []node, from int, pass func(node) bool) []bool {
	seen := make([]bool, len(nodes))
	for open := []int{from}; len(open) > 0; {
		n := open[len(open)-1]
		open = open[:len(open)-1]
		if n == end || seen[n] {
			continue
		}
		seen[n] = true
		if pass(nodes[n]) {
			open = append(open, nodes[n].out()...)
		}
	}
	return seen
}

// vouchers tells for each step whether a voucher was taken on every way to it.
func vouchers(nodes []node) []bool {
	have := make([]bool, len(nodes))
	for n := range have {
		have[n] = n != 0 // until some way shows otherwise
	}
	for changed := true; changed; {
		changed = false
		for n, at := range nodes {
			for _, to := range at.out() {
				if to != end && have[to] && !have[n] && at.step.Voucher == "" {
					have[to], changed = false, true
				}
			}
		}
	}
	return have
}

var output = regexp.MustCompile(`\{\{[^}]*\bvoucher\.code\b[^}]*\}\}`)

// needsVoucher tells whether a template shows a code and has nothing else to show.
func needsVoucher(t workspace.Template) bool {
	for _, content := range t.Contents {
		for _, text := range []string{content.Subject, content.HTML, content.Text} {
			for _, found := range output.FindAllString(text, -1) {
				if !strings.Contains(found, "default") {
					return true
				}
			}
		}
	}
	return false
}
