package iam

import (
	"errors"
	"strings"
	"testing"

	"loophub/infra/local/dispatch"
)

func document(t *testing.T, k Kind, statements string) Document {
	t.Helper()
	d, err := Parse(k, []byte(`{"Version":"2012-10-17","Statement":`+statements+`}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	owner = "000000000001"
	role  = "arn:aws:iam::" + owner + ":role/r"
	other = "arn:aws:iam::" + owner + ":role/other"
	table = "arn:aws:dynamodb:us-east-1:" + owner + ":table/T"
	queue = "arn:aws:sqs:us-east-1:" + owner + ":q"
	code  = "arn:aws:lambda:us-east-1:" + owner + ":function:f"
	rules = "arn:aws:events:us-east-1:" + owner + ":rule/"
)

// example has policies of every kind.
func example(t *testing.T) *Engine {
	t.Helper()
	e := New(owner)
	e.AddRole(Role{ARN: role, Name: "r", Session: "f", Account: owner, Policies: []Document{document(t, Identity, `[
		{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Put*"],"Resource":["`+table+`","`+table+`/index/*"]},
		{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/a?c/*"},
		{"Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/abc/secret"},
		{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"`+queue+`","Condition":{"Bool":{"aws:SecureTransport":"true"}}},
		{"Effect":"Allow","Action":"sqs:DeleteMessage","Resource":"`+queue+`","Condition":{"StringEquals":{"aws:SourceAccount":"1"}}}
	]`)}})
	e.AddRole(Role{ARN: other, Name: "other", Session: "other", Account: owner})
	e.Attach(document(t, Resource, `[
		{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":false}}},
		{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::b/*"},
		{"Effect":"Allow","Principal":{"AWS":"`+other+`"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},
		{"Effect":"Allow","Principal":{"AWS":"`+owner+`"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"},
		{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::`+owner+`:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/abc/locked"}]`),
		"arn:aws:s3:::b/*")
	e.Attach(document(t, Resource, `{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"`+queue+`",
		"Condition":{"ArnLike":{"aws:SourceArn":"`+rules+`bus/*"}}}`), queue)
	e.Attach(document(t, Resource, `{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}`), queue+"-open")
	e.Allow("*", "lambda:InvokeFunctionUrl", code, map[string]string{"lambda:functionurlauthtype": "NONE"})
	return e
}

func TestDecide(t *testing.T) {
	e := example(t)
	from := func(rule string) map[string]string { return map[string]string{"aws:sourcearn": rules + rule} }
	because := func(policy, action string) string {
		return "because no " + policy + "-based policy allows the " + action + " action"
	}
	const byResource = "with an explicit deny in a resource-based policy"
	for name, test := range map[string]struct {
		q    Request
		want string // "" for allowed, else the end of the text
	}{
		"the account":             {Request{Action: "any:Thing", Resource: "arn:aws:any:::x"}, ""},
		"the account, denied":     {Request{Action: "s3:DeleteObject", Resource: "arn:aws:s3:::b/k"}, byResource},
		"granted":                 {Request{Principal: role, Action: "dynamodb:GetItem", Resource: table}, ""},
		"granted by pattern":      {Request{Principal: role, Action: "dynamodb:PutItem", Resource: table + "/index/i"}, ""},
		"case of the action":      {Request{Principal: role, Action: "DynamoDB:getitem", Resource: table}, ""},
		"case of the resource":    {Request{Principal: role, Action: "dynamodb:GetItem", Resource: strings.ToLower(table)}, because("identity", "dynamodb:GetItem")},
		"another action":          {Request{Principal: role, Action: "dynamodb:Scan", Resource: table}, because("identity", "dynamodb:Scan")},
		"another table":           {Request{Principal: role, Action: "dynamodb:GetItem", Resource: table + "2"}, because("identity", "dynamodb:GetItem")},
		"its stream":              {Request{Principal: role, Action: "dynamodb:GetItem", Resource: table + "/stream/1"}, because("identity", "dynamodb:GetItem")},
		"another role":            {Request{Principal: other, Action: "dynamodb:GetItem", Resource: table}, because("identity", "dynamodb:GetItem")},
		"an unknown role":         {Request{Principal: role + "2", Action: "dynamodb:GetItem", Resource: table}, because("identity", "dynamodb:GetItem")},
		"one character":           {Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/aệc/k/l:m"}, ""},
		"two characters":          {Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/abbc/k"}, because("identity", "s3:GetObject")},
		"denied":                  {Request{Principal: role, Action: "s3:PutObject", Resource: "arn:aws:s3:::b/abc/secret"}, "with an explicit deny in an identity-based policy"},
		"denied by the bucket":    {Request{Principal: role, Action: "s3:DeleteObject", Resource: "arn:aws:s3:::b/abc/k"}, byResource},
		"denied to the account":   {Request{Principal: role, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/abc/locked"}, byResource},
		"deny wins over grant":    {Request{Principal: other, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/abc/locked"}, byResource},
		"granted by the bucket":   {Request{Principal: other, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}, ""},
		"granted to the account":  {Request{Principal: other, Action: "s3:PutObject", Resource: "arn:aws:s3:::b/k"}, because("identity", "s3:PutObject")},
		"condition holds":         {Request{Principal: role, Action: "sqs:SendMessage", Resource: queue}, ""},
		"condition lacks its key": {Request{Principal: role, Action: "sqs:DeleteMessage", Resource: queue}, because("identity", "sqs:deletemessage")},
		"service":                 {Request{Service: "events.amazonaws.com", Action: "sqs:SendMessage", Resource: queue, Context: from("bus/r")}, ""},
		"service for another":     {Request{Service: "events.amazonaws.com", Action: "sqs:SendMessage", Resource: queue, Context: from("r")}, because("resource", "sqs:sendmessage")},
		"another service":         {Request{Service: "sns.amazonaws.com", Action: "sqs:SendMessage", Resource: queue, Context: from("bus/r")}, because("resource", "sqs:sendmessage")},
		"a policy's own queue":    {Request{Public: true, Action: "sqs:SendMessage", Resource: queue + "-open"}, ""},
		"no other queue":          {Request{Public: true, Action: "sqs:SendMessage", Resource: queue + "-shut"}, because("resource", "sqs:sendmessage")},
		"anybody":                 {Request{Public: true, Action: "lambda:InvokeFunctionUrl", Resource: code, Context: map[string]string{"lambda:functionurlauthtype": "NONE"}}, ""},
		"anybody, otherwise":      {Request{Public: true, Action: "lambda:InvokeFunctionUrl", Resource: code}, because("resource", "lambda:InvokeFunctionUrl")},
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
}

// TestWords: each service says a refusal in its own way.
func TestWords(t *testing.T) {
	e := New(owner)
	e.AddRole(Role{ARN: role, Name: "r", Session: "f", Account: owner})
	user := "arn:aws:sts::" + owner + ":assumed-role/r/f"
	for _, c := range []struct {
		action, resource string
		status           int
		want             string
	}{
		{"dynamodb:Scan", table, 400, "User: " + user + " is not authorized to perform: dynamodb:Scan on resource: " + table +
			" because no identity-based policy allows the dynamodb:Scan action"},
		{"sqs:SendMessage", queue, 403, "User: " + user + " is not authorized to perform: sqs:sendmessage on resource: " + queue +
			" because no identity-based policy allows the sqs:sendmessage action"},
		{"sns:Publish", "arn:aws:sns:::t", 403, "User: " + user + " is not authorized to perform: SNS:Publish on resource: arn:aws:sns:::t" +
			" because no identity-based policy allows the SNS:Publish action"},
		{"s3:GetObject", "arn:aws:s3:::b/k", 403, "User: " + user + ` is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k"` +
			" because no identity-based policy allows the s3:GetObject action"},
		{"ses:SendEmail", "arn:aws:ses:::identity/x", 403, "User `" + user + "' is not authorized to perform `ses:SendEmail' on resource `arn:aws:ses:::identity/x'"},
	} {
		var refusal *dispatch.Error
		if err := e.Authorise(role, dispatch.Need{Action: c.action, Resource: c.resource}); !errors.As(err, &refusal) ||
			refusal.Status != c.status || refusal.Message != c.want {
			t.Errorf("%s: got %v, want %d %s", c.action, err, c.status, c.want)
		}
	}
}

// TestWatch: what the platform asks is told, with the answer.
func TestWatch(t *testing.T) {
	e := New(owner)
	var told []error
	e.Watch = func(_ Request, err error) { told = append(told, err) }
	_ = e.Decide(Request{Principal: role, Action: "dynamodb:Scan", Resource: table})
	_ = e.Decide(Request{Action: "dynamodb:Scan", Resource: table})
	if len(told) != 2 || told[0] == nil || told[1] != nil {
		t.Errorf("told %v", told)
	}
}

func TestTrusts(t *testing.T) {
	e := New("1")
	e.AddRole(Role{ARN: role, Account: "1", Trust: document(t, Trust, `{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"1"}}}`)})
	e.AddRole(Role{ARN: "foreign", Account: "2", Trust: document(t, Trust, `{"Effect":"Allow","Action":"sts:AssumeRole",
		"Principal":{"Service":"lambda.amazonaws.com"},"Condition":{"StringEquals":{"aws:SourceAccount":"1"}}}`)})
	if !e.Trusts(role, "lambda.amazonaws.com") || e.Trusts(role, "scheduler.amazonaws.com") ||
		e.Trusts("foreign", "lambda.amazonaws.com") || e.Trusts("nobody", "lambda.amazonaws.com") {
		t.Error("trust policies are not read as written")
	}
}

func TestParseRefuses(t *testing.T) {
	const rest = `"Effect":"Allow","Action":"a:b","Resource":"*"`
	for _, c := range []struct {
		kind            Kind
		statement, want string
	}{
		{Identity, `{"Effect":"Allow","NotAction":"a:b","Resource":"*"}`, `unknown field "NotAction"`},
		{Identity, `{"Effect":"Allow","Action":"a:b","NotResource":"*"}`, `unknown field "NotResource"`},
		{Resource, `{` + rest + `,"NotPrincipal":{"AWS":"` + owner + `"}}`, `unknown field "NotPrincipal"`},
		{Identity, `{"Effect":"Perhaps","Action":"a:b","Resource":"*"}`, `effect "Perhaps"`},
		{Identity, `{"Effect":"Allow","Resource":"*"}`, "no action"},
		{Identity, `{"Effect":"Allow","Action":"GetItem","Resource":"*"}`, `action "GetItem"`},
		{Identity, `{"Effect":"Allow","Action":"*:Get","Resource":"*"}`, `action "*:Get"`},
		{Identity, `{"Effect":"Allow","Action":7,"Resource":"*"}`, "expected text"},
		{Identity, `{"Effect":"Allow","Action":"a:b"}`, "no resource"},
		{Identity, `{"Effect":"Allow","Action":"a:b","Resource":"table/T"}`, `resource "table/T"`},
		{Identity, `{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:*"}`, `resource "arn:aws:*"`},
		{Identity, `{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:dynamo*:r:1:table/T"}`, "resource"},
		{Identity, `{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:s3:::${aws:username}"}`, "policy variables"},
		{Identity, `{` + rest + `,"Principal":"*"}`, "a principal, in a policy of a role"},
		{Resource, `{` + rest + `}`, "no principal"},
		{Resource, `{` + rest + `,"Principal":{}}`, "no principal"},
		{Resource, `{"Effect":"Allow","Action":"a:b","Principal":"*"}`, "no resource"},
		{Trust, `{` + rest + `,"Principal":"*"}`, "a resource, in a trust policy"},
		{Resource, `{` + rest + `,"Principal":{"Federated":"x"}}`, "kind Federated"},
		{Resource, `{` + rest + `,"Principal":{"AWS":"arn:aws:iam::` + owner + `:user/lan"}}`, "does not know the principal"},
		{Resource, `{` + rest + `,"Principal":{"AWS":"arn:aws:iam::` + owner + `:role/*"}}`, "does not know the principal"},
		{Resource, `{` + rest + `,"Principal":{"Service":"*"}}`, "does not know the principal"},
		{Identity, `{` + rest + `,"Condition":{"IpAddress":{"aws:SourceIp":"1"}}}`, "condition operator IpAddress"},
		{Identity, `{` + rest + `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`, "condition key aws:multifactorauthpresent"},
		{Identity, `{` + rest + `,"Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":"saigon"}}}`, "condition operator ForAllValues"},
		{Identity, `{` + rest + `,"Condition":{"Bool":{"aws:SecureTransport":"yes"}}}`, `Bool with "yes"`},
		{Identity, `{` + rest + `,"Condition":{"ArnLike":{"aws:SourceArn":"*"}}}`, "which is no ARN"},
		{Identity, `{` + rest + `,"Condition":{"StringEquals":{"aws:SourceAccount":"${aws:PrincipalAccount}"}}}`, "policy variables"},
	} {
		if _, err := Parse(c.kind, []byte(`{"Version":"2012-10-17","Statement":`+c.statement+`}`)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.statement, err, c.want)
		}
	}
	if _, err := Parse(Identity, []byte(`{"Version":"2008-10-17","Statement":[]}`)); err == nil {
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
	for _, test := range []struct {
		text, pattern string
		want          bool
	}{
		{"a:b/c/d", "a:b/*/d", true}, {"a:b/c:x/d", "a:b/*/d", false}, {"a:b/c/d", "a:*", true}, {"a:b:c:d", "a:*:d", true}, {"a:b", "*", true},
		{"a:b:c", "a:b*c", false}, {"a:b", "a?b", false}, {"ab", "a?", true}, {"a", "a?", false}, {"aệ", "a?", true}, {"", "*", true}, {"ab", "a", false},
		{"T/index/i", "T", false}, {"T/index/i", "T/*", true}, {"t", "T", false},
	} {
		if got := matchResource(test.text, test.pattern); got != test.want {
			t.Errorf("matchResource(%q, %q) = %v", test.text, test.pattern, got)
		}
	}
	if matchARN("arn:aws:events:us-east-1:1:rule/x", "arn:aws:*:1:rule/x") {
		t.Error("a star ran over a colon of an ARN")
	}
}
