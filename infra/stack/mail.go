package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsses"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

// mailEvents is what SES tells of each mail. Clicks are not among it: that alone would make SES rewrite every link,
// and links points at addresses that it signed itself.
var mailEvents = []string{"send", "reject", "bounce", "complaint", "delivery", "open", "renderingFailure", "deliveryDelay"}

// mail is the way out to SES, and the topic on which it answers.
type mail struct {
	configuration awsses.CfnConfigurationSet
	topic         awssns.CfnTopic
}

// newMail makes the configuration set under which message sends, and the topic of what became of each mail. The topic
// carries addresses, so SES alone may publish to it, of this configuration set, and ingest alone is subscribed.
func newMail(s awscdk.Stack) mail {
	set := awsses.NewCfnConfigurationSet(s, jsii.String("ConfigurationSet"), &awsses.CfnConfigurationSetProps{Name: s.StackName()})
	topic := awssns.NewCfnTopic(s, jsii.String("MailTopic"), &awssns.CfnTopicProps{
		TopicName: jsii.String(*s.StackName() + "-mail"),
	})
	policy := awssns.NewCfnTopicPolicy(s, jsii.String("MailTopicPolicy"), &awssns.CfnTopicPolicyProps{
		Topics: &[]*string{topic.Ref()},
		PolicyDocument: map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Effect":    "Allow",
				"Principal": map[string]any{"Service": "ses.amazonaws.com"},
				"Action":    "sns:Publish",
				"Resource":  topic.Ref(),
				"Condition": map[string]any{"StringEquals": map[string]any{
					"aws:SourceAccount": s.Account(), "aws:SourceArn": sesResource(s, "configuration-set", set.Ref()),
				}},
			}},
		},
	})
	events := awsses.NewCfnConfigurationSetEventDestination(s, jsii.String("MailEvents"), &awsses.CfnConfigurationSetEventDestinationProps{
		ConfigurationSetName: set.Ref(),
		EventDestination: &awsses.CfnConfigurationSetEventDestination_EventDestinationProperty{
			Name: jsii.String("ingest"), Enabled: jsii.Bool(true), MatchingEventTypes: jsii.Strings(mailEvents...),
			SnsDestination: &awsses.CfnConfigurationSetEventDestination_SnsDestinationProperty{TopicArn: topic.Ref()},
		},
	})
	events.AddResourceDependency(policy, nil) // SES tries the topic before it takes it
	return mail{set, topic}
}

// sesResource is the name by which policies know something of SES.
func sesResource(s awscdk.Stack, kind string, name *string) *string {
	return s.FormatArn(&awscdk.ArnComponents{Service: jsii.String("ses"), Resource: jsii.String(kind), ResourceName: name})
}

// feedIngest brings what SES tells to ingest. A notification that can't be handed over, and one that three attempts did
// not store, become dead letters: nobody would send them again.
func feedIngest(s awscdk.Stack, ingest awslambda.Function, m mail, dead awssqs.Queue) {
	awssns.NewCfnSubscription(s, jsii.String("MailToIngest"), &awssns.CfnSubscriptionProps{
		TopicArn: m.topic.Ref(), Protocol: jsii.String("lambda"), Endpoint: ingest.FunctionArn(),
		RedrivePolicy: map[string]any{"deadLetterTargetArn": dead.QueueArn()},
	})
	awslambda.NewCfnPermission(s, jsii.String("MailToIngestPermission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: ingest.FunctionArn(),
		Principal: jsii.String("sns.amazonaws.com"), SourceArn: m.topic.Ref(),
	})
	awslambda.NewCfnEventInvokeConfig(s, jsii.String("IngestInvokeConfig"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName: ingest.FunctionName(), Qualifier: jsii.String("$LATEST"), MaximumRetryAttempts: jsii.Number(2),
		DestinationConfig: &awslambda.CfnEventInvokeConfig_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventInvokeConfig_OnFailureProperty{Destination: dead.QueueArn()},
		},
	})
}
