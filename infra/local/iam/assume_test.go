package iam

import (
	"strings"
	"testing"
)

func TestAssume(t *testing.T) {
	const other, third = "arn:aws:iam::1:role/other", "arn:aws:iam::1:role/third"
	trust := func(statements string) Role {
		return Role{ARN: role, Name: "r", Account: "1", Trust: document(t, statements)}
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
		"by the account, with policy": {trust(allow("arn:aws:iam::1:root")), third, ""},
		"by the account, without":     {trust(allow("arn:aws:iam::1:root")), other, "no identity-based policy"},
		"by its number":               {trust(allow("1")), third, ""},
		"another account":             {trust(allow("arn:aws:iam::2:root")), third, "no resource-based policy"},
		"denied":                      {trust(`[` + allow(other) + `,{"Effect":"Deny","Action":"sts:*","Principal":"*"}]`), other, "explicit deny in a resource-based"},
		"another action":              {trust(`{"Effect":"Allow","Action":"sts:TagSession","Principal":{"AWS":"` + other + `"}}`), other, "no resource-based policy"},
	} {
		e := New()
		e.AddRole(test.role)
		e.AddRole(Role{ARN: other, Name: "other", Account: "1"})
		e.AddRole(Role{ARN: third, Name: "third", Account: "1", Policies: []Document{document(t, `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+role+`"}`)}})
		err := e.Assume(test.principal, role)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	e := New()
	if err := e.Assume("", "arn:aws:iam::1:role/none"); err == nil {
		t.Error("nobody's role was assumed")
	}
}
