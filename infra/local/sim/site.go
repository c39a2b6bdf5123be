package sim

import (
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	module = "loophub/"
	stages = module + "functions/"
	// shell carries the requests of connectors out of AWS: who asked for one is the connector.
	shell = module + "shared/outbound."
)

// SiteOf tells from a stack, innermost frame first, where in the stages a call is made. site is the innermost exported
// function of the module outside of infra, as "shared/aws/hub.Workspace.Commit": exported, because adapters read and write
// through a few unexported functions of theirs, which would make one site of many. caller is the function of the stage
// itself that it was made for, as "functions/unify.Unifier.commit". Either is "" where the stack has none.
//
// Pointers, type parameters and the suffixes of closures are left out of names: infra/simulation/callsite, which lists all
// sites by reading the code, gives the same ones.
func SiteOf(frames *runtime.Frames) (site, caller string) {
	for {
		f, more := frames.Next()
		if name, ok := strings.CutPrefix(f.Function, module); ok && !strings.HasPrefix(name, "infra/") {
			switch name = plain(name); {
			case strings.HasPrefix(f.Function, stages):
				if !joins(name) {
					return site, name
				}
			case site == "" && exported(name) && !strings.HasPrefix(f.Function, shell):
				site = name
			}
		}
		if !more {
			return site, caller
		}
	}
}

// joins tells whether a function of functions/ only joins a stage with adapters.
func joins(name string) bool {
	folder, _, _ := strings.Cut(name, ".")
	return strings.Count(folder, "/") > 1
}

// plain is a function's name as it is written in code: "shared/aws/hub.(*Watch).Paused.func1" is shared/aws/hub.Watch.Paused.
func plain(name string) string {
	name = strings.TrimSuffix(strings.ReplaceAll(name, "[...]", ""), "-fm")
	name = strings.NewReplacer("(*", "", ")", "").Replace(name)
	for {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || !closure(name[dot+1:]) {
			return name
		}
		name = name[:dot]
	}
}

// closure tells whether a part of a name was made by the compiler: func1, 2, func1-range3, gowrap1.
func closure(part string) bool {
	part, _, _ = strings.Cut(part, "-")
	for _, word := range []string{"func", "gowrap", "deferwrap"} {
		part = strings.TrimPrefix(part, word)
	}
	return part != "" && strings.Trim(part, "0123456789") == ""
}

func exported(name string) bool {
	r, _ := utf8.DecodeRuneInString(name[strings.LastIndexByte(name, '.')+1:])
	return unicode.IsUpper(r)
}
