package expr

import (
	"strings"
	"testing"

	"loophub/infra/local/dynamodb/attr"
)

func number(text string) attr.Value {
	n, err := attr.ParseNumber(text)
	if err != nil {
		panic(err)
	}
	return attr.NumberValue(n)
}

func list(values ...attr.Value) attr.Value { return attr.Value{Kind: attr.L, List: values} }

// placeholders that the tables below use; each row binds those that occur in its source.
var (
	testNames  = map[string]string{"#n": "n", "#dot": "c.d", "#set": "set"}
	testValues = attr.Map{
		":one": number("1"), ":two": number("2"), ":x": attr.String("x"), ":q": attr.String("Q"), ":empty": attr.String(""),
		":true": {Kind: attr.Bool, True: true}, ":map": {Kind: attr.M, Map: attr.Map{}}, ":list": list(number("1")),
		":ss": {Kind: attr.SS, List: []attr.Value{attr.String("a"), attr.String("b")}}, ":N": attr.String("N"),
	}
)

func bindings(t testing.TB, src string) *Bindings {
	names, values := map[string]string{}, attr.Map{}
	for _, token := range lex(src) {
		if name, ok := testNames[token.text]; ok {
			names[token.text] = name
		}
		if v, ok := testValues[token.text]; ok {
			values[token.text] = v
		}
	}
	if len(names) == 0 {
		names = nil
	}
	if len(values) == 0 {
		values = nil
	}
	b, err := Bind(names, values)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The texts are those of DynamoDB Local 1.25.1, asked on 2026-11-22, and agree with AWS's where the developer guide or
// the API reference shows one.
var conditionErrors = map[string]string{
	"":                        "The expression can not be empty;",
	" ":                       `Syntax error; token: "<EOF>", near: " "`,
	"a = ":                    `Syntax error; token: "<EOF>", near: "= "`,
	"a = = b":                 `Syntax error; token: "=", near: "= = b"`,
	"a = $ b":                 `Syntax error; token: "$", near: "= $ b"`,
	"a = b AND":               `Syntax error; token: "<EOF>", near: "AND"`,
	"a = b AND (c":            `Syntax error; token: "<EOF>", near: "c"`,
	"a = b)":                  `Syntax error; token: ")", near: "b)"`,
	"a in (b, c":              `Syntax error; token: "<EOF>", near: "c"`,
	"a in b":                  `Syntax error; token: "b", near: "in b"`,
	"a = b = c":               `Syntax error; token: "=", near: "b = c"`,
	"a":                       `Syntax error; token: "<EOF>", near: "a"`,
	"#n":                      `Syntax error; token: "<EOF>", near: "#n"`,
	"a[x]":                    `Syntax error; token: "x", near: "[x]"`,
	"a[-1] = b":               `Syntax error; token: "-", near: "[-1"`,
	"a[:x] = c":               `Syntax error; token: ":x", near: "[:x]"`,
	"a..b = c":                `Syntax error; token: ".", near: "..b"`,
	"1a = b":                  `Syntax error; token: "1", near: "1a"`,
	"_a = b":                  `Syntax error; token: "_", near: "_a"`,
	"a.1b = b":                `Syntax error; token: "1", near: ".1b"`,
	"a-b = c":                 `Syntax error; token: "-", near: "a-b"`,
	"a BETWEEN b OR c":        `Syntax error; token: "OR", near: "b OR c"`,
	"a and b":                 `Syntax error; token: "and", near: "a and b"`,
	"a == b":                  `Syntax error; token: "=", near: "== b"`,
	"a != b":                  `Syntax error; token: "!", near: "a !="`,
	`a <> b and "x" = b`:      `Syntax error; token: """, near: "and "x"`,
	"a = :":                   `Syntax error; token: ":", near: "= :"`,
	"a = #":                   `Syntax error; token: "#", near: "= #"`,
	"attribute_exists()":      `Syntax error; token: ")", near: "()"`,
	"((a = b))":               "The expression has redundant parentheses;",
	"((a)) = b":               "The expression has redundant parentheses;",
	"(a = b) and ((c = d))":   "The expression has redundant parentheses;",
	"a = :nope":               "An expression attribute value used in expression is not defined; attribute value: :nope",
	"#nope = :x":              "An expression attribute name used in the document path is not defined; attribute name: #nope",
	"name = :x":               "Attribute name is a reserved keyword; reserved keyword: name",
	"a.zone = :x":             "Attribute name is a reserved keyword; reserved keyword: zone",
	"foo(a)":                  "Invalid function name; function: foo",
	"SIZE(a) = b":             "Invalid function name; function: SIZE",
	"size(a)":                 "The function is not allowed to be used this way in an expression; function: size",
	"NOT size(a)":             "The function is not allowed to be used this way in an expression; function: size",
	"attribute_exists(a) = b": "The function is not allowed to be used this way in an expression; function: attribute_exists",
	"if_not_exists(a, b) = c": "The function is not allowed in a condition expression; function: if_not_exists",
	"attribute_exists(a, b)": "Incorrect number of operands for operator or function; operator or function: " +
		"attribute_exists, number of operands: 2",
	"attribute_exists(:x)":     "Operator or function requires a document path; operator or function: attribute_exists",
	"attribute_type(a, :q)":    "Invalid attribute type name found; type: Q, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
	"attribute_type(a, :one)":  "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
	"begins_with(a, :one)":     "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
	"a < :true":                "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
	"size(:one) = :two":        "Incorrect operand type for operator or function; operator or function: size, operand type: N",
	"size(size(b)) > b":        "Incorrect operand type for operator or function; operator or function: size, operand type: N",
	"a BETWEEN :map AND :two":  "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: M",
	"a = a":                    "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
	"m.a[0] IN (b, m.a[0])":    "The first operand must be distinct from the remaining operands for this operator or function; operator: IN, first operand: [m, a, [0]]",
	"begins_with(a, a)":        "The first operand must be distinct from the remaining operands for this operator or function; operator: begins_with, first operand: [a]",
	"a[99999999999] = b":       "List index is not within the allowable range; index: [99999999999]",
	"a BETWEEN :two AND :one":  "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
	"a BETWEEN :two AND :x":    "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {S:x}",
	many("a = b OR ", 301):     "The expression contains too many operators; operator count: 301",
	many("a = b OR ", 600):     "Expression size has exceeded the maximum allowed size; expression size: 5405",
	"a IN (" + many("b,", 101): "The IN operator is provided with too many operands; number of operands: 102",
	"a = " + many("b.", 32):    "The document path has too many nesting levels; nesting levels: 33",
}

func TestConditionErrors(t *testing.T) {
	for src, want := range conditionErrors {
		if strings.HasPrefix(src, "a IN (b,") {
			src += ")"
		}
		_, err := bindings(t, src).Condition("ConditionExpression", src)
		wantRefusal(t, src, err, "Invalid ConditionExpression: "+want)
	}
}

// many repeats a text and ends it with what closes it.
func many(text string, times int) string {
	end := map[string]string{"a = b OR ": "a = b", "b,": "b", "b.": "b"}[text]
	return strings.Repeat(text, times) + end
}

func wantRefusal(t *testing.T, src string, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("%.80s\n got  %v\n want %s", src, err, want)
	}
}

