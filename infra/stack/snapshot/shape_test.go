package snapshot_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lasting are the logical ids that hold data or an address. CloudFormation replaces what is renamed: an id leaves this
// list only together with a written plan for moving what lies behind it.
var lasting = map[string]string{
	"InboxTable":     "AWS::DynamoDB::Table",
	"HubTable":       "AWS::DynamoDB::Table",
	"OverflowBucket": "AWS::S3::Bucket",
	"SpillQueue":     "AWS::SQS::Queue",
	"RetryQueue":     "AWS::SQS::Queue",
	"DeadQueue":      "AWS::SQS::Queue",
	"IngestUrl":      "AWS::Lambda::Url",
	"ApiUrl":         "AWS::Lambda::Url",
	"LinksUrl":       "AWS::Lambda::Url", // mails that were sent name it

	"SegmentQueue":     "AWS::SQS::Queue",
	"JourneyQueue":     "AWS::SQS::Queue",
	"MessageQueue":     "AWS::SQS::Queue",
	"AttributionQueue": "AWS::SQS::Queue",
	"WritebackQueue":   "AWS::SQS::Queue",
}

func TestLastingResources(t *testing.T) {
	v := load(t)
	for id, kind := range lasting {
		r := v.Resources[id]
		if r.Type != kind {
			t.Errorf("%s is %q, want %s for ever", id, r.Type, kind)
		}
		if r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s is not retained", id)
		}
	}
	for id, r := range v.Resources {
		if _, listed := lasting[id]; !listed && slices.Contains(slices.Collect(maps.Values(lasting)), r.Type) {
			t.Errorf("%s (%s) holds data and is not listed as lasting", id, r.Type)
		}
	}
}

// An id made by the CDK ends in a hash of its place in the construct tree, and would change when that is tidied up.
func TestLogicalIDsAreWritten(t *testing.T) {
	v := load(t)
	hashed := regexp.MustCompile(`[0-9A-F]{8}$`)
	if !hashed.MatchString("InboxTable1A2B3C4D") {
		t.Fatal("the pattern misses an id made by the CDK")
	}
	for id := range v.Resources {
		if hashed.MatchString(id) {
			t.Errorf("%s is not written out", id)
		}
	}
	want := []string{"ApiUrl", "HubTable", "InboxTable", "IngestUrl", "LinksUrl"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(v.Outputs))); d != "" {
		t.Errorf("outputs (-want +template):\n%s", d)
	}
}

func TestTables(t *testing.T) {
	v := load(t)
	for id, view := range map[string]string{"InboxTable": "NEW_IMAGE", "HubTable": "NEW_AND_OLD_IMAGES"} {
		r := v.Resources[id]
		for want, got := range map[string]any{
			"view " + view:         "view " + text(r.at("StreamSpecification", "StreamViewType")),
			"PAY_PER_REQUEST":      r.at("BillingMode"),
			"time to live in x":    "time to live in " + text(r.at("TimeToLiveSpecification", "AttributeName")),
			"deletion protection":  iff(r.at("DeletionProtectionEnabled"), "deletion protection"),
			"point-in-time backup": iff(r.at("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"), "point-in-time backup"),
		} {
			if got != want {
				t.Errorf("%s: got %v, want %s", id, got, want)
			}
		}
		var keys []string
		for _, k := range list(r.at("KeySchema")) {
			keys = append(keys, text(k.(map[string]any)["AttributeName"])+" "+text(k.(map[string]any)["KeyType"]))
		}
		if d := cmp.Diff([]string{"pk HASH", "sk RANGE"}, keys); d != "" {
			t.Errorf("%s: keys (-want +template):\n%s", id, d)
		}
	}
	// Nothing that decides may read a stale copy, so the Hub offers none.
	if indexes := v.Resources["HubTable"].at("GlobalSecondaryIndexes"); indexes != nil {
		t.Errorf("HubTable has indexes: %v", indexes)
	}
}

func iff(v any, name string) any {
	if v == true {
		return name
	}
	return v
}

