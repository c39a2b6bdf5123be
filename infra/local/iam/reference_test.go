package iam

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// The reference evaluates policies as they are written, in JSON, by the three steps of AWS's page on evaluation logic:
// a deny that applies ends it, then an allow that applies, then everything is refused. It shares nothing with the engine.
type reference struct {
	identity  map[string][]map[string]any // statements by role
	resources []placed
}

// placed is a statement of a resource's own policy.
type placed struct {
	at        string
	statement map[string]any
}

func (r reference) allows(q Request) bool {
	admin := q.Principal == "" && q.Service == "" && !q.Public
	allowed := admin
	for _, s := range r.identity[q.Principal] {
		if !applies(s, q) {
			continue
		}
		if s["Effect"] == "Deny" {
			return false
		}
		allowed = true
	}
	for _, p := range r.resources {
		s := p.statement
		if p.at != q.Resource || !applies(s, q) {
			continue
		}
		for _, name := range named(s["Principal"]) {
			mine := name == "*" || name != "" && (name == q.Principal || name == q.Service)
			if name == owner {
				mine = admin || s["Effect"] == "Deny" && q.Principal != ""
			}
			if mine && s["Effect"] == "Deny" {
				return false
			}
			allowed = allowed || mine
		}
	}
	return allowed
}

func named(p any) []string {
	if word, ok := p.(string); ok {
		return []string{word}
	}
	var out []string
	for _, l := range p.(map[string]any) {
		out = append(out, texts(l)...)
	}
	return out
}

func texts(v any) []string {
	l, ok := v.([]any)
	if !ok {
		l = []any{v}
	}
	var out []string
	for _, one := range l {
		out = append(out, fmt.Sprint(one))
	}
	return out
}

func applies(s map[string]any, q Request) bool {
	some := func(l []string, fits func(string) bool) bool {
		for _, one := range l {
			if fits(one) {
				return true
			}
		}
		return false
	}
	if !some(texts(s["Action"]), func(p string) bool { return expression("(?i)", p, ".", ".*", ".*").MatchString(q.Action) }) ||
		!some(texts(s["Resource"]), func(p string) bool { return expression("", p, "[^:]", "[^:]*", ".*").MatchString(q.Resource) }) {
		return false
	}
	conditions, _ := s["Condition"].(map[string]any)
	for operator, keys := range conditions {
		for key, want := range keys.(map[string]any) {
			have, there := q.Context[strings.ToLower(key)]
			if key == "aws:SecureTransport" {
				have, there = "true", true
			}
			fits := func(v string) bool {
				switch operator {
				case "ArnLike":
					return expression("", v, "[^:]", "[^:]*", "[^:]*").MatchString(have)
				case "StringLike":
					return expression("", v, ".", ".*", ".*").MatchString(have)
				}
				return v == have
			}
			negated := strings.Contains(operator, "Not")
			if there && some(texts(want), fits) == negated || !there && !negated {
				return false
			}
		}
	}
	return true
}

// expression is a pattern as a regular expression; a star that ends its segment may stand for more.
func expression(flags, pattern, one, run, last string) *regexp.Regexp {
	pattern = regexp.QuoteMeta(pattern)
	pattern = strings.ReplaceAll(pattern, `\?`, one)
	pattern = strings.ReplaceAll(pattern, `\*:`, last+":")
	pattern = regexp.MustCompile(`\\\*$`).ReplaceAllLiteralString(pattern, last)
	return regexp.MustCompile(flags + `(?s)^` + strings.ReplaceAll(pattern, `\*`, run) + `$`)
}

// writer writes random policies and requests.
type writer struct {
	*rand.Rand
	t *testing.T
}

var arns = []string{table, table + "2", table + "/index/i", table + "/stream/2026:01", queue, strings.ToLower(table), "arn:aws:s3:::b/a/b", "arn:aws:s3:::b/a:b"}

func (w writer) pick(l ...string) string { return l[w.IntN(len(l))] }

func (w writer) several(l ...string) any {
	if w.IntN(2) == 0 {
		return w.pick(l...)
	}
	return []any{w.pick(l...), w.pick(l...)}
}

