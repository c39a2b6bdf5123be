// Package wiring joins the publish stage to AWS.
package wiring

import (
	"context"
	"math/rand/v2"
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
		Pause: pause,
		Log:   telemetry.New(d.Output(), "publish"),
		Now:   d.Now,
	}), nil
}

// pause waits a random part of 100 ms, doubled with every attempt.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(rand.N(100 * time.Millisecond << attempt))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
