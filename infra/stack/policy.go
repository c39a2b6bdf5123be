package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// newRole makes the role of one service or function, with all that it may do in one inline policy: one resource, to be
// read at one glance, in force before what assumes it exists.
func newRole(s awscdk.Stack, id string, by awsiam.IPrincipal, may ...awsiam.PolicyStatement) awsiam.Role {
	r := awsiam.NewRole(s, jsii.String(id), &awsiam.RoleProps{
		AssumedBy: by,
		InlinePolicies: &map[string]awsiam.PolicyDocument{
			"own": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &may}),
		},
	})
	named(r, id)
	return r
}

// allow permits the actions on one resource. Actions are spelt out; what CDK's grant methods add is more than we use.
func allow(resource *string, actions ...string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(actions...),
		Resources: &[]*string{resource},
	})
}

// readStream permits what Lambda does in a function's name to poll a table's stream. AWS's own example of this policy
// names the streams of the table and not the present stream, since ListStreams has no single stream to be checked by.
func readStream(t awsdynamodb.Table) awsiam.PolicyStatement {
	return allow(jsii.String(*t.TableArn()+"/stream/*"),
		"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")
}

// keepFailures permits what Lambda does in a function's name to put a batch that it gave up into the bucket.
func keepFailures(b awss3.Bucket) []awsiam.PolicyStatement {
	return []awsiam.PolicyStatement{
		allow(b.ArnForObjects(jsii.String(failureKeys)), "s3:PutObject"),
		allow(b.BucketArn(), "s3:ListBucket"),
	}
}

// parameters is the path below which a deployment's secrets and definitions lie in the Parameter Store.
func parameters(s awscdk.Stack) string {
	return "/" + *s.StackName()
}

// The kinds of parameter that a workspace has. Connections name theirs.
const (
	identityKeys = "*/identity-key"
	tokens       = "*/tokens"
	secrets      = "*/connections/*/secrets"
	credentials  = "*/connections/*/credentials"
)

// readParameters permits reading single parameters of this deployment, of those kinds and no others: what answers
// strangers must not get at the credentials of a CRM.
func readParameters(s awscdk.Stack, kinds ...string) awsiam.PolicyStatement {
	var resources []*string
	for _, kind := range kinds {
		resources = append(resources, s.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("ssm"), Resource: jsii.String("parameter"),
			ResourceName: jsii.String(*s.StackName() + "/" + kind),
		}))
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("ssm:GetParameter"), Resources: &resources,
	})
}