func (w writer) statement(k Kind) map[string]any {
	patterns := append([]string{table + "*", table + "/*", "arn:aws:dynamodb:*:" + owner + ":table/T", "arn:aws:s3:::b/*/b", "arn:aws:s3:::b/a?b", "*"}, arns...)
	s := map[string]any{
		"Effect":   w.pick("Allow", "Allow", "Allow", "Deny"),
		"Action":   w.several("dynamodb:GetItem", "dynamodb:get*", "DynamoDB:PutItem", "dynamodb:*", "*", "s3:?utObject", "s3:Get*t", "sqs:SendMessage"),
		"Resource": w.several(patterns...),
	}
	if k == Resource {
		s["Principal"] = []any{"*", map[string]any{"AWS": w.several("*", role, other, owner)},
			map[string]any{"Service": w.several("events.amazonaws.com", "sns.amazonaws.com")},
			map[string]any{"AWS": role, "Service": "events.amazonaws.com"}}[w.IntN(4)]
	}
	if w.IntN(3) == 0 {
		s["Condition"] = []map[string]any{
			{"Bool": map[string]any{"aws:SecureTransport": w.pick("true", "false")}},
			{"StringEquals": map[string]any{"aws:SourceAccount": w.several(owner, "2")}},
			{"StringNotEquals": map[string]any{"aws:SourceAccount": w.several(owner, "2")}},
			{"StringLike": map[string]any{"aws:SourceArn": w.pick(rules+"bus/*", rules+"?", "arn:*")}},
			{"ArnLike": map[string]any{"aws:SourceArn": w.several(rules+"bus/*", rules+"b*/r", rules+"?")}, "StringEquals": map[string]any{"aws:SourceAccount": owner}},
		}[w.IntN(5)]
	}
	return s
}

// policies writes policies of roles and resources, for the engine and for the reference.
func (w writer) policies() (*Engine, reference) {
	e, r := New(owner), reference{identity: map[string][]map[string]any{}}
	for _, arn := range []string{role, other} {
		one := Role{ARN: arn, Name: "r", Account: owner}
		for range w.IntN(4) {
			s := w.statement(Identity)
			one.Policies = append(one.Policies, w.parse(Identity, s))
			r.identity[arn] = append(r.identity[arn], s)
		}
		e.AddRole(one)
	}
	for range w.IntN(3) {
		s, at := w.statement(Resource), w.pick(arns...)
		e.Attach(w.parse(Resource, s), at)
		r.resources = append(r.resources, placed{at, s})
	}
	return e, r
}

func (w writer) parse(k Kind, s map[string]any) Document {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": s})
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := Parse(k, text)
	if err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	return d
}

func (w writer) request() Request {
	q := Request{Action: w.pick("dynamodb:GetItem", "dynamodb:PutItem", "s3:PutObject", "s3:GetObject", "sqs:SendMessage"), Resource: w.pick(arns...), Context: map[string]string{}}
	switch w.IntN(8) {
	case 0: // the account
	case 1:
		q.Public = true
	case 2, 3:
		q.Service = w.pick("events.amazonaws.com", "sns.amazonaws.com")
	default:
		q.Principal = w.pick(role, role, other, role+"2")
	}
	if w.IntN(2) == 0 {
		q.Context["aws:sourcearn"] = rules + w.pick("bus/r", "r", "bus/a/r")
	}
	if w.IntN(2) == 0 {
		q.Context["aws:sourceaccount"] = w.pick(owner, "2")
	}
	return q
}

// TestReference: random policies and random requests; the engine answers as the reference does.
func TestReference(t *testing.T) {
	const sets, requests = 1000, 40
	w := writer{rand.New(rand.NewPCG(7, 11)), t}
	allowed := 0
	for range sets {
		e, want := w.policies()
		for range requests {
			q := w.request()
			got := e.Decide(q) == nil
			if got != want.allows(q) {
				t.Fatalf("%+v: the engine allows it: %v, the reference: %v\npolicies: %+v", q, got, !got, want)
			}
			if got {
				allowed++
			}
		}
	}
	if least := sets * requests / 10; allowed < least || allowed > 9*least {
		t.Errorf("%d of %d are allowed: that proves little", allowed, sets*requests)
	}
}
