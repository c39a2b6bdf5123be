package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

// Time-outs that queues and schedules are derived from.
const (
	unifySeconds = 60
	sweepSeconds = 50 // below the minute after which the next sweep starts
)

// Stages lists the functions of the stack, in the order in which a webhook meets them.
func Stages() []string {
	return []string{"ingest", "unify", "publish", "segment", "journey", "message", "attribution", "writeback", "links", "api", "sweep"}
}

// newIngest verifies webhooks and stores them. It writes one item and reads none of the Inbox, so it may do no more.
func newIngest(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newStage(s, p, stage{
		name: "ingest", id: "Ingest", about: "Verifies and stores webhooks", memoryMB: 512, seconds: 10,
		env: map[string]*string{
			"LOOPHUB_INBOX_TABLE":     r.inbox.TableName(),
			"LOOPHUB_HUB_TABLE":       r.hub.TableName(),
			"LOOPHUB_SPILL_QUEUE":     r.spill.QueueUrl(),
			"LOOPHUB_OVERFLOW_BUCKET": r.overflow.BucketName(),
			"LOOPHUB_PARAMETERS":      jsii.String(parameters(s)),
			// A tenth of the instructions of a webhook are the collector's, while nine tenths of the memory lie idle.
			"GOGC": jsii.String("400"),
		},
		may: []awsiam.PolicyStatement{
			allow(r.inbox.TableArn(), "dynamodb:PutItem"),
			allow(r.hub.TableArn(), "dynamodb:GetItem"),
			allow(r.spill.QueueArn(), "sqs:SendMessage"),
			allow(r.overflow.ArnForObjects(jsii.String(overflowKeys)), "s3:PutObject"),
			allow(r.dead.QueueArn(), "sqs:SendMessage"), // by Lambda, in its name
			readParameters(s, secrets),
		},
	})
}

// newUnify turns deliveries into facts, fragments and profiles.
func newUnify(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newStage(s, p, stage{
		name: "unify", id: "Unify", about: "Turns deliveries into profiles", memoryMB: 512, seconds: unifySeconds,
		env: map[string]*string{
			"LOOPHUB_INBOX_TABLE":     r.inbox.TableName(),
			"LOOPHUB_HUB_TABLE":       r.hub.TableName(),
			"LOOPHUB_RETRY_QUEUE":     r.retry.QueueUrl(),
			"LOOPHUB_OVERFLOW_BUCKET": r.overflow.BucketName(),
			"LOOPHUB_PARAMETERS":      jsii.String(parameters(s)),
		},
		may: append(keepFailures(r.overflow),
			readStream(r.inbox),
			allow(r.inbox.TableArn(), "dynamodb:GetItem", "dynamodb:UpdateItem"),
			allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"),
			allow(r.retry.QueueArn(), "sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
			allow(r.overflow.ArnForObjects(jsii.String(overflowKeys)), "s3:GetObject"),
			readParameters(s, identityKeys),
		),
	})
}

// newPublish announces on the bus what was committed to the Hub. The stream brings all that it needs.
func newPublish(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newStage(s, p, stage{
		name: "publish", id: "Publish", about: "Announces what was committed", memoryMB: 256, seconds: 60,
		env: map[string]*string{
			"LOOPHUB_BUS": r.bus.Ref(),
		},
		may: append(keepFailures(r.overflow),
			readStream(r.hub),
			allow(r.bus.AttrArn(), "events:PutEvents"),
		),
	})
}

// newAPI serves operators. What changes a profile goes as a delivery into the Inbox; to the Hub it writes controls, codes
// of vouchers and requests.
func newAPI(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newStage(s, p, stage{
		name: "api", id: "Api", about: "Serves profiles, deliveries and what operators do", memoryMB: 512, seconds: 15,
		env: map[string]*string{
			"LOOPHUB_INBOX_TABLE": r.inbox.TableName(),
			"LOOPHUB_HUB_TABLE":   r.hub.TableName(),
			"LOOPHUB_PARAMETERS":  jsii.String(parameters(s)),
		},
		may: []awsiam.PolicyStatement{
			allow(r.inbox.TableArn(), "dynamodb:Scan", "dynamodb:PutItem", "dynamodb:UpdateItem"),
			allow(jsii.String(*r.inbox.TableArn()+"/index/parked"), "dynamodb:Query"),
			allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem",
				"dynamodb:UpdateItem"),
			readParameters(s, identityKeys, tokens),
		},
	})
}

// newSweep runs each minute: it carries spilt deliveries to the Inbox, and tells stages of moments that have come and of
// what waited while something was paused.
func newSweep(s awscdk.Stack, p Props, r resources) awslambda.Function {
	return newStage(s, p, stage{
		name: "sweep", id: "Sweep", about: "Catches up each minute", memoryMB: 256, seconds: sweepSeconds,
		env: map[string]*string{
			"LOOPHUB_INBOX_TABLE":     r.inbox.TableName(),
			"LOOPHUB_HUB_TABLE":       r.hub.TableName(),
			"LOOPHUB_SPILL_QUEUE":     r.spill.QueueUrl(),
			"LOOPHUB_SEGMENT_QUEUE":   r.queues["segment"].QueueUrl(),
			"LOOPHUB_JOURNEY_QUEUE":   r.queues["journey"].QueueUrl(),
			"LOOPHUB_MESSAGE_QUEUE":   r.queues["message"].QueueUrl(),
			"LOOPHUB_WRITEBACK_QUEUE": r.queues["writeback"].QueueUrl(),
		},
		may: []awsiam.PolicyStatement{
			allow(r.inbox.TableArn(), "dynamodb:PutItem", "dynamodb:UpdateItem"),
			allow(jsii.String(*r.inbox.TableArn()+"/index/parked"), "dynamodb:Query"),
			allow(r.hub.TableArn(), "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PutItem", "dynamodb:DeleteItem",
				"dynamodb:BatchWriteItem"),
			allow(r.spill.QueueArn(), "sqs:ReceiveMessage", "sqs:DeleteMessage"),
			allow(r.queues["segment"].QueueArn(), "sqs:SendMessage"),
			allow(r.queues["journey"].QueueArn(), "sqs:SendMessage"),
			allow(r.queues["message"].QueueArn(), "sqs:SendMessage"),
			allow(r.queues["writeback"].QueueArn(), "sqs:SendMessage"),
		},
	})
}
