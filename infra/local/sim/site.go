package sim

import (
	"runtime"
	"strings"
	"sync"
)

const module = "loophub/"

// stack is deep enough to lead out of the SDK.
type stack [64]uintptr

// sites are those of stacks that were seen: naming functions takes longer than most calls.
var sites sync.Map

// site is the function of the code under test that made the call at hand.
func site() string {
	var s stack
	n := runtime.Callers(3, s[:])
	if known, ok := sites.Load(s); ok {
		return known.(string) //nolint:forcetypeassert // nothing else is stored
	}
	found := ""
	for frames, more := runtime.CallersFrames(s[:n]), true; more && found == ""; {
		var f runtime.Frame
		f, more = frames.Next()
		found = SiteOf(f.Function)
	}
	sites.Store(s, found)
	return found
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
