package attr

import (
	"bytes"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumbers(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	for text, want := range map[string]string{
		"0": "0", "-0.00": "0", "+0012.500": "12.5", "1e3": "1000", "1.5E-3": "0.0015", ".5": "0.5", "5.": "5",
		"1e125": "1" + zeros(125), "1e-130": "0." + zeros(129) + "1", "0e125": "0",
		"99999999999999999999999999999999999999":       "99999999999999999999999999999999999999",
		"-9.9999999999999999999999999999999999999e125": "-" + strings.Repeat("9", 38) + zeros(88),
		"":      "The parameter cannot be converted to a numeric value",
		"abc":   "The parameter cannot be converted to a numeric value: abc",
		"1e":    "The parameter cannot be converted to a numeric value: 1e",
		"1e+-2": "The parameter cannot be converted to a numeric value: 1e+-2",
		"NaN":   "The parameter cannot be converted to a numeric value: NaN",
		".":     "The parameter cannot be converted to a numeric value: .",
		"0x10":  "The parameter cannot be converted to a numeric value: 0x10",
		"123456789012345678901234567890123456789": "Attempting to store more than 38 significant digits in a Number",
		"1e126":                 "Number overflow. Attempting to store a number with magnitude larger than supported range",
		" 7":                    "The parameter cannot be converted to a numeric value:  7",
		"1e9223372036854775808": "The parameter cannot be converted to a numeric value: 1e9223372036854775808",
		"-1e99999999999999999":  "Number overflow. Attempting to store a number with magnitude larger than supported range",
		"0e126":                 "Number overflow. Attempting to store a number with magnitude larger than supported range",
		"0.0e-131":              "Number underflow. Attempting to store a number with magnitude smaller than supported range",
		"1e-131":                "Number underflow. Attempting to store a number with magnitude smaller than supported range",
	} {
		n, err := ParseNumber(text)
		got := n.String()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

// randomNumber has up to 38 digits and an exponent that lets sums meet.
func randomNumber(r *rand.Rand) Number {
	text := ""
	if r.IntN(2) == 0 {
		text = "-"
	}
	for range 1 + r.IntN(20) {
		text += string(rune('0' + r.IntN(10)))
	}
	n, err := ParseNumber(text + "e" + big.NewInt(int64(r.IntN(40)-20)).String())
	if err != nil {
		panic(err)
	}
	return n
}

func rational(t *testing.T, n Number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		t.Fatalf("%s is no number", n)
	}
	return r
}

// TestNumbersAgreeWithRationals compares sum, order and stored order with exact arithmetic.
func TestNumbersAgreeWithRationals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		a, b := randomNumber(r), randomNumber(r)
		x, y := rational(t, a), rational(t, b)
		if got, want := a.Compare(b), x.Cmp(y); got != want {
			t.Fatalf("%s compared with %s is %d, want %d", a, b, got, want)
		}
		stored := bytes.Compare(NumberValue(a).AppendOrdered(nil), NumberValue(b).AppendOrdered(nil))
		if want := x.Cmp(y); stored != want {
			t.Fatalf("stored order of %s and %s is %d, want %d", a, b, stored, want)
		}
		want := new(big.Rat).Add(x, y)
		sum, err := a.Add(b)
		if err != nil {
			text, _ := ParseNumber(want.FloatString(60))
			if text != (Number{}) {
				t.Fatalf("%s + %s refused (%v) but is %s", a, b, err, text)
			}
			continue
		}
		if rational(t, sum).Cmp(want) != 0 {
			t.Fatalf("%s + %s is %s", a, b, sum)
		}
		if again, err := ParseNumber(sum.String()); err != nil || again != sum {
			t.Fatalf("%s comes back as %s, %v", sum, again, err)
		}
		if back, err := sum.Add(b.Negated()); err == nil && back != a {
			t.Fatalf("%s + %s - %s is %s", a, b, b, back)
		}
	}
}

