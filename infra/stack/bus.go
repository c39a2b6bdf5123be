package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// source is the `source` of every event that Loophub puts on its bus.
const source = "loophub"

// newBus makes the bus on which publish announces what was committed.
func newBus(s awscdk.Stack) awsevents.CfnEventBus {
	b := awsevents.NewCfnEventBus(s, jsii.String("EventBus"), &awsevents.CfnEventBusProps{
		Name:        s.StackName(),
		Description: jsii.String("What Loophub announces: ids and versions, never personal data"),
	})
	return b
}

// logEvents keeps two weeks of events for whoever asks what was announced. It returns the ARN of its rule.
//
// L1 throughout: the L2 target for log groups brings a Lambda of its own that calls PutResourcePolicy at deployment.
func logEvents(s awscdk.Stack, bus awsevents.CfnEventBus, dead awssqs.Queue) (rule *string) {
	log := newLog(s, "EventLog", "events", awslogs.RetentionDays_TWO_WEEKS)
	awslogs.NewCfnResourcePolicy(s, jsii.String("EventLogPolicy"), &awslogs.CfnResourcePolicyProps{
		PolicyName: jsii.String(*s.StackName() + "-events"),
		PolicyDocument: s.ToJsonString(map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Effect":    "Allow",
				"Principal": map[string]any{"Service": []string{"events.amazonaws.com", "delivery.logs.amazonaws.com"}},
				"Action":    []string{"logs:CreateLogStream", "logs:PutLogEvents"},
				"Resource":  log.LogGroupArn(),
			}},
		}, nil),
	})
	return awsevents.NewCfnRule(s, jsii.String("EventLogRule"), &awsevents.CfnRuleProps{
		Description:  jsii.String("Every event to the log group"),
		EventBusName: bus.Ref(),
		EventPattern: map[string]any{"source": []string{source}},
		Targets: []any{&awsevents.CfnRule_TargetProperty{
			Id: jsii.String("log"),
			// Without the ":*" that ends a log group's own Arn attribute.
			Arn: s.FormatArn(&awscdk.ArnComponents{
				Service: jsii.String("logs"), Resource: jsii.String("log-group"), ResourceName: log.LogGroupName(),
				ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
			}),
			DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: dead.QueueArn()},
		}},
	}).AttrArn()
}

// newLog makes the log group /<deployment>/<name>. It goes with the stack, so that the name is free for the next one.
func newLog(s awscdk.Stack, id, name string, keep awslogs.RetentionDays) awslogs.LogGroup {
	g := awslogs.NewLogGroup(s, jsii.String(id), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String("/" + *s.StackName() + "/" + name),
		Retention:     keep,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	named(g, id)
	return g
}
