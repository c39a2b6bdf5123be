// Command lambda is the unify function.
package main

import (
	"os"
	_ "time/tzdata" // the runtime image has no time zones

	"loophub/functions/unify/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("unify", os.Getenv, wiring.New) }
