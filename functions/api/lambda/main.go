// Command lambda is the api function.
package main

import (
	"os"

	"loophub/functions/api/wiring"
	"loophub/shared/aws/deps"
)

func main() { deps.Start("api", os.Getenv, wiring.New) }
