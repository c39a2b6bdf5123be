// Package validation is the one list of checks that a definition has to pass
// before it counts, beyond those that workspace.Parse does by itself.
package validation

import (
	connector "loophub/connectors"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/segment"
	"loophub/shared/workspace"
	"loophub/shared/writeback"
)

// Checks are all of them, for the connectors that exist. Whoever parses a file to
// apply it hands them in whole.
func Checks(manifests []connector.Manifest) []workspace.Check {
	return []workspace.Check{segment.Checks, journey.Checks, message.Checks, writeback.Checks(manifests)}
}
