package expr

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/infra/local/dynamodb/attr"
)

func parse(t testing.TB, text string) attr.Map {
	t.Helper()
	var m attr.Map
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const sample = `{"n":{"N":"5"},"s":{"S":"héé"},"t":{"BOOL":true},"l":{"L":[{"S":"x"},{"N":"1.0"},{"M":{"a":{"S":"deep"}}}]},
	"m":{"M":{"a":{"S":"b"},"k":{"N":"7"}}},"ss":{"SS":["a","b"]},"ns":{"NS":["1","10"]},"b":{"B":"eHk="},"z":{"NULL":true},"c.d":{"S":"dotted"}}`

func TestConditions(t *testing.T) {
	item := parse(t, sample)
	for src, want := range map[string]bool{
		"n > :one":                                     true,
		":one < n":                                     true,
		"n < :x":                                       false, // another type has no order
		"n <> :x":                                      true,
		"nope = nope2":                                 false,
		"nope <> nope2":                                true,
		"NOT nope = :x":                                true,
		"n BETWEEN :one AND nope":                      false,
		"n BETWEEN :one AND m.k":                       true,
		"n IN (:x, nope, m.k)":                         false,
		"m.k IN (:x, m.k2, :one)":                      false,
		":one IN (n, l[1])":                            true, // 1.0 is 1
		"l[2].a = :x":                                  false,
		"attribute_exists(l[2].a)":                     true,
		"attribute_exists(l[3])":                       false,
		"attribute_exists(s.a)":                        false,
		"attribute_not_exists(m.q)":                    true,
		"attribute_type(n, :N)":                        true,
		"attribute_type(s, :N)":                        false,
		"begins_with(s, :empty)":                       true,
		"begins_with(l[0], :x)":                        true,
		"begins_with(n, s)":                            false,
		"contains(ss, m.a)":                            true,
		"contains(ns, :one)":                           true,
		"contains(l, :one)":                            true,
		"contains(l, :two)":                            false,
		"contains(n, :one)":                            false,
		"contains(s, :empty)":                          true,
		"size(s) = m.k":                                false,
		"size(ss) = :two":                              true,
		"size(m) = :two AND size(b) = :two":            true,
		"size(n) <> :one":                              true, // a number has no size
		"#dot = s OR #dot <> s":                        true,
		"n = :one OR n = :two AND t = :true":           false,
		"t = :true OR n = :one AND n = :two":           true, // AND binds stronger
		"NOT n = :one AND t = :true":                   true, // NOT binds stronger still
		"NOT (n = :one OR t = :true)":                  false,
		"(n = :one OR t = :true) AND ss = :ss":         true,
		"a BETWEEN b AND c AND d = e OR t = :true":     true,
		"z = :x or attribute_exists (z) and not(z=:x)": true,
	} {
		c, err := bindings(t, src).Condition("ConditionExpression", src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got := c.Holds(item); got != want {
			t.Errorf("%s is %v, want %v", src, got, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	before := `{"n":{"N":"1"},"l":{"L":[{"S":"a"},{"S":"b"}]},"m":{"M":{"a":{"L":[{"N":"1"},{"N":"2"}]}}},"ss":{"SS":["a","c"]}}`
	for src, want := range map[string]string{
		"SET o = n + :two, n = n - :one":                             `{"n":{"N":"0"},"o":{"N":"3"},"l":…,"m":…,"ss":…}`,
		"SET o = if_not_exists(o, :one), p = if_not_exists(n, :two)": `{"n":…,"o":{"N":"1"},"p":{"N":"1"},"l":…,"m":…,"ss":…}`,
		"SET l = list_append(l, :list)":                              `{"n":…,"l":{"L":[{"S":"a"},{"S":"b"},{"N":"1"}]},"m":…,"ss":…}`,
		"SET l = list_append(:list, l)":                              `{"n":…,"l":{"L":[{"N":"1"},{"S":"a"},{"S":"b"}]},"m":…,"ss":…}`,
		"SET l[9] = :two, l[5] = :one":                               `{"n":…,"l":{"L":[{"S":"a"},{"S":"b"},{"N":"1"},{"N":"2"}]},"m":…,"ss":…}`,
		"REMOVE l[0], m.a[1] SET l[1] = :one":                        `{"n":…,"l":{"L":[{"N":"1"}]},"m":{"M":{"a":{"L":[{"N":"1"}]}}},"ss":…}`,
		"REMOVE l[0], l[1]":                                          `{"n":…,"l":{"L":[]},"m":…,"ss":…}`,
		"REMOVE m.a[0], l[1], m.a[1], l[0]":                          `{"n":…,"l":{"L":[]},"m":{"M":{"a":{"L":[]}}},"ss":…}`,
		"SET l[7] = :x REMOVE l[0]":                                  `{"n":…,"l":{"L":[{"S":"b"},{"S":"x"}]},"m":…,"ss":…}`,
		"SET m.b = n, m.a[0] = :x":                                   `{"n":…,"l":…,"m":{"M":{"a":{"L":[{"S":"x"},{"N":"2"}]},"b":{"N":"1"}}},"ss":…}`,
		"SET n = (n + :one)":                                         `{"n":{"N":"2"},"l":…,"m":…,"ss":…}`,
		"SET l = n, n = l":                                           `{"n":{"L":[{"S":"a"},{"S":"b"}]},"l":{"N":"1"},"m":…,"ss":…}`,
		"ADD n :two, o :one, ss :ss, p :ss":                          `{"n":{"N":"3"},"o":{"N":"1"},"p":{"SS":["a","b"]},"l":…,"m":…,"ss":{"SS":["a","b","c"]}}`,
		"DELETE ss :ss, nope :ss":                                    `{"n":…,"l":…,"m":…,"ss":{"SS":["c"]}}`,
		"REMOVE nope, m.nope, l[7], n":                               `{"l":…,"m":…,"ss":…}`,
		"SET a = zz":                                                 "The provided expression refers to an attribute that does not exist in the item",
		"SET a = list_append(zz, :list)":                             "The provided expression refers to an attribute that does not exist in the item",
		"SET a = m + :one":                                           "An operand in the update expression has an incorrect data type",
		"SET a = list_append(n, :list)":                              "An operand in the update expression has an incorrect data type",
		"ADD ss :one":                                                "An operand in the update expression has an incorrect data type",
		"DELETE n :ss":                                               "An operand in the update expression has an incorrect data type",
		"SET zz.a = :x":                                              "The document path provided in the update expression is invalid for update",
		"SET n.a = :x":                                               "The document path provided in the update expression is invalid for update",
		"SET m[0] = :x":                                              "The document path provided in the update expression is invalid for update",
		"REMOVE zz.a":                                                "The document path provided in the update expression is invalid for update",
		"SET l[7].a = :x":                                            "The document path provided in the update expression is invalid for update",
	} {
		u, err := bindings(t, src).Update(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		item := parse(t, before)
		got, err := u.Apply(item)
		if err != nil {
			wantRefusal(t, src, err, want)
			continue
		}
		if d := cmp.Diff(elided(t, want, before), got, cmp.Comparer(attr.Value.Equal)); d != "" {
			t.Errorf("%s (-want +got):\n%s", src, d)
		}
		if !item.Equal(parse(t, before)) {
			t.Errorf("%s changed the item that it read", src)
		}
	}
}

// elided reads an item in which … stands for the value before.
func elided(t *testing.T, text, before string) attr.Map {
	var members map[string]json.RawMessage
	var old map[string]json.RawMessage
	if err := json.Unmarshal([]byte(before), &old); err != nil {
		t.Fatal(err)
	}
	quoted := ""
	for _, r := range text {
		if r == '…' {
			quoted += "null"
		} else {
			quoted += string(r)
		}
	}
	if err := json.Unmarshal([]byte(quoted), &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	for name, v := range members {
		if string(v) == "null" {
			members[name] = old[name]
		}
	}
	whole, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(whole))
}

func TestProjections(t *testing.T) {
	item := parse(t, sample)
	for src, want := range map[string]string{
		"n, nope":           `{"n":{"N":"5"}}`,
		"m.k, l[2].a":       `{"m":{"M":{"k":{"N":"7"}}},"l":{"L":[{"M":{"a":{"S":"deep"}}}]}}`,
		"l[2], l[0], l[9]":  `{"l":{"L":[{"S":"x"},{"M":{"a":{"S":"deep"}}}]}}`,
		"m.nope, l[9], s.a": `{}`,
		"#dot":              `{"c.d":{"S":"dotted"}}`,
		"m.a, m.k":          `{"m":{"M":{"a":{"S":"b"},"k":{"N":"7"}}}}`,
	} {
		p, err := bindings(t, src).Projection(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if d := cmp.Diff(parse(t, want), p.Apply(item), cmp.Comparer(attr.Value.Equal)); d != "" {
			t.Errorf("%s (-want +got):\n%s", src, d)
		}
	}
}

func TestKeyConditions(t *testing.T) {
	for src, want := range map[string][]KeyTest{
		"pk = :x":                              {{"pk", "=", []attr.Value{attr.String("x")}}},
		":x = pk AND (:one < sk)":              {{"pk", "=", []attr.Value{attr.String("x")}}, {"sk", ">", []attr.Value{number("1")}}},
		"#n = :x AND sk BETWEEN :one AND :two": {{"n", "=", []attr.Value{attr.String("x")}}, {"sk", "BETWEEN", []attr.Value{number("1"), number("2")}}},
		"begins_with(sk, :q) AND pk = :x":      {{"sk", "begins_with", []attr.Value{attr.String("Q")}}, {"pk", "=", []attr.Value{attr.String("x")}}},
	} {
		k, err := bindings(t, src).Key(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		got, err := k.Tests(isKey)
		if err != nil {
			t.Errorf("%s: %v", src, err)
		}
		if d := cmp.Diff(want, got, cmp.Comparer(attr.Value.Equal)); d != "" {
			t.Errorf("%s (-want +got):\n%s", src, d)
		}
	}
}

func TestReservedWords(t *testing.T) {
	if len(reserved) != 573 {
		t.Errorf("%d reserved words, the developer guide lists 573", len(reserved))
	}
}

// FuzzExpressions: nothing makes the parser or the evaluation panic, what is accepted evaluates the same twice and
// leaves the item as it was, and an updated item has only values that the protocol can carry.
func FuzzExpressions(f *testing.F) {
	for _, src := range []string{
		"n > :one AND NOT (contains(ss, m.a) OR size(l) BETWEEN :one AND :two)", "attribute_type(#n, :N) or l[2].a in (s, :x)",
		"SET l[9] = :x, m.b = if_not_exists(q, :one) + n REMOVE l[0] ADD ns :one DELETE ss :ss", "a.b[0], c, #dot",
		"pk = :x AND begins_with(sk, :x)", "((", "SET a = list_append(l, :list) - :one", "\x00é[", "a[1][2].b <= #set",
	} {
		f.Add(src)
	}
	item := parse(f, sample)
	f.Fuzz(func(t *testing.T, src string) {
		if c, err := bindings(t, src).Condition("FilterExpression", src); err == nil {
			if first, second := c.Holds(item), c.Holds(item); first != second {
				t.Error("one condition, two answers")
			}
			c.Holds(nil)
		}
		if p, err := bindings(t, src).Projection(src); err == nil {
			again := p.Apply(item)
			if !again.Equal(p.Apply(item)) {
				t.Error("one projection, two answers")
			}
		}
		if k, err := bindings(t, src).Key(src); err == nil {
			if tests, err := k.Tests(isKey); err == nil && len(tests) == 0 {
				t.Error("a key condition without a test")
			}
		}
		if u, err := bindings(t, src).Update(src); err == nil {
			if after, err := u.Apply(item); err == nil {
				text, err := json.Marshal(after)
				if err != nil {
					t.Fatal(err)
				}
				if !parse(t, string(text)).Equal(after) {
					t.Errorf("%q leaves what does not come back: %s", src, text)
				}
			}
		}
		if !item.Equal(parse(t, sample)) {
			t.Fatalf("%q changed the item that it read", src)
		}
	})
}
