// Package contact is the one place where identity values are built: e-mail
// addresses, phone numbers and names. Two texts that mean the same address give
// the same value, and a value gives itself when it is read again.
package contact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxAddress = 254 // RFC 5321, section 4.5.3.1.3, less the angle brackets
	maxLocal   = 64  // section 4.5.3.1.1
	maxLabel   = 63  // RFC 1035, section 2.3.4
	maxRaw     = 1_000
)

// Email normalises an address: surrounding space cut, compatibility forms
// folded (full-width letters of Asian keyboards, composed accents), lower case,
// no dot at the end of the domain. Dots and plus tags of the local part stay:
// only the mailbox's owner knows what they mean. Quoted local parts, address
// literals, display names and domains of a single label are refused.
func Email(text string) (address string, ok bool) {
	if len(text) > maxRaw {
		return "", false
	}
	s, stable := fold(strings.TrimSpace(text))
	s = strings.TrimSuffix(s, ".")
	at := strings.LastIndexByte(s, '@')
	if !stable || at < 1 || at > maxLocal || len(s) > maxAddress {
		return "", false
	}
	if !local(s[:at]) || !domain(s[at+1:]) {
		return "", false
	}
	return s, true
}

// fold gives the compatibility form in lower case, and whether folding it again
// changes nothing: the few texts that never settle are nobody's address.
func fold(s string) (string, bool) {
	if ascii(s) {
		return strings.ToLower(s), true
	}
	if !utf8.ValidString(s) {
		return "", false
	}
	once := norm.NFKC.String(strings.ToLower(norm.NFKC.String(s)))
	once = strings.TrimSpace(once)
	return once, once == norm.NFKC.String(strings.ToLower(norm.NFKC.String(once)))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// local accepts what mailboxes are called in practice. Dots anywhere are real:
// Japanese carriers gave out addresses with two in a row.
func local(s string) bool {
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			if r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r) {
				return false
			}
		case !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r):
			return false
		}
	}
	return s != "."
}

func domain(s string) bool {
	labels := strings.Split(s, ".")
	if len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, r := range l {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return strings.ContainsFunc(last, unicode.IsLetter) && utf8.RuneCountInString(last) > 1
}
