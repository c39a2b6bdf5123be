package snapshot_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"loophub/infra/stack/snapshot"
)

// template is as much of CloudFormation as the tests of this package read.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type                string
	Properties          map[string]any
	Metadata            map[string]string
	DeletionPolicy      string
	UpdateReplacePolicy string
}

func load(t *testing.T) template {
	t.Helper()
	return parse(t, snapshot.Template())
}

func parse(t *testing.T, b []byte) template {
	t.Helper()
	var v template
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("reading the template: %v", err)
	}
	if len(v.Resources) == 0 {
		t.Fatal("the template holds no resources")
	}
	return v
}

// of returns the logical ids of one type of resource, sorted.
func (v template) of(kind string) []string {
	var ids []string
	for id, r := range v.Resources {
		if r.Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// stages returns the functions' logical ids by the stage that they run.
func (v template) stages() map[string]string {
	ids := map[string]string{}
	for _, id := range v.of("AWS::Lambda::Function") {
		ids[v.Resources[id].Metadata["loophub:stage"]] = id
	}
	return ids
}

// at returns the value below the given keys, nil where there is none.
func (r resource) at(keys ...string) any {
	var v any = r.Properties
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

// number returns the number below the given keys, and fails where there is none.
func (r resource) number(t *testing.T, keys ...string) float64 {
	t.Helper()
	n, ok := r.at(keys...).(float64)
	if !ok {
		t.Fatalf("%s %s = %v, want a number", r.Type, strings.Join(keys, "."), r.at(keys...))
	}
	return n
}

// text writes a value with its references as ${LogicalID.Attribute}, which a plain string could not hold.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "${" + ref + "}"
		}
		if sub, ok := v["Fn::Sub"].(string); ok {
			return sub
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return "${" + text(get[0]) + "." + text(get[1]) + "}"
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, p := range join[1].([]any) {
				parts = append(parts, text(p))
			}
			return strings.Join(parts, text(join[0]))
		}
	}
	return fmt.Sprint(v)
}

// target returns the logical id that a reference names.
func target(v any) string {
	s := text(v)
	start, end := strings.Index(s, "${"), strings.Index(s, "}")
	if start < 0 || end < start {
		return ""
	}
	id, _, _ := strings.Cut(s[start+2:end], ".")
	return id
}

// list reads what CloudFormation lets one write as a value or as a list of values.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func texts(v any) []string {
	var out []string
	for _, e := range list(v) {
		out = append(out, text(e))
	}
	return out
}
