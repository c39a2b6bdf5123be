package journey

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// What a journey may be at the most.
const (
	maxAll   = 200                  // steps
	maxDepth = 8                    // of steps within steps
	longest  = 400 * 24 * time.Hour // any span
	shortest = time.Minute          // any wait: time is looked at once a minute
)

// Checks calls refuse with everything that is wrong with a workspace's journeys:
// where it stands, line and column within that text (0, 0 = the value as a whole),
// and what to do instead.
func Checks(w workspace.Workspace, refuse workspace.Refuse) {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		zone = time.UTC // the zone itself is refused already
	}
	for _, name := range slices.Sorted(maps.Keys(w.Journeys)) {
		c := &checker{w: w, zone: zone, def: w.Journeys[name], root: "journeys." + name, refuse: refuse, ids: map[string]string{}}
		c.journey()
	}
}

// checker looks at one journey.
type checker struct {
	w      workspace.Workspace
	zone   *time.Location
	def    workspace.Journey
	root   string
	refuse func(path string, line, column int, reason string)
	ids    map[string]string // id of a step → its path
	count  int
	broken bool // steps are such that their order says nothing
}

func (c *checker) no(path, format string, args ...any) {
	c.refuse(c.root+"."+path, 0, 0, fmt.Sprintf(format, args...))
}

func (c *checker) rule(path, when string) {
	checkRule(when, c.zone, func(line, column int, reason string) { c.refuse(c.root+"."+path, line, column, reason) })
}

// span wants a time that can be waited for.
func (c *checker) span(path string, d, least time.Duration) {
	if d < least || d > longest {
		c.no(path, "a span here is 1min to 400d")
	}
}

func (c *checker) journey() {
	c.trigger(c.def.Trigger)
	switch r := c.def.ReEntry; {
	case r.Always && r.After != 0:
		c.no("re_entry", "either always or after a span, not both")
	case r.After != 0:
		c.span("re_entry.after", r.After, shortest)
	}
	if h := c.def.Holdout; h < 0 || h > 99 {
		c.no("holdout", "a holdout is 0 to 99 per cent of those who enter")
	}
	if g := c.def.Goal; g != nil {
		c.event("goal.event", g.Event)
		if g.Within != 0 {
			c.span("goal.within", g.Within, shortest)
		}
	}
	if c.def.Exit != "" {
		c.rule("exit", c.def.Exit)
	}
	if len(c.def.Steps) == 0 {
		c.no("steps", "a journey has at least one step")
		return
	}
	c.steps(c.def.Steps, "steps", "", 1)
	if c.count > maxAll {
		c.no("steps", "there are %d steps; a journey has at most %d", c.count, maxAll)
		return
	}
	if !c.broken {
		c.flow(flatten(c.def.Steps))
	}
}

