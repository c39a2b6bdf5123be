// Command lambda is the journey function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/journey/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("journey", os.Getenv, wiring.New) }
