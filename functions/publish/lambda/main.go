// Command lambda is the publish function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/publish/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("publish", os.Getenv, wiring.New) }
