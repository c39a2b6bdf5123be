package main

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"loophub/infra/local"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/stage"
	"loophub/infra/local/template"
	"loophub/infra/stack/snapshot"
)

// grant is one action on one resource that the template allows a role.
type grant struct {
	role      string // logical id
	principal string // ARN
	action    string
	resource  string // ARN, or a pattern of ARNs
	pattern   *regexp.Regexp

	at [4]int // where it stands: of the role's policies, their statements, those's actions and resources
}

// shorter leaves out of ARNs what is the same in all.
var shorter = regexp.MustCompile(`arn:aws:[a-z0-9]+:[a-z0-9-]*:[0-9]*:(Loophub-)?|Loophub-`)

// String names a grant as lists do.
func (g grant) String() string { return g.role + " " + g.action + " on " + g.on() }

// on is the resource without its region and account.
func (g grant) on() string { return shorter.ReplaceAllString(g.resource, "") }

// stage is the stage whose function has the role, "" for a role of the platform.
func (g grant) stage() string {
	if name := strings.ToLower(strings.TrimSuffix(g.role, "Role")); slices.Contains(stage.Names(), name) {
		return name
	}
	return ""
}

// covers tells whether it is what the grant allows that was asked.
func (g grant) covers(a asked) bool {
	return a.principal == g.principal && a.action == g.action && g.pattern.MatchString(a.resource)
}

// granted lists all that the roles of the committed template may do.
func granted(t *testing.T) (all []grant) {
	t.Helper()
	for _, r := range committed(t).Roles {
		for p, policy := range r.Policies {
			var d struct{ Statement []object }
			if err := json.Unmarshal(policy.PolicyDocument, &d); err != nil {
				t.Fatal(err)
			}
			for s, statement := range d.Statement {
				if statement["Effect"] != "Allow" {
					t.Fatalf("%s: a statement that denies; what is granted is not the sum of the statements any more", r.LogicalID)
				}
				for a, action := range listed(statement["Action"]) {
					for n, resource := range listed(statement["Resource"]) {
						arn := resource.(string)
						pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(arn), `\*`, ".*") + "$")
						all = append(all, grant{r.LogicalID, r.ARN, action.(string), arn, pattern, [4]int{p, s, a, n}})
					}
				}
			}
		}
	}
	return all
}

func committed(t *testing.T) *template.Stack {
	t.Helper()
	stack, err := template.Load(snapshot.Template(), "Loophub")
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// find gives the one grant of that name.
func find(t *testing.T, name string) grant {
	t.Helper()
	all := granted(t)
	n := slices.IndexFunc(all, func(g grant) bool { return g.String() == name })
	if n < 0 {
		t.Fatalf("the template grants no %s", name)
	}
	return all[n]
}

// edited is the committed template with a change to its resources.
func edited(t *testing.T, change func(resources object)) []byte {
	t.Helper()
	var doc object
	if err := json.Unmarshal(snapshot.Template(), &doc); err != nil {
		t.Fatal(err)
	}
	change(doc["Resources"].(object))
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// within is what lies below a value at keys and indexes.
func within(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(object)[p]
		case int:
			v = v.(list)[p]
		}
	}
	return v
}

// without is the committed template in which some grants are missing.
func without(t *testing.T, missing ...grant) []byte {
	t.Helper()
	return edited(t, func(resources object) {
		// From the last one on: what is cut leaves the places of those before it.
		for _, g := range slices.SortedFunc(slices.Values(missing), func(a, b grant) int { return slices.Compare(b.at[:], a.at[:]) }) {
			policy := within(resources, g.role, "Properties", "Policies", g.at[0], "PolicyDocument").(object)
			statements := policy["Statement"].(list)
			cut := statements[g.at[1]].(object)
			actions, resources := listed(cut["Action"]), listed(cut["Resource"])
			statements = slices.Delete(statements, g.at[1], g.at[1]+1)
			add := func(actions, resources list) {
				if len(actions) > 0 && len(resources) > 0 {
					s := maps.Clone(cut)
					s["Action"], s["Resource"] = actions, resources
					statements = append(statements, s)
				}
			}
			add(slices.Delete(slices.Clone(actions), g.at[2], g.at[2]+1), resources)
			add(actions[g.at[2]:g.at[2]+1], slices.Delete(slices.Clone(resources), g.at[3], g.at[3]+1))
			policy["Statement"] = statements
		}
	})
}

// listed is what policies write as one or as a list.
func listed(v any) list {
	if l, ok := v.(list); ok {
		return l
	}
	return list{v}
}

// asked is a permission that somebody needed.
type asked struct {
	principal, service string // of whom; neither: anybody
	action, resource   string
	source             string // for which resource a service asks
	platform           bool   // no call needed it
}

// requests remembers what was asked, and how it was answered.
type requests struct {
	mu      sync.Mutex
	done    map[asked]bool
	refused map[asked]string // with the text
}

func newRequests() *requests { return &requests{done: map[asked]bool{}, refused: map[asked]string{}} }

func the(a local.Asked) asked {
	return asked{a.Principal, a.Service, a.Action, a.Resource, a.Context["aws:sourcearn"], a.Platform}
}

// refusal is the text with which something was refused, if it was.
func refusal(a local.Asked) (string, bool) {
	var e *dispatch.Error
	if errors.As(a.Err, &e) && e.Code == "AccessDeniedException" {
		return e.Message, true
	}
	return "", false
}

func (r *requests) note(a local.Asked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text, no := refusal(a); no {
		r.refused[the(a)] = text
	} else if a.Err == nil {
		r.done[the(a)] = true
	}
}

// uses are what each scenario asks for on the committed template, made once for all tests.
var uses struct {
	once sync.Once
	of   []*requests
}

func used(t *testing.T) []*requests {
	t.Helper()
	uses.once.Do(func() {
		for _, s := range scenarios {
			r := newRequests()
			if err := s.run(t.Context(), t, s.template(t), func(o *local.Options) { o.Asked = r.note }); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			for a, text := range r.refused {
				if !s.refuses(a) {
					t.Errorf("%s: %s lacks %+v", s.name, text, a)
				}
			}
			uses.of = append(uses.of, r)
		}
	})
	return uses.of
}

// scene is the first scenario in which something is asked for.
func scene(t *testing.T, what func(asked) bool) (scenario, bool) {
	t.Helper()
	for n, r := range used(t) {
		for a := range r.done {
			if what(a) {
				return scenarios[n], true
			}
		}
	}
	return scenario{}, false
}
