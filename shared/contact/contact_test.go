package contact

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEmail(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"lan@example.vn", "lan@example.vn"},
		{"  Lan.Nguyen+Shop@Example.VN \n", "lan.nguyen+shop@example.vn"},
		{"lan@example.vn.", "lan@example.vn"},
		{"ｌａｎ＠example．vn", "lan@example.vn"},
		{"LÂN@example.vn", "lân@example.vn"},
		{"la\u0302n@example.vn", "lân@example.vn"}, // composed
		{"a..b@docomo.ne.jp", "a..b@docomo.ne.jp"},
		{"lan@mẫu.vn", "lan@mẫu.vn"},
		{strings.Repeat("a", 64) + "@example.vn", strings.Repeat("a", 64) + "@example.vn"},
		{strings.Repeat("a", 65) + "@example.vn", ""},
		{"lan@" + strings.Repeat("a", 64) + ".vn", ""},
		{"lan@" + strings.Repeat("abcdefgh.", 30) + "vn", ""},
		{"", ""}, {"@", ""}, {"lan", ""}, {"lan@", ""}, {"@example.vn", ""}, {"lan@localhost", ""},
		{"lan@example..vn", ""}, {"lan@-example.vn", ""}, {"lan@example-.vn", ""}, {"lan@10.0.0.1", ""},
		{"lan nguyen@example.vn", ""}, {"Lan <lan@example.vn>", ""}, {"lan@example.vn, an@example.vn", ""},
		{`"lan"@example.vn`, ""}, {"lan\x00@example.vn", ""}, {"lan@exam\xffple.vn", ""}, {"lan\u200b@example.vn", ""},
		{strings.Repeat(" ", 2000) + "lan@example.vn", ""},
	} {
		got, ok := Email(c.in)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Email(%q) = %q, %v; want %q", c.in, got, ok, c.want)
		}
	}
}

func TestPhone(t *testing.T) {
	for _, c := range []struct{ in, country, want string }{
		{"0912345678", "VN", "+84912345678"},
		{"84912345678", "VN", "+84912345678"},
		{"+84912345678", "", "+84912345678"},
		{"+840912345678", "US", "+84912345678"},
		{"0084 912 345 678", "VN", "+84912345678"},
		{" (+84) 912.345-678", "US", "+84912345678"},
		{"０９１２３４５６７８", "vn", "+84912345678"},
		{"\u202a0912\u00a0345\u2011678\u202c", "VN", "+84912345678"},
		{"01621234567", "VN", "+84321234567"},
		{"841621234567", "VN", "+84321234567"},
		{"+841621234567", "US", "+84321234567"},
		{"01201234567", "VN", "+84701234567"},
		{"01991234567", "VN", "+84591234567"},
		{"01101234567", "VN", ""}, // never given out
		{"02838221111", "VN", "+842838221111"},
		{"(514) 254-6011", "CA", "+15142546011"},
		{"0912345678", "", ""},
		{"912345678", "US", ""},
		{"555-555-SHIP", "US", ""}, {"0912345678 ext 5", "VN", ""}, {"09+12345678", "VN", ""},
		{"0912345678/0987654322", "VN", ""}, {"0000000000", "VN", ""}, {"12", "VN", ""}, {"", "VN", ""}, {"+", "VN", ""},
		{strings.Repeat("9", 5000), "VN", ""}, {"0912345678", "ZZ", ""}, {"0912345678", "not a country", ""},
	} {
		got, ok := Phone(c.in, c.country)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Phone(%q, %q) = %q, %v; want %q", c.in, c.country, got, ok, c.want)
		}
	}
}

// Every old prefix leads to a number of today's numbering plan, and no two to
// the same one.
func TestRenumbering(t *testing.T) {
	seen := map[string]string{}
	for old := range moved2018 {
		got, ok := Phone("0"+old+"1234567", "VN")
		if !ok || len(got) != len("+84321234567") {
			t.Errorf("0%s1234567 = %q, %v", old, got, ok)
		}
		if seen[got] != "" {
			t.Errorf("0%s and 0%s both lead to %s", old, seen[got], got)
		}
		seen[got] = old
	}
	if len(seen) != 21 {
		t.Errorf("%d prefixes; 21 were changed", len(seen))
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"  Nguyễn  Thị\tLan ", "Nguyễn Thị Lan"},
		{"Nguye\u0302\u0303n", "Nguyễn"},
		{"Lan\u200b\x00", "Lan"}, {"\xff\xfe", ""}, {" ", ""}, {"a\nb", "a b"},
		{strings.Repeat("ế", 100), strings.Repeat("ế", MaxName/3)},
	} {
		if got := Name(c.in); got != c.want {
			t.Errorf("Name(%q) = %q; want %q", c.in, got, c.want)
		}
	}
	for _, c := range []struct{ in, country, given, family string }{
		{"Nguyễn Thị Lan", "VN", "Thị Lan", "Nguyễn"},
		{"Lan", "VN", "Lan", ""},
		{"Mary Ann Smith", "US", "Mary Ann", "Smith"},
		{"", "VN", "", ""},
	} {
		if g, f := Split(c.in, c.country); g != c.given || f != c.family {
			t.Errorf("Split(%q, %s) = %q, %q; want %q, %q", c.in, c.country, g, f, c.given, c.family)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	if !PlaceholderEmail("guest@haravan.com") || PlaceholderEmail("lan@example.vn") {
		t.Error("guest@haravan.com alone is a placeholder here")
	}
	for number, want := range map[string]bool{
		"0000000000": true, "+84999999999": true, "0999999999": true, "1111111": true, "0123456789": true,
		"+84987654321": true, "0987654321": true, "+84912345678": false, "": false, "0": false, "00000": false, "+15142546011": false,
	} {
		if PlaceholderPhone(number) != want {
			t.Errorf("PlaceholderPhone(%q) = %v", number, !want)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"lan@example.vn", "ｌａｎ＠example．vn", "İ@example.vn", "a@ﷺ.vn", "lan@example.vn."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := Email(s)
		if !ok {
			return
		}
		if again, ok := Email(got); !ok || again != got {
			t.Errorf("Email(%q) = %q, which gives %q, %v", s, got, again, ok)
		}
		if len(got) > maxAddress || !utf8.ValidString(got) || strings.ContainsAny(got, " \n|#<>") && !strings.ContainsAny(s, "|#") {
			t.Errorf("Email(%q) = %q is no address", s, got)
		}
	})
}

func FuzzPhone(f *testing.F) {
	for _, s := range []string{"0912345678", "+841621234567", "84912345678", "(514) 254-6011", "０９１２", "+390612345678", "+80012345678"} {
		f.Add(s, "VN")
	}
	f.Add("06 1234 5678", "IT")
	f.Fuzz(func(t *testing.T, s, country string) {
		got, ok := Phone(s, country)
		if !ok {
			return
		}
		for _, c := range []string{country, "VN", ""} {
			if again, ok := Phone(got, c); !ok || again != got {
				t.Errorf("Phone(%q, %q) = %q, which gives %q, %v in %q", s, country, got, again, ok, c)
			}
		}
		if got[0] != '+' || strings.Trim(got[1:], "0123456789") != "" {
			t.Errorf("Phone(%q) = %q is not E.164", s, got)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"Nguyễn Thị Lan", " a  b ", "\xff", "e\u0301", strings.Repeat("ế ", 100), "\u200d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Name(s)
		if Name(got) != got || len(got) > MaxName || !utf8.ValidString(got) {
			t.Errorf("Name(%q) = %q, which gives %q", s, got, Name(got))
		}
	})
}
