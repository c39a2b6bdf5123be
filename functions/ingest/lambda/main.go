// Command lambda is the ingest function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/ingest/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("ingest", os.Getenv, wiring.New) }
