package deps

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Start runs a stage on Lambda: it wires the stage once and serves invocations
// for ever. What can't be wired ends the process, naming what is missing.
func Start(stage string, getenv func(string) string, wire func(Deps) (lambda.Handler, error)) {
	aws, err := config.LoadDefaultConfig(context.Background())
	if err == nil {
		var handler lambda.Handler
		if handler, err = wire(Deps{Config: aws, Getenv: getenv, Now: time.Now}); err == nil {
			lambda.Start(handler)
			return
		}
	}
	fmt.Fprintf(os.Stderr, "starting %s: %v\n", stage, err)
	os.Exit(1)
}

// Pause gives a function that waits a random part of base, doubled with every
// attempt, or until ctx ends.
func Pause(base time.Duration) func(ctx context.Context, attempt int) error {
	return func(ctx context.Context, attempt int) error {
		t := time.NewTimer(rand.N(base << attempt))
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
