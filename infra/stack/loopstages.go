package stack

import (
	"maps"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// newListening makes the function of a stage that listens to the bus. Each reads its own queue and is told of the Hub; what
// it may do there, and what else it is told of, is handed in.
func newListening(s awscdk.Stack, p Props, r resources, name, about string, env map[string]*string, may ...awsiam.PolicyStatement) awslambda.Function {
	l := listeners[name]
	// They wait for the tables nine tenths of their time, and nobody waits for them: see the ledger in infra/cost.
	g := stage{name: name, id: l.id, about: about, memoryMB: 256, seconds: l.seconds, env: map[string]*string{
		"LOOPHUB_HUB_TABLE": r.hub.TableName(),
	}}
	maps.Copy(g.env, env)
	g.may = append(may, allow(r.queues[name].QueueArn(), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"))
	return newStage(s, p, g)
}

// newSegment decides who entered or left a segment.
func newSegment(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newListening(s, p, r, "segment", "Decides who enters and leaves segments", nil,
		allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
			"dynamodb:ConditionCheckItem"))
}

// newJourney takes customers through journeys; it needs no secret. A voucher moves from the pool to its owner in one transaction; a tag is a
// delivery, as everything is that profiles are made of.
func newJourney(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newListening(s, p, r, "journey", "Takes customers through journeys",
		map[string]*string{"LOOPHUB_INBOX_TABLE": r.inbox.TableName()},
		allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
			"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"),
		allow(r.inbox.TableArn(), "dynamodb:PutItem"))
}

// newMessage decides about each message, and sends. It may send from every verified identity of the account: which one
// a workspace uses stands in its definition.
func newMessage(s awscdk.Stack, p Props, r resources, links *string) awslambda.Function {
	return newListening(s, p, r, "message", "Decides about messages and sends them",
		map[string]*string{"LOOPHUB_PARAMETERS": jsii.String(parameters(s)),
			"LOOPHUB_CONFIGURATION_SET": r.mail.configuration.Ref(), "LOOPHUB_LINKS_URL": links},
		allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
			"dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"),
		awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:   jsii.Strings("ses:SendEmail"),
			Resources: &[]*string{sesResource(s, "identity", jsii.String("*")), sesResource(s, "configuration-set", r.mail.configuration.Ref())},
		}),
		readParameters(s, identityKeys))
}

// newAttribution counts orders to the messages that brought them.
func newAttribution(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newListening(s, p, r, "attribution", "Counts orders to messages", nil,
		allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
			"dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"))
}

// newWriteback writes to CRMs what changed.
func newWriteback(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newListening(s, p, r, "writeback", "Writes to CRMs what changed",
		map[string]*string{"LOOPHUB_PARAMETERS": jsii.String(parameters(s))},
		allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
			"dynamodb:UpdateItem"),
		readParameters(s, credentials))
}

// newLinks answers what customers touch in a message. What they did is a delivery.
func newLinks(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newStage(s, p, stage{
		name: "links", id: "Links", about: "Answers the links of messages", memoryMB: 512, seconds: 10,
		env: map[string]*string{
			"LOOPHUB_INBOX_TABLE": r.inbox.TableName(),
			"LOOPHUB_HUB_TABLE":   r.hub.TableName(),
			"LOOPHUB_PARAMETERS":  jsii.String(parameters(s)),
		},
		may: []awsiam.PolicyStatement{
			allow(r.inbox.TableArn(), "dynamodb:PutItem"),
			allow(r.hub.TableArn(), "dynamodb:GetItem"),
			readParameters(s, identityKeys),
		},
	})
}
