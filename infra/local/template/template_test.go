package template

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func resources(body string) []byte { return []byte(`{"Resources":{` + body + `}}`) }

func TestIntrinsicsAreResolved(t *testing.T) {
	s, err := Load([]byte(`{
		"Parameters": {"Prefix": {"Type": "String", "Default": "pre"}},
		"Resources": {
			"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Join": ["-", [{"Ref": "Prefix"}, "q"]]},
				"DelaySeconds": {"Ref": "AWS::NoValue"}}},
			"B": {"Type": "AWS::S3::Bucket", "Properties": {}},
			"T": {"Type": "AWS::DynamoDB::Table", "Properties": {"StreamSpecification": {"StreamViewType": "NEW_IMAGE"}}},
			"R": {"Type": "AWS::Events::Rule", "Properties": {"EventBusName": {"Ref": "Bus"}}},
			"Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "bus"}},
			"L": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/x"}},
			"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "mail"}},
			"Heard": {"Type": "AWS::SNS::Subscription", "Properties": {"TopicArn": {"Ref": "Topic"}}},
			"Set": {"Type": "AWS::SES::ConfigurationSet", "Properties": {}}
		},
		"Outputs": {
			"queue": {"Value": {"Ref": "Q"}},
			"name": {"Value": {"Fn::GetAtt": ["Q", "QueueName"]}},
			"arn": {"Value": {"Fn::GetAtt": "Q.Arn"}},
			"bucket": {"Value": {"Ref": "B"}},
			"stream": {"Value": {"Fn::GetAtt": ["T", "StreamArn"]}},
			"rule": {"Value": {"Fn::GetAtt": ["R", "Arn"]}},
			"topic": {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}},
			"heard": {"Value": {"Fn::Select": [5, {"Fn::Split": [":", {"Ref": "Heard"}]}]}},
			"set": {"Value": {"Ref": "Set"}},
			"log": {"Value": {"Fn::GetAtt": ["L", "Arn"]}},
			"sub": {"Value": {"Fn::Sub": ["${Own}/${AWS::Region}/${Q.Arn}/${!Literal}", {"Own": {"Ref": "Prefix"}}]}},
			"select": {"Value": {"Fn::Select": [1, {"Fn::Split": [":", {"Fn::GetAtt": ["B", "Arn"]}]}]}}
		}}`), "Stack")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"queue":  "https://sqs.us-east-1.amazonaws.com/000000000000/pre-q",
		"name":   "pre-q",
		"arn":    "arn:aws:sqs:us-east-1:000000000000:pre-q",
		"bucket": "stack-b",
		"stream": "arn:aws:dynamodb:us-east-1:000000000000:table/Stack-T/stream/" + streamLabel,
		"rule":   "arn:aws:events:us-east-1:000000000000:rule/bus/Stack-R",
		"log":    "arn:aws:logs:us-east-1:000000000000:log-group:/x:*",
		"topic":  "mail",
		"heard":  "mail",
		"set":    "Stack-Set",
		"sub":    "pre/us-east-1/arn:aws:sqs:us-east-1:000000000000:pre-q/${Literal}",
		"select": "aws",
	}
	if diff := cmp.Diff(want, s.Outputs); diff != "" {
		t.Error(diff)
	}
	if q := s.Queues[0]; q.Name != "pre-q" || q.URL != want["queue"] || q.DelaySeconds != 0 {
		t.Errorf("queue %+v", q)
	}
	if s.Tables[0].StreamARN != want["stream"] || s.Rules[0].EventBusName != "bus" {
		t.Errorf("table %+v, rule %+v", s.Tables[0], s.Rules[0])
	}
}

func TestLoadRefusesEverythingAtOnce(t *testing.T) {
	_, err := Load(resources(`
		"A": {"Type": "AWS::Kinesis::Stream", "Properties": {}},
		"B": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": true}},
		"C": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Fn::FindInMap": ["a", "b", "c"]}}},
		"D": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Nowhere"}}},
		"E": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::GetAtt": ["E", "QueueName"]}}},
		"F": {"Type": "AWS::Lambda::Function", "Properties": {}},
		"G": {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"]}},
		"H": {"Type": "AWS::SQS::Queue", "Condition": "Never", "Properties": {}}`), "Stack")
	if err == nil || !strings.Contains(err.Error(), `unknown field "Condition"`) {
		t.Fatalf("a conditional resource: %v", err)
	}
	_, err = Load(resources(`
		"A": {"Type": "AWS::Kinesis::Stream", "Properties": {}},
		"B": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": true}},
		"C": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": {"Fn::FindInMap": ["a", "b", "c"]}}},
		"D": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Nowhere"}}},
		"E": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::GetAtt": ["E", "QueueName"]}}},
		"F": {"Type": "AWS::Lambda::Function", "Properties": {}},
		"G": {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"]}}`), "Stack")
	for _, want := range []string{
		"resource A (AWS::Kinesis::Stream): the local cloud does not know this resource type",
		`resource B (AWS::SQS::Queue): json: unknown field "FifoQueue"`,
		"Fn::FindInMap: the local cloud does not know this function",
		"reference to Nowhere: the template has no resource or parameter of this name",
		"its name depends on itself",
		"it has no metadata loophub:stage",
		`unknown field "ManagedPolicyArns"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %q", err, want)
		}
	}
	for _, broken := range []string{"", "[]", `{"Resources":{}}`, `{"Transform":"AWS::Serverless-2016-10-31"}`} {
		if _, err := Load([]byte(broken), "Stack"); err == nil {
			t.Errorf("%q was accepted", broken)
		}
	}
}

// Every resource type that references know must be one that Load reads.
func TestEveryKnownTypeIsRead(t *testing.T) {
	for kind := range identities {
		body := `"X": {"Type": "` + kind + `", "Metadata": {"loophub:stage": "s"}, "Properties": {}}`
		if _, err := Load(resources(body), "Stack"); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// What is accepted without effect has a reason, and the reasons speak of nothing else.
func TestWhatHasNoEffectHasAReason(t *testing.T) {
	for kind := range identities {
		if shapes[kind] == nil {
			t.Errorf("%s is read into nothing that is listed", kind)
		}
	}
	used := map[string]bool{}
	for reason, properties := range WithoutEffect() {
		for _, p := range properties {
			used[p] = true
			if reason == "" {
				t.Errorf("%s is accepted without effect, and nobody says why", p)
			}
		}
	}
	for name := range reasons {
		if !used[name] {
			t.Errorf("a reason is given for %s, which no resource has", name)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${AWS::Region}"}}}`)
	f.Add(`"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Select": ["0", []]}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		s, err := Load(resources(body), "Stack")
		if err == nil && s == nil {
			t.Error("neither a stack nor an error")
		}
	})
}
