package snapshot_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownPath is the one form of wildcard that a resource may have: whatever lies below one of our own resources, one kind of
// parameter of whichever workspace, or the account's identities of SES, of which definitions name one per workspace.
var ownPath = regexp.MustCompile(`^\$\{[A-Z][A-Za-z]+\.Arn\}(/[a-z]+)*/\*$|^` + account("ssm") + `:parameter/loophub/\*/(connections/\*/)?[a-z-]+$|^` +
	account("ses") + `:identity/\*$`)

func account(service string) string {
	return regexp.QuoteMeta("arn:${AWS::Partition}:" + service + ":${AWS::Region}:${AWS::AccountId}")
}

func TestNoPolicyIsWide(t *testing.T) {
	v := load(t)
	for _, w := range wide(v) {
		t.Error(w)
	}
	// The walk would also be content with a template in which it finds nothing.
	var seen []string
	for id, r := range v.Resources {
		if len(statements(r.Properties)) > 0 {
			seen = append(seen, r.Type+" "+id)
		}
	}
	for _, kind := range []string{"AWS::IAM::Role", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::Logs::ResourcePolicy"} {
		if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasPrefix(s, kind+" ") }) {
			t.Errorf("no statement found in any %s", kind)
		}
	}
}

func TestWidePoliciesAreCaught(t *testing.T) {
	role := func(statement string) string {
		return `{"Type":"AWS::IAM::Role","Properties":{"Policies":[{"PolicyName":"own","PolicyDocument":{"Statement":[` + statement + `]}}]}}`
	}
	for name, planted := range map[string]string{
		"action wildcard":      role(`{"Effect":"Allow","Action":"dynamodb:*","Resource":{"Fn::GetAtt":["T","Arn"]}}`),
		"one action of many":   role(`{"Effect":"Allow","Action":["s3:GetObject","s3:Put*"],"Resource":{"Fn::GetAtt":["T","Arn"]}}`),
		"single-letter":        role(`{"Effect":"Allow","Action":"s3:?etObject","Resource":{"Fn::GetAtt":["T","Arn"]}}`),
		"any resource":         role(`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*"}`),
		"any table":            role(`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"arn:aws:dynamodb:us-east-1:000000000000:table/*"}`),
		"any bucket":           role(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::*"]}`),
		"any parameter":        role(`{"Effect":"Allow","Action":"ssm:GetParameter","Resource":{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":ssm:",{"Ref":"AWS::Region"},":",{"Ref":"AWS::AccountId"},":parameter/*"]]}}`),
		"identities of any":    role(`{"Effect":"Allow","Action":"ses:SendEmail","Resource":"arn:aws:ses:*:*:identity/*"}`),
		"tables with a prefix": role(`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":{"Fn::Join":["",[{"Fn::GetAtt":["T","Arn"]},"*"]]}}`),
		"all but":              role(`{"Effect":"Allow","NotAction":"iam:PassRole","Resource":{"Fn::GetAtt":["T","Arn"]}}`),
		"all but a resource":   role(`{"Effect":"Allow","Action":"s3:GetObject","NotResource":{"Fn::GetAtt":["T","Arn"]}}`),
		"no resource":          role(`{"Effect":"Allow","Action":"s3:GetObject"}`),
		"statement not listed": `{"Type":"AWS::IAM::Policy","Properties":{"PolicyDocument":{"Statement":{"Effect":"Allow","Action":"*","Resource":{"Fn::GetAtt":["T","Arn"]}}}}}`,
		"policy as text":       `{"Type":"AWS::Logs::ResourcePolicy","Properties":{"PolicyDocument":"{\"Statement\":[{\"Action\":\"logs:*\",\"Resource\":\"x\"}]}"}}`,
		"policy as joined":     `{"Type":"AWS::Logs::ResourcePolicy","Properties":{"PolicyDocument":{"Fn::Join":["",["{\"Statement\":[{\"Action\":\"logs:PutLogEvents\",\"Resource\":\"*","\"}]}"]]}}}`,
		"managed policy":       `{"Type":"AWS::IAM::Role","Properties":{"ManagedPolicyArns":["arn:aws:iam::aws:policy/AdministratorAccess"]}}`,
		"own managed policy":   `{"Type":"AWS::IAM::ManagedPolicy","Properties":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if got := wide(parse(t, []byte(`{"Resources":{"Planted":`+planted+`}}`))); len(got) != 1 {
				t.Errorf("wide() = %q, want one finding", got)
			}
		})
	}
}

// permissions is what every role may do, in one screen. A stage that needs more gets it here first.
var permissions = map[string][]string{
	"ingest": {
		"dynamodb:PutItem on ${InboxTable.Arn}",
		"dynamodb:GetItem on ${HubTable.Arn}",
		"sqs:SendMessage on ${SpillQueue.Arn}",
		"sqs:SendMessage on ${DeadQueue.Arn}",
		"s3:PutObject on ${OverflowBucket.Arn}/overflow/*",
		"ssm:GetParameter on */connections/*/secrets",
	},
	"unify": {
		"dynamodb:DescribeStream GetRecords GetShardIterator ListStreams on ${InboxTable.Arn}/stream/*",
		"dynamodb:GetItem UpdateItem on ${InboxTable.Arn}",
		"dynamodb:DeleteItem GetItem PutItem Query on ${HubTable.Arn}",
		"sqs:DeleteMessage GetQueueAttributes ReceiveMessage SendMessage on ${RetryQueue.Arn}",
		"s3:GetObject on ${OverflowBucket.Arn}/overflow/*",
		"s3:PutObject on ${OverflowBucket.Arn}/aws/lambda/*",
		"s3:ListBucket on ${OverflowBucket.Arn}",
		"ssm:GetParameter on */identity-key",
	},
	"publish": {
		"dynamodb:DescribeStream GetRecords GetShardIterator ListStreams on ${HubTable.Arn}/stream/*",
		"events:PutEvents on ${EventBus.Arn}",
		"s3:PutObject on ${OverflowBucket.Arn}/aws/lambda/*",
		"s3:ListBucket on ${OverflowBucket.Arn}",
	},
	"segment": {
		"dynamodb:BatchGetItem ConditionCheckItem GetItem PutItem Query on ${HubTable.Arn}",
		"sqs:DeleteMessage GetQueueAttributes ReceiveMessage on ${SegmentQueue.Arn}",
	},
	"journey": {
		"dynamodb:BatchGetItem ConditionCheckItem DeleteItem GetItem PutItem Query UpdateItem on ${HubTable.Arn}",
		"dynamodb:PutItem on ${InboxTable.Arn}",
		"sqs:DeleteMessage GetQueueAttributes ReceiveMessage on ${JourneyQueue.Arn}",
	},
	"message": {
		"dynamodb:BatchGetItem ConditionCheckItem GetItem PutItem Query UpdateItem on ${HubTable.Arn}",
		"ses:SendEmail on identities configuration-set/${ConfigurationSet}",
		"sqs:DeleteMessage GetQueueAttributes ReceiveMessage on ${MessageQueue.Arn}",
		"ssm:GetParameter on */identity-key",
	},
	"attribution": {
		"dynamodb:BatchGetItem ConditionCheckItem GetItem PutItem Query UpdateItem on ${HubTable.Arn}",
		"sqs:DeleteMessage GetQueueAttributes ReceiveMessage on ${AttributionQueue.Arn}",
	},
	"writeback": {
		"dynamodb:BatchGetItem GetItem PutItem Query UpdateItem on ${HubTable.Arn}",
		"sqs:DeleteMessage GetQueueAttributes ReceiveMessage on ${WritebackQueue.Arn}",
		"ssm:GetParameter on */connections/*/credentials",
	},
	"links": {
		"dynamodb:PutItem on ${InboxTable.Arn}",
		"dynamodb:GetItem on ${HubTable.Arn}",
		"ssm:GetParameter on */identity-key",
	},
	"api": {
		"dynamodb:PutItem Scan UpdateItem on ${InboxTable.Arn}",
		"dynamodb:Query on ${InboxTable.Arn}/index/parked",
		"dynamodb:BatchGetItem GetItem PutItem Query UpdateItem on ${HubTable.Arn}",
		"ssm:GetParameter on */identity-key */tokens",
	},
	"sweep": {
		"dynamodb:PutItem UpdateItem on ${InboxTable.Arn}",
		"dynamodb:Query on ${InboxTable.Arn}/index/parked",
		"dynamodb:BatchWriteItem DeleteItem GetItem PutItem Query Scan on ${HubTable.Arn}",
		"sqs:DeleteMessage ReceiveMessage on ${SpillQueue.Arn}",
		"sqs:SendMessage on ${SegmentQueue.Arn}",
		"sqs:SendMessage on ${JourneyQueue.Arn}",
		"sqs:SendMessage on ${MessageQueue.Arn}",
		"sqs:SendMessage on ${WritebackQueue.Arn}",
	},
}

func TestPermissions(t *testing.T) {
	v := load(t)
	for stage, want := range permissions {
		f := v.Resources[v.stages()[stage]]
		log := text(f.at("LoggingConfig", "LogGroup"))
		want = append(want, "logs:CreateLogStream PutLogEvents on "+strings.TrimSuffix(log, "}")+".Arn}")
		var got []string
		for _, s := range statements(v.Resources[target(f.at("Role"))].at("Policies")) {
			got = append(got, line(s))
		}
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +template):\n%s", stage, d)
		}
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(permissions)), slices.Sorted(maps.Keys(v.stages()))); d != "" {
		t.Errorf("stages (-want +template):\n%s", d)
	}
}

// A stage that is told of a table or queue without leave to use it fails in its first minute on AWS; find it here.
func TestStageMayUseWhatItIsToldOf(t *testing.T) {
	v := load(t)
	for stage, id := range v.stages() {
		var may []string
		for _, s := range statements(v.Resources[target(v.Resources[id].at("Role"))].Properties) {
			may = append(may, texts(s["Resource"])...)
		}
		for name, value := range v.Resources[id].at("Environment", "Variables").(map[string]any) {
			if !strings.HasPrefix(name, "LOOPHUB_") {
				continue // a setting of the runtime
			}
			of := text(value) // the parameters' path, or a reference
			to := target(value)
			if v.Resources[to].Type == "AWS::Lambda::Url" {
				continue // an address is told to others, and needs no leave
			}
			if to != "" {
				of = "${" + to
			}
			if !slices.ContainsFunc(may, func(m string) bool {
				return strings.Contains(m, of+".") || strings.Contains(m, of+"}") || to == "" && strings.Contains(m, of)
			}) {
				t.Errorf("%s is told %s = %s and may not use it", stage, name, text(value))
			}
		}
	}
}

// wide finds what a policy must not say: an action or a resource left open, or a policy that somebody else writes.
func wide(v template) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(v.Resources)) {
		r := v.Resources[id]
		add := func(format string, args ...any) { out = append(out, id+": "+fmt.Sprintf(format, args...)) }
		if r.Type == "AWS::IAM::ManagedPolicy" || r.at("ManagedPolicyArns") != nil {
			add("a managed policy; write out what is needed")
		}
		for _, s := range statements(r.Properties) {
			for _, key := range []string{"NotAction", "NotResource", "NotPrincipal"} {
				if s[key] != nil {
					add("%s allows whatever is not named", key)
				}
			}
			for _, a := range texts(s["Action"]) {
				if strings.ContainsAny(a, "*?") {
					add("the action %q is a wildcard", a)
				}
			}
			// A trust policy has no resource: it lies on one.
			if s["Resource"] == nil && s["NotResource"] == nil && !trust(s) {
				add("a statement without a resource")
			}
			for _, res := range texts(s["Resource"]) {
				if strings.ContainsAny(res, "*?") && !ownPath.MatchString(res) {
					add("the resource %q reaches beyond what is ours", res)
				}
			}
		}
	}
	return out
}

func trust(statement map[string]any) bool {
	return slices.Equal(texts(statement["Action"]), []string{"sts:AssumeRole"})
}

// statements finds the statements of every policy within a value, also of policies that are written as a string.
func statements(v any) []map[string]any {
	var out []map[string]any
	switch v := v.(type) {
	case string:
		var inner map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			out = statements(inner)
		}
	case []any:
		for _, e := range v {
			out = append(out, statements(e)...)
		}
	case map[string]any:
		if v["Fn::Join"] != nil {
			return statements(text(v))
		}
		for _, s := range list(v["Statement"]) {
			if m, ok := s.(map[string]any); ok {
				out = append(out, m)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if k != "Statement" {
				out = append(out, statements(v[k])...)
			}
		}
	}
	return out
}

// line writes a statement as `service:Action Action on resource`, actions sorted.
func line(s map[string]any) string {
	actions := texts(s["Action"])
	slices.Sort(actions)
	service, _, _ := strings.Cut(actions[0], ":")
	for i := range actions[1:] {
		actions[i+1] = strings.TrimPrefix(actions[i+1], service+":")
	}
	on := strings.Join(texts(s["Resource"]), " ")
	const ssm = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/loophub/"
	on = strings.ReplaceAll(on, ssm, "")
	const ses = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:"
	on = strings.ReplaceAll(strings.ReplaceAll(on, ses+"identity/*", "identities"), ses, "")
	out := strings.Join(actions, " ") + " on " + on
	if s["Effect"] != "Allow" || s["Condition"] != nil {
		out += fmt.Sprintf(" (%v %v)", s["Effect"], s["Condition"])
	}
	return out
}
