package workspace_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"loophub/shared/workspace"
)

// published is the JSON Schema that editors check a workspace file by.
func published(t testing.TB) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid tells what the schema says of a file, as an editor reads it.
func valid(t testing.TB, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return s.Validate(plain(v))
}

// plain turns dates into texts, which they are in an editor, and all keys too.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

func TestSchemaAcceptsFiles(t *testing.T) {
	s := published(t)
	demo, err := os.ReadFile("../../testdata/demo/workspace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(demo, []byte("# yaml-language-server: $schema=../../shared/workspace/schema.json\n")) {
		t.Error("the demo workspace does not tell editors of its schema")
	}
	for name, text := range map[string]string{"good": good, "whole": whole(t), "demo": string(demo)} {
		if err := valid(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaHasTheKeysOfTheParser: at every place of whole.yaml schema and parser
// allow the same keys, and the schema has no object that the file does not show.
func TestSchemaHasTheKeysOfTheParser(t *testing.T) {
	s := published(t)
	unseen := map[string]bool{}
	collect(s, unseen)
	asked := workspace.Asked([]byte(whole(t)), known)
	for path, keys := range asked {
		found := follow(s, path)
		if len(found) != 1 {
			t.Errorf("%s: the schema has %d objects there", path, len(found))
			continue
		}
		delete(unseen, found[0].Location)
		want := slices.Sorted(slices.Values(keys))
		if d := cmp.Diff(want, slices.Sorted(maps.Keys(found[0].Properties))); d != "" {
			t.Errorf("%s (-parser +schema):\n%s", path, d)
		}
		if found[0].AdditionalProperties != false {
			t.Errorf("%s: the schema allows unknown keys", path)
		}
	}
	for location := range unseen {
		t.Errorf("the schema has %s, which whole.yaml does not show", location)
	}
}

// alternatives are what a schema may mean, its references followed.
func alternatives(s *jsonschema.Schema) []*jsonschema.Schema {
	if s.Ref != nil && s.Properties == nil {
		return alternatives(s.Ref)
	}
	if len(s.OneOf) == 0 {
		return []*jsonschema.Schema{s}
	}
	var all []*jsonschema.Schema
	for _, one := range s.OneOf {
		all = append(all, alternatives(one)...)
	}
	return all
}

var pathPart = regexp.MustCompile(`\[\d+\]|[^.\[]+`)

// follow finds the objects with keys of their own that a schema has at a path.
func follow(s *jsonschema.Schema, path string) []*jsonschema.Schema {
	at := alternatives(s)
	for _, part := range pathPart.FindAllString(path, -1) {
		var next []*jsonschema.Schema
		for _, one := range at {
			items, _ := one.Items2020, 0
			other, _ := one.AdditionalProperties.(*jsonschema.Schema)
			switch {
			case strings.HasPrefix(part, "[") && items != nil:
				next = append(next, alternatives(items)...)
			case one.Properties[part] != nil:
				next = append(next, alternatives(one.Properties[part])...)
			case other != nil && one.Properties == nil:
				next = append(next, alternatives(other)...)
			}
		}
		at = next
	}
	return slices.DeleteFunc(at, func(s *jsonschema.Schema) bool { return s.Properties == nil })
}

// collect finds every object with keys of its own.
func collect(s *jsonschema.Schema, into map[string]bool) {
	if s == nil || into[s.Location] {
		return
	}
	if s.Properties != nil {
		into[s.Location] = true
	}
	for _, p := range s.Properties {
		collect(p, into)
	}
	for _, one := range s.OneOf {
		collect(one, into)
	}
	collect(s.Ref, into)
	collect(s.Items2020, into)
	if other, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		collect(other, into)
	}
}

// TestSchemaAndParserAgree: whatever small change is made to whole.yaml, an editor
// marks no file as wrong that can be applied, and most of those that can't be.
func TestSchemaAndParserAgree(t *testing.T) {
	s := published(t)
	both, late := 0, map[string]int{}
	for _, changed := range changes(t, whole(t)) {
		_, err := workspace.Parse([]byte(changed.text), known, pass)
		marked := valid(t, s, changed.text)
		switch {
		case err == nil && marked != nil:
			t.Errorf("%s can be applied, and is marked: %v", changed.name, marked)
		case err != nil && marked != nil:
			both++
		case err != nil:
			late[changed.name]++
		}
	}
	if both < 3*len(late) {
		t.Errorf("%d mistakes are marked, %d found only when applied: %v", both, len(late), slices.Sorted(maps.Keys(late)))
	}
	for _, tt := range refused {
		if strings.Contains(tt.want, "has no key") {
			if err := valid(t, s, strings.Replace(whole(t), tt.from, tt.to, 1)); err == nil {
				t.Errorf("%s: the schema lets it pass", tt.name)
			}
		}
	}
}

type change struct{ name, text string }

// changes are a file with each value left out, emptied, or turned into another kind.
func changes(t testing.TB, text string) []change {
	var all []change
	emit := func(root *yaml.Node, name string) {
		b, err := yaml.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, change{name, string(b)})
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	others := map[string]yaml.Node{
		"empty": {Kind: yaml.ScalarNode, Tag: "!!null"}, "number": {Kind: yaml.ScalarNode, Value: "7", Tag: "!!int"},
		"text": {Kind: yaml.ScalarNode, Value: "other", Tag: "!!str"}, "quoted": {Kind: yaml.ScalarNode, Value: "7", Tag: "!!str"},
		"yes": {Kind: yaml.ScalarNode, Value: "true", Tag: "!!bool"}, "padded": {Kind: yaml.ScalarNode, Value: " 3d ", Tag: "!!str"},
		"list": {Kind: yaml.SequenceNode, Tag: "!!seq"}, "mapping": {Kind: yaml.MappingNode, Tag: "!!map"},
	}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		for i := 0; i < len(n.Content); i++ {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				continue
			}
			at := fmt.Sprintf("%s[%d]", path, i)
			if n.Kind == yaml.MappingNode {
				at = path + "." + n.Content[i-1].Value
			}
			kept := n.Content[i]
			for name, other := range others {
				n.Content[i] = &other
				emit(&root, at+" "+name)
			}
			n.Content[i] = kept
			if content := n.Content; n.Kind == yaml.MappingNode {
				n.Content = slices.Concat(content[:i-1], content[i+1:])
				emit(&root, at+" missing")
				n.Content = content
			}
			walk(at, kept)
		}
	}
	walk("", root.Content[0])
	return all
}
