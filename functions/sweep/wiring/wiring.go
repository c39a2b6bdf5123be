// Package wiring joins the sweep stage to AWS.
package wiring

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"loophub/functions/sweep"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/inbox"
	"loophub/shared/aws/spill"
	"loophub/shared/telemetry"
)

// New makes the handler of the sweep function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	var (
		inboxTable = v.Required("LOOPHUB_INBOX_TABLE")
		spillQueue = v.Required("LOOPHUB_SPILL_QUEUE")
	)
	if err := v.Err(); err != nil {
		return nil, err
	}
	return lambda.NewHandler(sweep.New(sweep.Config{
		// What is spilled and too large for an item lies in the overflow bucket
		// already: neither needs the bucket here.
		Queue: spill.New(sqs.NewFromConfig(d.Config), spillQueue, nil),
		Inbox: inbox.New(dynamodb.NewFromConfig(d.Config), inboxTable, nil),
		Log:   telemetry.New(d.Output(), "sweep"),
		Now:   d.Now,
	}).Handle), nil
}
