package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"
)

const (
	// maximumAge leaves four of a stream's 24 hours, so that a batch is put aside before it is lost.
	maximumAge = 20 * 60 * 60
	attempts   = 10
	// partial lets a function name the items that failed, so that the others of the batch are done.
	partial = "ReportBatchItemFailures"
)

// feedUnify lets unify read deliveries from the Inbox, and those that failed once from the retry queue.
func feedUnify(s awscdk.Stack, unify awslambda.Function, r resources) {
	feedStream(s, "InboxToUnify", unify, r.inbox, r, `{"dynamodb":{"NewImage":{"q":{"N":[{"exists":true}]}}}}`, 10)
	awslambda.NewCfnEventSourceMapping(s, jsii.String("RetryToUnify"), &awslambda.CfnEventSourceMappingProps{
		FunctionName:   unify.FunctionArn(),
		EventSourceArn: r.retry.QueueArn(),
		// Each alone: beside one that uses up the function's time, nine others would use up their receives.
		BatchSize:             jsii.Number(1),
		FunctionResponseTypes: jsii.Strings(partial),
	})
}

// feedPublish lets publish read from the Hub what asks to be announced. Without the filter it would be woken by every
// write, and by those that answer its own announcements.
func feedPublish(s awscdk.Stack, publish awslambda.Function, r resources) {
	feedStream(s, "HubToPublish", publish, r.hub, r, `{"dynamodb":{"NewImage":{"ev":{"S":[{"exists":true}]}}}}`, 100)
}

// feedStream maps a table's stream to a function. Its retries are for crashes alone, since a stage reports by item what
// it could not do; what it gives up goes to the bucket, whole.
//
// L1: the L2 sources grant ListStreams on every stream of the account, and the bucket as a whole.
func feedStream(s awscdk.Stack, id string, f awslambda.Function, t awsdynamodb.Table, r resources, filter string, batch float64) {
	awslambda.NewCfnEventSourceMapping(s, jsii.String(id), &awslambda.CfnEventSourceMappingProps{
		FunctionName:                   f.FunctionArn(),
		EventSourceArn:                 t.TableStreamArn(),
		StartingPosition:               jsii.String("TRIM_HORIZON"),
		BatchSize:                      jsii.Number(batch),
		MaximumBatchingWindowInSeconds: jsii.Number(0),
		FilterCriteria: &awslambda.CfnEventSourceMapping_FilterCriteriaProperty{
			Filters: []any{&awslambda.CfnEventSourceMapping_FilterProperty{Pattern: jsii.String(filter)}},
		},
		FunctionResponseTypes:      jsii.Strings(partial),
		BisectBatchOnFunctionError: jsii.Bool(true),
		MaximumRetryAttempts:       jsii.Number(attempts),
		MaximumRecordAgeInSeconds:  jsii.Number(maximumAge),
		DestinationConfig: &awslambda.CfnEventSourceMapping_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventSourceMapping_OnFailureProperty{Destination: r.overflow.BucketArn()},
		},
	})
}
