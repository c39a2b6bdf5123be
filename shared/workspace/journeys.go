package workspace

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxJourneys = 100
	maxSteps    = 200 // of a journey, those of its branches included
	maxDepth    = 6   // lists of steps within lists of steps
	maxVariants = 10
	maxTag      = 100
	maxTitle    = 200
	maxNote     = 2_000
)

func (p *parser) journeys(n *yaml.Node) map[string]Journey {
	return named(p, n, "journeys", "journey", maxJourneys, p.journey)
}

func (p *parser) journey(key, v *yaml.Node) Journey {
	j := Journey{Name: key.Value}
	f, ok := p.fields(key, v, fmt.Sprintf("journey %q", j.Name), "about", "trigger", "re_entry", "holdout", "goal", "exit", "steps")
	if !ok {
		return j
	}
	f.need("trigger", "trigger: {entered: a-segment}")
	f.need("steps", "steps: [{send: a-template}]")
	j.About, j.Exit, j.Holdout = f.line("about", maxAbout), f.text("exit", maxRule), f.number("holdout", 0, 99)
	if n := f.node("trigger"); n != nil && (n.Kind != yaml.MappingNode || len(n.Content) > 0) {
		j.Trigger = p.trigger(n, f.of)
	}
	j.ReEntry = f.reEntry()
	if n := f.node("goal"); n != nil {
		if g, ok := p.fields(n, n, f.of+": goal", "event", "within"); ok {
			g.need("event", "event: order.placed")
			j.Goal = &Goal{Event: g.event("event"), Within: g.duration("within", longest)}
		}
	}
	w := walker{parser: p, ids: map[string]int{}}
	j.Steps = w.steps(f, "steps", 1)
	if n := f.node("steps"); n != nil && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		p.at(n, "%s has no step; write for example: steps: [{send: a-template}]", f.of)
	}
	return j
}

var triggers = []string{"entered", "left", "event", "date", "api"}

func (p *parser) trigger(n *yaml.Node, of string) Trigger {
	var t Trigger
	f, ok := p.fields(n, n, of+": trigger", append(slices.Clone(triggers), "when")...)
	if !ok {
		return t
	}
	f.exactlyOne(triggers, "a trigger is one of them")
	t = Trigger{Entered: f.name("entered"), Left: f.name("left"), Event: f.event("event"), API: f.yes("api"), When: f.text("when", maxRule)}
	if n := f.node("date"); n != nil {
		if d, ok := p.fields(n, n, f.of+": date", "trait", "before", "at"); ok {
			d.need("trait", "trait: birthday")
			d.need("at", `at: "09:00"`)
			t.Date = &Date{Trait: d.line("trait", maxTag), Before: d.duration("before", longest), At: d.clock("at")}
		}
	}
	return t
}

// exactlyOne tells if not one of some keys is there alone.
func (f fields) exactlyOne(keys []string, advice string) {
	var there []string
	for _, k := range keys {
		if f.node(k) != nil {
			there = append(there, k)
		}
	}
	switch len(there) {
	case 0:
		f.at(f.place, "%s says nothing; write %s", f.of, oneOf(keys))
	case 1:
	default:
		f.at(f.place, "%s has %s; %s", f.of, strings.Join(there, " and "), advice)
	}
}

func (f fields) reEntry() ReEntry {
	n := f.node("re_entry")
	if n == nil {
		return ReEntry{}
	}
	if n.Kind == yaml.ScalarNode {
		if _, known := map[string]bool{"never": true, "always": true}[n.Value]; !known {
			f.wrong(n, "re_entry", "write never, always or {after: 60d}")
		}
		return ReEntry{Always: n.Value == "always"}
	}
	r, ok := f.fields(n, n, f.of+": re_entry", "after")
	if !ok {
		return ReEntry{}
	}
	r.need("after", "after: 60d")
	return ReEntry{After: r.duration("after", longest)}
}

// walker reads the steps of one journey.
type walker struct {
	*parser
	ids   map[string]int // where each was given
	count int
}

var actions = []string{"wait", "wait_for", "branch", "split", "send", "voucher", "tag", "task", "goto", "exit"}

func (w *walker) steps(f fields, key string, depth int) []Step {
	nodes := f.elements(key, maxSteps)
	if depth > maxDepth && len(nodes) > 0 {
		w.at(nodes[0], "%s: these steps lie deeper than %d lists; make a journey of their own of them", f.of, maxDepth)
		return nil
	}
	of, _, _ := strings.Cut(f.of, ": ")
	var all []Step
	for _, n := range nodes {
		if w.count++; w.count == maxSteps+1 {
			w.at(n, "%s has more than %d steps; make two journeys of it", of, maxSteps)
		}
		if w.count > maxSteps {
			return all
		}
		all = append(all, w.step(n, of, depth))
	}
	return all
}

