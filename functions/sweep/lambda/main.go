// Command lambda is the sweep function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/sweep/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("sweep", os.Getenv, wiring.New) }
