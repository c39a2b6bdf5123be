package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"loophub/shared/fault"
)

type apiError string

func (e apiError) Error() string     { return "message with lan@example.com" }
func (e apiError) ErrorCode() string { return string(e) }

func TestWrite(t *testing.T) {
	now := time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC)
	none := 0
	for name, tt := range map[string]struct {
		line Line
		want string
	}{
		"delivery": {
			Line{Outcome: "stored", Workspace: "saigon", Connection: "shop", Delivery: "abc", Trace: "1-2-3", Status: 200,
				Bytes: 6000, Duration: 1500 * time.Microsecond, Counts: []Count{{Deliveries, 1}, {Clashes, 0}}},
			`{"timestamp":"2026-11-20T02:14:32Z","level":"INFO","msg":"stored","stage":"ingest","workspace":"saigon","connection":"shop","delivery":"abc","trace":"1-2-3","status":200,"bytes":6000,"ms":1.5,"deliveries":1,"_aws":{"Timestamp":1795140872000,"CloudWatchMetrics":[{"Namespace":"Loophub","Dimensions":[["stage"]],"Metrics":[{"Name":"deliveries","Unit":"Count"}]}]}}`,
		},
		"refused": {
			Line{Outcome: "refused", Missing: []string{"X-Signature"}, Secrets: &none},
			`{"timestamp":"2026-11-20T02:14:32Z","level":"INFO","msg":"refused","stage":"ingest","missing_headers":["X-Signature"],"secrets":0,"ms":0}`,
		},
		"aws error": {
			Line{Outcome: "failed", Err: fmt.Errorf("storing delivery: %w", apiError("Throttling lan@Exception"))},
			`{"timestamp":"2026-11-20T02:14:32Z","level":"ERROR","msg":"failed","stage":"ingest","class":"transient","code":"ThrottlinglanException","ms":0}`,
		},
		"time-out": {
			Line{Outcome: "failed", Err: fault.As(fault.Throttled, context.DeadlineExceeded)},
			`{"timestamp":"2026-11-20T02:14:32Z","level":"ERROR","msg":"failed","stage":"ingest","class":"throttled","code":"DeadlineExceeded","ms":0}`,
		},
		"text": {
			Line{Outcome: "failed", Err: errors.New("lan@example.com")},
			`{"timestamp":"2026-11-20T02:14:32Z","level":"ERROR","msg":"failed","stage":"ingest","class":"transient","ms":0}`,
		},
	} {
		var b bytes.Buffer
		New(&b, "ingest").Write(t.Context(), now, tt.line)
		if got := strings.TrimSpace(b.String()); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tt.want)
		}
	}
}

func TestWhere(t *testing.T) {
	var where string
	func() {
		defer func() {
			if recover() != nil {
				where = Where()
			}
		}()
		panic("lan@example.com")
	}()
	if !strings.HasPrefix(where, "telemetry_test.go:") {
		t.Error(where)
	}
}
