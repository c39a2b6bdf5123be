package sim

import (
	"runtime"
	"strings"
)

const module = "loophub/"

// site is the function of the code under test that made the call at hand.
func site() string {
	var stack [48]uintptr
	n := runtime.Callers(3, stack[:])
	frames := runtime.CallersFrames(stack[:n])
	for {
		f, more := frames.Next()
		if s := SiteOf(f.Function); s != "" {
			return s
		}
		if !more {
			return ""
		}
	}
}

// SiteOf names a function of the module as "shared/aws/hub.Workspace.Commit": without pointers, type parameters and the
// suffixes of closures. Functions of infra and those that only carry requests of others are no sites: "".
func SiteOf(function string) string {
	name, ours := strings.CutPrefix(function, module)
	if !ours || strings.HasPrefix(name, "infra/") || strings.HasPrefix(name, "shared/outbound.") || strings.HasPrefix(name, "shared/aws/deps.") {
		return ""
	}
	slash := strings.LastIndexByte(name, '/') + 1
	parts := strings.Split(name[slash:], ".")
	kept := parts[:1]
	for _, p := range parts[1:] {
		p = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(p, ")"), "(*"), "[")
		if p == "" || strings.HasPrefix(p, "func") && strings.Trim(p[4:], "0123456789") == "" || p[0] >= '0' && p[0] <= '9' || p == "]" {
			break
		}
		kept = append(kept, strings.TrimSuffix(p, "-fm"))
	}
	return name[:slash] + strings.Join(kept, ".")
}
