// Package wiring joins the publish stage to AWS.
package wiring

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"loophub/functions/publish"
	"loophub/shared/aws/bus"
	"loophub/shared/aws/deps"
	"loophub/shared/telemetry"
)

// New makes the handler of the publish function.
func New(d deps.Deps) (lambda.Handler, error) {
	v := d.Variables()
	name := v.Required("LOOPHUB_BUS")
	if err := v.Err(); err != nil {
		return nil, err
	}
	return publish.New(publish.Config{
		Bus:   bus.New(eventbridge.NewFromConfig(d.Config), name),
		Pause: d.Pause(100 * time.Millisecond),
		Log:   telemetry.New(d.Output(), "publish"),
		Now:   d.Now,
	}), nil
}
