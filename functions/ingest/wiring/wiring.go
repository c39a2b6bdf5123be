// Package wiring joins the ingest stage to AWS.
package wiring

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"loophub/connectors/all"
	"loophub/functions/ingest"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/overflow"
	"loophub/shared/aws/spill"
	"loophub/shared/telemetry"
)

// New makes the handler of the ingest function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		inboxTable = v.Required("LOOPHUB_INBOX_TABLE")
		hubTable   = v.Required("LOOPHUB_HUB_TABLE")
		spillQueue = v.Required("LOOPHUB_SPILL_QUEUE")
		bucket     = v.Required("LOOPHUB_OVERFLOW_BUCKET")
		parameters = v.Required("LOOPHUB_PARAMETERS")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	// The stage itself decides how often and how long the Inbox is tried.
	once := func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }
	large := overflow.New(d.Config, bucket)
	return ingest.New(ingest.Config{
		Connectors: all.Connectors(),
		Definitions: definition.NewReader(dynamodb.NewFromConfig(d.Config), ssm.NewFromConfig(d.Config),
			hubTable, parameters, d.Now),
		Inbox: inbox.New(dynamodb.NewFromConfig(d.Config, once), inboxTable, large),
		Spill: spill.New(sqs.NewFromConfig(d.Config), spillQueue, large),
		Log:   telemetry.New(d.Output(), "ingest"),
		Now:   d.Now,
	}), nil
}
