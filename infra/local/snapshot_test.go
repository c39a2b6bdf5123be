package local

import (
	"testing"

	"loophub/infra/local/clock"
	"loophub/infra/local/lambda"
	"loophub/infra/local/template"
	"loophub/infra/stack/snapshot"
)

// The stack's own template starts: nothing in it is unknown, and every role can do what its mappings and schedules need.
func TestTheSnapshotStarts(t *testing.T) {
	text := snapshot.Template()
	stack, err := template.Load(text, "Loophub")
	if err != nil {
		t.Fatal(err)
	}
	handlers := map[string]lambda.Factory{}
	for _, f := range stack.Functions {
		handlers[f.Stage] = idle
	}
	cloud, err := New(text, Options{Handlers: handlers, Clock: clock.Stopped(noon)})
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, u := range stack.URLs {
		if err := cloud.mayOpen(u.TargetFunctionArn); err != nil {
			t.Errorf("%s: nobody may call it: %v", u.LogicalID, err)
		}
	}
}
