package iam

import (
	"slices"
)

// Assume tells whether a principal may become a role, by the role's trust policy. If that names the principal itself, it
// is enough; if it names the account, the principal's own policies must allow it too. The account itself may do
// everything. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, read 2026-11.
func (e *Engine) Assume(principal, role string) error {
	q := Request{Principal: principal, Action: "sts:AssumeRole", Resource: role}
	r, ok := e.roles[role]
	if !ok { // AWS tells nobody which roles there are
		return e.refuse(q, "because no resource-based policy allows the ACTION action")
	}
	if principal == "" {
		return nil
	}
	trust := verdict{}
	delegated := false
	for _, s := range r.Trust.Statements {
		if !s.covers(Request{Principal: principal, Action: q.Action}) {
			continue
		}
		named, account := e.about(s, q), s.names(r.Account)
		switch {
		case s.Deny && named: // an account stands for everybody in it
			trust.denied = true
		case named:
			trust.allowed = true
		case account:
			delegated = true
		}
	}
	switch {
	case trust.denied:
		return e.refuse(q, "with an explicit deny in a resource-based policy")
	case !trust.allowed && !delegated:
		return e.refuse(q, "because no resource-based policy allows the ACTION action")
	}
	identity := verdict{}
	for _, doc := range e.roles[principal].Policies {
		for _, s := range doc.Statements {
			if s.covers(q) {
				identity.add(s)
			}
		}
	}
	switch {
	case identity.denied:
		return e.refuse(q, "with an explicit deny in an identity-based policy")
	case !trust.allowed && !identity.allowed:
		return e.refuse(q, "because no identity-based policy allows the ACTION action")
	}
	return nil
}

// names tells whether a statement speaks about an account as a whole.
func (s Statement) names(account string) bool {
	return slices.ContainsFunc(s.principals, func(p principal) bool {
		return p.kind == "AWS" && p.name == account
	})
}
