package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	v, err := Parse([]byte(` {"id": 820982911946154508, "a": null, "b": "", "c": {"d": [1, "x", true, {}]}, "id2":-1.50e+3,
		"vi\u1ec7t": "Vi\u1ec7t \ud83d\ude00 \/", "raw": "Nguyễn", "c2": {}, "twice": 1, "twice": 2} `))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"id": "820982911946154508", "b": "", "id2": "-1.50e+3", "việt": "Việt 😀 /", "raw": "Nguyễn", "twice": "2", "none": "",
	} {
		if got := v.Field(name).Text(); got != want {
			t.Errorf("%s = %q; want %q", name, got, want)
		}
	}
	if v.Field("a").Kind() != Null || !v.Field("a").Exists() || v.Field("none").Exists() || v.Field("ID").Exists() {
		t.Error("null, absent and the case of names are kept apart")
	}
	if v.Field("id").Field("x").Field("y").Exists() {
		t.Error("looking into a number gives Absent")
	}
	var kinds []Kind
	for item := range v.Field("c").Field("d").Items() {
		kinds = append(kinds, item.Kind())
	}
	if !reflect.DeepEqual(kinds, []Kind{Number, String, Bool, Object}) {
		t.Errorf("items are %v", kinds)
	}
	for name, value := range v.Fields() {
		from, to := value.Span()
		if again, err := Parse(v.t.text[from:to]); err != nil || !reflect.DeepEqual(same(again), same(value)) {
			t.Errorf("the span of %s holds something else", name)
		}
	}
	names := 0
	for range v.Fields() {
		names++
	}
	if names != 10 {
		t.Errorf("%d names; the text has 10", names)
	}
}

// same rebuilds what encoding/json gives, to be compared with it.
func same(v Value) any {
	switch v.Kind() {
	case Bool:
		return v.True()
	case Number:
		return json.Number(v.Text())
	case String:
		return v.Text()
	case Array:
		list := []any{}
		for item := range v.Items() {
			list = append(list, same(item))
		}
		return list
	case Object:
		m := map[string]any{}
		for name := range v.Fields() {
			m[name] = same(v.Field(name))
		}
		return m
	}
	return nil
}

func standard(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

func differ(t *testing.T, b []byte) {
	t.Helper()
	want, err := standard(b)
	v, ours := Parse(b)
	if (err == nil) != (ours == nil) || json.Valid(b) != (ours == nil) {
		t.Fatalf("%q: encoding/json says %v, we say %v", short(b), err, ours)
	}
	if ours != nil {
		return
	}
	if got := same(v); !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: encoding/json reads %v, we read %v", short(b), want, got)
	}
	object, _ := want.(map[string]any)
	for name, value := range object {
		text, ok := Peek(b, name)
		if !ok || bytes.Count(b, []byte(name)) != 1 || strings.ContainsAny(text, `\`) {
			continue // absent, an object, repeated or escaped
		}
		if s := fmt.Sprint(value); text != s && strings.ToValidUTF8(text, "\ufffd") != strings.ToValidUTF8(s, "\ufffd") {
			t.Fatalf("%q: Peek(%q) = %q; encoding/json reads %q", short(b), name, text, s)
		}
	}
}

func short(b []byte) []byte { return b[:min(len(b), 200)] }

var texts = []string{
	`{}`, `[]`, `null`, `true`, `0`, `-0`, `01`, `1.`, `.5`, `1e5`, `1E+`, `"a\u00e9\n"`, `"\ud800"`, `"\x"`, "\"\x00\"", "\"\xff\"",
	`{"a":1,"a":{"b":2}}`, `{"a":1,}`, `[1,]`, `{"a"}`, `{1:2}`, ` [ 1 , 2 ] x`, `{"":""}`, `"`, `"\`, `"\u12`, `tru`, `nul`, ``, ` `,
	`{"a":[{"b":[[]]}],"id":5}`, "\ufeff{}", `{"k\u0065y":1,"key":2}`, `[1 2]`, `{"a":"b" "c":1}`, `-`, `+1`, `1e`, `{"\ud83d\ude00":1}`,
}

func TestAgainstTheStandardLibrary(t *testing.T) {
	for _, s := range texts {
		differ(t, []byte(s))
	}
	for _, depth := range []int{9_999, 10_000, 10_001, 300_000} {
		differ(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		differ(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
		differ(t, []byte(strings.Repeat("[", depth)))
	}
}

func TestPeek(t *testing.T) {
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{`{"id": 12, "x":`, "12", true},
		{`{"a":{"id":1,"s":"}\"{"},"b":[["id"]],"id":"gid://shopify/Order/5"}`, "gid://shopify/Order/5", true},
		{`{"id":{"x":1}}`, "", false}, {`{"id":null}`, "", false}, {`{"id"`, "", false}, {`[{"id":1}]`, "", false},
		{``, "", false}, {`{"a":1}`, "", false}, {`{"a":[1,2}],"id":1}`, "", false}, {`{"id":`, "", false}, {`{"id":"`, "", false},
	} {
		if got, ok := Peek([]byte(c.text), "id"); got != c.want || ok != c.ok {
			t.Errorf("Peek(%s) = %q, %v; want %q, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { differ(t, b) })
}

var order = []byte(`{"id":5778367414385,"updated_at":"2026-11-05T21:54:50+07:00","line_items":[` +
	strings.TrimSuffix(strings.Repeat(`{"id":14234727743601,"price":"600000","title":"Áo dài lụa","quantity":1,"taxable":true,"vendor":null},`, 50), ",") +
	`],"note":"Giao giờ hành chính","total_price":"30000000"}`)

func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(order)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(order); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStandard(b *testing.B) {
	b.SetBytes(int64(len(order)))
	b.ReportAllocs()
	for b.Loop() {
		var v map[string]any
		if err := json.Unmarshal(order, &v); err != nil {
			b.Fatal(err)
		}
	}
}
