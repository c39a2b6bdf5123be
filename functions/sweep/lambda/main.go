// Command lambda is the sweep function.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
	_ "time/tzdata" // the runtime image has no time zones

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"loophub/functions/sweep/wiring"
	"loophub/shared/aws/deps"
)

func main() {
	aws, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		fail(err)
	}
	handler, err := wiring.New(deps.Deps{Config: aws, Getenv: os.Getenv, Now: time.Now})
	if err != nil {
		fail(err)
	}
	lambda.Start(handler)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "starting sweep:", err)
	os.Exit(1)
}