func TestFunctions(t *testing.T) {
	v := load(t)
	type size struct{ memoryMB, seconds float64 }
	want := map[string]size{
		"ingest": {512, 10}, "unify": {512, 60}, "publish": {256, 60}, "api": {512, 15}, "sweep": {256, 50},
		"segment": {256, 60}, "journey": {256, 50}, "message": {256, 60}, "attribution": {256, 60}, "writeback": {256, 120},
		"links": {512, 10},
	}
	got := map[string]size{}
	roles := map[string]string{}
	for stage, id := range v.stages() {
		f := v.Resources[id]
		got[stage] = size{f.number(t, "MemorySize"), f.number(t, "Timeout")}
		for key, want := range map[string]string{"Runtime": "provided.al2023", "Handler": "bootstrap"} {
			if f.at(key) != want {
				t.Errorf("%s: %s %v, want %s", id, key, f.at(key), want)
			}
		}
		if arch := texts(f.at("Architectures")); !slices.Equal(arch, []string{"arm64"}) {
			t.Errorf("%s: architectures %v, want arm64", id, arch)
		}
		if n := f.at("ReservedConcurrentExecutions"); n != nil {
			t.Errorf("%s: concurrency capped at %v; a sender answered 429 may stop for good", id, n)
		}
		role := target(f.at("Role"))
		if other, taken := roles[role]; taken {
			t.Errorf("%s and %s share the role %s", id, other, role)
		}
		roles[role] = id
		log := v.Resources[target(f.at("LoggingConfig", "LogGroup"))]
		if days := log.number(t, "RetentionInDays"); days != 30 || text(log.at("LogGroupName")) != "/loophub/"+stage {
			t.Errorf("%s: logs to %v for %v days, want /loophub/%s for 30", id, log.at("LogGroupName"), days, stage)
		}
		if f.at("LoggingConfig", "LogFormat") != "JSON" || f.at("LoggingConfig", "SystemLogLevel") != "WARN" {
			t.Errorf("%s: logging %v, want JSON at WARN", id, f.at("LoggingConfig"))
		}
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(size{})); d != "" {
		t.Errorf("functions by stage; one without a stage is a helper that the CDK slipped in (-want +template):\n%s", d)
	}
}

// consumers names the stage that reads a queue by calls of its own; the others are read by event source mappings.
var consumers = map[string]string{"SpillQueue": "sweep"}

func TestQueues(t *testing.T) {
	v := load(t)
	readers := maps.Clone(consumers)
	for _, id := range v.of("AWS::Lambda::EventSourceMapping") {
		m := v.Resources[id]
		if queue := target(m.at("EventSourceArn")); v.Resources[queue].Type == "AWS::SQS::Queue" {
			readers[queue] = v.Resources[target(m.at("FunctionName"))].Metadata["loophub:stage"]
		}
	}
	for _, id := range v.of("AWS::SQS::Queue") {
		q := v.Resources[id]
		if q.at("SqsManagedSseEnabled") != true || q.number(t, "MessageRetentionPeriod") != 14*24*60*60 {
			t.Errorf("%s: want encrypted, kept for 14 days; have %v", id, q.Properties)
		}
		if id == "DeadQueue" {
			continue
		}
		if dead := target(q.at("RedrivePolicy", "deadLetterTargetArn")); dead != "DeadQueue" {
			t.Errorf("%s: dead letters go to %q", id, dead)
		}
		reader, ok := v.Resources[v.stages()[readers[id]]]
		if !ok {
			t.Errorf("%s: nobody reads it", id)
			continue
		}
		if hidden, run := q.number(t, "VisibilityTimeout"), reader.number(t, "Timeout"); hidden < 6*run {
			t.Errorf("%s: hides for %v s, want six times the %v s of %s", id, hidden, run, readers[id])
		}
	}
	for _, id := range v.of("AWS::SQS::Queue") {
		if id == "DeadQueue" || id == "SpillQueue" {
			continue
		}
		if n := v.Resources[id].number(t, "RedrivePolicy", "maxReceiveCount"); n != 5 {
			t.Errorf("%s: %v receives, want 5", id, n)
		}
	}
}

