// Package money reads amounts exactly: from a decimal text to integer minor
// units of a currency, without a float in between.
package money

import (
	"errors"
	"math"
	"strings"
)

// The ways in which an amount can be impossible.
var (
	ErrCurrency = errors.New("not a currency of ISO 4217")
	ErrSyntax   = errors.New("not a decimal number")
	ErrDecimals = errors.New("more decimals than the currency has")
	ErrRange    = errors.New("amount is out of range")
)

// Currency gives the ISO 4217 code in upper case, if text is one.
func Currency(text string) (code string, ok bool) {
	if len(text) != 3 {
		return "", false
	}
	code = strings.ToUpper(text)
	_, ok = exponents[code]
	return code, ok
}

// Exponent is the number of decimals of a currency: 0 for VND, 2 for USD.
func Exponent(code string) (decimals int, ok bool) {
	n, ok := exponents[code]
	return int(n), ok
}

// Minor reads an amount as JSON numbers and sources' texts write it: digits
// with an optional sign, decimal point and exponent, "600000", "-10.00",
// "1.5e5". Zeros beyond the currency's decimals are dropped; any other digit
// there is an error and never rounded away. Grouping marks and units are
// refused: what they mean differs by country.
func Minor(text, code string) (int64, error) {
	decimals, ok := Exponent(code)
	if !ok {
		return 0, ErrCurrency
	}
	negative, whole, fraction, shift, err := split(strings.TrimSpace(text))
	if err != nil {
		return 0, err
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return 0, nil
	}
	// The value is digits × 10^(shift − len(fraction)); minor units add decimals.
	power := shift - len(fraction) + decimals
	for power < 0 {
		if digits == "" || digits[len(digits)-1] != '0' {
			return 0, ErrDecimals
		}
		digits, power = digits[:len(digits)-1], power+1
	}
	return number(negative, digits, power)
}

// split takes the text apart. The exponent is bounded, so that nobody can ask
// for a million zeros.
func split(s string) (negative bool, whole, fraction string, shift int, err error) {
	if len(s) > 64 {
		return false, "", "", 0, ErrRange
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if shift, err = exponent(s[i+1:]); err != nil {
			return false, "", "", 0, err
		}
		s = s[:i]
	}
	whole, fraction, point := strings.Cut(s, ".")
	if !digit(whole) || point && !digit(fraction) {
		return false, "", "", 0, ErrSyntax
	}
	return negative, whole, fraction, shift, nil
}

func exponent(s string) (int, error) {
	sign := 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if !digit(s) {
		return 0, ErrSyntax
	}
	if s = strings.TrimLeft(s, "0"); len(s) > 2 {
		return 0, ErrRange
	}
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return sign * n, nil
}

func digit(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func number(negative bool, digits string, zeros int) (int64, error) {
	if len(digits)+zeros > 19 {
		return 0, ErrRange
	}
	var n uint64 // 19 digits always fit
	for i := range len(digits) {
		n = n*10 + uint64(digits[i]-'0')
	}
	for range zeros {
		n *= 10
	}
	if n > math.MaxInt64 {
		return 0, ErrRange
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}

// exponents are the active codes of ISO 4217 with their decimals, and those
// withdrawn since 2010, which old orders are in.
var exponents = table(map[int8]string{
	0: "BIF BYR CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
	2: `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
		CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
		IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
		MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS
		SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
		CUC EEK HRK LTL LVL MRO SLL STD VEF ZMK ZWL`,
	3: "BHD IQD JOD KWD LYD OMR TND",
	4: "CLF UYW",
})

func table(byDecimals map[int8]string) map[string]int8 {
	m := map[string]int8{}
	for n, codes := range byDecimals {
		for _, c := range strings.Fields(codes) {
			m[c] = n
		}
	}
	return m
}
