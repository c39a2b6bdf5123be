package floorplan

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

const module = "loophub"

// floor is a level of the house. Its rooms are patterns of path.Match relative to the module; what lies below a room
// belongs to it, unless another pattern names it.
type floor struct {
	name  string
	rooms []string
	why   string // said when a package imports its own floor or a higher one
}

// floors stand in their order, ground first.
var floors = []floor{
	{"vocabulary", []string{"shared/contact", "shared/money", "shared/fault", "shared/document", "shared/token"},
		"words that everyone shares import nothing of ours"},
	{"events", []string{"events"},
		"facts are read for ever: what they mean may hang on the vocabulary alone"},
	{"contract", []string{"connectors"},
		"what a connector promises is said in words that every floor above may use"},
	{"domain", []string{"shared/profile", "shared/delivery", "shared/workspace", "shared/telemetry"},
		"what decides is a pure function of facts, so that replays and shadow runs can call it"},
	{"decisions", []string{"shared/segment"},
		"what is decided about a customer reads the profile, and nothing that it reads knows of it"},
	{"plans", []string{"shared/journey", "shared/message", "shared/attribution", "shared/writeback"},
		"what follows from decisions: each is a function of definition, view and time"},
	{"validation", []string{"shared/validation"},
		"the one list of all checks that a definition has to pass"},
	{"conformance", []string{"connectors/conformance"},
		"the suite is written against the contract and may know no connector"},
	{"connectors, stages, adapters", []string{"connectors/*", "functions/*", "shared/aws/*", "shared/outbound"},
		"each can be read, changed or deleted without reading its neighbours"},
	{"list of connectors", []string{"connectors/all"},
		"one generated line per connector, for those who join things"},
	{"wiring", []string{"functions/*/wiring", "connectors/samples"},
		"the one place where a stage meets adapters and environment, and where all connectors are driven at once"},
	{"template", []string{"infra/stack/snapshot"},
		"data that the local cloud reads without the CDK"},
	{"mains and infra", []string{"functions/*/lambda", "infra", "infra/*"},
		"the roof carries nothing"},
	{"simulation", []string{"infra/simulation"},
		"it lets whole lives pass on the cloud in one process; nothing rests on it"},
}

// pkg is what `go list -json` says of one of our packages.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func (p pkg) path() string { return relative(p.ImportPath) }

// relative names one of our packages within the module; ours reports whether it is one.
func relative(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }
func ours(importPath string) bool       { return strings.HasPrefix(importPath, module+"/") }

// place is where a package stands: its floor, and the room that it shares with its own sub-packages.
type place struct {
	floor int
	room  string
}

// locate finds a package's place: the room of that very name, or else the pattern that matches it, or else the place of
// the folder above.
func locate(pkgPath string) (place, bool) {
	for dir := pkgPath; dir != "."; dir = path.Dir(dir) {
		for i, f := range floors {
			if slices.Contains(f.rooms, dir) {
				return place{i, dir}, true
			}
		}
		for i, f := range floors {
			for _, room := range f.rooms {
				// The only error is a malformed pattern, and a test asks for every one of them.
				if ok, _ := path.Match(room, dir); ok {
					return place{i, dir}, true
				}
			}
		}
	}
	return place{}, false
}

// rule forbids imports beyond what the floors say. It gets our packages relative to the module, others in full.
type rule struct {
	why    string
	breaks func(from, to string) bool
}

