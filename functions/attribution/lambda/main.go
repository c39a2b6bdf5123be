// Command lambda is the attribution function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/attribution/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("attribution", os.Getenv, wiring.New) }
