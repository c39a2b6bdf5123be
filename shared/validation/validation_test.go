package validation_test

import (
	"strings"
	"testing"

	"loophub/shared/validation"
	"loophub/shared/workspace"
)

const head = "workspace: saigon\nname: Trà Lan\ncountry: VN\ncurrency: VND\ntimezone: Asia/Ho_Chi_Minh\n"

// TestChecks: for each kind of definition there is a check that reads it.
func TestChecks(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"segments: {a: {when: traits.town == ''}}", `line 6, column 28: segment "a": there is no trait "town"`},
	} {
		if _, err := workspace.Parse([]byte(head+tt.text), nil, validation.Checks()...); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: want %q, got %v", tt.text, tt.want, err)
		}
	}
}