func TestFeeds(t *testing.T) {
	v := load(t)
	type stream struct {
		to, filter string
		batch      float64
	}
	want := map[string]stream{
		"InboxTable": {"unify", `{"dynamodb":{"NewImage":{"q":{"N":[{"exists":true}]}}}}`, 10},
		"HubTable":   {"publish", `{"dynamodb":{"NewImage":{"ev":{"S":[{"exists":true}]}}}}`, 100},
	}
	got := map[string]stream{}
	for _, id := range v.of("AWS::Lambda::EventSourceMapping") {
		m := v.Resources[id]
		if !slices.Contains(texts(m.at("FunctionResponseTypes")), "ReportBatchItemFailures") {
			t.Errorf("%s: one failed item would repeat its whole batch", id)
		}
		source := target(m.at("EventSourceArn"))
		if v.Resources[source].Type != "AWS::DynamoDB::Table" {
			continue
		}
		if _, twice := got[source]; twice {
			t.Errorf("%s: a second reader of %s, which this cut does not have", id, source)
		}
		filters := list(m.at("FilterCriteria", "Filters"))
		if len(filters) != 1 {
			t.Fatalf("%s: filters %v, want one", id, filters)
		}
		got[source] = stream{
			v.Resources[target(m.at("FunctionName"))].Metadata["loophub:stage"],
			text(filters[0].(map[string]any)["Pattern"]), m.number(t, "BatchSize"),
		}
		checkRetries(t, id, m)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(stream{})); d != "" {
		t.Errorf("streams (-want +template):\n%s", d)
	}
}

func checkRetries(t *testing.T, id string, m resource) {
	t.Helper()
	if m.at("StartingPosition") != "TRIM_HORIZON" || m.at("BisectBatchOnFunctionError") != true {
		t.Errorf("%s: want TRIM_HORIZON and bisect, have %v", id, m.Properties)
	}
	if n, age := m.number(t, "MaximumRetryAttempts"), m.number(t, "MaximumRecordAgeInSeconds"); n != 10 || age != 72000 {
		t.Errorf("%s: %v retries within %v s, want 10 within 20 hours", id, n, age)
	}
	if to := target(m.at("DestinationConfig", "OnFailure", "Destination")); to != "OverflowBucket" {
		t.Errorf("%s: what it gives up goes to %q", id, to)
	}
}

// Since October 2025 an address without AWS authentication answers 403 unless both permissions are there.
func TestAddresses(t *testing.T) {
	v := load(t)
	if d := cmp.Diff([]string{"ApiUrl", "IngestUrl", "LinksUrl"}, v.of("AWS::Lambda::Url")); d != "" {
		t.Fatalf("addresses (-want +template):\n%s", d)
	}
	granted := map[string][]string{}
	for _, id := range v.of("AWS::Lambda::Permission") {
		p := v.Resources[id]
		how := text(p.at("Action"))
		if p.at("InvokedViaFunctionUrl") == true {
			how += " by its address alone"
		}
		if source := target(p.at("SourceArn")); source != "" {
			how += " by " + source
		}
		to := target(p.at("FunctionName"))
		granted[to] = append(granted[to], how)
	}
	both := []string{"lambda:InvokeFunction by its address alone", "lambda:InvokeFunctionUrl"}
	want := map[string][]string{"IngestFunction": append([]string{"lambda:InvokeFunction by MailTopic"}, both...), "ApiFunction": both, "LinksFunction": both}
	for _, how := range granted {
		slices.Sort(how)
	}
	slices.Sort(want["IngestFunction"])
	if d := cmp.Diff(want, granted); d != "" {
		t.Errorf("permissions (-want +template):\n%s", d)
	}
	for _, id := range v.of("AWS::Lambda::Url") {
		if f := target(v.Resources[id].at("TargetFunctionArn")); v.Resources[id].at("AuthType") != "NONE" || granted[f] == nil {
			t.Errorf("%s: auth %v to %s", id, v.Resources[id].at("AuthType"), f)
		}
	}
}

func TestWhatCannotBeDeliveredIsKept(t *testing.T) {
	v := load(t)
	for _, id := range v.of("AWS::Events::Rule") {
		for _, to := range list(v.Resources[id].at("Targets")) {
			if dead := target(resource{Properties: to.(map[string]any)}.at("DeadLetterConfig", "Arn")); dead != "DeadQueue" {
				t.Errorf("%s: dead letters go to %q", id, dead)
			}
		}
	}
	for _, id := range v.of("AWS::Scheduler::Schedule") {
		if dead := target(v.Resources[id].at("Target", "DeadLetterConfig", "Arn")); dead != "DeadQueue" {
			t.Errorf("%s: dead letters go to %q", id, dead)
		}
	}
}

// Helpers that the CDK adds run code at deployment that nobody here has read.
func TestNoCustomResources(t *testing.T) {
	for id, r := range load(t).Resources {
		if strings.HasPrefix(r.Type, "Custom::") || r.Type == "AWS::CloudFormation::CustomResource" {
			t.Errorf("%s is %s", id, r.Type)
		}
	}
}
