package attr

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// Limits of a DynamoDB number (developer guide, "Supported data types and naming rules").
const (
	maxDigits   = 38
	maxExponent = 125  // of the first digit: 9.99…E+125
	minExponent = -130 // of the first digit: 1E-130
)

// Number is an exact decimal of at most 38 significant digits. It has one form per value, so == compares values.
type Number struct {
	digits   string // significant digits without leading or trailing zeros; "" is zero
	exponent int32  // the value is 0.digits × 10^exponent; 0 for zero
	negative bool
}

// Errors of numbers, in AWS's words.
const (
	notANumber  = "The parameter cannot be converted to a numeric value"
	tooPrecise  = "Attempting to store more than 38 significant digits in a Number"
	overflow    = "Number overflow. Attempting to store a number with magnitude larger than supported range"
	underflow   = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
	maxNumerals = 1 << 12 // longer texts are refused unread: no number of 38 digits needs them
)

// ParseNumber reads a decimal with optional sign, fraction and exponent.
func ParseNumber(text string) (Number, error) {
	if text == "" {
		return Number{}, invalid(notANumber)
	}
	unreadable := invalid(notANumber + ": " + text)
	s := text
	if len(s) > maxNumerals {
		return Number{}, unreadable
	}
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	mantissa, tail, scientific := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, tail, scientific = s[:i], s[i+1:], true
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !numerals(whole) || !numerals(fraction) {
		return Number{}, unreadable
	}
	exponent := 0
	if scientific {
		var ok bool
		if exponent, ok = parseExponent(tail); !ok {
			return Number{}, unreadable
		}
	}
	if strings.Trim(whole+fraction, "0") == "" { // zero has the exponent that it is written with
		return Number{}, inRange(exponent)
	}
	return normal(negative, whole+fraction, len(whole)+exponent)
}

// inRange refuses an exponent of the first digit that no number has.
func inRange(exponent int) error {
	switch {
	case exponent > maxExponent:
		return invalid(overflow)
	case exponent < minExponent:
		return invalid(underflow)
	}
	return nil
}

func numerals(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseExponent reads a signed integer of 64 bits and clips it to a range far outside the numbers allowed.
func parseExponent(s string) (int, bool) {
	sign := 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if s == "" || !numerals(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, false // longer than AWS reads
	}
	return sign * int(min(n, 1<<20)), true
}

// normal builds the number 0.digits × 10^exponent from digits that may have zeros at either end.
func normal(negative bool, digits string, exponent int) (Number, error) {
	trimmed := strings.TrimLeft(digits, "0")
	exponent -= len(digits) - len(trimmed)
	trimmed = strings.TrimRight(trimmed, "0")
	if trimmed == "" {
		return Number{}, nil
	}
	if err := inRange(exponent - 1); err != nil {
		return Number{}, err
	}
	if len(trimmed) > maxDigits {
		return Number{}, invalid(tooPrecise)
	}
	return Number{negative: negative, digits: trimmed, exponent: int32(exponent)}, nil
}

// Int is the number of an int.
func Int(n int64) Number {
	v, err := ParseNumber(big.NewInt(n).String())
	if err != nil { // an int64 has 19 digits at most
		panic(err)
	}
	return v
}

// Int64 returns the number as an int64, and whether it is one.
func (n Number) Int64() (int64, bool) {
	if n.digits == "" {
		return 0, true
	}
	if n.finest() < 0 || n.exponent > 19 {
		return 0, false
	}
	v := n.scaled(0)
	return v.Int64(), v.IsInt64()
}

// String is the canonical text: plain notation without superfluous zeros, as DynamoDB returns it.
func (n Number) String() string {
	if n.digits == "" {
		return "0"
	}
	var b strings.Builder
	if n.negative {
		b.WriteByte('-')
	}
	switch {
	case n.exponent <= 0:
		b.WriteString("0.")
		b.WriteString(strings.Repeat("0", int(-n.exponent)))
		b.WriteString(n.digits)
	case n.finest() >= 0:
		b.WriteString(n.digits)
		b.WriteString(strings.Repeat("0", n.finest()))
	default:
		b.WriteString(n.digits[:n.exponent])
		b.WriteByte('.')
		b.WriteString(n.digits[n.exponent:])
	}
	return b.String()
}

func (n Number) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.negative:
		return -1
	}
	return 1
}

// Compare orders two numbers by value.
func (n Number) Compare(m Number) int {
	if c := cmp.Compare(n.sign(), m.sign()); c != 0 || n.digits == "" {
		return c
	}
	c := cmp.Compare(n.exponent, m.exponent)
	if c == 0 {
		c = strings.Compare(n.digits, m.digits)
	}
	return c * n.sign()
}

// Negated is -n.
func (n Number) Negated() Number {
	n.negative = !n.negative && n.digits != ""
	return n
}

// Add is the exact sum; a sum outside the range or the precision is refused, as DynamoDB refuses it.
func (n Number) Add(m Number) (Number, error) {
	unit := min(n.finest(), m.finest())
	sum := n.scaled(unit)
	sum.Add(sum, m.scaled(unit))
	text := sum.String()
	negative := strings.HasPrefix(text, "-")
	text = strings.TrimPrefix(text, "-")
	return normal(negative, text, len(text)+unit)
}

// finest is the exponent of the last digit's unit.
func (n Number) finest() int { return int(n.exponent) - len(n.digits) }

// scaled is the number in units of 10^unit, where unit is no finer than its last digit.
func (n Number) scaled(unit int) *big.Int {
	v := new(big.Int)
	if n.digits == "" {
		return v
	}
	v.SetString(n.digits+strings.Repeat("0", n.finest()-unit), 10)
	if n.negative {
		v.Neg(v)
	}
	return v
}

// size is the stored size in bytes: one per two significant digits, those before and after the point counted apart, one
// more, and one for a sign. (AWS says "approximately"; this is what its users have measured.)
func (n Number) size() int {
	whole := min(max(int(n.exponent), 0), len(n.digits))
	size := 1 + (whole+1)/2 + (len(n.digits)-whole+1)/2
	if n.negative {
		size++
	}
	return size
}