func (w *walker) step(n *yaml.Node, of string, depth int) Step {
	var s Step
	f, ok := w.fields(n, n, of+": a step", append([]string{"id"}, actions...)...)
	if !ok {
		return s
	}
	f.exactlyOne(actions, "a step does one thing, so make steps of their own of them")
	s = Step{ID: w.id(f), Send: f.name("send"), Voucher: f.name("voucher"), Goto: f.name("goto"), Exit: f.yes("exit")}
	if n := f.node("wait"); n != nil {
		s.Wait = w.wait(f, n)
	}
	if n := f.node("wait_for"); n != nil {
		s.WaitFor = w.waitFor(n, of, depth)
	}
	if n := f.node("branch"); n != nil {
		s.Branch = w.branch(n, of, depth)
	}
	if n := f.node("split"); n != nil {
		s.Split = w.split(f, n, of, depth)
	}
	if n := f.node("tag"); n != nil {
		if t, ok := w.fields(n, n, of+": tag", "add", "remove"); ok {
			t.exactlyOne([]string{"add", "remove"}, "make two steps of it")
			s.Tag = &Tag{Add: t.line("add", maxTag), Remove: t.line("remove", maxTag)}
		}
	}
	if n := f.node("task"); n != nil {
		if t, ok := w.fields(n, n, of+": task", "title", "note"); ok {
			t.need("title", "title: Call her")
			s.Task = &Task{Title: t.line("title", maxTitle), Note: t.text("note", maxNote)}
		}
	}
	return s
}

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// id is a step's own name. It begins with a letter, as places in the list don't.
func (w *walker) id(f fields) string {
	n, s, ok := f.value("id")
	if !ok {
		return ""
	}
	if !idPattern.MatchString(s) {
		f.wrong(n, "id", "use up to 40 lower-case letters, digits and dashes, beginning with a letter")
	}
	if line, twice := w.ids[s]; twice {
		w.at(n, "%s: the id %s stands here a second time, first in line %d; choose another", f.of, quote(s), line)
	}
	w.ids[s] = n.Line
	return s
}

func (w *walker) wait(f fields, n *yaml.Node) *Wait {
	if n.Kind == yaml.ScalarNode {
		return &Wait{For: f.span(n, "wait", longest)}
	}
	wait, ok := w.fields(n, n, f.of+": wait", "for", "until")
	if !ok {
		return nil
	}
	if wait.node("for") == nil && wait.node("until") == nil {
		w.at(n, "%s: wait says nothing; write wait: 3d, or {until: \"09:00\"}, or both for and until", f.of)
	}
	return &Wait{For: wait.duration("for", longest), Until: wait.clock("until")}
}

func (w *walker) waitFor(n *yaml.Node, of string, depth int) *WaitFor {
	f, ok := w.fields(n, n, of+": wait_for", "event", "timeout", "then", "else")
	if !ok {
		return nil
	}
	f.need("event", "event: message.clicked")
	f.need("timeout", "timeout: 2d")
	return &WaitFor{Event: f.event("event"), TimeOut: f.duration("timeout", longest),
		Then: w.steps(f, "then", depth+1), Else: w.steps(f, "else", depth+1)}
}

func (w *walker) branch(n *yaml.Node, of string, depth int) *Branch {
	f, ok := w.fields(n, n, of+": branch", "when", "then", "else")
	if !ok {
		return nil
	}
	f.need("when", "when: orders.count > 3")
	b := &Branch{When: f.text("when", maxRule), Then: w.steps(f, "then", depth+1), Else: w.steps(f, "else", depth+1)}
	if f.node("then") == nil && f.node("else") == nil {
		w.at(n, "%s goes nowhere; give it then:, else: or both", f.of)
	}
	return b
}

func (w *walker) split(f fields, n *yaml.Node, of string, depth int) []Variant {
	var all []Variant
	sum := 0
	for _, e := range f.elements("split", maxVariants) {
		v, ok := w.fields(e, e, of+": a variant", "name", "share", "steps")
		if !ok {
			continue
		}
		v.need("name", "name: a")
		v.need("share", "share: 50")
		one := Variant{Name: v.name("name"), Share: v.number("share", 1, 99), Steps: w.steps(v, "steps", depth+1)}
		if one.Name == "holdout" {
			w.at(v.node("name"), "%s: reports call holdout whom nothing happens to; choose another name", v.of)
		}
		if one.Name != "" && slices.ContainsFunc(all, func(o Variant) bool { return o.Name == one.Name }) {
			w.at(v.node("name"), "%s: there are two variants %q; choose another name", v.of, one.Name)
		}
		sum += one.Share
		all = append(all, one)
	}
	if n.Kind == yaml.SequenceNode && sum != 100 {
		w.at(n, "%s: the shares of a split make %d; they must make 100", f.of, sum)
	}
	return all
}

// Walk calls f with every step of a list and of the lists within it, in their
// order. path names the list, as in journeys.come-back.steps, and each step.
func Walk(path string, steps []Step, f func(path string, s Step)) {
	for i, s := range steps {
		at := fmt.Sprintf("%s[%d]", path, i)
		f(at, s)
		if s.WaitFor != nil {
			Walk(at+".wait_for.then", s.WaitFor.Then, f)
			Walk(at+".wait_for.else", s.WaitFor.Else, f)
		}
		if s.Branch != nil {
			Walk(at+".branch.then", s.Branch.Then, f)
			Walk(at+".branch.else", s.Branch.Else, f)
		}
		for k, v := range s.Split {
			Walk(fmt.Sprintf("%s.split[%d].steps", at, k), v.Steps, f)
		}
	}
}
