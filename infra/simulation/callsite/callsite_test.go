package callsite

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// others stand in for the SDK and the standard library.
var others = map[string]string{
	"net/http": `package http
		type RoundTripper interface { RoundTrip() }
		type Client struct{}
		func (Client) Do() {}`,
	"sdk/dynamodb": `package dynamodb
		type Client struct{}
		type Pages struct{}
		func (*Client) GetItem() {}
		func (*Client) PutItem() {}
		func (*Client) DeleteItem() {}
		func (*Client) Options() {}
		func NewQueryPaginator() Pages { return Pages{} }
		func NewTableExistsWaiter() {}`,
}

// adapters are a table, and a stage's wiring around it.
const adapters = `package table
	import ("net/http"; "sdk/dynamodb")
	type Table struct { db *dynamodb.Client }
	type Part struct { *Table }
	func (t *Table) get() { t.db.GetItem(); t.db.Options() }
	func (t *Table) Read() { t.get() }
	func (t *Table) Write() { func() { t.db.PutItem() }() }
	func (t *Table) Unasked() { t.db.DeleteItem() }
	func (t *Table) Each(visit func()) { dynamodb.NewQueryPaginator(); visit() }
	func (t *Table) Told(ask func()) Told { return Told{ask} }
	type Told struct { ask func() }
	func (t Told) Own() { t.ask() }
	type Sender struct { http http.RoundTripper }
	func (s Sender) Send() { s.http.RoundTrip() }`

const stage = `package one
	type Reader interface { Read() }
	type Table interface { Reader; Each(func()) }
	type Own interface { Own() }
	type Config struct { Table Table; Write func(); Send func(); Own Own }
	type Stage struct { Config; tasks []task }
	type task struct { n int; run func(*Stage) }
	var tasks = []task{{1, (*Stage).first}, {2, (*Stage).second}}
	func New(c Config) *Stage { return &Stage{c, tasks} }
	func (s *Stage) Invoke() { for _, t := range s.tasks { t.run(s) } }
	func (s *Stage) first() { s.Table.Read(); s.Own.Own() }
	func (s *Stage) second() { s.Table.Each(func() { s.inner() }); s.Send() }
	func (s *Stage) inner() { s.Write() }
	func (s *Stage) never() { s.Table.Read() }`

const wired = `package wiring
	import ("house/functions/one"; "house/shared/aws/table")
	type part struct { table.Part }
	func New(t *table.Table, s table.Sender) *one.Stage {
		write := func() { t.Write() }
		return one.New(one.Config{Table: part{table.Part{t}}, Write: write, Send: s.Send, Own: t.Told(func() { t.Read() })})
	}`

// build checks packages in the order of their imports: pairs of path and source.
func build(t *testing.T, packages ...[2]string) *graph {
	t.Helper()
	files := token.NewFileSet()
	foreign := newHouse("", files, nil)
	h := newHouse("house", files, foreign)
	add := func(h *house, path, source string) {
		t.Helper()
		f, err := parser.ParseFile(files, path, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		var imports []string
		for _, i := range f.Imports {
			imports = append(imports, strings.Trim(i.Path.Value, `"`))
		}
		if err := h.add(path, []*ast.File{f}, imports); err != nil {
			t.Fatal(err)
		}
	}
	for path, source := range others {
		add(foreign, path, source)
	}
	for _, p := range packages {
		add(h, p[0], p[1])
	}
	return newGraph(h, "sdk/")
}

func houseOf(table, one, wiring string) [][2]string {
	return [][2]string{{"house/shared/aws/table", table}, {"house/functions/one", one}, {"house/functions/one/wiring", wiring}}
}

func TestRules(t *testing.T) {
	got, err := build(t, houseOf(adapters, stage, wired)...).sites()
	if err != nil {
		t.Fatal(err)
	}
	want := []Site{
		{"one", "functions/one.Stage.first", "shared/aws/table.Table.Read", "dynamodb", "GetItem"}, // by an interface, embedded, and by what a field is given
		{"one", "functions/one.Stage.inner", "shared/aws/table.Table.Write", "dynamodb", "PutItem"},
		{"one", "functions/one.Stage.second", "shared/aws/table.Sender.Send", Outside, ""},
		{"one", "functions/one.Stage.second", "shared/aws/table.Table.Each", "dynamodb", "Query"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNewSitesAreSeen(t *testing.T) {
	one := strings.Replace(stage, "{ s.Write() }", "{ s.Write(); s.never() }", 1)
	got, err := build(t, houseOf(adapters, one, wired)...).sites()
	want := Site{"one", "functions/one.Stage.never", "shared/aws/table.Table.Read", "dynamodb", "GetItem"}
	if err != nil || !slices.Contains(got, want) {
		t.Error(got, err)
	}
}

func TestWhatCannotBeToldIsAnError(t *testing.T) {
	for name, house := range map[string][][2]string{
		"a waiter":      houseOf(strings.Replace(adapters, "t.get() }", "t.get(); dynamodb.NewTableExistsWaiter() }", 1), stage, wired),
		"an own client": houseOf(strings.Replace(adapters, "t.get() }", "t.get(); http.Client{}.Do() }", 1), stage, wired),
		"an element": houseOf(adapters, stage, strings.Replace(wired, "return one.New(one.Config{", `
			list := []func(){t.Write}
			for _, f := range list { return one.New(one.Config{Write: f}) }
			return one.New(one.Config{`, 1)),
	} {
		if l, err := build(t, house...).sites(); err == nil {
			t.Errorf("%s is passed over: %s", name, fmt.Sprint(l))
		}
	}
}

func TestStagesHaveWiring(t *testing.T) {
	if _, err := build(t, [2]string{"house/functions/one/wiring", "package wiring"}).sites(); err == nil {
		t.Error("a stage without a beginning has no sites")
	}
}