func TestUpdateErrors(t *testing.T) {
	const overlap = "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: "
	for src, want := range map[string]string{
		"":                              "The expression can not be empty;",
		"SET":                           `Syntax error; token: "<EOF>", near: "SET"`,
		"FOO a":                         `Syntax error; token: "FOO", near: "FOO a"`,
		"SET a = :x b = :x":             `Syntax error; token: "b", near: ":x b ="`,
		"SET a = :one + :one + :one":    `Syntax error; token: "+", near: ":one + :one"`,
		"ADD n ss":                      `Syntax error; token: "ss", near: "n ss"`,
		"SET a = ((n))":                 "The expression has redundant parentheses;",
		"SET a = :x SET b = :x":         `The "SET" section can only be used once in an update expression;`,
		"SET a = :x, a = :x":            overlap + "[a], path two: [a]",
		"SET m.a = :x, m = :x":          overlap + "[m, a], path two: [m]",
		"SET #n = :one REMOVE n":        overlap + "[n], path two: [n]",
		"SET m[0] = :x, m.a = :x":       "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, [0]], path two: [m, a]",
		"SET a = n + :x":                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
		"SET a = list_append(:one, b)":  "Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
		"SET a = size(n)":               "The function is not allowed in an update expression; function: size",
		"SET a = foo(n)":                "Invalid function name; function: foo",
		"SET a = if_not_exists(:x, :x)": "Operator or function requires a document path; operator or function: if_not_exists",
		"SET a = if_not_exists(n)":      "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1",
		"SET set = :x":                  `Syntax error; token: "set", near: "SET set ="`,
		"SET a = year":                  "Attribute name is a reserved keyword; reserved keyword: year",
		"ADD n :x":                      "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
		"DELETE ss :one":                "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
	} {
		_, err := bindings(t, src).Update(src)
		wantRefusal(t, src, err, "Invalid UpdateExpression: "+want)
	}
}

