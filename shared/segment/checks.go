package segment

import (
	"errors"
	"time"

	"loophub/shared/workspace"
)

// Checks compiles the rules of all segments, and refuses what is wrong with them.
func Checks(w workspace.Workspace, refuse workspace.Refuse) {
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		refuse("timezone", 0, 0, err.Error())
		return
	}
	for name, s := range w.Segments {
		_, err := Compile(name, Definition{When: s.When}, zone)
		var problems Problems
		switch {
		case errors.As(err, &problems):
			for _, p := range problems {
				refuse("segments."+name+".when", p.Line, p.Column, p.Reason)
			}
		case err != nil:
			refuse("segments."+name+".when", 0, 0, err.Error())
		}
	}
}
