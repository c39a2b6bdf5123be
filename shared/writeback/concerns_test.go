package writeback

import (
	"testing"
	"time"

	"loophub/shared/workspace"
)

func TestConcerns(t *testing.T) {
	p, err := Compile(workspace.Destination{Name: "crm", Connection: "crm", When: `consent("email:marketing")`,
		Properties: map[string]string{"email": "traits.email", "loophub_segments": "segments"}}, "email", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		changed []string
		want    bool
	}{
		{[]string{"orders"}, false},
		{[]string{"orders", "checkout", "tags", "events"}, false},
		{[]string{"orders", "traits"}, true},
		{[]string{"consent"}, true},
		{[]string{"identity"}, true},          // whom a profile is made of always counts
		{[]string{"orders", "loyalty"}, true}, // of another version of Loophub
		{nil, true},
	} {
		if got := p.Concerns(c.changed); got != c.want {
			t.Errorf("a change of %v concerns the destination: %t", c.changed, got)
		}
	}
	everybody, err := Compile(workspace.Destination{Name: "crm", Properties: map[string]string{"email": "traits.email", "orders": "orders.count"}}, "email", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if !everybody.Concerns([]string{"orders"}) || everybody.Concerns([]string{"tags"}) {
		t.Error("what a property reads is not what concerns")
	}
}
