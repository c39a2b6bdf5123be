package iam

import "strings"

// match compares a text with a pattern of "*" (any run, also empty) and "?" (any one byte).
func match(text, pattern string) bool {
	star, resume := -1, 0
	t, p := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0: // let the last star take one byte more
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// matchARN compares part by part, so that a "*" in one part does not run into the next.
func matchARN(text, pattern string) bool {
	have, want := strings.SplitN(text, ":", 6), strings.SplitN(pattern, ":", 6)
	if len(have) != 6 || len(want) != 6 {
		return text == pattern
	}
	for i := range have {
		if !match(have[i], want[i]) {
			return false
		}
	}
	return true
}

// matchAction compares action names, in which case does not count.
func matchAction(action, pattern string) bool {
	return match(strings.ToLower(action), strings.ToLower(pattern))
}
