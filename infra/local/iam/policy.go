// Package iam evaluates the policies of the template: what a role may not do on AWS, it may not do here.
package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is where a policy lies; it decides what a statement must and must not say.
type Kind string

// The kinds of policy.
const (
	Identity Kind = "identity" // at a role: what it may do. It names no principal.
	Resource Kind = "resource" // at a queue, a bucket, a topic, …: who may do what with it
	Trust    Kind = "trust"    // at a role: who may assume it. It names no resource.
)

// Document is a policy document.
type Document struct {
	Statements []Statement
}

// Statement allows or denies actions on resources. Principals and conditions are nil where the document has none.
type Statement struct {
	Sid        string
	Deny       bool
	Actions    []string
	Resources  []string // nil in a trust policy
	principals []principal
	conditions []condition
}

// principal is whom a statement of a resource policy is about: kind "Service" or "AWS"; "*" stands for anybody.
// An AWS principal is a role's ARN or an account, of which the name is the number.
type principal struct{ kind, name string }

type condition struct {
	operator string
	key      string
	values   []string
}

// Parse reads a policy document. What it can't evaluate it refuses: a statement half understood would allow or deny
// something else than on AWS.
func Parse(k Kind, document []byte) (Document, error) {
	var doc struct {
		Version   string
		Id        string
		Statement json.RawMessage
	}
	if err := strict(document, &doc); err != nil {
		return Document{}, fmt.Errorf("reading policy: %w", err)
	}
	if doc.Version != "2012-10-17" {
		return Document{}, fmt.Errorf("reading policy: version %q", doc.Version)
	}
	raw := []json.RawMessage{doc.Statement}
	if bytes.HasPrefix(bytes.TrimSpace(doc.Statement), []byte("[")) {
		if err := json.Unmarshal(doc.Statement, &raw); err != nil {
			return Document{}, fmt.Errorf("reading policy: %w", err)
		}
	}
	var out Document
	for i, r := range raw {
		s, err := parseStatement(k, r)
		if err != nil {
			return Document{}, fmt.Errorf("reading policy: statement %d: %w", i+1, err)
		}
		out.Statements = append(out.Statements, s)
	}
	return out, nil
}

func parseStatement(k Kind, raw []byte) (Statement, error) {
	var in struct {
		Sid       string
		Effect    string
		Action    oneOrMany
		Resource  oneOrMany
		Principal json.RawMessage
		Condition map[string]map[string]oneOrMany
	}
	if err := strict(raw, &in); err != nil {
		return Statement{}, err
	}
	s := Statement{Sid: in.Sid, Deny: in.Effect == "Deny", Actions: in.Action, Resources: in.Resource}
	if !s.Deny && in.Effect != "Allow" {
		return Statement{}, fmt.Errorf("effect %q", in.Effect)
	}
	var err error
	if s.principals, err = parsePrincipals(in.Principal); err != nil {
		return Statement{}, err
	}
	if s.conditions, err = parseConditions(in.Condition); err != nil {
		return Statement{}, err
	}
	return s, s.complete(k)
}

// complete tells what a statement lacks, or says though it must not, in a policy of its kind.
func (s Statement) complete(k Kind) error {
	switch {
	case len(s.Actions) == 0:
		return errors.New("no action")
	case k == Identity && s.principals != nil:
		return errors.New("a principal, in a policy of a role")
	case k != Identity && len(s.principals) == 0:
		return errors.New("no principal")
	case k == Trust && s.Resources != nil:
		return errors.New("a resource, in a trust policy")
	case k != Trust && len(s.Resources) == 0:
		return errors.New("no resource")
	}
	for _, a := range s.Actions {
		service, name, _ := strings.Cut(a, ":")
		if a != "*" && (service == "" || name == "" || strings.ContainsAny(service, "*?")) {
			return fmt.Errorf("action %q", a)
		}
	}
	for _, r := range s.Resources {
		if err := checkResource(r); err != nil {
			return err
		}
	}
	return nil
}

