package main

import (
	"fmt"
	"slices"
	"strings"
)

// differences compares: each field wanted must be there and equal, "*" stands
// for any text, and a list has just as many items as are wanted.
func differences(at string, want, got any) []string {
	var l []string
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: an object is wanted, it is %v", at, got)}
		}
		for _, k := range slices.Sorted(keys(w)) {
			l = append(l, differences(strings.TrimPrefix(at+"."+k, "."), w[k], g[k])...)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return []string{fmt.Sprintf("%s: %d items are wanted, there are %d: %v", at, len(w), len(g), g)}
		}
		for n := range w {
			l = append(l, differences(fmt.Sprintf("%s[%d]", at, n), w[n], g[n])...)
		}
	default:
		if text, ok := got.(string); want == "*" && ok && text != "" {
			return nil
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			return []string{fmt.Sprintf("%s: %v is wanted, it is %v", at, want, got)}
		}
	}
	return l
}
