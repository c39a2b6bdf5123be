package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"
)

const (
	// retentionDays is all that SQS allows. A message keeps its age when it moves to the dead-letter queue.
	retentionDays = 14
	// visibilityFactor: Lambda's advice, a queue hides a message for six times its consumer's time-out.
	visibilityFactor = 6
	// retryReceives: a delivery that failed five times is not going to heal by itself.
	retryReceives = 5
	// stageReceives: nor is an event.
	stageReceives = 5
	// spillReceives lets the sweep try for a day (300 times five minutes): what waits here was acknowledged to its
	// sender, and an Inbox that is out of reach for hours must not turn it into dead letters.
	spillReceives = 300
)

// newDead makes the dead-letter queue that all queues, rule targets and schedules share. Queues are retained like
// tables: what lies in them was acknowledged to somebody.
func newDead(s awscdk.Stack) awssqs.Queue {
	q := awssqs.NewQueue(s, jsii.String("Dead"), &awssqs.QueueProps{
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(retentionDays)),
		RemovalPolicy:   awscdk.RemovalPolicy_RETAIN,
	})
	named(q, "DeadQueue")
	return q
}

// newSpill makes the queue that takes a delivery when the Inbox throttles; sweep drains it each minute.
func newSpill(s awscdk.Stack, dead awssqs.Queue) awssqs.Queue {
	return newQueue(s, "SpillQueue", sweepSeconds, spillReceives, dead)
}

// newRetry makes the queue of deliveries whose first run through unify failed, so that their batch may go on.
func newRetry(s awscdk.Stack, dead awssqs.Queue) awssqs.Queue {
	return newQueue(s, "RetryQueue", unifySeconds, retryReceives, dead)
}

// newQueue makes a standard queue for a consumer with the given time-out. None is made without its dead-letter queue.
func newQueue(s awscdk.Stack, id string, consumerSeconds, receives float64, dead awssqs.Queue) awssqs.Queue {
	q := awssqs.NewQueue(s, jsii.String(id), &awssqs.QueueProps{
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		RetentionPeriod:   awscdk.Duration_Days(jsii.Number(retentionDays)),
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(visibilityFactor * consumerSeconds)),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: dead, MaxReceiveCount: jsii.Number(receives)},
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
	})
	named(q, id)
	return q
}
