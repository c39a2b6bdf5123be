package wiring_test

import (
	"fmt"
	"testing"
	"time"

	"loophub/infra/local/awstest"
	"loophub/shared/aws/hub"
	"loophub/shared/message"
	"loophub/shared/workspace"
)

// TestForecastReadsTheIndex: what waits in the table is foretold, by the index of
// moments, and the table stays as it is.
func TestForecastReadsTheIndex(t *testing.T) {
	w := newWorld(t)
	members := w.lay()
	soon := w.Now().Add(30 * time.Hour).Truncate(time.Second)
	in := hub.New(w.db, awstest.Hub).In("saigon")
	r := message.Request{ID: message.NewID(w.Now(), "x"), Fragment: members[1], Connection: "shop", Template: "none", Purpose: workspace.Marketing, At: w.Now().UnixMilli()}
	if _, err := in.Request(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"message", "segment"} {
		what := map[string]string{"message": fmt.Sprint(members[1], "|", r.ID), "segment": string(members[0])}[stage]
		if err := in.Arm(t.Context(), stage, what, soon); err != nil {
			t.Fatal(err)
		}
	}
	writes := func() (n int) {
		for _, call := range []string{"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"} {
			n += w.Calls("dynamodb." + call)
		}
		return n
	}
	before := writes()
	for _, hours := range []int{29, 31} {
		got := w.get("/v1/forecast?until=" + w.Now().Add(time.Duration(hours)*time.Hour).UTC().Format(time.RFC3339))
		sends := got["sends"].([]any)
		if got["truncated"] != false || len(sends) != max(0, hours-30) {
			t.Fatal(got)
		}
		if hours < 30 {
			continue
		}
		if m := sends[0].(map[string]any); m["message"] != r.ID || m["profile"] != string(members[0]) || m["decision"] != "drop" || m["reason"] != "no_channel" {
			t.Error(m)
		}
	}
	if n := writes(); n != before {
		t.Errorf("%d writes", n-before)
	}
}
