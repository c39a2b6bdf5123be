// Command lambda is the message function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/message/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("message", os.Getenv, wiring.New) }
