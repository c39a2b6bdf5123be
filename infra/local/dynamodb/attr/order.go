package attr

// AppendOrdered appends an encoding of a key value (S, N or B) whose bytewise order is the order of the values. No
// encoding is the beginning of another, so encodings can be concatenated into composite keys.
func (v Value) AppendOrdered(dst []byte) []byte {
	if v.Kind == N {
		return v.Num.appendOrdered(dst)
	}
	return append(appendEscaped(dst, v.Text), 0x00, 0x01)
}

// AppendOrderedPrefix appends what the encodings of all strings that begin with v have in common.
func (v Value) AppendOrderedPrefix(dst []byte) []byte { return appendEscaped(dst, v.Text) }

// appendEscaped writes a zero byte as 00 FF; the terminator 00 01 sorts below it, so a string sorts before its
// continuations.
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == 0 {
			dst = append(dst, 0xFF)
		}
	}
	return dst
}

// appendOrdered writes a byte for the sign, two for the exponent, the digits and a zero; all inverted if negative.
func (n Number) appendOrdered(dst []byte) []byte {
	const zero = 0x80
	if n.digits == "" {
		return append(dst, zero)
	}
	start := len(dst)
	biased := int(n.exponent) - minExponent
	dst = append(dst, zero+1, byte(biased>>8), byte(biased))
	dst = append(dst, n.digits...)
	dst = append(dst, 0)
	if n.negative {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

// After is the least key greater than every key that begins with prefix; "" stands for the end of all keys.
func After(prefix []byte) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xFF {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return string(end)
		}
	}
	return ""
}
