package pattern

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	const event = `{"source":"loophub","detail-type":"order.placed.v1","n":3.0,"big":12345678901234567890,"ok":true,"none":null,
		"detail":{"channel":"web","tags":["vip","new"],"empty":[]},"list":[{"a":1},{"a":2}]}`
	for pattern, want := range map[string]bool{
		`{"source":["loophub"]}`:                           true,
		`{"source":["other","loophub"]}`:                   true,
		`{"source":["Loophub"]}`:                           false,
		`{"source":["loophub"],"detail-type":["x"]}`:       false,
		`{"detail":{"channel":["web"]}}`:                   true,
		`{"detail":{"tags":["new"]}}`:                      true,
		`{"detail":{"tags":["old"]}}`:                      false,
		`{"detail-type":[{"prefix":"order."}]}`:            true,
		`{"detail-type":[{"suffix":".v2"}]}`:               false,
		`{"detail-type":[{"wildcard":"order.*.v1"}]}`:      true,
		`{"detail-type":[{"wildcard":"order*placed*v2"}]}`: false,
		`{"source":[{"equals-ignore-case":"LOOPHUB"}]}`:    true,
		`{"source":[{"anything-but":"loophub"}]}`:          false,
		`{"source":[{"anything-but":["a","b"]}]}`:          true,
		`{"source":[{"anything-but":{"prefix":"loop"}}]}`:  false,
		`{"absent":[{"anything-but":"x"}]}`:                false,
		`{"absent":[{"exists":false}]}`:                    true,
		`{"absent":[{"exists":true}]}`:                     false,
		`{"source":[{"exists":true}]}`:                     true,
		`{"source":[{"exists":false}]}`:                    false,
		`{"detail":[{"exists":true}]}`:                     false, // looks at leaves only
		`{"detail":{"empty":[{"exists":false}]}}`:          true,
		`{"absent":{"deeper":[{"exists":false}]}}`:         true,
		`{"n":[3]}`:                            true, // numbers by value
		`{"big":[12345678901234567890]}`:       true,
		`{"big":[12345678901234567891]}`:       false,
		`{"n":["3.0"]}`:                        false,
		`{"n":[{"numeric":[">",2,"<=",3]}]}`:   true,
		`{"n":[{"numeric":["<",3]}]}`:          false,
		`{"n":[{"numeric":["=",3]}]}`:          true,
		`{"source":[{"numeric":["=",3]}]}`:     false,
		`{"ok":[true]}`:                        true,
		`{"none":[null]}`:                      true,
		`{"ok":[null]}`:                        false,
		`{"list":{"a":[2]}}`:                   true,
		`{"$or":[{"source":["x"]},{"n":[3]}]}`: true,
		`{"$or":[{"source":["x"]},{"n":[4]}]}`: false,
		`{"source":["loophub"],"$or":[{"source":["x"]},{"ok":[false]}]}`: false,
	} {
		p, err := Parse([]byte(pattern))
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := p.Match([]byte(event)); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
	p, err := Parse([]byte(`{"a":[{"exists":false}]}`))
	if err != nil || p.Match([]byte(`[1]`)) || p.Match([]byte(`nonsense`)) {
		t.Errorf("what is no object fits: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for pattern, want := range map[string]string{
		`[]`:                            "reading event pattern",
		`{}`:                            "empty object",
		`{"a":"b"}`:                     "expected a list",
		`{"a":[]}`:                      "empty list",
		`{"a":[{"cidr":"10.0.0.0/8"}]}`: `matcher "cidr"`,
		`{"a":[{"prefix":1}]}`:          "expected a text",
		`{"a":[{"prefix":{"equals-ignore-case":"x"}}]}`: "expected a text",
		`{"a":[{"exists":1}]}`:                          "true or false",
		`{"a":[{"numeric":[">"]}]}`:                     "pairs",
		`{"a":[{"numeric":["!",1]}]}`:                   "comparison",
		`{"a":[{"numeric":[">","1"]}]}`:                 "no number",
		`{"a":[{"prefix":"x","suffix":"y"}]}`:           "one matcher",
		`{"$or":{"a":["b"]}}`:                           "expected a list",
		`{"a":[{"wildcard":"x**y"}]}`:                   "refuses **",
		`{"a":[{"wildcard":"x\\\\*"}]}`:                 "no escapes",
		`{"a":[{"anything-but":{"numeric":["=",1]}}]}`:  `matcher "numeric" within`,
		`{"a":[{"anything-but":[true]}]}`:               "texts or numbers",
		`{"a":[{"numeric":[">",1,"<",9,"=",5]}]}`:       "one or two pairs",
	} {
		if _, err := Parse([]byte(pattern)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", pattern, err, want)
		}
	}
}

func TestFiltersKnowNoWildcards(t *testing.T) {
	for pattern, refused := range map[string]bool{
		`{"a":[{"wildcard":"x*"}]}`:                            true,
		`{"a":{"b":["x",{"wildcard":"x*"}]}}`:                  true,
		`{"$or":[{"a":["x"]},{"b":[{"wildcard":"x"}]}]}`:       true,
		`{"a":[{"anything-but":{"wildcard":"x*"}}]}`:           true,
		`{"wildcard":["x"],"b":[{"prefix":"wildcard"}]}`:       false,
		`{"dynamodb":{"NewImage":{"q":[{"exists":true}]}}}`:    false,
		`{"a":[{"anything-but":["wildcard"]},{"suffix":"x"}]}`: false,
	} {
		if _, err := ParseFilter([]byte(pattern)); (err != nil) != refused {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add(`{"a":[{"numeric":[">",1]}]}`, `{"a":2}`)
	f.Add(`{"a":{"b":[{"exists":false}]}}`, `{"a":[[]]}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Parse([]byte(pattern))
		if err != nil {
			return
		}
		// one pattern, one event, one answer: the maps inside are walked in any order
		first := p.Match([]byte(event))
		if second := p.Match([]byte(event)); first != second {
			t.Error("two answers to one question")
		}
	})
}
