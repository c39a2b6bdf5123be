package iam

import (
	"strings"
	"testing"
)

func TestAssume(t *testing.T) {
	const account, other, third = "000000000001", "arn:aws:iam::000000000001:role/other", "arn:aws:iam::000000000001:role/third"
	trust := func(statements string) Role {
		return Role{ARN: role, Name: "r", Account: account, Trust: document(t, Trust, statements)}
	}
	allow := func(principal string) string {
		return `{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` + principal + `"}}`
	}
	for name, test := range map[string]struct {
		role      Role
		principal string
		want      string
	}{
		"the account":                 {trust(allow(other)), "", ""},
		"who is named":                {trust(allow(other)), other, ""},
		"who is not":                  {trust(allow(other)), third, "no resource-based policy"},
		"a service's role":            {trust(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}`), other, "no resource-based policy"},
		"by the account, with policy": {trust(allow("arn:aws:iam::000000000001:root")), third, ""},
		"by the account, without":     {trust(allow("arn:aws:iam::000000000001:root")), other, "no identity-based policy"},
		"by its number":               {trust(allow(account)), third, ""},
		"another account":             {trust(allow("arn:aws:iam::000000000002:root")), third, "no resource-based policy"},
		"denied":                      {trust(`[` + allow(other) + `,{"Effect":"Deny","Action":"sts:*","Principal":"*"}]`), other, "explicit deny in a resource-based"},
		"another action":              {trust(`{"Effect":"Allow","Action":"sts:TagSession","Principal":{"AWS":"` + other + `"}}`), other, "no resource-based policy"},
	} {
		e := New(account)
		e.AddRole(test.role)
		e.AddRole(Role{ARN: other, Name: "other", Account: account})
		e.AddRole(Role{ARN: third, Name: "third", Account: account, Policies: []Document{document(t, Identity, `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+role+`"}`)}})
		err := e.Assume(test.principal, role)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	e := New(account)
	if err := e.Assume("", "arn:aws:iam::000000000001:role/none"); err == nil {
		t.Error("nobody's role was assumed")
	}
}