var rules = []rule{
	{"the CDK takes minutes to compile and runs on Node; everything else needs Go alone",
		func(from, to string) bool {
			return (strings.HasPrefix(to, "github.com/aws/aws-cdk-go/") || to == "infra/stack") && from != "infra" && from != "infra/stack"
		}},
	{"the stack describes resources; what runs on them is none of its business",
		func(from, to string) bool {
			return (from == "infra" || from == "infra/stack") && isOurs(to) && to != "infra/stack" && to != "infra/stack/snapshot"
		}},
	{"stages, domain and connectors speak their own words; AWS is spoken by adapters and wiring",
		func(from, to string) bool {
			return strings.HasPrefix(to, "github.com/aws/aws-sdk-go-v2") && !within(from, "shared/aws") && !within(from, "infra") &&
				path.Base(from) != "wiring"
		}},
	{"wiring and main join their own stage, never another",
		func(from, to string) bool {
			return within(from, "functions") && within(to, "functions") && stage(from) != stage(to)
		}},
	{"a main starts its wiring and nothing else of ours",
		func(from, to string) bool {
			return path.Base(from) == "lambda" && within(from, "functions") && isOurs(to) && to != path.Dir(from)+"/wiring" && to != "shared/aws/deps"
		}},
}

// vague are names that say nothing of what a package holds, and so end up holding everything.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "base", "misc", "lib"}

// violations returns what the packages break of the floors and rules, each with its reason.
func violations(pkgs []pkg) []string {
	var out []string
	for _, p := range pkgs {
		from := p.path()
		for name := range strings.SplitSeq(from, "/") {
			if slices.Contains(vague, name) {
				out = append(out, fmt.Sprintf("%s: %q says nothing of what is in it", from, name))
			}
		}
		at, ok := locate(from)
		if !ok {
			out = append(out, fmt.Sprintf("%s has no floor: give it one in floors_test.go, or a better folder", from))
			continue
		}
		for _, to := range p.Imports {
			out = append(out, faults(at, from, to, false)...)
		}
		for _, to := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(p.TestImports, p.XTestImports)))) {
			if !slices.Contains(p.Imports, to) && to != p.ImportPath {
				out = append(out, faults(at, from, to, true)...)
			}
		}
	}
	return out
}

// faults returns what is wrong with one import.
func faults(at place, from, importPath string, test bool) []string {
	to, by := importPath, "imports"
	if ours(importPath) {
		to = relative(importPath)
	}
	if test {
		by = "imports in its tests"
	}
	if test && joined(from, to) {
		return nil
	}
	var out []string
	for _, r := range rules {
		if r.breaks(from, to) {
			out = append(out, fmt.Sprintf("%s %s %s: %s", from, by, to, r.why))
		}
	}
	if len(out) > 0 || !ours(importPath) || test && onTheLocalCloud(at, to) {
		return out
	}
	there, ok := locate(to)
	if !ok {
		return nil // reported where the package itself is looked at
	}
	if there.floor > at.floor || there.floor == at.floor && !sameRoom(from, to, at, there) {
		return []string{fmt.Sprintf("%s (%s) %s %s (%s): %s", from, floors[at.floor].name, by, to, floors[there.floor].name, floors[at.floor].why)}
	}
	return nil
}

// sameRoom reports whether two packages of one floor belong together: sub-packages, and the CDK app with its stack.
func sameRoom(from, to string, at, there place) bool {
	return at.room == there.room || from == "infra" && to == "infra/stack"
}

// joined lets a stage's tests join it to adapters and SDK, as its wiring does.
func joined(from, to string) bool {
	return within(from, "functions") && (within(to, "shared/aws") || strings.HasPrefix(to, "github.com/aws/aws-sdk-go-v2"))
}

// onTheLocalCloud lets tests of what speaks to AWS, or is wired to it, run against the cloud in one process, and an
// adapter's against its neighbours. The domain's tests need no cloud.
func onTheLocalCloud(at place, to string) bool {
	domain := slices.IndexFunc(floors, func(f floor) bool { return f.name == "domain" })
	return at.floor > domain && (within(to, "infra/local") || at.room != to && within(at.room, "shared/aws") && within(to, "shared/aws"))
}

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// isOurs tells a path within the module from another module's, which names a host, and from the standard library's.
func isOurs(p string) bool {
	_, ok := locate(p)
	return ok
}

// stage returns the stage below functions/ that a package belongs to.
func stage(p string) string {
	s, _, _ := strings.Cut(strings.TrimPrefix(p, "functions/"), "/")
	return s
}
