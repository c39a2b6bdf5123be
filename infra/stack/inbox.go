package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/jsii-runtime-go"
)

// expiry is the attribute that holds an item's last moment in epoch seconds. Readers compare it: DynamoDB deletes late.
const expiry = "x"

// newInbox makes the table of deliveries: commit before the 2xx, duplicate filter, archive and queue in one.
func newInbox(s awscdk.Stack) awsdynamodb.Table {
	t := newTable(s, "InboxTable", awsdynamodb.StreamViewType_NEW_IMAGE)
	// Sparse: only what is parked carries pw and pt. It lists for operators and decides nothing, so its keys may lag.
	t.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
		IndexName:        jsii.String("parked"),
		PartitionKey:     key("pw", awsdynamodb.AttributeType_STRING),
		SortKey:          key("pt", awsdynamodb.AttributeType_NUMBER),
		ProjectionType:   awsdynamodb.ProjectionType_INCLUDE,
		NonKeyAttributes: jsii.Strings("why", "r", "c", "x", "f"),
	})
	return t
}

// newTable makes a table of pk and sk that survives every mistake this app could make with it. The view of a stream
// can't be changed later without replacing the stream and what it holds.
func newTable(s awscdk.Stack, id string, view awsdynamodb.StreamViewType) awsdynamodb.Table {
	t := awsdynamodb.NewTable(s, jsii.String(id), &awsdynamodb.TableProps{
		PartitionKey:        key("pk", awsdynamodb.AttributeType_STRING),
		SortKey:             key("sk", awsdynamodb.AttributeType_STRING),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String(expiry),
		Stream:              view,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(true),
		RemovalPolicy:      awscdk.RemovalPolicy_RETAIN,
	})
	named(t, id)
	return t
}

func key(name string, t awsdynamodb.AttributeType) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: jsii.String(name), Type: t}
}
