// Command infra is the CDK app: `npx cdk synth` and `npx cdk deploy` run it, see README.md.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"loophub/infra/stack"
)

// name is the deployment's name unless `-c name=…` gives another.
const name = "loophub"

func main() {
	// The CDK's command starts this in infra/, beside cdk.json.
	p := stack.Props{Build: "../.build"}
	if err := p.Check(); err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	id := name
	if chosen, ok := app.Node().TryGetContext(jsii.String("name")).(string); ok {
		id = chosen
	}
	stack.New(app, id, p)
	app.Synth(nil)
}
