package iam

import (
	"slices"

	"loophub/infra/local/dispatch"
)

// Role is a principal with its identity policies.
type Role struct {
	ARN      string
	Name     string
	Session  string // the session name in error texts: the function's name, as on AWS
	Account  string
	Policies []Document
	Trust    Document
}

// Request is one question to the engine.
type Request struct {
	Principal string            // role ARN, "" for the account itself
	Service   string            // "events.amazonaws.com", when a service asks on its own behalf
	Public    bool              // anybody, without credentials
	Action    string            // "sqs:SendMessage"
	Resource  string            // ARN
	Context   map[string]string // condition keys in lower case
}

// Engine holds all policies of a template.
type Engine struct {
	// Watch, if not nil, is told of what Decide was asked and answered. It is set before the first question.
	Watch func(Request, error)

	account   string
	roles     map[string]Role
	resources []attached
}

// attached is a resource policy with the resources that it may speak about.
type attached struct {
	scope []string // ARN patterns
	doc   Document
}

// New returns an engine without policies: it lets the account do everything and nobody else anything.
func New(account string) *Engine { return &Engine{account: account, roles: map[string]Role{}} }

// AddRole makes a role known.
func (e *Engine) AddRole(r Role) { e.roles[r.ARN] = r }

// Attach adds a resource policy; it acts on resources that match one of the ARN patterns in scope.
func (e *Engine) Attach(doc Document, scope ...string) {
	e.resources = append(e.resources, attached{scope: scope, doc: doc})
}

// Allow adds a permission as Lambda keeps them: a statement that the caller has put together from its parts.
func (e *Engine) Allow(service, action, resource string, equals map[string]string) {
	p := principal{"Service", service}
	if service == "*" {
		p = principal{"AWS", "*"}
	}
	s := Statement{Actions: []string{action}, Resources: []string{resource}, principals: []principal{p}}
	for k, v := range equals {
		operator := "StringEquals"
		if k == "aws:sourcearn" {
			operator = "ArnLike"
		}
		s.conditions = append(s.conditions, condition{operator, k, []string{v}})
	}
	e.Attach(Document{Statements: []Statement{s}}, resource)
}

// Trusts tells whether the role's trust policy lets a service assume it on behalf of the role's account.
func (e *Engine) Trusts(role, service string) bool {
	r, ok := e.roles[role]
	if !ok {
		return false
	}
	q := Request{Service: service, Action: "sts:AssumeRole", Context: map[string]string{"aws:sourceaccount": r.Account}}
	allowed := false
	for _, s := range r.Trust.Statements {
		if !e.about(s, q) || !s.covers(q) {
			continue
		}
		if s.Deny {
			return false
		}
		allowed = true
	}
	return allowed
}

// Authorise implements dispatch.Authoriser for a principal that calls an API.
func (e *Engine) Authorise(p string, n dispatch.Need) error {
	return e.decide(Request{Principal: p, Action: n.Action, Resource: n.Resource})
}

// Decide answers what the platform asks, for a service or in a role's name: nil when it is allowed, else an
// AccessDeniedException with AWS's text.
func (e *Engine) Decide(q Request) error {
	err := e.decide(q)
	if e.Watch != nil {
		e.Watch(q, err)
	}
	return err
}

// decide evaluates as AWS does within one account: an explicit deny in any policy wins, also over the account's own
// administrator; else an allow in either kind of policy is enough. Both doors count as TLS: neither leaves the machine.
func (e *Engine) decide(q Request) error {
	identity := verdict{allowed: q.ofAccount()}
	for _, doc := range e.roles[q.Principal].Policies {
		for _, s := range doc.Statements {
			if s.covers(q) {
				identity.add(s)
			}
		}
	}
	resource := verdict{}
	for _, a := range e.resources {
		if !slices.ContainsFunc(a.scope, func(p string) bool { return matchResource(q.Resource, p) }) {
			continue
		}
		for _, s := range a.doc.Statements {
			if e.about(s, q) && s.covers(q) {
				resource.add(s)
			}
		}
	}
	switch {
	case identity.denied:
		return e.refuse(q, "with an explicit deny in an identity-based policy")
	case resource.denied:
		return e.refuse(q, "with an explicit deny in a resource-based policy")
	case identity.allowed || resource.allowed:
		return nil
	case q.Principal == "":
		return e.refuse(q, "because no resource-based policy allows the ACTION action")
	}
	return e.refuse(q, "because no identity-based policy allows the ACTION action")
}

// ofAccount tells whether the account's administrator asks.
func (q Request) ofAccount() bool { return q.Principal == "" && q.Service == "" && !q.Public }

type verdict struct{ allowed, denied bool }

func (v *verdict) add(s Statement) {
	if s.Deny {
		v.denied = true
	} else {
		v.allowed = true
	}
}

// about tells whether the statement of a resource policy speaks about who asks. An account stands for everybody in it:
// a deny meets them all, whereas an allow only leaves the decision to their own policies.
func (e *Engine) about(s Statement, q Request) bool {
	return slices.ContainsFunc(s.principals, func(p principal) bool {
		switch {
		case p.kind == "Service":
			return q.Service != "" && p.name == q.Service
		case p.name == "*":
			return true
		case q.ofAccount():
			return p.name == e.account
		case s.Deny && q.Principal != "" && p.name == e.roles[q.Principal].Account:
			return true
		}
		return q.Principal != "" && p.name == q.Principal
	})
}

func (s Statement) covers(q Request) bool {
	return slices.ContainsFunc(s.Actions, func(p string) bool { return matchAction(q.Action, p) }) &&
		(s.Resources == nil && q.Resource == "" || // a trust policy speaks of its own role
			slices.ContainsFunc(s.Resources, func(p string) bool { return matchResource(q.Resource, p) })) &&
		!slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(q) })
}

// holds is true when one of the values fits. A key that the request lacks fits nothing but a negation.
func (c condition) holds(q Request) bool {
	have, ok := q.Context[c.key]
	if c.key == "aws:securetransport" {
		have, ok = "true", true
	}
	test := operators[c.operator]
	if c.operator == "StringNotEquals" {
		return !ok || !slices.ContainsFunc(c.values, func(v string) bool { return v == have })
	}
	return ok && slices.ContainsFunc(c.values, func(v string) bool { return test(have, v) })
}
