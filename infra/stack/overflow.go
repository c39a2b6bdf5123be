package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

const (
	// overflowKeys are the bodies too large for an item.
	overflowKeys = "overflow/*"
	// failureKeys is where Lambda itself writes batches that a stage gave up; the prefix is Lambda's and not ours to choose.
	failureKeys = "aws/lambda/*"
	// overflowDays is the 30 days of a delivery and one more, so that no replay misses its body. A parked delivery stays
	// longer than that; README.md says what it means for a large one.
	overflowDays = 31
)

// newOverflow makes the bucket of bodies above 350 KB and of the batches that event source mappings gave up.
func newOverflow(s awscdk.Stack) awss3.Bucket {
	b := awss3.NewBucket(s, jsii.String("Overflow"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("expire"),
			Expiration:                          awscdk.Duration_Days(jsii.Number(overflowDays)),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(1)),
		}},
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
	})
	named(b, "OverflowBucket")
	refusePlainHTTP(b)
	return b
}

// refusePlainHTTP denies what moves data unless it comes by TLS. The CDK's enforceSSL would say "s3:*"; written out,
// the rule that no policy here holds a wildcard action needs no exception.
func refusePlainHTTP(b awss3.Bucket) {
	b.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("RefusePlainHTTP"),
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions: jsii.Strings("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject",
			"s3:DeleteObjectVersion", "s3:AbortMultipartUpload", "s3:ListBucket", "s3:ListBucketVersions",
			"s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts"),
		Resources:  &[]*string{b.BucketArn(), b.ArnForObjects(jsii.String("*"))},
		Conditions: &map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
	}))
	named(b.Policy(), "OverflowBucketPolicy")
}
