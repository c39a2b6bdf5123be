// Package snapshot holds the CloudFormation template that package stack synthesizes, with asset hashes normalised, for
// readers that must not need the CDK or Node: the local cloud runs this very template, and a difference in it is what
// a reviewer of the stack reads. A test in infra/stack fails while it is stale; `make snapshot` rewrites it.
package snapshot

import (
	"bytes"
	_ "embed" // for template.json
)

//go:embed template.json
var template []byte

// Template returns the template, as JSON. The copy is the caller's.
func Template() []byte { return bytes.Clone(template) }
