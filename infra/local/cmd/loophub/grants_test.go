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

	"loophub/infra/local/dispatch"
	"loophub/infra/local/iam"
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

// String names a grant in lists: role, action, and the resource without its region and account.
func (g grant) String() string {
	return g.role + " " + g.action + " " + strings.NewReplacer("arn:aws:"+strings.Split(g.resource, ":")[2]+":", "", "us-east-1:", "", "000000000000:", "", "::", "", "Loophub-", "").Replace(g.resource)
}

// stage is the stage whose function has the role, "" for a role of the platform.
func (g grant) stage() string {
	if name := strings.ToLower(strings.TrimSuffix(g.role, "Role")); stages[name] != nil {
		return name
	}
	return ""
}

// covers tells whether it is what the grant allows that was asked.
func (g grant) covers(a asked) bool {
	return a.principal == g.principal && a.action == g.action && g.pattern.MatchString(a.resource)
}

// document is a policy document as JSON has it, with lists in the place of single texts.
type document struct {
	Version   string
	Statement []struct {
		Effect           string
		Action, Resource many
	}
}

type many []string

func (m *many) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*m = many{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(m))
}

// granted lists all that the roles of the committed template may do.
func granted(t *testing.T) (all []grant) {
	t.Helper()
	stack, err := template.Load(snapshot.Template(), "Loophub")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range stack.Roles {
		for p, policy := range r.Policies {
			var d document
			if err := json.Unmarshal(policy.PolicyDocument, &d); err != nil {
				t.Fatal(err)
			}
			for s, statement := range d.Statement {
				if statement.Effect != "Allow" {
					t.Fatalf("%s: a statement that denies; what is granted is not the sum of the statements any more", r.LogicalID)
				}
				for a, action := range statement.Action {
					for n, resource := range statement.Resource {
						pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(resource), `\*`, ".*") + "$")
						all = append(all, grant{r.LogicalID, r.ARN, action, resource, pattern, [4]int{p, s, a, n}})
					}
				}
			}
		}
	}
	return all
}

// without is the committed template in which one grant is missing.
func without(t *testing.T, g grant) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(snapshot.Template(), &doc); err != nil {
		t.Fatal(err)
	}
	role := doc["Resources"].(map[string]any)[g.role].(map[string]any)["Properties"].(map[string]any)
	policy := role["Policies"].([]any)[g.at[0]].(map[string]any)["PolicyDocument"].(map[string]any)
	statements := policy["Statement"].([]any)
	cut := statements[g.at[1]].(map[string]any)
	actions, resources := listed(cut["Action"]), listed(cut["Resource"])
	statements = slices.Delete(statements, g.at[1], g.at[1]+1)
	add := func(actions, resources []any) {
		if len(actions) > 0 && len(resources) > 0 {
			s := maps.Clone(cut)
			s["Action"], s["Resource"] = actions, resources
			statements = append(statements, s)
		}
	}
	add(slices.Delete(slices.Clone(actions), g.at[2], g.at[2]+1), resources)
	add(actions[g.at[2]:g.at[2]+1], slices.Delete(slices.Clone(resources), g.at[3], g.at[3]+1))
	policy["Statement"] = statements
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func listed(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// asked is a permission that somebody needed.
type asked struct{ principal, service, action, resource string }

// requests remembers what was asked, and how it was answered.
type requests struct {
	mu      sync.Mutex
	done    map[asked]bool
	refused map[asked]string // with the text
}

func newRequests() *requests { return &requests{done: map[asked]bool{}, refused: map[asked]string{}} }

func (r *requests) note(q iam.Request, err error) {
	a := asked{q.Principal, q.Service, q.Action, q.Resource}
	r.mu.Lock()
	defer r.mu.Unlock()
	var e *dispatch.Error
	switch {
	case err == nil:
		r.done[a] = true
	case errors.As(err, &e) && e.Code == "AccessDeniedException":
		r.refused[a] = e.Message
	}
}