func isKey(name string) bool { return name == "pk" || name == "sk" }

func TestKeyConditionErrors(t *testing.T) {
	const invalid = "Invalid condition in KeyConditionExpression: "
	for src, want := range map[string]string{
		"pk = :x OR sk = :x":               "Invalid operator used in KeyConditionExpression: OR",
		"NOT pk = :x":                      "Invalid operator used in KeyConditionExpression: NOT",
		"pk = :x AND sk <> :x":             "Invalid operator used in KeyConditionExpression: <>",
		"pk = :x AND sk IN (:x)":           "Invalid operator used in KeyConditionExpression: IN",
		"pk = :x AND contains(sk, :x)":     "Invalid operator used in KeyConditionExpression: contains",
		"pk = :x AND attribute_exists(sk)": "Invalid operator used in KeyConditionExpression: attribute_exists",
		"pk = sk":                          invalid + "Multiple attribute names used in one condition",
		":x = :x":                          invalid + "No key attribute specified",
		"pk = :x AND begins_with(:x, sk)":  invalid + "begins_with operator must have the key attribute as its first operand",
		"pk = :x AND size(sk) = :one":      "KeyConditionExpressions cannot contain nested operations",
		"nested.a = :x":                    "KeyConditionExpressions cannot have conditions on nested attributes",
		"pk.a = :x":                        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
	} {
		k, err := bindings(t, src).Key(src)
		if err == nil {
			_, err = k.Tests(isKey)
		}
		wantRefusal(t, src, err, want)
	}
}

func TestProjectionErrors(t *testing.T) {
	for src, want := range map[string]string{
		"":         "The expression can not be empty;",
		"m,,a":     `Syntax error; token: ",", near: ",,a"`,
		"m a":      `Syntax error; token: "a", near: "m a"`,
		"m, m.a":   "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, a]",
		"a, #nope": "An expression attribute name used in the document path is not defined; attribute name: #nope",
	} {
		_, err := bindings(t, src).Projection(src)
		wantRefusal(t, src, err, "Invalid ProjectionExpression: "+want)
	}
}

func TestBindingErrors(t *testing.T) {
	one := attr.Map{":x": number("1")}
	for want, given := range map[string]struct {
		names  map[string]string
		values attr.Map
	}{
		"ExpressionAttributeNames must not be empty":                                        {names: map[string]string{}},
		"ExpressionAttributeValues must not be empty":                                       {values: attr.Map{}},
		`ExpressionAttributeNames contains invalid key: Syntax error; key: "n"`:             {names: map[string]string{"n": "a"}},
		`ExpressionAttributeNames contains invalid key: Syntax error; key: "#a-b"`:          {names: map[string]string{"#a-b": "a"}},
		"ExpressionAttributeNames contains invalid value: Empty attribute name for key #n":  {names: map[string]string{"#n": ""}},
		`ExpressionAttributeValues contains invalid key: Syntax error; key: "x"`:            {values: attr.Map{"x": number("1")}},
		"Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}":  {names: map[string]string{"#b": "b", "#a": "a"}, values: one},
		"Value provided in ExpressionAttributeValues unused in expressions: keys: {:x, :y}": {values: attr.Map{":x": number("1"), ":y": number("1"), ":z": number("1")}},
	} {
		b, err := Bind(given.names, given.values)
		if err == nil {
			if b.values[":z"].Kind != attr.None {
				if _, err := b.Condition("ConditionExpression", "a = :z"); err != nil {
					t.Fatal(err)
				}
			}
			err = b.Unused()
		}
		wantRefusal(t, want, err, want)
	}
}