func (c *checker) trigger(t workspace.Trigger) {
	var given []string
	for name, is := range map[string]bool{"entered": t.Entered != "", "left": t.Left != "", "event": t.Event != "", "date": t.Date != nil, "api": t.API} {
		if is {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	switch len(given) {
	case 0:
		c.no("trigger", "say what lets a customer in: one of entered, left, event, date, api")
	case 1:
	default:
		c.no("trigger", "one of %s; make a journey for each", strings.Join(given, ", "))
	}
	c.segment("trigger.entered", t.Entered)
	c.segment("trigger.left", t.Left)
	if t.Event != "" {
		c.event("trigger.event", t.Event)
	}
	if d := t.Date; d != nil {
		if !slices.Contains(profile.TraitNames(), d.Trait) {
			c.no("trigger.date.trait", "there is no trait %q; write %s", d.Trait, strings.Join(profile.TraitNames(), ", "))
		}
		if _, ok := parseTime(d.At); !ok {
			c.no("trigger.date.at", `write the time of day as in "09:00"`)
		}
		if d.Before != 0 {
			c.span("trigger.date.before", d.Before, shortest)
		}
	}
	if t.When != "" {
		c.rule("trigger.when", t.When)
	}
}

func (c *checker) segment(path, name string) {
	if _, ok := c.w.Segments[name]; name != "" && !ok {
		c.no(path, "there is no segment %q", name)
	}
}

var eventPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$`)

func (c *checker) event(path, name string) {
	if !eventPattern.MatchString(name) {
		c.no(path, "name an event, such as order.placed or message.clicked; up to 64 letters, digits, spaces, dots and dashes")
	}
}

func (c *checker) steps(steps []workspace.Step, path, place string, depth int) {
	if depth > maxDepth && len(steps) > 0 {
		c.broken = true
		c.no(path, "steps stand within steps more than %d deep; make two journeys of this", maxDepth)
		return
	}
	for n, s := range steps {
		here, at := fmt.Sprintf("%s[%d]", path, n), fmt.Sprintf("%s%d", place, n+1)
		if c.count++; c.count > maxAll {
			c.broken = true
		}
		c.step(s, here)
		id := s.ID
		if id == "" {
			id = at
		}
		if other, twice := c.ids[id]; twice {
			c.no(here+".id", "%q names %s already", id, other)
		}
		c.ids[id] = here
		for _, l := range lists(s) {
			c.steps(l.steps, here+"."+l.path, at+"."+l.name+".", depth+1)
		}
	}
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func (c *checker) step(s workspace.Step, path string) {
	if s.ID != "" && !idPattern.MatchString(s.ID) {
		c.no(path+".id", "an id has up to 64 lower-case letters, digits, dots and dashes")
	}
	kinds := 0
	for _, is := range []bool{s.Wait != nil, s.WaitFor != nil, s.Branch != nil, s.Split != nil, s.Send != "", s.Voucher != "", s.Tag != nil, s.Task != nil, s.Goto != "", s.Exit} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		c.broken = true
		c.no(path, "a step is one of wait, wait_for, branch, split, send, voucher, tag, task, goto, exit")
		return
	}
	switch {
	case s.Wait != nil:
		c.wait(*s.Wait, path+".wait")
	case s.WaitFor != nil:
		c.event(path+".wait_for.event", s.WaitFor.Event)
		c.span(path+".wait_for.timeout", s.WaitFor.TimeOut, shortest)
	case s.Branch != nil:
		c.rule(path+".branch.when", s.Branch.When)
	case s.Split != nil:
		c.split(s.Split, path+".split")
	case s.Goto != "":
		if !slices.ContainsFunc(flatten(c.def.Steps), func(n node) bool { return !strings.Contains(n.place, ".") && n.id() == s.Goto }) {
			c.broken = true
			c.no(path+".goto", "the outermost list has no step %q; give the step that is meant an id", s.Goto)
		}
	default:
		c.effect(s, path)
	}
}

func (c *checker) wait(w workspace.Wait, path string) {
	if w.For == 0 && w.Until == "" {
		c.no(path, `say how long, as in 3d, or until when, as in {until: "09:00"}`)
		return
	}
	if w.For != 0 {
		c.span(path, w.For, shortest)
	}
	if _, ok := parseTime(w.Until); w.Until != "" && !ok {
		c.no(path+".until", `write the time of day as in "09:00"`)
	}
}

func (c *checker) split(variants []workspace.Variant, path string) {
	sum, names := 0, map[string]bool{}
	for n, v := range variants {
		here := fmt.Sprintf("%s[%d]", path, n)
		switch {
		case !workspace.ValidID(v.Name) || v.Name == string(Holdout):
			c.no(here+".name", "name each variant by up to 40 lower-case letters, digits and dashes, and none of them holdout")
		case names[v.Name]:
			c.no(here+".name", "there is a variant %q already", v.Name)
		}
		if names[v.Name] = true; v.Share < 1 || v.Share > 100 {
			c.no(here+".share", "a share is 1 to 100 per cent")
		}
		sum += v.Share
	}
	if sum != 100 {
		c.no(path, "the shares make %d, not 100", sum)
	}
}

func (c *checker) effect(s workspace.Step, path string) {
	switch {
	case s.Send != "":
		if _, ok := c.w.Templates[s.Send]; !ok {
			c.no(path+".send", "there is no template %q", s.Send)
		}
	case s.Voucher != "":
		if _, ok := c.w.Vouchers[s.Voucher]; !ok {
			c.no(path+".voucher", "there is no voucher pool %q; add it to vouchers", s.Voucher)
		}
	case s.Tag != nil:
		if name := s.Tag.Add + s.Tag.Remove; (s.Tag.Add == "") == (s.Tag.Remove == "") || strings.TrimSpace(name) != name || len(name) > 100 {
			c.no(path+".tag", "either add or remove one tag of up to 100 bytes")
		}
	case s.Task != nil:
		if strings.TrimSpace(s.Task.Title) == "" || len(s.Task.Title) > 200 || len(s.Task.Note) > 2_000 {
			c.no(path+".task", "a task has a title of up to 200 bytes, and a note of up to 2,000")
		}
	}
}
