// Package validation is the one list of checks that a definition has to pass
// before it counts, beyond those that workspace.Parse does by itself.
package validation

import (
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// Checks are all of them. Whoever parses a file to apply it hands them in whole.
func Checks() []workspace.Check {
	return []workspace.Check{segment.Checks}
}
