package contact

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/unicode/norm"
)

// Phone normalises a phone number to E.164. A number without a country code is
// read as one of country, an ISO 3166 code; with country empty only numbers
// that begin with + are read. Letters, extensions and numbers outside the
// numbering plan are refused. Old Vietnamese mobile numbers of eleven digits
// become the numbers that replaced them.
func Phone(text, country string) (number string, ok bool) {
	if len(text) > maxRaw {
		return "", false
	}
	digits, ok := dialled(text)
	if !ok {
		return "", false
	}
	n, err := phonenumbers.Parse(digits, strings.ToUpper(country))
	if err != nil {
		return "", false
	}
	if n.GetCountryCode() == vietnam {
		if national, moved := renumbered(n.GetNationalNumber()); moved {
			n.NationalNumber = &national
		}
	}
	if !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	number = phonenumbers.Format(n, phonenumbers.E164)
	return number, len(number) <= 16
}

// dialled keeps the digits and a plus in front of them, and refuses what people
// write around a number only when it is something else than a number.
func dialled(text string) (string, bool) {
	if !ascii(text) {
		text = norm.NFKC.String(text)
	}
	var b strings.Builder
	digits := 0
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
			digits++
		case r == '+':
			if b.Len() > 0 {
				return "", false
			}
			b.WriteRune(r)
		case strings.ContainsRune(" \t\r\n-.()/\u00a0\u200b\u200e\u200f\u202a\u202c\u2010\u2011\u2012\u2013\u2014\u2212\ufeff", r):
		default:
			return "", false
		}
	}
	return b.String(), digits >= 5 && digits <= 17
}

const vietnam = 84

// moved2018 are the mobile prefixes that Vietnam's Ministry of Information and
// Communications shortened from 15 September 2018 on, the last seven digits
// staying as they were. Table as published by the operators, read 2026-11-21:
// https://lawnet.vn/en/laws/what-is-the-current-list-of-prefixes-of-vietnamese-phone-numbers-of-mobile-network-operators-what-i-134777.html
var moved2018 = map[string]string{
	"120": "70", "121": "79", "122": "77", "126": "76", "128": "78", // MobiFone
	"123": "83", "124": "84", "125": "85", "127": "81", "129": "82", // VinaPhone
	"162": "32", "163": "33", "164": "34", "165": "35", // Viettel
	"166": "36", "167": "37", "168": "38", "169": "39", // Viettel
	"186": "56", "188": "58", // Vietnamobile
	"199": "59", // Gmobile
}

func renumbered(national uint64) (uint64, bool) {
	s := strconv.FormatUint(national, 10)
	if len(s) != 10 {
		return 0, false
	}
	prefix, ok := moved2018[s[:3]]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(prefix+s[3:], 10, 64)
	return n, err == nil
}
