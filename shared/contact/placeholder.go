package contact

import "strings"

// placeholders are addresses that shop systems put in where a buyer left none.
// A workspace adds its own.
var placeholders = map[string]bool{
	"guest@haravan.com": true, // every guest order of a Haravan shop
}

// PlaceholderEmail tells whether a normalised address stands for nobody.
func PlaceholderEmail(address string) bool { return placeholders[address] }

// PlaceholderPhone tells whether a number, as typed or as E.164, is one that
// people type to get past a form: a single digit repeated, or digits counted up
// or down.
func PlaceholderPhone(number string) bool {
	digits := strings.TrimPrefix(number, "+84") // Vietnam's trunk 0 is gone in E.164
	digits = strings.TrimLeft(digits, "+")
	if repeated(digits) || repeated(strings.TrimPrefix(digits, "0")) {
		return true
	}
	for _, run := range []string{"0123456789", "1234567890", "0987654321", "9876543210"} {
		if digits == run || digits == strings.TrimPrefix(run, "0") {
			return true
		}
	}
	return false
}

func repeated(s string) bool {
	return len(s) >= 6 && strings.Count(s, s[:1]) == len(s)
}
