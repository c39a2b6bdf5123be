// Package journey decides what happens with a customer, step by step. A step is a
// pure function of definition, entry, what is given and now: it gives the next
// entry, what to do, and when to look again.
package journey

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"loophub/events"
	"loophub/shared/workspace"
)

// Definition is all that a journey depends on. Who is inside finishes on the
// definition by which he came in, whatever was applied since.
type Definition struct {
	Journey   workspace.Journey   `json:"journey"`
	Zone      string              `json:"zone"`      // of the workspace
	Templates map[string]Template `json:"templates"` // those that are sent
}

// Template is what a request has to say of a template.
type Template struct {
	Connection string            `json:"connection"`
	Purpose    workspace.Purpose `json:"purpose"`
}

// Of takes a journey's definition out of a workspace's. ok is false where there
// is no such journey.
func Of(w workspace.Workspace, name string) (d Definition, ok bool) {
	def, ok := w.Journeys[name]
	if !ok {
		return Definition{}, false
	}
	def.Name = name
	d = Definition{Journey: def, Zone: w.Zone, Templates: map[string]Template{}}
	each(def.Steps, func(s workspace.Step) {
		if t, known := w.Templates[s.Send]; known {
			d.Templates[s.Send] = Template{t.Connection, t.Purpose}
		}
	})
	return d, true
}

// Version names a definition: the same for the same content.
func (d Definition) Version() (string, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("encoding journey %s: %w", d.Journey.Name, err)
	}
	sum := sha256.Sum256(b)
	return events.Short(sum[:]), nil
}

// each visits steps and those within them, in their order.
func each(steps []workspace.Step, visit func(workspace.Step)) {
	for _, s := range steps {
		visit(s)
		for _, inner := range lists(s) {
			each(inner.steps, visit)
		}
	}
}

// list is one way on within a step.
type list struct {
	name  string // then, else or a variant's
	path  string // from the step on, such as wait_for.then
	steps []workspace.Step
}

func lists(s workspace.Step) []list {
	var l []list
	switch {
	case s.WaitFor != nil:
		l = []list{{"then", "wait_for.then", s.WaitFor.Then}, {"else", "wait_for.else", s.WaitFor.Else}}
	case s.Branch != nil:
		l = []list{{"then", "branch.then", s.Branch.Then}, {"else", "branch.else", s.Branch.Else}}
	}
	for n, v := range s.Split {
		l = append(l, list{v.Name, fmt.Sprintf("split[%d].steps", n), v.Steps})
	}
	return l
}

// Journey is a definition that was compiled. It may be used by many goroutines.
type Journey struct {
	Name    string
	Version string // of its definition

	def       workspace.Journey
	zone      *time.Location
	templates map[string]Template
	when      *rule // of the trigger
	exit      *rule
	nodes     []node
	places    map[string]int
}

// node is a step in the flat order of a journey, and where to go from it.
type node struct {
	place string // 3, 3.then.1: how entries name it, within their version
	path  string // steps[2].branch.then[0]: how problems name it
	step  workspace.Step
	ways  []int // into then and else, or into each variant
	next  int   // after it; end = the journey is over
	when  *rule
}

// end is where nothing more comes.
const end = -1

// id is how people name a step.
func (n node) id() string {
	if n.step.ID != "" {
		return n.step.ID
	}
	return n.place
}

// Compile reads a definition that Checks has passed.
func Compile(d Definition) (Journey, error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return Journey{}, fmt.Errorf("loading the zone of journey %s: %w", d.Journey.Name, err)
	}
	version, err := d.Version()
	if err != nil {
		return Journey{}, err
	}
	j := Journey{Name: d.Journey.Name, Version: version, def: d.Journey, zone: zone, templates: d.Templates}
	if j.when, err = compileRule("trigger", d.Journey.Trigger.When, zone); err != nil {
		return Journey{}, err
	}
	if j.exit, err = compileRule("exit", d.Journey.Exit, zone); err != nil {
		return Journey{}, err
	}
	j.nodes = flatten(d.Journey.Steps)
	j.places = map[string]int{}
	for n := range j.nodes {
		at := &j.nodes[n]
		j.places[at.place] = n
		if at.step.Branch == nil {
			continue
		}
		if at.when, err = compileRule(at.place, at.step.Branch.When, zone); err != nil {
			return Journey{}, err
		}
	}
	return j, nil
}

// flatten brings steps into one list in which each knows where to go from it.
func flatten(steps []workspace.Step) []node {
	var nodes []node
	outer := map[string]int{} // ids of the outermost list
	var lay func(steps []workspace.Step, place, path string, after int) (first int)
	lay = func(steps []workspace.Step, place, path string, after int) int {
		first, before := after, end
		for n, s := range steps {
			at := len(nodes)
			one := node{place: place + strconv.Itoa(n+1), path: fmt.Sprintf("%s[%d]", path, n), step: s, next: after}
			if before != end {
				nodes[before].next = at
				relay(nodes, before, at, after)
			} else {
				first = at
			}
			if place == "" {
				outer[one.id()] = at
			}
			nodes = append(nodes, one)
			for _, l := range lists(s) {
				way := lay(l.steps, one.place+"."+l.name+".", one.path+"."+l.path, after)
				nodes[at].ways = append(nodes[at].ways, way)
			}
			before = at
		}
		return first
	}
	lay(steps, "", "steps", end)
	for n := range nodes {
		if to, ok := outer[nodes[n].step.Goto]; ok {
			nodes[n].next = to
		}
		if nodes[n].step.Exit {
			nodes[n].next = end
		}
	}
	return nodes
}

// relay lets all that lies within a step, and was to go on after the list that
// holds it, go on at the step's own successor.
func relay(nodes []node, from, to, instead int) {
	for n := from; n < to; n++ {
		if n > from && nodes[n].next == instead {
			nodes[n].next = to
		}
		for i, way := range nodes[n].ways {
			if way == instead {
				nodes[n].ways[i] = to
			}
		}
	}
}
