package iam

import (
	"errors"
	"strings"
	"testing"

	"loophub/infra/local/dispatch"
)

func document(t *testing.T, statements string) Document {
	t.Helper()
	d, err := Parse([]byte(`{"Version":"2012-10-17","Statement":` + statements + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	role  = "arn:aws:iam::1:role/r"
	table = "arn:aws:dynamodb:us-east-1:1:table/T"
)

func TestDecide(t *testing.T) {
	e := New()
	e.AddRole(Role{ARN: role, Name: "r", Session: "f", Account: "1", Policies: []Document{document(t, `[
		{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Put*"],"Resource":["`+table+`","`+table+`/index/*"]},
		{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/a?c/*"},
		{"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/abc/secret"},
		{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:q","Condition":{"Bool":{"aws:SecureTransport":"true"}}},
		{"Effect":"Allow","Action":"sqs:DeleteMessage","Resource":"arn:q","Condition":{"StringEquals":{"aws:SourceAccount":"1"}}}
	]`)}})
	e.Attach(document(t, `[
		{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":false}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::b/*"}]`), "arn:aws:s3:::b/*")
	e.Attach(document(t, `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"arn:q",
		"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:events:us-east-1:1:rule/bus/*"}}}`), "arn:q")
	e.Allow("*", "lambda:InvokeFunctionUrl", "arn:f", map[string]string{"lambda:functionurlauthtype": "NONE"})

	from := func(rule string) map[string]string { return map[string]string{"aws:sourcearn": rule} }
	for name, test := range map[string]struct {
		q    Request
		want string // "" for allowed, else the end of the text
	}{
		"the account":             {Request{Action: "any:Thing", Resource: "arn:x"}, ""},
		"granted":                 {Request{Principal: role, Action: "dynamodb:GetItem", Resource: table}, ""},
		"granted by pattern":      {Request{Principal: role, Action: "dynamodb:PutItem", Resource: table + "/index/i"}, ""},
		"case of the action":      {Request{Principal: role, Action: "DynamoDB:getitem", Resource: table}, ""},
		"another action":          {Request{Principal: role, Action: "dynamodb:Scan", Resource: table}, "because no identity-based policy allows the dynamodb:Scan action"},
		"another table":           {Request{Principal: role, Action: "dynamodb:GetItem", Resource: table + "2"}, "because no identity-based policy allows the dynamodb:GetItem action"},
		"another role":            {Request{Principal: "arn:aws:iam::1:role/other", Action: "dynamodb:GetItem", Resource: table}, "because no identity-based policy allows the dynamodb:GetItem action"},
		"one byte":                {Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/abc/k/l"}, ""},
		"two bytes":               {Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/abbc/k"}, "because no identity-based policy allows the s3:GetObject action"},
		"denied":                  {Request{Principal: role, Action: "s3:PutObject", Resource: "arn:aws:s3:::b/abc/secret"}, "with an explicit deny in an identity-based policy"},
		"denied by the bucket":    {Request{Principal: role, Action: "s3:DeleteObject", Resource: "arn:aws:s3:::b/abc/k"}, "with an explicit deny in a resource-based policy"},
		"condition holds":         {Request{Principal: role, Action: "sqs:SendMessage", Resource: "arn:q"}, ""},
		"condition lacks its key": {Request{Principal: role, Action: "sqs:DeleteMessage", Resource: "arn:q"}, "because no identity-based policy allows the sqs:DeleteMessage action"},
		"service":                 {Request{Service: "events.amazonaws.com", Action: "sqs:SendMessage", Resource: "arn:q", Context: from("arn:aws:events:us-east-1:1:rule/bus/r")}, ""},
		"service for another":     {Request{Service: "events.amazonaws.com", Action: "sqs:SendMessage", Resource: "arn:q", Context: from("arn:aws:events:us-east-1:1:rule/r")}, "because no resource-based policy allows the sqs:SendMessage action"},
		"another service":         {Request{Service: "sns.amazonaws.com", Action: "sqs:SendMessage", Resource: "arn:q", Context: from("arn:aws:events:us-east-1:1:rule/bus/r")}, "because no resource-based policy allows the sqs:SendMessage action"},
		"anybody":                 {Request{Public: true, Action: "lambda:InvokeFunctionUrl", Resource: "arn:f", Context: map[string]string{"lambda:functionurlauthtype": "NONE"}}, ""},
		"anybody, otherwise":      {Request{Public: true, Action: "lambda:InvokeFunctionUrl", Resource: "arn:f"}, "because no resource-based policy allows the lambda:InvokeFunctionUrl action"},
	} {
		t.Run(name, func(t *testing.T) {
			err := e.Decide(test.q)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refusal *dispatch.Error
			if !errors.As(err, &refusal) || refusal.Code != "AccessDeniedException" || !strings.HasSuffix(refusal.Message, test.want) {
				t.Errorf("got %v, want … %s", err, test.want)
			}
		})
	}
	err := e.Authorise(role, dispatch.Need{Action: "dynamodb:Scan", Resource: table})
	want := "AccessDeniedException: User: arn:aws:sts::1:assumed-role/r/f is not authorized to perform: dynamodb:Scan on " +
		"resource: " + table + " because no identity-based policy allows the dynamodb:Scan action"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestTrusts(t *testing.T) {
	e := New()
	e.AddRole(Role{ARN: role, Account: "1", Trust: document(t, `{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"1"}}}`)})
	e.AddRole(Role{ARN: "foreign", Account: "2", Trust: document(t, `{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"1"}}}`)})
	if !e.Trusts(role, "lambda.amazonaws.com") || e.Trusts(role, "scheduler.amazonaws.com") ||
		e.Trusts("foreign", "lambda.amazonaws.com") || e.Trusts("nobody", "lambda.amazonaws.com") {
		t.Error("trust policies are not read as written")
	}
}

func TestParseRefuses(t *testing.T) {
	for statement, want := range map[string]string{
		`{"Effect":"Allow","NotAction":"a:b","Resource":"*"}`:                                                         `unknown field "NotAction"`,
		`{"Effect":"Allow","Action":"a:b","NotResource":"*"}`:                                                         `unknown field "NotResource"`,
		`{"Effect":"Perhaps","Action":"a:b","Resource":"*"}`:                                                          `effect "Perhaps"`,
		`{"Effect":"Allow","Resource":"*"}`:                                                                           "no action",
		`{"Effect":"Allow","Action":"a:b","Resource":"arn:${aws:username}"}`:                                          "policy variables",
		`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"1"}}}`:             "condition operator IpAddress",
		`{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`: "condition key aws:multifactorauthpresent",
		`{"Effect":"Allow","Action":"a:b","Resource":"*","Principal":{"Federated":"x"}}`:                              "kind Federated",
		`{"Effect":"Allow","Action":7,"Resource":"*"}`:                                                                "expected text",
	} {
		if _, err := Parse([]byte(`{"Version":"2012-10-17","Statement":` + statement + `}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", statement, err, want)
		}
	}
	if _, err := Parse([]byte(`{"Version":"2008-10-17","Statement":[]}`)); err == nil {
		t.Error("the old version of the language was accepted")
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		text, pattern string
		want          bool
	}{
		{"", "", true}, {"", "*", true}, {"a", "", false}, {"abc", "a*c", true}, {"abc", "a*b", false}, {"abc", "a?c", true},
		{"ac", "a?c", false}, {"aXbXc", "a*X*c", true}, {"mississippi", "m*iss*i", true}, {"abc", "abc*", true}, {"abc", "**", true},
	} {
		if got := match(test.text, test.pattern); got != test.want {
			t.Errorf("match(%q, %q) = %v", test.text, test.pattern, got)
		}
	}
	if matchARN("arn:aws:events:us-east-1:1:rule/x", "arn:aws:*:1:rule/x") {
		t.Error("a star ran over a colon of an ARN")
	}
}
