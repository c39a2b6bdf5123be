package matrix

import (
	"slices"
	"testing"

	"loophub/infra/simulation/callsite"
)

// services are the SDK's names of services, where they differ from those of calls.
var services = map[string]string{"events": "eventbridge", "ses": "sesv2", "api.hubapi.com": callsite.Outside}

func siteOf(p place) callsite.Site {
	s := callsite.Site{Stage: p.stage, Caller: p.caller, Function: p.site, Service: p.service, Operation: p.operation}
	if other := services[p.service]; other != "" {
		s.Service = other
	}
	if s.Service == callsite.Outside {
		s.Operation = ""
	}
	return s
}

// unreached are the places which the code names and no run can come to, with the reason.
var unreached = map[callsite.Site]string{
	{
		Stage: "unify", Caller: "functions/unify.Unifier.Link", Function: "shared/aws/hub.Workspace.Commit",
		Service: "dynamodb", Operation: "TransactWriteItems",
	}: "a fragment whose links are noted as made moves no orders, which alone takes a transaction",
}

// TestEverySiteIsReached: the themes come to every place from which a stage calls, but those that none can come to. A call
// that somebody adds to a stage fails here until a theme comes to it.
func TestEverySiteIsReached(t *testing.T) {
	l, err := callsite.List("../../..", "loophub")
	if err != nil {
		t.Fatal(err)
	}
	reached := map[callsite.Site]bool{}
	for _, c := range baseline(t) {
		for _, p := range c.points {
			if !p.End() {
				reached[siteOf(placeOf(p))] = true
			}
		}
	}
	stages := map[string]int{}
	for _, s := range l {
		stages[s.Stage]++
		reason, excepted := unreached[s]
		switch {
		case excepted && reason == "":
			t.Errorf("%s is excepted without a reason", s)
		case excepted && reached[s]:
			t.Errorf("%s is reached: take it off the exceptions", s)
		case !excepted && !reached[s]:
			t.Errorf("no theme reaches %s", s)
		}
	}
	for s := range reached {
		if !slices.Contains(l, s) {
			t.Errorf("%s is called, and the list of call sites lacks it", s)
		}
	}
	for s := range unreached {
		if !slices.Contains(l, s) {
			t.Errorf("%s is excepted, and there is no such place any more", s)
		}
	}
	t.Logf("%d sites: %v", len(l), stages)
}
