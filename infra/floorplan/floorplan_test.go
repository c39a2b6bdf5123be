package floorplan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// top is all that the module's root may hold besides dotfiles.
var top = []string{
	"functions", "connectors", "infra", "shared", "events", "testdata",
	"go.mod", "go.sum", "Makefile", "README.md", "LICENSE",
}

func TestFloors(t *testing.T) {
	pkgs := listed(t)
	if len(pkgs) < 2 {
		t.Fatalf("go list found %d packages", len(pkgs))
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

func TestViolationsAreCaught(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"vocabulary imports vocabulary", "shared/money", "shared/fault", "import nothing of ours"},
		{"events import the domain", "events", "shared/profile", "vocabulary alone"},
		{"domain imports domain", "shared/profile", "shared/telemetry", "pure function"},
		{"domain imports a connector", "shared/profile", "connectors/shopify", "pure function"},
		{"domain imports a decision", "shared/profile", "shared/segment", "pure function"},
		{"workspace imports a decision", "shared/workspace", "shared/segment", "pure function"},
		{"decision imports a connector", "shared/segment", "connectors/shopify", "reads the profile"},
		{"decision imports an adapter", "shared/segment", "shared/aws/hub", "reads the profile"},
		{"decision imports a stage", "shared/segment", "functions/unify", "reads the profile"},
		{"contract imports the domain", "connectors", "shared/profile", "every floor above"},
		{"contract imports a connector", "connectors", "connectors/shopify", "every floor above"},
		{"suite imports a connector", "connectors/conformance", "connectors/form", "know no connector"},
		{"connector imports connector", "connectors/shopify", "connectors/form", "without reading its neighbours"},
		{"simulator imports another's", "connectors/shopify/simulator", "connectors/form", "without reading its neighbours"},
		{"connector imports the list", "connectors/shopify", "connectors/all", "without reading its neighbours"},
		{"stage imports stage", "functions/unify", "functions/ingest", "never another"},
		{"stage imports an adapter", "functions/ingest", "shared/aws/inbox", "without reading its neighbours"},
		{"stage imports its wiring", "functions/ingest", "functions/ingest/wiring", "without reading its neighbours"},
		{"adapter imports adapter", "shared/aws/inbox", "shared/aws/hub", "without reading its neighbours"},
		{"wiring imports another stage", "functions/ingest/wiring", "functions/unify", "never another"},
		{"main reaches past its wiring", "functions/ingest/lambda", "shared/aws/inbox", "its wiring and nothing else"},
		{"stage speaks to AWS", "functions/ingest", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "their own words"},
		{"domain speaks to AWS", "shared/profile", "github.com/aws/aws-sdk-go-v2/aws", "their own words"},
		{"local cloud imports the CDK", "infra/local/template", "github.com/aws/aws-cdk-go/awscdk/v2", "Go alone"},
		{"local cloud imports the stack", "infra/local", "infra/stack", "Go alone"},
		{"stack imports a stage", "infra/stack", "functions/ingest", "none of its business"},
		{"snapshot imports the stack", "infra/stack/snapshot", "infra/stack", "Go alone"},
		{"anyone imports infra", "functions/api", "infra/local", "without reading its neighbours"},
		{"rooms under the roof", "infra/floorplan", "infra/local", "carries nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := func(got []string) {
				t.Helper()
				if len(got) == 0 || !strings.Contains(got[0], c.want) {
					t.Errorf("%s imports %s: violations %q, want %q", c.from, c.to, got, c.want)
				}
			}
			want(violations([]pkg{{ImportPath: full(c.from), Imports: []string{full(c.to)}}}))
			if c.to != "infra/local" && !within(c.from, "shared/aws") && !joined(c.from, full(c.to)) && !joined(c.from, c.to) { // tests may
				want(violations([]pkg{{ImportPath: full(c.from), XTestImports: []string{full(c.to)}}}))
			}
		})
	}
	for _, p := range []string{"shared/util", "shared/profile/helpers", "shared/queue", "tools", "functions"} {
		if got := violations([]pkg{{ImportPath: full(p)}}); len(got) == 0 {
			t.Errorf("the package %s is let in", p)
		}
	}
}

func TestLawfulImportsPass(t *testing.T) {
	for _, c := range []struct {
		from string
		to   []string
		test []string
	}{
		{from: "events", to: []string{"shared/money", "time"}},
		{from: "shared/profile", to: []string{"events", "shared/contact"}, test: []string{"github.com/google/go-cmp/cmp"}},
		{from: "connectors/shopify", to: []string{"connectors", "events"}, test: []string{"connectors/conformance"}},
		{from: "connectors/shopify/simulator", to: []string{"connectors/shopify", "connectors"}},
		{from: "connectors/all", to: []string{"connectors", "connectors/form", "connectors/shopify"}},
		{from: "functions/unify", to: []string{"connectors", "shared/profile"}},
		{from: "shared/aws/hub", to: []string{"shared/profile", "github.com/aws/aws-sdk-go-v2/service/dynamodb"}, test: []string{"infra/local/dynamodb"}},
		{from: "functions/unify/wiring", to: []string{"functions/unify", "shared/aws/hub", "connectors/all"}, test: []string{"infra/local"}},
		{from: "functions/unify/lambda", to: []string{"functions/unify/wiring", "github.com/aws/aws-lambda-go/lambda"}},
		{from: "infra/local/cmd/loophub", to: []string{"infra/local", "functions/api/wiring", "infra/stack/snapshot"}},
		{from: "infra", to: []string{"infra/stack", "github.com/aws/aws-cdk-go/awscdk/v2"}},
		{from: "infra/stack", to: []string{"github.com/aws/aws-cdk-go/awscdk/v2"}, test: []string{"infra/stack", "infra/stack/snapshot"}},
	} {
		p := pkg{ImportPath: full(c.from)}
		for _, to := range c.to {
			p.Imports = append(p.Imports, full(to))
		}
		for _, to := range c.test {
			p.XTestImports = append(p.XTestImports, full(to))
		}
		if got := violations([]pkg{p}); len(got) > 0 {
			t.Errorf("%s: %q", c.from, got)
		}
	}
}

// Every room of the table can be found, so that none is misspelt or hidden by another.
func TestRoomsAreFound(t *testing.T) {
	for i, f := range floors {
		for _, room := range f.rooms {
			p := strings.ReplaceAll(room, "*", "anything")
			if at, ok := locate(p); !ok || at.floor != i {
				t.Errorf("%s stands on floor %d (found %v), want %d, %s", p, at.floor, ok, i, f.name)
			}
		}
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, s := range strangers(names) {
		t.Errorf("%s stands at the top level, which is fixed: functions, connectors, infra, shared, events, testdata", s)
	}
	if got := strangers([]string{".ci", "go.mod", "cmd", "events"}); !slices.Equal(got, []string{"cmd"}) {
		t.Errorf("strangers() = %q, want cmd alone", got)
	}
}

func strangers(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return strings.HasPrefix(n, ".") || slices.Contains(top, n)
	})
}

// full writes a path of the tables above as an import path.
func full(p string) string {
	if isOurs(p) || slices.Contains([]string{"shared", "tools", "functions"}, strings.Split(p, "/")[0]) {
		return module + "/" + p
	}
	return p
}

// listed runs `go list` over the module, which reads imports and compiles nothing.
func listed(t *testing.T) []pkg {
	t.Helper()
	see(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// see reads the tree's folders. `go test` caches a result until a file changes that the test itself looked at, and
// does not see what `go list` reads.
func see(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && p != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "cdk.out") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
