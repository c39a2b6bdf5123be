package callsite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// house is a module, parsed and checked. Packages of others are known by what they export alone.
type house struct {
	module   string // with a slash at its end
	files    *token.FileSet
	packages map[string]*room // by import path
	others   types.Importer
}

// room is one package of the module.
type room struct {
	path    string // import path
	types   *types.Package
	info    *types.Info
	syntax  []*ast.File
	imports []string
}

func newHouse(module string, files *token.FileSet, others types.Importer) *house {
	return &house{module: module + "/", files: files, others: others, packages: map[string]*room{}}
}

// listed is a package as go list tells of it.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Export     string // the file of what it exports
	Module     *struct{ Path string }
}

// load reads the packages that match patterns, and what they import. Those of the module are read from source, all
// others from what the compiler kept of them: so nothing but our own code is checked.
func load(dir, module string, patterns ...string) (*house, error) {
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Export,Module"}, patterns...)
	list := exec.Command("go", args...)
	list.Dir = dir
	var out, trouble bytes.Buffer
	list.Stdout, list.Stderr = &out, &trouble
	if err := list.Run(); err != nil {
		return nil, fmt.Errorf("listing packages: %w: %s", err, trouble.Bytes())
	}
	exports := map[string]string{}
	files := token.NewFileSet()
	h := newHouse(module, files, importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("nothing is known of package %s", path)
		}
		return os.Open(exports[path])
	}))
	for d := json.NewDecoder(&out); ; { // what is imported comes before who imports it
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return h, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		if p.Module == nil || p.Module.Path != module {
			exports[p.ImportPath] = p.Export
			continue
		}
		var syntax []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("parsing: %w", err)
			}
			syntax = append(syntax, f)
		}
		if err := h.add(p.ImportPath, syntax, p.Imports); err != nil {
			return nil, err
		}
	}
}

// add checks one package, whose imports were added before.
func (h *house) add(path string, syntax []*ast.File, imports []string) error {
	r := &room{path: path, syntax: syntax, imports: imports, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{}}}
	check := types.Config{Importer: h}
	var err error
	if r.types, err = check.Check(path, h.files, syntax, r.info); err != nil {
		return fmt.Errorf("checking types: %w", err)
	}
	h.packages[path] = r
	return nil
}

// Import implements types.Importer.
func (h *house) Import(path string) (*types.Package, error) {
	if r, ours := h.packages[path]; ours {
		return r.types, nil
	}
	return h.others.Import(path)
}

// within gives a package and all of the module that it imports, directly or not.
func (h *house) within(path string) map[string]bool {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(path string) {
		r, ours := h.packages[path]
		if !ours || seen[path] {
			return
		}
		seen[path] = true
		for _, p := range r.imports {
			visit(p)
		}
	}
	visit(path)
	return seen
}

// short is an import path without the module.
func (h *house) short(path string) string { return strings.TrimPrefix(path, h.module) }
