// Package iam evaluates the policies of the template: what a role may not do on AWS, it may not do here.
package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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
type principal struct{ kind, name string }

type condition struct {
	operator string
	key      string
	values   []string
}

// Parse reads a policy document. What it can't evaluate it refuses: a statement half understood would allow or deny
// something else than on AWS.
func Parse(document []byte) (Document, error) {
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
		s, err := parseStatement(r)
		if err != nil {
			return Document{}, fmt.Errorf("reading policy: statement %d: %w", i+1, err)
		}
		out.Statements = append(out.Statements, s)
	}
	return out, nil
}

func parseStatement(raw []byte) (Statement, error) {
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
	if len(s.Actions) == 0 {
		return Statement{}, fmt.Errorf("no action")
	}
	for _, r := range s.Resources {
		if strings.Contains(r, "${") {
			return Statement{}, fmt.Errorf("the local cloud does not evaluate policy variables: %s", r)
		}
	}
	var err error
	if s.principals, err = parsePrincipals(in.Principal); err != nil {
		return Statement{}, err
	}
	s.conditions, err = parseConditions(in.Condition)
	return s, err
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
		if kind != "AWS" && kind != "Service" {
			return nil, fmt.Errorf("the local cloud does not know principals of kind %s", kind)
		}
		for _, n := range names {
			out = append(out, principal{kind, n})
		}
	}
	return out, nil
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
			out = append(out, condition{operator: operator, key: key, values: values})
		}
	}
	return out, nil
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
