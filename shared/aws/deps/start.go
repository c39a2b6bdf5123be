package deps

import (
	"context"
	"fmt"
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
