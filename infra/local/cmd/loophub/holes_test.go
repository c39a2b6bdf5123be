package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/stage"
)

// hole is a line of the template that lets a service, or anybody, do something; without it there is a hole in the flow.
type hole struct {
	name    string
	cut     func(resources object) // takes it out of the template
	service string                 // "" = anybody
	action  string
	on      string // ARN
	source  string // for which resource, if only for one
}

// allows tells whether it is what the line lets somebody do that was asked.
func (h hole) allows(a asked) bool {
	return a.platform && a.principal == "" && a.service == h.service && a.action == h.action &&
		(a.resource == h.on || strings.HasPrefix(a.resource, strings.TrimSuffix(h.on, "*")) && strings.HasSuffix(h.on, "*")) &&
		(h.source == "" || a.source == h.source)
}

// dead tells whether the line lets something be buried.
func (h hole) dead() bool { return strings.HasSuffix(h.on, "DeadQueue") }

// unasked are lines that the local cloud has no use for, since it asks in the name of events.amazonaws.com alone.
var unasked = []string{
	"EventLogPolicy: delivery.logs.amazonaws.com logs:CreateLogStream",
	"EventLogPolicy: delivery.logs.amazonaws.com logs:PutLogEvents",
}

// holes are all such lines of the committed template.
func holes(t *testing.T) (all []hole) {
	t.Helper()
	stack := committed(t)
	for _, p := range stack.QueuePolicies {
		all = append(all, holesOf(t, p.LogicalID, p.PolicyDocument)...)
	}
	for _, p := range stack.TopicPolicies {
		all = append(all, holesOf(t, p.LogicalID, p.PolicyDocument)...)
	}
	for _, p := range stack.LogPolicies {
		all = append(all, logHoles(t, p.LogicalID, p.PolicyDocument)...)
	}
	for _, p := range stack.Permissions {
		h := hole{name: p.LogicalID, action: p.Action, on: p.FunctionName, source: p.SourceArn,
			cut: func(resources object) { delete(resources, p.LogicalID) }}
		if p.Principal != "*" {
			h.service = p.Principal
		}
		all = append(all, h)
	}
	if len(all) < 30 {
		t.Fatalf("only %d lines of policies were found", len(all))
	}
	return all
}

// holesOf are the lines of a queue's or a topic's policy: a source each, where it names sources.
func holesOf(t *testing.T, id string, policy json.RawMessage) (all []hole) {
	t.Helper()
	var d struct{ Statement []object }
	if err := json.Unmarshal(policy, &d); err != nil {
		t.Fatal(err)
	}
	for n, s := range d.Statement {
		h := hole{service: within(s, "Principal", "Service").(string), action: s["Action"].(string), on: s["Resource"].(string)}
		sources := list{}
		if equals, ok := within(s, "Condition").(object)["ArnEquals"]; ok {
			sources = listed(equals.(object)["aws:SourceArn"])
		}
		h.name = fmt.Sprintf("%s: %s", id, h.service)
		h.cut = func(r object) {
			d := within(r, id, "Properties", "PolicyDocument").(object)
			d["Statement"] = slices.Delete(slices.Clone(d["Statement"].(list)), n, n+1)
		}
		if len(sources) == 0 {
			all = append(all, h)
		}
		for i, source := range sources {
			one := h
			one.source = source.(string)
			one.name += " for " + one.source[strings.LastIndexAny(one.source, ":/-")+1:]
			if len(sources) > 1 {
				one.cut = func(r object) {
					equals := within(r, id, "Properties", "PolicyDocument", "Statement", n, "Condition", "ArnEquals").(object)
					equals["aws:SourceArn"] = slices.Delete(slices.Clone(equals["aws:SourceArn"].(list)), i, i+1)
				}
			}
			all = append(all, one)
		}
	}
	return all
}

// logHoles are those of a policy of log groups, which is a text in the template.
func logHoles(t *testing.T, id, policy string) (all []hole) {
	t.Helper()
	var d struct{ Statement []object }
	if err := json.Unmarshal([]byte(policy), &d); err != nil {
		t.Fatal(err)
	}
	for n, s := range d.Statement {
		services, actions := listed(within(s, "Principal", "Service")), listed(s["Action"])
		for i, service := range services {
			for j, action := range actions {
				left := slices.Delete(slices.Clone(d.Statement), n, n+1)
				keep := func(services, actions list) {
					if len(services) > 0 && len(actions) > 0 {
						left = append(left, object{"Effect": s["Effect"], "Principal": object{"Service": services},
							"Action": actions, "Resource": s["Resource"]})
					}
				}
				keep(services[i:i+1], slices.Delete(slices.Clone(actions), j, j+1))
				keep(slices.Delete(slices.Clone(services), i, i+1), actions)
				text, err := json.Marshal(object{"Version": "2012-10-17", "Statement": left})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, hole{name: fmt.Sprintf("%s: %s %s", id, service, action), service: service.(string), action: action.(string),
					on: s["Resource"].(string), cut: func(r object) { within(r, id, "Properties").(object)["PolicyDocument"] = string(text) }})
			}
		}
	}
	return all
}

// TestDeny: what a bucket's policy denies nobody may do, whatever his role allows. The template denies plain HTTP; here it
// is made to deny TLS, for the bodies of large deliveries.
func TestDeny(t *testing.T) {
	g := find(t, "IngestRole s3:PutObject on loophub-overflowbucket/overflow/*")
	s, ok := scene(t, g.covers)
	if !ok {
		t.Fatalf("%s: no scenario needs it", g)
	}
	template := edited(t, func(r object) {
		deny := within(r, "OverflowBucketPolicy", "Properties", "PolicyDocument", "Statement", 0).(object)
		condition := within(deny, "Condition", "Bool").(object)
		if condition["aws:SecureTransport"] != "false" {
			t.Fatalf("the bucket's policy denies something else: %v", deny)
		}
		condition["aws:SecureTransport"], deny["Resource"] = "true", "arn:aws:s3:::loophub-overflowbucket/overflow/*"
	})
	n := removal{template: template, scene: s, needs: g.covers, stage: "ingest"}.run(t)
	if !strings.HasSuffix(n.refusal, "with an explicit deny in a resource-based policy") || n.how != "said" {
		t.Errorf("refused with %q, %s %v", n.refusal, n.how, n.err)
	}
}

// TestTrust: a role that nobody may assume is found before anything runs.
func TestTrust(t *testing.T) {
	for _, r := range committed(t).Roles {
		template := edited(t, func(resources object) {
			trust := within(resources, r.LogicalID, "Properties", "AssumeRolePolicyDocument", "Statement", 0).(object)
			trust["Principal"] = object{"Service": "ec2.amazonaws.com"}
		})
		if _, err := newHub(t.Context(), template, local.Options{Handlers: stage.Handlers(""), Clock: clock.Wall()}, ""); err == nil ||
			!strings.Contains(err.Error(), "assume it") {
			t.Errorf("%s: %v", r.LogicalID, err)
		}
	}
}
