// Command lambda is the writeback function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/writeback/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("writeback", os.Getenv, wiring.New) }
