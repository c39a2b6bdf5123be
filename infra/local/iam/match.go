package iam

import (
	"strings"
	"unicode/utf8"
)

// match compares a text with a pattern of "*" (any run, also empty) and "?" (any one character).
func match(text, pattern string) bool {
	star, resume := -1, 0
	t, p := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			t += width(text[t:])
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0: // let the last star take one character more
			resume += width(text[resume:])
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func width(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// matchResource compares an ARN with a pattern as policies write it: a wildcard stands for what is within one segment
// between colons, slashes too, and a "*" that ends its segment also runs over colons
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html, read 2026-11-22).
func matchResource(arn, pattern string) bool {
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case c == '*':
			rest := pattern[i+1:]
			over := rest == "" || rest[0] == ':'
			for n := 0; ; n += width(arn[n:]) {
				if matchResource(arn[n:], rest) {
					return true
				}
				if n == len(arn) || arn[n] == ':' && !over {
					return false
				}
			}
		case arn == "" || c != '?' && c != arn[0] || c == '?' && arn[0] == ':':
			return false
		case c == '?':
			arn = arn[width(arn):]
		default:
			arn = arn[1:]
		}
	}
	return arn == ""
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
