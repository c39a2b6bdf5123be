package snapshot_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is what the bus tells each stage, in the words of the rules.
var told = map[string][]string{
	"segment": {`{"detail-type":["profile.changed.v1"],"source":["loophub"]}`},
	"journey": {
		`{"detail":{"data":{"$or":[{"changes":{"occurred":{"what":[{"exists":true}]}}},{"changes":{"parts":["traits","identity"]}}]}},"detail-type":["profile.changed.v1"],"source":["loophub"]}`,
		`{"detail-type":["entry.requested.v1"],"source":["loophub"]}`,
		`{"detail-type":["segment.entered.v1","segment.left.v1"],"source":["loophub"]}`,
	},
	"message": {`{"detail-type":["message.requested.v1"],"source":["loophub"]}`},
	"attribution": {
		`{"detail":{"data":{"changes":{"parts":["orders","events","identity"]}}},"detail-type":["profile.changed.v1"],"source":["loophub"]}`,
		`{"detail-type":["message.decided.v1","entry.changed.v1"],"source":["loophub"]}`,
	},
	"writeback": {`{"detail-type":["profile.changed.v1","segment.entered.v1","segment.left.v1","outcome.changed.v1"],"source":["loophub"]}`},
}

// Each stage that listens has a queue of its own, into which its rules alone may write.
func TestListeners(t *testing.T) {
	v := load(t)
	got, rules, writers := map[string][]string{}, map[string][]string{}, map[string][]string{}
	for _, id := range v.of("AWS::Events::Rule") {
		r := v.Resources[id]
		to := target(list(r.at("Targets"))[0].(map[string]any)["Arn"])
		if v.Resources[to].Type != "AWS::SQS::Queue" {
			continue // the log
		}
		pattern, err := json.Marshal(r.at("EventPattern"))
		if err != nil {
			t.Fatal(err)
		}
		stage := strings.ToLower(strings.TrimSuffix(to, "Queue"))
		got[stage] = append(got[stage], string(pattern))
		rules[to] = append(rules[to], id)
		if target(r.at("EventBusName")) != "EventBus" {
			t.Errorf("%s is no rule of our bus", id)
		}
	}
	for _, patterns := range got {
		slices.Sort(patterns)
	}
	if d := cmp.Diff(told, got); d != "" {
		t.Errorf("rules (-want +template):\n%s", d)
	}
	for _, id := range v.of("AWS::SQS::QueuePolicy") {
		p := v.Resources[id]
		for _, s := range statements(p.Properties) {
			sources := list(resource{Properties: s}.at("Condition", "ArnEquals", "aws:SourceArn"))
			for _, source := range sources {
				if queue := target(list(p.at("Queues"))[0]); queue != "DeadQueue" {
					writers[queue] = append(writers[queue], target(source))
				}
			}
			if len(sources) == 0 {
				t.Errorf("%s: anybody's rule may write", id)
			}
		}
	}
	for _, ids := range writers {
		slices.Sort(ids)
	}
	if d := cmp.Diff(rules, writers); d != "" {
		t.Errorf("who may write into queues (-rules +policies):\n%s", d)
	}
}

// Stages that speak to outside systems are held to a few runs at a time; a cap elsewhere would only delay.
func TestConcurrency(t *testing.T) {
	v := load(t)
	got := map[string]float64{}
	for _, id := range v.of("AWS::Lambda::EventSourceMapping") {
		m := v.Resources[id]
		if m.at("ScalingConfig") != nil {
			got[v.Resources[target(m.at("FunctionName"))].Metadata["loophub:stage"]] = m.number(t, "ScalingConfig", "MaximumConcurrency")
		}
	}
	if d := cmp.Diff(map[string]float64{"message": 5, "writeback": 2}, got); d != "" {
		t.Errorf("maximum concurrency (-want +template):\n%s", d)
	}
}

// Nothing sends to its own queue, and no stage to another's: sweep alone knows queues.
func TestQueuesAreSweeps(t *testing.T) {
	v := load(t)
	for stage, id := range v.stages() {
		for name, value := range v.Resources[id].at("Environment", "Variables").(map[string]any) {
			queue := strings.TrimSuffix(target(value), "Queue")
			if _, listens := told[strings.ToLower(queue)]; listens && stage != "sweep" {
				t.Errorf("%s is told of a queue by %s", stage, name)
			}
		}
	}
}

// What SES tells of a mail reaches ingest, from this account's configuration set and by nobody else.
func TestMail(t *testing.T) {
	v := load(t)
	events := v.Resources["MailEvents"]
	if types := texts(events.at("EventDestination", "MatchingEventTypes")); slices.Contains(types, "click") {
		t.Error("SES would rewrite links that are signed")
	} else if !slices.Contains(types, "bounce") || !slices.Contains(types, "complaint") || !slices.Contains(types, "delivery") {
		t.Errorf("SES tells of %v", types)
	}
	if set, to := target(events.at("ConfigurationSetName")), target(events.at("EventDestination", "SnsDestination", "TopicARN")); set != "ConfigurationSet" || to != "MailTopic" {
		t.Errorf("%s tells %s", set, to)
	}
	for _, s := range statements(v.Resources["MailTopicPolicy"].Properties) {
		from := resource{Properties: s}
		if from.at("Principal", "Service") != "ses.amazonaws.com" || text(from.at("Condition", "StringEquals", "aws:SourceAccount")) != "${AWS::AccountId}" ||
			!strings.HasSuffix(text(from.at("Condition", "StringEquals", "aws:SourceArn")), ":configuration-set/${ConfigurationSet}") {
			t.Errorf("others may publish: %v", s)
		}
	}
	for _, id := range v.of("AWS::SNS::Subscription") {
		s := v.Resources[id]
		if target(s.at("Endpoint")) != "IngestFunction" || target(s.at("RedrivePolicy", "deadLetterTargetArn")) != "DeadQueue" {
			t.Errorf("%s: %v", id, s.Properties)
		}
	}
	if to := target(v.Resources["IngestInvokeConfig"].at("DestinationConfig", "OnFailure", "Destination")); to != "DeadQueue" {
		t.Errorf("a notification that ingest could not store goes to %q", to)
	}
}
