package contact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName is the most bytes that a name keeps.
const MaxName = 200

// Name tidies a name: composed accents, one space between words, no control or
// invisible characters, at most MaxName bytes. Case stays: people know how they
// are written.
func Name(text string) string { return Line(text, MaxName) }

// Line tidies any one-line text in the same way, to at most limit bytes.
func Line(text string, limit int) string {
	text = cut(text, 4*limit) // bounds the work; what is cut below is shorter still
	if plain(text) {
		return strings.TrimRight(cut(text, limit), " ")
	}
	text = strings.ToValidUTF8(text, "")
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) && r != '\u200d' && r != '\u200c':
			return -1 // joiners stay: scripts and emoji need them
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	return strings.TrimRight(cut(text, limit), " ")
}

// plain tells whether tidying would change nothing but the length.
func plain(s string) bool {
	if s != strings.TrimSpace(s) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == ' ' && s[i-1] == ' ' {
			return false
		}
	}
	return true
}

// cut shortens s to limit bytes without splitting a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// familyFirst are the countries where a full name begins with the family name.
var familyFirst = map[string]bool{"VN": true, "CN": true, "TW": true, "JP": true, "KR": true, "HU": true}

// Split divides a full name into given and family name, in the order of the
// country (ISO 3166). A single word is a given name.
func Split(full, country string) (given, family string) {
	full = Name(full)
	if familyFirst[strings.ToUpper(country)] {
		family, given, _ = strings.Cut(full, " ")
	} else if i := strings.LastIndexByte(full, ' '); i > 0 {
		given, family = full[:i], full[i+1:]
	} else {
		given = full
	}
	if given == "" {
		given, family = family, ""
	}
	return given, family
}
