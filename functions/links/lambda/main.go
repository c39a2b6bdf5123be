// Command lambda is the links function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/links/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("links", os.Getenv, wiring.New) }
