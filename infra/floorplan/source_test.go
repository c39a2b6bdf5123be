package floorplan

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// environment and clock are the calls by which a function hangs on more than its arguments.
var (
	environment = map[string][]string{"os": {"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, "syscall": {"Getenv", "Environ"}}
	clock       = map[string][]string{"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}}
	chance      = []string{"math/rand", "math/rand/v2", "crypto/rand"}
)

const (
	whyEnvironment = "configuration is read once, in wiring, and handed down"
	whyClock       = "what decides gets its moment as an argument, or it could not be replayed"
	whyChance      = "ids are derived and decisions repeatable; chance is handed down"
)

// ban is a list of calls, by the package that holds them, and the reason against them.
type ban struct {
	calls map[string][]string
	why   string
}

// TestCoreIsPure reads the sources below wiring: nobody there asks for the environment; nobody but adapters and
// telemetry asks for the time or for chance.
func TestCoreIsPure(t *testing.T) {
	read := 0
	for _, p := range listed(t) {
		if !belowWiring(p.path()) {
			continue
		}
		for _, f := range p.GoFiles {
			read++
			for _, v := range impurities(t, p.path(), filepath.Join(p.Dir, f), nil) {
				t.Error(v)
			}
		}
	}
	t.Logf("read %d files", read)
}

func TestImpuritiesAreCaught(t *testing.T) {
	for _, c := range []struct{ name, pkg, source, want string }{
		{"environment", "functions/ingest", `import "os"; var v = os.Getenv("X")`, whyEnvironment},
		{"environment in an adapter", "shared/aws/hub", `import "os"; var v, _ = os.LookupEnv("X")`, whyEnvironment},
		{"function as a value", "functions/ingest", `import "os"; var read = os.Getenv`, whyEnvironment},
		{"clock", "shared/profile", `import "time"; var v = time.Now()`, whyClock},
		{"clock by another name", "connectors/shopify", `import clock "time"; var v = clock.Since(clock.Time{})`, whyClock},
		{"clock without a name", "events", `import . "time"; var v = Now()`, "by name"},
		{"sleep", "functions/unify", `import "time"; func f() { time.Sleep(1) }`, whyClock},
		{"chance", "shared/contact", `import "math/rand/v2"; var v = rand.Int()`, whyChance},
		{"entropy", "connectors/form", `import _ "crypto/rand"`, whyChance},
		{"lawful time", "shared/profile", `import "time"; var v = time.Unix(0, 0)`, ""},
		{"jitter in an adapter", "shared/aws/hub", `import ("math/rand/v2"; "time"); var v, w = rand.Int(), time.Now()`, ""},
		{"telemetry measures", "shared/telemetry", `import "time"; var v = time.Now()`, ""},
		{"a method named Now", "shared/profile", `type t struct{}; func (t) Now() {}; var time t; func f() { time.Now() }`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := impurities(t, c.pkg, "planted.go", "package p; "+c.source)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("impurities() = %q, want %q", got, c.want)
			}
		})
	}
	for p, want := range map[string]bool{
		"functions/ingest": true, "connectors/all": true, "events": true, "shared/aws/hub": true,
		"functions/ingest/wiring": false, "functions/ingest/lambda": false, "infra/local/clock": false,
	} {
		if got := belowWiring(p); got != want {
			t.Errorf("belowWiring(%s) = %v, want %v", p, got, want)
		}
	}
}

func belowWiring(pkgPath string) bool {
	wiring := slices.IndexFunc(floors, func(f floor) bool { return f.name == "wiring" })
	at, ok := locate(pkgPath)
	return ok && at.floor < wiring
}

// impurities returns where a source file asks for what it should be given. source is nil to read the file.
func impurities(t *testing.T, pkgPath, file string, source any) []string {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	bans := []ban{{environment, whyEnvironment}}
	// Conformance measures how long a connector takes; it decides nothing.
	outer := within(pkgPath, "shared/aws") || within(pkgPath, "shared/telemetry") || pkgPath == "connectors/conformance"
	if !outer {
		bans = append(bans, ban{clock, whyClock})
	}
	var out []string
	add := func(at token.Pos, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s: %s", set.Position(at), fmt.Sprintf(format, args...)))
	}
	names := map[string]string{} // what the file calls the packages that it imports
	for _, s := range f.Imports {
		imported, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Base(imported)
		if s.Name != nil {
			name = s.Name.Name
		}
		names[name] = imported
		if name == "." {
			add(s.Pos(), "import %s by name, so that its calls can be seen", imported)
		}
		if slices.Contains(chance, imported) && !outer {
			add(s.Pos(), "imports %s: %s", imported, whyChance)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		for _, b := range bans {
			if slices.Contains(b.calls[names[x.Name]], sel.Sel.Name) {
				add(sel.Pos(), "%s.%s: %s", x.Name, sel.Sel.Name, b.why)
			}
		}
		return true
	})
	return out
}
