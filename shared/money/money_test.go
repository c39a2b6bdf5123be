package money

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestMinor(t *testing.T) {
	for _, c := range []struct {
		text, code string
		want       int64
		err        error
	}{
		{"598.94", "USD", 59894, nil}, {"600", "USD", 60000, nil}, {"0.1", "USD", 10, nil}, {"-10.00", "USD", -1000, nil},
		{"600000", "VND", 600000, nil}, {"600000.00", "VND", 600000, nil}, {"150000.0", "VND", 150000, nil},
		{"1.234", "KWD", 1234, nil}, {"1.5e5", "VND", 150000, nil}, {"15E-1", "USD", 150, nil}, {"1e-2", "USD", 1, nil},
		{"0", "VND", 0, nil}, {"-0.000", "JPY", 0, nil}, {"0e99", "USD", 0, nil}, {" 12.50 ", "USD", 1250, nil},
		{"9223372036854775807", "VND", 9223372036854775807, nil}, {"92233720368547758.07", "USD", 9223372036854775807, nil},
		{"9223372036854775808", "VND", 0, ErrRange}, {"1e99", "VND", 0, ErrRange}, {"1e100", "VND", 0, ErrRange},
		{"1e999999999999", "VND", 0, ErrRange}, {strings.Repeat("0", 65), "VND", 0, ErrRange},
		{"0.5", "VND", 0, ErrDecimals}, {"1.999", "USD", 0, ErrDecimals}, {"1e-9", "USD", 0, ErrDecimals},
		{"", "USD", 0, ErrSyntax}, {"abc", "USD", 0, ErrSyntax}, {"1,234.00", "USD", 0, ErrSyntax}, {"$5", "USD", 0, ErrSyntax},
		{".5", "USD", 0, ErrSyntax}, {"5.", "USD", 0, ErrSyntax}, {"--5", "USD", 0, ErrSyntax}, {"1e", "USD", 0, ErrSyntax},
		{"0x10", "USD", 0, ErrSyntax}, {"NaN", "USD", 0, ErrSyntax}, {"1.2.3", "USD", 0, ErrSyntax}, {"１", "USD", 0, ErrSyntax},
		{"1", "XYZ", 0, ErrCurrency}, {"1", "", 0, ErrCurrency}, {"1", "vnd", 0, ErrCurrency},
	} {
		got, err := Minor(c.text, c.code)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("Minor(%q, %s) = %d, %v; want %d, %v", c.text, c.code, got, err, c.want, c.err)
		}
	}
}

func TestCurrency(t *testing.T) {
	for text, want := range map[string]string{"VND": "VND", "vnd": "VND", "usd": "USD", "KWD": "KWD", "": "", "VN": "", "XYZ": "", "ĐĐ": "", "123": ""} {
		if got, ok := Currency(text); ok != (want != "") || ok && got != want {
			t.Errorf("Currency(%q) = %q, %v", text, got, ok)
		}
	}
	for code, want := range map[string]int{"VND": 0, "JPY": 0, "KRW": 0, "USD": 2, "EUR": 2, "IDR": 2, "KWD": 3, "CLF": 4} {
		if got, ok := Exponent(code); !ok || got != want {
			t.Errorf("Exponent(%s) = %d, %v; want %d", code, got, ok, want)
		}
	}
}

// What is accepted is exactly what rational arithmetic says.
func FuzzMinor(f *testing.F) {
	for _, s := range []string{"598.94", "-10.00", "1.5e5", "15E-1", "0e99", "92233720368547758.07", "1e-9", "00.10", "1_0"} {
		f.Add(s, "USD")
		f.Add(s, "VND")
		f.Add(s, "KWD")
	}
	f.Fuzz(func(t *testing.T, text, code string) {
		got, err := Minor(text, code)
		decimals, known := Exponent(code)
		if err != nil {
			if got != 0 {
				t.Errorf("Minor(%q, %q) = %d beside %v", text, code, got, err)
			}
			return
		}
		exact, ok := new(big.Rat).SetString(strings.TrimSpace(text))
		if !known || !ok {
			t.Fatalf("Minor(%q, %q) = %d; it is no amount", text, code, got)
		}
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)))
		if exact.Cmp(new(big.Rat).SetInt64(got)) != 0 {
			t.Errorf("Minor(%q, %q) = %d; exactly %s", text, code, got, exact.RatString())
		}
	})
}
