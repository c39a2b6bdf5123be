package sim

import (
	"strings"
	"testing"
)

func TestPlainNames(t *testing.T) {
	for runtime, want := range map[string]string{
		"shared/aws/hub.Workspace.Commit":               "shared/aws/hub.Workspace.Commit",
		"shared/aws/hub.(*Watch).Paused":                "shared/aws/hub.Watch.Paused",
		"shared/aws/definition.(*cache[...]).load":      "shared/aws/definition.cache.load",
		"shared/aws/definition.list[...]":               "shared/aws/definition.list",
		"shared/aws/definition.(*Reader).Tokens.func1":  "shared/aws/definition.Reader.Tokens",
		"functions/unify/wiring.New.func2.1":            "functions/unify/wiring.New",
		"functions/sweep/wiring.part.Dues.func1-range1": "functions/sweep/wiring.part.Dues",
		"functions/api.(*API).Handle-fm":                "functions/api.API.Handle",
		"functions/unify.(*Stage).take.deferwrap1":      "functions/unify.Stage.take",
		"connectors/hubspot.destination.func":           "connectors/hubspot.destination.func",
	} {
		if got := plain(runtime); got != want {
			t.Errorf("%s: %s, want %s", runtime, got, want)
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]struct{ exported, joins bool }{
		"shared/profile.Around":                {exported: true},
		"shared/profile.combine":               {},
		"connectors/hubspot.destination.Apply": {exported: true},
		"functions/unify.Unifier.commit":       {},
		"functions/unify/wiring.part.Hold":     {exported: true, joins: true},
	} {
		if stage := strings.HasPrefix(name, "functions/"); exported(name) != want.exported || stage && joins(name) != want.joins {
			t.Errorf("%s: exported %v, joins %v", name, exported(name), joins(name))
		}
	}
}
