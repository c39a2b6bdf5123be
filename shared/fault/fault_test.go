package fault

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	at := time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)
	asked := Throttle(at, "asked to wait")
	for _, c := range []struct {
		name  string
		err   error
		class Class
		until time.Time
	}{
		{"nothing", nil, Transient, time.Time{}},
		{"unclassified", errors.New("x"), Transient, time.Time{}},
		{"throttled without a moment", New(Throttled, "x"), Throttled, time.Time{}},
		{"throttled until", asked, Throttled, at},
		{"wrapped", fmt.Errorf("writing: %w", asked), Throttled, at},
		{"classified once more", As(Throttled, fmt.Errorf("writing: %w", asked)), Throttled, at},
	} {
		if got := ClassOf(c.err); got != c.class {
			t.Errorf("%s: class %s, want %s", c.name, got, c.class)
		}
		if got := Until(c.err); !got.Equal(c.until) {
			t.Errorf("%s: until %s, want %s", c.name, got, c.until)
		}
	}
}
