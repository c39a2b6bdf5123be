package local

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
)

// edited is the template of testdata with other properties of one resource; nil takes one away.
func edited(t *testing.T, id string, properties map[string]any) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(fixture(t), &doc); err != nil {
		t.Fatal(err)
	}
	resource, ok := doc["Resources"].(map[string]any)[id].(map[string]any)
	if !ok {
		t.Fatalf("the template has no resource %s", id)
	}
	all := resource["Properties"].(map[string]any)
	for name, value := range properties {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func attribute(id, name string) map[string]any { return map[string]any{"Fn::GetAtt": []any{id, name}} }

func TestPropertiesThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		id         string
		properties map[string]any
		want       string
	}{
		"tumbling window":          {"InboxToUnify", map[string]any{"TumblingWindowInSeconds": 10}, `unknown field "TumblingWindowInSeconds"`},
		"parallelisation":          {"InboxToUnify", map[string]any{"ParallelizationFactor": 2}, `unknown field "ParallelizationFactor"`},
		"large window":             {"InboxToUnify", map[string]any{"MaximumBatchingWindowInSeconds": 301}, "within 301 s"},
		"large batch":              {"InboxToUnify", map[string]any{"BatchSize": 10_001}, "batch of 10001"},
		"position":                 {"InboxToUnify", map[string]any{"StartingPosition": "AT_TIMESTAMP"}, "AT_TIMESTAMP"},
		"retries":                  {"InboxToUnify", map[string]any{"MaximumRetryAttempts": -2}, "MaximumRetryAttempts is -2"},
		"age":                      {"InboxToUnify", map[string]any{"MaximumRecordAgeInSeconds": 59}, "MaximumRecordAgeInSeconds is 59"},
		"concurrency of a stream":  {"InboxToUnify", map[string]any{"ScalingConfig": map[string]any{"MaximumConcurrency": 2}}, "ScalingConfig is for queues"},
		"wildcard filter":          {"InboxToUnify", map[string]any{"FilterCriteria": map[string]any{"Filters": []any{map[string]any{"Pattern": `{"a":[{"wildcard":"x*"}]}`}}}}, "no wildcards"},
		"destination":              {"InboxToUnify", map[string]any{"DestinationConfig": map[string]any{"OnFailure": map[string]any{"Destination": "arn:aws:sns:us-east-1:000000000000:x"}}}, "no failure destinations for streams"},
		"closed destination":       {"InboxToUnify", map[string]any{"DestinationConfig": map[string]any{"OnFailure": map[string]any{"Destination": attribute("OrderQueue", "Arn")}}}, "can't write to the failure destination"},
		"large batch of a queue":   {"RetryToUnify", map[string]any{"BatchSize": 11}, "needs a batching window"},
		"retries of a queue":       {"RetryToUnify", map[string]any{"MaximumRetryAttempts": 3}, "a queue has its own redrive"},
		"concurrency of one":       {"RetryToUnify", map[string]any{"ScalingConfig": map[string]any{"MaximumConcurrency": 1}}, "MaximumConcurrency is 1"},
		"visibility":               {"RetryQueue", map[string]any{"VisibilityTimeout": 1}, "less than the function's timeout"},
		"redrive policy":           {"DeadQueue", map[string]any{"RedriveAllowPolicy": map[string]any{"redrivePermission": "denyAll"}}, "RedriveAllowPolicy"},
		"too many tries of a rule": {"OrderRule", map[string]any{"Targets": []any{map[string]any{"Id": "q", "Arn": attribute("OrderQueue", "Arn"), "RetryPolicy": map[string]any{"MaximumRetryAttempts": 186}}}}, "0 to 185 attempts"},
		"keys of a bucket":         {"OverflowBucket", map[string]any{"BucketEncryption": map[string]any{"ServerSideEncryptionConfiguration": []any{map[string]any{"ServerSideEncryptionByDefault": map[string]any{"SSEAlgorithm": "aws:kms"}}}}}, "no encryption aws:kms"},
		"lines in text":            {"IngestFunction", map[string]any{"LoggingConfig": map[string]any{"LogFormat": "Text"}}, "the platform writes JSON"},
		"level of own lines":       {"IngestFunction", map[string]any{"LoggingConfig": map[string]any{"ApplicationLogLevel": "ERROR"}}, `unknown field "ApplicationLogLevel"`},
		"tags of a role":           {"IngestRole", map[string]any{"Tags": []any{}}, `unknown field "Tags"`},
		"long sessions":            {"IngestRole", map[string]any{"MaxSessionDuration": 60}, "MaxSessionDuration is 60"},
		"a window of a schedule":   {"SweepSchedule", map[string]any{"FlexibleTimeWindow": map[string]any{"Mode": "FLEXIBLE"}}, "without a flexible window"},
		"a cron expression":        {"SweepSchedule", map[string]any{"ScheduleExpression": "cron(0 9 * * ? *)"}, "knows rate(…) only"},
		"state of a rule":          {"OrderRule", map[string]any{"State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}, "no state ENABLED_WITH"},
	} {
		t.Run(name, func(t *testing.T) {
			handlers := map[string]lambda.Factory{"ingest": idle, "unify": idle, "publish": idle, "api": idle, "sweep": idle}
			c, err := New(edited(t, test.id, test.properties), Options{Handlers: handlers, Clock: clock.Stopped(noon)})
			if err == nil {
				err = c.Start(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestAWindowOfTheTemplateGathers(t *testing.T) {
	w := newWorldBy(t, edited(t, "InboxToUnify", map[string]any{"MaximumBatchingWindowInSeconds": 5}), func(*Options) {})
	w.post("o1")
	w.rest()
	w.post("o2")
	w.pass(4 * time.Second)
	if len(w.batches) != 0 {
		t.Errorf("batches %v before the window is over", w.batches)
	}
	w.pass(time.Second)
	if len(w.batches) != 1 || len(w.batches[0]) != 2 {
		t.Errorf("batches %v, want one of two", w.batches)
	}
}

func TestAQueueOfTheTemplateTakesWhatAStreamGivesUp(t *testing.T) {
	w := newWorldBy(t, edited(t, "InboxToUnify", map[string]any{"DestinationConfig": map[string]any{
		"OnFailure": map[string]any{"Destination": attribute("RetryQueue", "Arn")}}}), func(*Options) {})
	w.post("crash")
	w.rest()
	last := w.batches[len(w.batches)-1]
	if len(last) != 1 || !strings.HasPrefix(last[0], "retry {") || !strings.Contains(last[0], "DDBStreamBatchInfo") || strings.Contains(last[0], `"payload"`) {
		t.Errorf("the last batch is %v", last)
	}
}

func TestReservedConcurrencyOfTheTemplateThrottles(t *testing.T) {
	w := newWorldBy(t, edited(t, "IngestFunction", map[string]any{"ReservedConcurrentExecutions": 0}), func(*Options) {})
	if resp := w.post("o1"); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a function that may not run answers %d", resp.StatusCode)
	}
}
