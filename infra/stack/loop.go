package stack

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// Events of the bus, as package events names them.
const (
	profileChanged   = "profile.changed.v1"
	segmentEntered   = "segment.entered.v1"
	segmentLeft      = "segment.left.v1"
	messageRequested = "message.requested.v1"
	messageDecided   = "message.decided.v1"
	entryRequested   = "entry.requested.v1"
	entryChanged     = "entry.changed.v1"
	outcomeChanged   = "outcome.changed.v1"
)

// listener is a stage that is told of events: by rules of the bus, through a queue of its own, so that one that is
// slow or broken holds up nobody else.
type listener struct {
	id      string // prefix of the logical ids
	seconds float64
	rules   []rule
	most    float64 // runs at the same time; 0 = as many as there is work for
}

// rule lets events through to a listener.
type rule struct {
	id, about string
	types     []string
	data      map[string]any // what the event's data must hold besides
}

// listeners of the bus. Those that speak to outside systems are held to a few at a time, which those can take.
var listeners = map[string]listener{
	"segment": {id: "Segment", seconds: 60, rules: []rule{
		{id: "ChangedToSegment", about: "Who changed may enter or leave a segment", types: []string{profileChanged}},
	}},
	"journey": {id: "Journey", seconds: 50, rules: []rule{
		{id: "SegmentToJourney", about: "Who entered or left a segment may enter a journey", types: []string{segmentEntered, segmentLeft}},
		// One rule and not two: an event that two let through comes twice.
		{id: "ChangedToJourney", types: []string{profileChanged},
			about: "Who may enter a journey or go on in one by what happened, or has another day to begin on by traits and members",
			data: map[string]any{"$or": []any{
				map[string]any{"changes": map[string]any{"occurred": map[string]any{"what": []any{map[string]any{"exists": true}}}}},
				map[string]any{"changes": map[string]any{"parts": []any{"traits", "identity"}}},
			}}},
		{id: "RequestedToJourney", about: "Whom a script wants in a journey", types: []string{entryRequested}},
	}},
	"message": {id: "Message", seconds: 60, most: 5, rules: []rule{
		{id: "RequestedToMessage", about: "A message that a journey or an operator wants sent", types: []string{messageRequested}},
	}},
	"attribution": {id: "Attribution", seconds: 60, rules: []rule{
		{id: "ChangedToAttribution", about: "Orders and touches may count to a message", types: []string{profileChanged},
			data: map[string]any{"changes": map[string]any{"parts": []any{"orders", "events", "identity"}}}},
		{id: "DecidedToAttribution", about: "What was sent, and who is in a journey, is counted", types: []string{messageDecided, entryChanged}},
	}},
	"writeback": {id: "Writeback", seconds: 120, most: 2, rules: []rule{
		{id: "NewsToWriteback", about: "What a CRM may want to know",
			types: []string{profileChanged, segmentEntered, segmentLeft, outcomeChanged}},
	}},
}

// newListenerQueues makes the queue of each listener.
func newListenerQueues(s awscdk.Stack, dead awssqs.Queue) map[string]awssqs.Queue {
	queues := map[string]awssqs.Queue{}
	for _, name := range slices.Sorted(maps.Keys(listeners)) {
		l := listeners[name]
		queues[name] = newQueue(s, l.id+"Queue", l.seconds, stageReceives, dead)
	}
	return queues
}

// listen makes the rules of a stage, and has its function read its queue. It returns the rules' ARNs.
func listen(s awscdk.Stack, name string, f awslambda.Function, r resources) []*string {
	l, queue := listeners[name], r.queues[name]
	var arns []*string
	for _, rule := range l.rules {
		pattern := map[string]any{"source": []string{source}, "detail-type": rule.types}
		if rule.data != nil {
			pattern["detail"] = map[string]any{"data": rule.data}
		}
		arns = append(arns, awsevents.NewCfnRule(s, jsii.String(rule.id), &awsevents.CfnRuleProps{
			Description:  jsii.String(rule.about),
			EventBusName: r.bus.Ref(),
			EventPattern: pattern,
			Targets: []any{&awsevents.CfnRule_TargetProperty{
				Id: jsii.String(name), Arn: queue.QueueArn(),
				DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: r.dead.QueueArn()},
			}},
		}).AttrArn())
	}
	takeFrom(s, l.id+"QueuePolicy", queue, sender{"events.amazonaws.com", arns})
	m := &awslambda.CfnEventSourceMappingProps{
		FunctionName: f.FunctionArn(), EventSourceArn: queue.QueueArn(),
		BatchSize: jsii.Number(10), FunctionResponseTypes: jsii.Strings(partial),
	}
	if l.most > 0 {
		m.ScalingConfig = &awslambda.CfnEventSourceMapping_ScalingConfigProperty{MaximumConcurrency: jsii.Number(l.most)}
	}
	awslambda.NewCfnEventSourceMapping(s, jsii.String("QueueTo"+l.id), m)
	return arns
}

// sender is an AWS service that may put messages into a queue, in the name of the resources given.
type sender struct {
	service string
	sources []*string
}

// takeFrom lets a queue take messages from nobody but the senders.
func takeFrom(s awscdk.Stack, id string, queue awssqs.Queue, from ...sender) {
	var statements []any
	for _, f := range from {
		statements = append(statements, map[string]any{
			"Effect":    "Allow",
			"Principal": map[string]any{"Service": f.service},
			"Action":    "sqs:SendMessage",
			"Resource":  queue.QueueArn(),
			"Condition": map[string]any{"ArnEquals": map[string]any{"aws:SourceArn": f.sources}},
		})
	}
	awssqs.NewCfnQueuePolicy(s, jsii.String(id), &awssqs.CfnQueuePolicyProps{
		Queues:         &[]*string{queue.QueueUrl()},
		PolicyDocument: map[string]any{"Version": "2012-10-17", "Statement": statements},
	})
}
