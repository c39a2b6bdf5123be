// Command lambda is the segment function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/segment/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("segment", os.Getenv, wiring.New) }
