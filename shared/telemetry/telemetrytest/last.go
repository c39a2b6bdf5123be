// Package telemetrytest reads in tests what a stage has logged.
package telemetrytest

import (
	"encoding/json"
	"strings"
	"testing"
)

// Last is the last line of a log.
func Last(t testing.TB, log string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log), "\n")
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		t.Fatal(err)
	}
	return m
}