func TestStringsAreStoredInOrder(t *testing.T) {
	texts := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00b", "a\x01", "ab", "é", "\xff", "\xff\xff"}
	for i, a := range texts {
		for j, b := range texts {
			x, y := String(a).AppendOrdered(nil), String(b).AppendOrdered(nil)
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := bytes.Compare(x, y); got != want {
				t.Errorf("%q and %q are stored in order %d", a, b, got)
			}
			if i != j && bytes.HasPrefix(x, y) {
				t.Errorf("%q begins with %q as stored", a, b)
			}
			prefix := string(String(a).AppendOrderedPrefix(nil))
			end := After([]byte(prefix))
			in := string(y) >= prefix && (end == "" || string(y) < end)
			if in != strings.HasPrefix(b, a) {
				t.Errorf("%q within the prefix %q: %v", b, a, in)
			}
		}
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	const several = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
	for text, want := range map[string]string{
		`{}`:                     "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
		`{"S":"a","N":"1"}`:      several,
		`{"N":"x"}`:              "The parameter cannot be converted to a numeric value: x",
		`{"NULL":false}`:         "One or more parameter values were invalid: Null attribute value types must have the value of true",
		`{"SS":[]}`:              "One or more parameter values were invalid: An string set  may not be empty",
		`{"NS":[]}`:              "One or more parameter values were invalid: An number set  may not be empty",
		`{"BS":[]}`:              "One or more parameter values were invalid: Binary sets should not be empty",
		`{"SS":["b","a","b"]}`:   "One or more parameter values were invalid: Input collection [b, a, b] contains duplicates.",
		`{"NS":["1","1.0"]}`:     "Input collection contains duplicates",
		`{"BS":["AA==","AA=="]}`: "One or more parameter values were invalid: Input collection [AA==, AA==] contains duplicates.",
		`{"M":{"":{"S":"x"}}}`:   "One or more parameter values were invalid: Attribute name must not be empty",
		`{"Q":"x"}`:              `attribute value has another JSON type than the protocol says: "Q" is no type`,
		`{"S":1}`:                "attribute value has another JSON type than the protocol says",
		`{"BOOL":"true"}`:        "attribute value has another JSON type than the protocol says",
		`"x"`:                    "attribute value has another JSON type than the protocol says",
		`{"L":{"S":"x"}}`:        "attribute value has another JSON type than the protocol says",
	} {
		var v Value
		if err := json.Unmarshal([]byte(text), &v); err == nil || err.Error() != want {
			t.Errorf("%s\n got  %v\n want %s", text, err, want)
		}
	}
}

func TestJSONComesBack(t *testing.T) {
	const text = `{"a":{"L":[{"S":"x"},{"L":[]}]},"b":{"BOOL":false},"bs":{"BS":["AA==","AQ=="]},"m":{"M":{"é":{"NULL":true}}},` +
		`"n":{"N":"-1.5"},"ns":{"NS":["-1","9","10"]},"s":{"S":"\"\\\u0001é𝄞"}}`
	var m Map
	spaced := strings.NewReplacer(":", " : ", ",", " ,\n\t").Replace(text)
	if err := json.Unmarshal([]byte(spaced), &m); err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text, string(back)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// The rules: names and strings by UTF-8 bytes; a number one byte per two digits before the point and after it, one more, one for the sign; lists and
// maps three bytes and one per element.
func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		`{}`:                                    0,
		`{"pk":{"S":"abc"}}`:                    5,
		`{"é":{"S":"é"}}`:                       4,
		`{"n":{"N":"0"}}`:                       2,
		`{"n":{"N":"-1234.5"}}`:                 1 + 2 + 1 + 1 + 1,
		`{"n":{"N":"3.14159"}}`:                 1 + 1 + 3 + 1,
		`{"n":{"N":"123456"}}`:                  1 + 3 + 1,
		`{"n":{"N":"0.001"}}`:                   1 + 1 + 1,
		`{"n":{"N":"1e125"}}`:                   1 + 1 + 1,
		`{"n":{"N":"1000"}}`:                    1 + 1 + 1,
		`{"b":{"B":"AAAA"}}`:                    1 + 3,
		`{"t":{"BOOL":true},"z":{"NULL":true}}`: 4,
		`{"l":{"L":[]}}`:                        4,
		`{"l":{"L":[{"S":"ab"},{"N":"7"}]}}`:    1 + 3 + 2 + 2 + 2,
		`{"m":{"M":{"a":{"S":"b"}}}}`:           1 + 3 + 1 + 2,
		`{"s":{"SS":["ab","c"]}}`:               4,
		`{"s":{"NS":["1","22","333"]}}`:         1 + 2 + 2 + 3,
	} {
		var m Map
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		if got := m.Size(); got != want {
			t.Errorf("%s has %d bytes, want %d", text, got, want)
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(levels int) Map {
		v := String("x")
		for range levels {
			v = Value{Kind: L, List: []Value{v}}
		}
		return Map{"a": v}
	}
	if err := nested(31).CheckDepth(); err != nil {
		t.Errorf("31 levels: %v", err)
	}
	if err := nested(32).CheckDepth(); err == nil {
		t.Error("32 levels are accepted")
	}
}

// FuzzValue: what is accepted comes back as the same value.
func FuzzValue(f *testing.F) {
	f.Add(`{"M":{"a":{"NS":["1","2e3"]},"b":{"L":[{"S":"\u00e9"}]}}}`)
	f.Add(`{"BS":["AQ=="]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var v, w Value
		if json.Unmarshal([]byte(text), &v) != nil || v.Kind == None {
			return
		}
		back, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := json.Unmarshal(back, &w); err != nil || !v.Equal(w) {
			t.Errorf("%q comes back as %s, %v", text, back, err)
		}
	})
}

// TestBinaryComesBack: every value that JSON can write comes back from its binary form, and from no shorter one.
func TestBinaryComesBack(t *testing.T) {
	var m Map
	text := `{"z":{"S":""},"a":{"M":{"b":{"L":[{"NULL":true},{"BOOL":true},{"M":{}}]}}},"n":{"N":"-1.5e-100"},"s":{"SS":["x","y"]},
		"d":{"NS":["1","2"]},"e":{"BS":["AA=="]},"f":{"B":"/wA="},"g":{"BOOL":false},"h":{"S":"é\u0000"}}`
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	whole := m.AppendBinary(nil)
	b := Binary{Rest: whole}
	if back := b.Map(); b.Err != nil || len(b.Rest) > 0 || !back.Equal(m) {
		t.Errorf("comes back as %v, %v, %d bytes left", back, b.Err, len(b.Rest))
	}
	for n := range whole {
		b := Binary{Rest: whole[:n]}
		if b.Map(); b.Err == nil {
			t.Errorf("%d of %d bytes are taken for a map", n, len(whole))
		}
	}
}