// checkResource refuses what IAM refuses: a resource that is no ARN, and a wildcard for its service.
func checkResource(r string) error {
	if strings.Contains(r, "${") {
		return fmt.Errorf("the local cloud does not evaluate policy variables: %s", r)
	}
	parts := strings.SplitN(r, ":", 6)
	if r != "*" && (len(parts) != 6 || parts[0] != "arn" || parts[2] == "" || strings.ContainsAny(parts[2], "*?")) {
		return fmt.Errorf("resource %q", r)
	}
	return nil
}

func parsePrincipals(raw json.RawMessage) ([]principal, error) {
	if raw == nil {
		return nil, nil
	}
	var word string
	if json.Unmarshal(raw, &word) == nil {
		if word != "*" {
			return nil, fmt.Errorf("principal %q", word)
		}
		return []principal{{"AWS", "*"}}, nil
	}
	var kinds map[string]oneOrMany
	if err := json.Unmarshal(raw, &kinds); err != nil {
		return nil, fmt.Errorf("principal: %w", err)
	}
	var out []principal
	for kind, names := range kinds {
		for _, n := range names {
			p, err := parsePrincipal(kind, n)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}

var (
	accountForm = regexp.MustCompile(`^(?:arn:aws:iam::)?([0-9]{12})(?::root)?$`)
	roleForm    = regexp.MustCompile(`^arn:aws:iam::[0-9]{12}:role/[^*?]+$`)
	serviceForm = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com$`)
)

func parsePrincipal(kind, name string) (principal, error) {
	switch kind {
	case "AWS":
		if m := accountForm.FindStringSubmatch(name); m != nil {
			return principal{kind, m[1]}, nil
		}
		if name == "*" || roleForm.MatchString(name) {
			return principal{kind, name}, nil
		}
	case "Service":
		if serviceForm.MatchString(name) {
			return principal{kind, name}, nil
		}
	default:
		return principal{}, fmt.Errorf("the local cloud does not know principals of kind %s", kind)
	}
	return principal{}, fmt.Errorf("the local cloud does not know the principal %q", name)
}

// operators are the condition operators that the local cloud evaluates.
var operators = map[string]func(have, want string) bool{
	"StringEquals":    func(have, want string) bool { return have == want },
	"StringNotEquals": func(have, want string) bool { return have != want },
	"StringLike":      match,
	"ArnEquals":       matchARN,
	"ArnLike":         matchARN,
	"Bool":            strings.EqualFold,
}

// keys are the condition keys that a request of the local cloud can carry, in lower case as IAM compares them.
var keys = []string{"aws:securetransport", "aws:sourcearn", "aws:sourceaccount", "lambda:functionurlauthtype",
	"lambda:invokedviafunctionurl"}

func parseConditions(in map[string]map[string]oneOrMany) ([]condition, error) {
	var out []condition
	for operator, tests := range in {
		if operators[operator] == nil {
			return nil, fmt.Errorf("the local cloud does not evaluate the condition operator %s", operator)
		}
		for key, values := range tests {
			key = strings.ToLower(key)
			if !slices.Contains(keys, key) {
				return nil, fmt.Errorf("the local cloud does not know the condition key %s", key)
			}
			for _, v := range values {
				if err := checkValue(operator, v); err != nil {
					return nil, err
				}
			}
			out = append(out, condition{operator: operator, key: key, values: values})
		}
	}
	return out, nil
}

// checkValue refuses a value that its operator can't compare with: on AWS the condition would never be true.
func checkValue(operator, value string) error {
	switch {
	case strings.Contains(value, "${"):
		return fmt.Errorf("the local cloud does not evaluate policy variables: %s", value)
	case strings.HasPrefix(operator, "Arn") && strings.Count(value, ":") < 5:
		return fmt.Errorf("%s with %q, which is no ARN", operator, value)
	case operator == "Bool" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false"):
		return fmt.Errorf("%s with %q", operator, value)
	}
	return nil
}

// oneOrMany is a JSON string or a list of strings; a boolean counts as its word.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	var many []any
	if err := json.Unmarshal(b, &many); err != nil {
		many = make([]any, 1)
		if err := json.Unmarshal(b, &many[0]); err != nil {
			return err
		}
	}
	for _, v := range many {
		switch v := v.(type) {
		case string:
			*o = append(*o, v)
		case bool:
			*o = append(*o, fmt.Sprint(v))
		default:
			return fmt.Errorf("expected text, got %s", b)
		}
	}
	return nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
