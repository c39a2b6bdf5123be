package template

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Inert is a property that is accepted without effect, for a reason that stands below.
type Inert struct{}

// UnmarshalJSON takes whatever there is.
func (*Inert) UnmarshalJSON([]byte) error { return nil }

// The reasons for which a property may have no effect.
const (
	named     = "is the resource's name, by which all of it is known"
	words     = "says something to people"
	atOnce    = "speaks of making, changing and removing a stack: here all is made at once and nothing is ever removed"
	code      = "says which code runs how on which machine: here handlers are given as Go values"
	sealed    = "protects what is stored from others: nobody but this process comes near it"
	kept      = "has no use where nothing is lost: data is in memory or in one log"
	byNumber  = "throws lines away by age: here the newest are kept, by number"
	multipart = "speaks of uploads in parts, which are refused"
	reported  = "reports to AWS who uses the CDK"
)

// reasons name every property that is accepted without effect.
var reasons = map[string]string{
	"TableName": named, "QueueName": named, "BucketName": named, "Name": named, "LogGroupName": named, "PolicyName": named,
	"RoleName": named, "FunctionName": named, "TopicName": named,
	"Description": words, "Id": words,
	"DeletionProtectionEnabled": atOnce, "PointInTimeRecoverySpecification": kept,
	"Code": code, "Handler": code, "Runtime": code, "Architectures": code,
	"SqsManagedSseEnabled": sealed, "PublicAccessBlockConfiguration": sealed, "OwnershipControls": sealed,
	"RetentionInDays": byNumber, "AbortIncompleteMultipartUpload": multipart, "Analytics": reported,
}

// shapes are the structs that properties are read into.
var shapes = map[string]any{
	"AWS::DynamoDB::Table": Table{}, "AWS::SQS::Queue": Queue{}, "AWS::SQS::QueuePolicy": QueuePolicy{}, "AWS::S3::Bucket": Bucket{},
	"AWS::S3::BucketPolicy": BucketPolicy{}, "AWS::Events::EventBus": Bus{}, "AWS::Events::Rule": Rule{},
	"AWS::Scheduler::Schedule": Schedule{}, "AWS::Logs::LogGroup": LogGroup{}, "AWS::Logs::ResourcePolicy": LogPolicy{},
	"AWS::IAM::Role": Role{}, "AWS::IAM::Policy": Policy{}, "AWS::Lambda::Function": Function{}, "AWS::Lambda::Url": FunctionURL{},
	"AWS::Lambda::Permission": Permission{}, "AWS::Lambda::EventSourceMapping": Mapping{}, "AWS::Lambda::EventInvokeConfig": AsyncConfig{},
	"AWS::SSM::Parameter": Parameter{}, "AWS::SNS::Topic": Topic{}, "AWS::SNS::TopicPolicy": TopicPolicy{},
	"AWS::SNS::Subscription": Subscription{}, "AWS::SES::ConfigurationSet": ConfigurationSet{},
	"AWS::SES::ConfigurationSetEventDestination": EventDestination{}, "AWS::CDK::Metadata": Metadata{},
}

// WithoutEffect lists the names of the properties that are accepted without effect, by reason; each list is sorted.
func WithoutEffect() map[string][]string {
	out := map[string][]string{}
	for _, shape := range shapes {
		for _, path := range inert(reflect.TypeOf(shape)) {
			name := path[strings.LastIndexByte(path, '.')+1:]
			out[reasons[name]] = append(out[reasons[name]], name)
		}
	}
	for reason, list := range out {
		slices.Sort(list)
		out[reason] = slices.Compact(list)
	}
	return out
}

// inert finds the fields of type Inert, those of structs within by their path.
func inert(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	found := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Name
		if tag := f.Tag.Get("json"); tag != "" && tag != "-" {
			name = tag
		}
		if f.Type == reflect.TypeFor[Inert]() {
			found[name] = true
			continue
		}
		for _, below := range inert(f.Type) {
			found[name+"."+below] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
