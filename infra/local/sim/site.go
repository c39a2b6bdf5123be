package sim

import (
	"runtime"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const module = "loophub/"

// stack is deep enough to lead out of the SDK, and out of the stage.
type stack [128]uintptr

// place is where in the code under test a call is made.
type place struct{ site, caller string }

// places are those of stacks that were seen: naming functions takes longer than most calls.
var places sync.Map

// here is where the call at hand is made: its site, the innermost exported function of an adapter or connector, and the
// innermost function of the stage itself. Exported, because adapters read and write through a few functions of their own,
// which would make one site of many.
func (w *World) here() place {
	if w.cfg.Unplaced {
		return place{}
	}
	var s stack
	n := runtime.Callers(3, s[:])
	if known, ok := places.Load(s); ok {
		return known.(place) //nolint:forcetypeassert // nothing else is stored
	}
	var found place
	for frames, more := runtime.CallersFrames(s[:n]), true; more && found.caller == ""; {
		var f runtime.Frame
		f, more = frames.Next()
		name := SiteOf(f.Function)
		folder, function, _ := strings.Cut(name, ".")
		inside, ok := strings.CutPrefix(folder, "functions/")
		switch {
		case ok && !strings.Contains(inside, "/"): // its wiring only joins it with adapters
			found.caller = name
		case found.site == "" && exported(function) && (strings.HasPrefix(folder, "shared/aws/") || strings.HasPrefix(folder, "connectors/")):
			found.site = name
		}
	}
	if found.site == "" {
		found.site = found.caller
	}
	places.Store(s, found)
	return found
}

// exported tells whether the last part of a name is.
func exported(function string) bool {
	r, _ := utf8.DecodeRuneInString(function[strings.LastIndexByte(function, '.')+1:])
	return unicode.IsUpper(r)
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
		p, _, _ = strings.Cut(p, "-") // a method's value ends in -fm, the body of a range in -range1
		p = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(p, ")"), "(*"), "[")
		if p == "" || p == "]" || closure(p) {
			break
		}
		kept = append(kept, p)
	}
	if n := len(kept); n > 3 { // a literal of a function that was copied into another: Workspace.Ahead.Workspace.Dues
		kept = append(kept[:1], kept[n-2:]...)
	}
	return name[:slash] + strings.Join(kept, ".")
}

// closure tells whether the compiler made a part of a name: func1, 2, gowrap1.
func closure(part string) bool {
	for _, word := range []string{"func", "gowrap", "deferwrap"} {
		part = strings.TrimPrefix(part, word)
	}
	return part != "" && strings.Trim(part, "0123456789") == ""
}
