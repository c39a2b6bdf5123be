package events

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// texts are canonical and other texts of each type.
var texts = map[Type]struct{ accepted, refused []string }{
	String:  {[]string{"", "Lan", "Nguyễn", "<b>&\"", strings.Repeat("a", maxText)}, []string{strings.Repeat("a", maxText+1), "a\xff"}},
	ID:      {[]string{"1", "007", "gid://x/1", strings.Repeat("a", maxID)}, []string{"", strings.Repeat("a", maxID+1), "\xc3"}},
	Email:   {[]string{"lan@example.vn", "a.b+c@example.co.uk", "lan@ví-dụ.vn"}, []string{"", "lan", "Lan@example.vn", "lan @example.vn", "@example.vn", "lan@", "a@b@c.vn", " lan@example.vn", "lan@example.vn\n", "lan\xff@example.vn", strings.Repeat("a", maxText) + "@example.vn"}},
	Phone:   {[]string{"+84912345678", "+4930123456"}, []string{"", "0912345678", "+84 912 345 678", "+84", "+849123456789012345", "+8491234567a", "84912345678"}},
	Time:    {[]string{"0", "1795249231000", "4102444800000"}, []string{"", "-1", "4102444800001", "2026-11-22", "1.5", "+5", "05", " 5", "1e3"}},
	Money:   {[]string{"0", "-5", "1640000", "10000000000000", "-10000000000000"}, []string{"", "1.50", "10000000000001", "-10000000000001", "+5", "05", "-0", "1 000"}},
	Code:    {[]string{"VND", "USD"}, []string{"", "vnd", "VN", "VNDD", "V1D", "₫₫₫", "Ồ"}},
	Boolean: {[]string{"true", "false"}, []string{"", "TRUE", "1", "yes"}},
	List:    {[]string{`[]`, `["a"]`, `["a","b"]`}, []string{"", `{}`, `["b","a"]`, `["a","a"]`, `[1]`, `["a", "b"]`, `null`, `["a"`, `["` + strings.Repeat("a", maxJSON) + `"]`}},
	JSON:    {[]string{`[]`, `{"a":1}`, `[{"title":"Áo dài"}]`}, []string{"", `{"a": 1}`, `{"a":1`, `"` + strings.Repeat("a", maxJSON) + `"`, "[\"\xff\"]"}},
	Name: {[]string{"viewed", "tasting.booked", "a.b-c_d.2", strings.Repeat("a", maxName)}, []string{"", "Viewed", "2fast", "a..b", "a.", ".a", "a b", "một", "a\n",
		strings.Repeat("a", maxName+1), "order.placed", "checkout.x", "form.x", "consent.asked", "message.clicked", "segment.entered"}},
}

func TestTypes(t *testing.T) {
	for k, fields := range Catalogue {
		for name, d := range fields {
			full := name
			if strings.HasSuffix(name, ":") {
				full += "x"
			}
			tt, known := texts[d.Type]
			if d.Type == Op {
				tt.accepted, tt.refused, known = d.Words, []string{"", "?", strings.ToUpper(d.Words[0]) + "x"}, len(d.Words) > 0
			}
			if !known || d.About == "" {
				t.Errorf("%s: field %q has type %q, which this test does not know, or says nothing about itself", k, name, d.Type)
			}
			check := func(v Value, want bool) {
				f := Fact{Kind: k, Record: "1", Fields: Fields{full: v}}
				if err := f.Validate(); (err == nil) != want {
					t.Errorf("%s: field %q (%s) with %q: %v", k, full, d.Type, v, err)
				} else if err != nil && v.String() != "" && len(v.String()) > 4 && strings.Contains(err.Error(), v.String()) {
					t.Errorf("%s: the reason quotes the value: %v", k, err)
				}
			}
			check(Null, true)
			for _, s := range tt.accepted {
				check(Text(s), true)
			}
			for _, s := range tt.refused {
				check(Text(s), false)
			}
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	good := Fact{Kind: Order, Record: "1", Version: 1, At: 1, Fields: Fields{"total": Text("1")}}
	for name, change := range map[string]func(*Fact){
		"unknown kind":            func(f *Fact) { f.Kind = "weather" },
		"no record":               func(f *Fact) { f.Record = "" },
		"record too long":         func(f *Fact) { f.Record = strings.Repeat("a", maxID+1) },
		"record with a bar":       func(f *Fact) { f.Record = "a|b" },
		"record with a hash":      func(f *Fact) { f.Record = "a#b" },
		"record with a line":      func(f *Fact) { f.Record = "a\nb" },
		"record not UTF-8":        func(f *Fact) { f.Record = "a\xff" },
		"version below 0":         func(f *Fact) { f.Version = -1 },
		"version out of range":    func(f *Fact) { f.Version = maxTime*1000 + 1 },
		"time below 0":            func(f *Fact) { f.At = -1 },
		"time after 2100":         func(f *Fact) { f.At = maxTime + 1 },
		"unknown field":           func(f *Fact) { f.Fields = Fields{"shoe_size": Text("38")} },
		"family without name":     func(f *Fact) { f.Fields = Fields{"refund:": Text("1")} },
		"family name not UTF-8":   func(f *Fact) { f.Fields = Fields{"refund:\xff": Text("1")} },
		"family name too long":    func(f *Fact) { f.Fields = Fields{"refund:" + strings.Repeat("1", 200): Text("1")} },
		"field of another kind":   func(f *Fact) { f.Fields = Fields{"birthday": Text("2000-01-01")} },
		"name without its family": func(f *Fact) { f.Fields = Fields{"refund": Text("1")} },
	} {
		if err := good.Validate(); err != nil {
			t.Fatal(err)
		}
		f := good
		if change(&f); f.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestCatalogueOnlyGrows: a field or word that facts carry is read for ever.
func TestCatalogueOnlyGrows(t *testing.T) {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(Catalogue)) {
		for _, name := range slices.Sorted(maps.Keys(Catalogue[k])) {
			d := Catalogue[k][name]
			b.WriteString(strings.TrimSpace(string(k)+" "+name+" "+string(d.Type)+" "+strings.Join(d.Words, " ")) + "\n")
		}
	}
	now := strings.Split(b.String(), "\n")
	for _, line := range strings.Split(golden(t, "catalogue.txt", b.String()), "\n") {
		if !slices.ContainsFunc(now, func(l string) bool { return l == line || line != "" && strings.HasPrefix(l, line+" ") }) {
			t.Errorf("the catalogue has lost %q", line)
		}
	}
}
