package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
)

// newHub makes the single table of facts, fragments and identifiers. Its stream is the outbox, with both images, so
// that publish can tell what changed. It has no secondary index: nothing that decides may read a stale copy.
func newHub(s awscdk.Stack) awsdynamodb.Table {
	return newTable(s, "HubTable", awsdynamodb.StreamViewType_NEW_AND_OLD_IMAGES)
}
