package template

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// Region and Account are what the local cloud says of itself.
const (
	Region  = "us-east-1"
	Account = "000000000000"
	domain  = "amazonaws.com"
)

// identity is how a resource type is named and referred to.
type identity struct {
	name      string // property that names it, "" when it can't be named
	arn       func(name string) string
	ref       func(id ident) string // what Ref gives; nil: the name
	attribute map[string]func(id ident) string
}

// ident is one resource's identity as references see it.
type ident struct{ logical, name, arn string }

func arn(service, format string) func(string) string {
	return func(name string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:", service, Region, Account) + fmt.Sprintf(format, name)
	}
}

func byName(id ident) string { return id.name }
func byARN(id ident) string  { return id.arn }

// identities lists every resource type that the local cloud knows; its properties stand in resource.go.
var identities = map[string]identity{
	"AWS::DynamoDB::Table": {name: "TableName", arn: arn("dynamodb", "table/%s"),
		attribute: map[string]func(ident) string{"Arn": byARN, "StreamArn": streamARN}},
	"AWS::SQS::Queue": {name: "QueueName", arn: arn("sqs", "%s"), ref: queueURL,
		attribute: map[string]func(ident) string{"Arn": byARN, "QueueName": byName, "QueueUrl": queueURL}},
	"AWS::SQS::QueuePolicy": {},
	"AWS::S3::Bucket": {name: "BucketName", arn: func(n string) string { return "arn:aws:s3:::" + n },
		attribute: map[string]func(ident) string{"Arn": byARN}},
	"AWS::S3::BucketPolicy": {},
	"AWS::Events::EventBus": {name: "Name", arn: arn("events", "event-bus/%s"),
		attribute: map[string]func(ident) string{"Arn": byARN, "Name": byName}},
	// A rule's ARN holds its bus, see ruleARN.
	"AWS::Events::Rule": {name: "Name", arn: arn("events", "rule/%s"),
		attribute: map[string]func(ident) string{"Arn": byARN}},
	"AWS::Scheduler::Schedule": {name: "Name", arn: arn("scheduler", "schedule/default/%s"),
		attribute: map[string]func(ident) string{"Arn": byARN}},
	"AWS::Logs::LogGroup": {name: "LogGroupName", arn: arn("logs", "log-group:%s"),
		attribute: map[string]func(ident) string{"Arn": func(id ident) string { return id.arn + ":*" }}},
	"AWS::Logs::ResourcePolicy": {name: "PolicyName"},
	"AWS::IAM::Role": {name: "RoleName",
		arn:       func(n string) string { return "arn:aws:iam::" + Account + ":role/" + n },
		attribute: map[string]func(ident) string{"Arn": byARN, "RoleId": byName}},
	"AWS::IAM::Policy": {},
	"AWS::Lambda::Function": {name: "FunctionName", arn: arn("lambda", "function:%s"),
		attribute: map[string]func(ident) string{"Arn": byARN}},
	"AWS::Lambda::Url": {arn: arn("lambda", "url/%s"),
		attribute: map[string]func(ident) string{"FunctionUrl": functionURL, "FunctionArn": nil}},
	"AWS::Lambda::Permission": {},
	"AWS::Lambda::EventSourceMapping": {arn: arn("lambda", "event-source-mapping:%s"), ref: mappingID,
		attribute: map[string]func(ident) string{"Id": mappingID, "EventSourceMappingArn": byARN}},
	"AWS::Lambda::EventInvokeConfig": {},
	"AWS::SSM::Parameter": {name: "Name",
		arn: func(n string) string { return arn("ssm", "parameter/%s")(strings.TrimPrefix(n, "/")) }},
	"AWS::SNS::Topic": {name: "TopicName", arn: arn("sns", "%s"), ref: byARN,
		attribute: map[string]func(ident) string{"TopicArn": byARN, "TopicName": byName}},
	"AWS::SNS::TopicPolicy": {},
	// A subscription's ARN begins with its topic's, see subscriptionARN.
	"AWS::SNS::Subscription":                     {ref: byARN, attribute: map[string]func(ident) string{"Arn": byARN}},
	"AWS::SES::ConfigurationSet":                 {name: "Name", arn: arn("ses", "configuration-set/%s")},
	"AWS::SES::ConfigurationSetEventDestination": {},
	"AWS::CDK::Metadata":                         {},
}

// Types lists the resource types that the local cloud knows.
func Types() []string { return slices.Sorted(maps.Keys(identities)) }

// streamLabel stands in a stream's ARN where AWS puts the moment at which the stream was switched on.
const streamLabel = "2026-01-01T00:00:00.000"

func streamARN(id ident) string { return id.arn + "/stream/" + streamLabel }

func queueURL(id ident) string {
	return fmt.Sprintf("https://sqs.%s.%s/%s/%s", Region, domain, Account, id.name)
}

func functionURL(id ident) string {
	return fmt.Sprintf("https://%s.lambda-url.%s.on.aws/", label(id.logical), Region)
}

// mappingID is a UUID that depends on the logical id alone.
func mappingID(id ident) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id.logical)) // a hash takes everything
	return fmt.Sprintf("10ca1000-0000-4000-8001-%012x", h.Sum64()&0xffffffffffff)
}

// label is a DNS label made from a logical id.
func label(logical string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(logical)) // a hash takes everything
	return fmt.Sprintf("local%016x", h.Sum64())
}

func subscriptionARN(topic string, id ident) string { return topic + ":" + mappingID(id) }

func ruleARN(bus, name string) string {
	if bus == "" || bus == "default" {
		return arn("events", "rule/%s")(name)
	}
	return arn("events", "rule/%s")(bus + "/" + name)
}
