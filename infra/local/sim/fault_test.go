package sim_test

import (
	"strings"
	"testing"
	"time"

	"loophub/infra/local/sim"
)

// first is the nth call of an operation by a stage, wherever it stands in the code.
func nth(stage, operation string, n int, f sim.Fault) func(sim.Point) sim.Fault {
	return func(p sim.Point) sim.Fault {
		if p.Function == stage && p.Operation == operation && p.Nth == n {
			return f
		}
		return sim.Fault{}
	}
}

// Each fault does what its name says: the SDK tries again where it would on AWS, and what had its effect keeps it.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name             string
		plan             func(sim.Point) sim.Fault
		status           int
		inbox, hub       string // how often the webhook was counted there
		messages         int
		ingests, unifies int // instances
		batches          string
		longer           time.Duration // than this it took
	}{
		{"none", nil, 200, "1", "1", 1, 1, 1, "o1", 0},
		{"throttle", nth("ingest", "UpdateItem", 1, sim.Fault{Kind: sim.Throttle}), 200, "1", "1", 1, 1, 1, "o1", 0},
		{"unavailable", nth("ingest", "SendMessage", 1, sim.Fault{Kind: sim.Unavailable}), 200, "1", "1", 1, 1, 1, "o1", 0},
		{"lost before", nth("ingest", "UpdateItem", 1, sim.Fault{Kind: sim.LostBefore}), 200, "1", "1", 1, 1, 1, "o1", 3 * time.Second},
		{"lost after", nth("ingest", "UpdateItem", 1, sim.Fault{Kind: sim.LostAfter, For: time.Second}), 200, "2", "1", 1, 1, 1, "o1|", time.Second},
		{"twice", nth("ingest", "SendMessage", 1, sim.Fault{Kind: sim.Twice}), 200, "1", "1", 2, 1, 1, "o1", 0},
		{"partial means nothing here", nth("ingest", "UpdateItem", 1, sim.Fault{Kind: sim.Partial}), 200, "1", "1", 1, 1, 1, "o1", 0},
		{"slow", nth("ingest", "UpdateItem", 1, sim.Fault{Kind: sim.Slow, For: 2 * time.Second}), 200, "1", "1", 1, 1, 1, "o1", 2 * time.Second},
		{"slower than the function may be", nth("ingest", "UpdateItem", 1, sim.Fault{Kind: sim.Slow, For: time.Hour}), 502, "0", "0", 0, 1, 0, "", 0},
		{"die before", nth("ingest", "SendMessage", 1, sim.Fault{Kind: sim.DieBefore}), 502, "1", "1", 0, 1, 1, "o1", 0},
		{"die after", nth("ingest", "SendMessage", 1, sim.Fault{Kind: sim.DieAfter}), 502, "1", "1", 1, 1, 1, "o1", 0},
		{"a dead instance is not used again", nth("unify", "UpdateItem", 1, sim.Fault{Kind: sim.DieAfter}), 200, "1", "2", 1, 1, 2, "o1|o1", 0},
		{"a death before leaves nothing", nth("unify", "UpdateItem", 1, sim.Fault{Kind: sim.DieBefore}), 200, "1", "1", 1, 1, 2, "o1|o1", 0},
		{"redeliver", nth("unify", "end", 1, sim.Fault{Kind: sim.Redeliver}), 200, "1", "2", 1, 1, 1, "o1|o1", 0},
		{"partly failed", nth("unify", "end", 1, sim.Fault{Kind: sim.PartlyFailed}), 200, "1", "2", 1, 1, 1, "o1|o1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runSmall(t, sim.Config{Seed: 1, Plan: c.plan}, func(s *small) {
				status, took := s.post("o1")
				if status != c.status || took < c.longer {
					t.Errorf("answered %d after %s, want %d", status, took, c.status)
				}
				if s.counted("InboxTable", "o1") != c.inbox || s.counted("HubTable", "o1") != c.hub || s.messages() != c.messages ||
					s.started["ingest"] != c.ingests || s.started["unify"] != c.unifies || strings.Join(s.unified, "|") != c.batches {
					t.Errorf("%v", s)
				}
			})
		})
	}
}

// What died does nothing more: neither its later calls nor its result count.
func TestTheDeadDoNothing(t *testing.T) {
	for call := 1; call <= 3; call++ { // of unify, which counts three webhooks one after the other
		for _, kind := range []sim.Kind{sim.DieBefore, sim.DieAfter} {
			runSmall(t, sim.Config{Seed: 3, Plan: nth("unify", "UpdateItem", call, sim.Fault{Kind: kind})}, func(s *small) {
				for _, body := range []string{"a", "b", "c"} {
					s.post(body)
				}
				again := 0
				for _, body := range []string{"a", "b", "c"} {
					switch s.counted("HubTable", body) {
					case "1":
					case "2":
						again++
					default:
						t.Errorf("%s at call %d: %s was counted %s times", kind, call, body, s.counted("HubTable", body))
					}
				}
				if want := map[sim.Kind]int{sim.DieBefore: 0, sim.DieAfter: 1}[kind]; again != want {
					t.Errorf("%s at call %d: %d were counted twice, want %d", kind, call, again, want)
				}
			})
		}
	}
}

func TestCalmEndsTheFaults(t *testing.T) {
	always := func(p sim.Point) sim.Fault {
		if p.Operation == "UpdateItem" {
			return sim.Fault{Kind: sim.Throttle}
		}
		return sim.Fault{}
	}
	runSmall(t, sim.Config{Seed: 1, Plan: always}, func(s *small) {
		if status, _ := s.post("o1"); status != 502 {
			t.Errorf("answered %d while all is throttled", status)
		}
		s.Calm()
		if status, _ := s.post("o2"); status != 200 || s.counted("HubTable", "o2") != "1" {
			t.Errorf("answered %d afterwards: %v", status, s)
		}
	})
}

// Points name the place in the code, and count it by itself.
func TestPoints(t *testing.T) {
	runSmall(t, sim.Config{Seed: 1, Record: true}, func(s *small) {
		s.post("o1")
		s.post("o2")
		var calls, ends int
		for i, p := range s.Points() {
			if p.Number != i+1 || p.Invocation == "" {
				t.Errorf("%+v", p)
			}
			switch {
			case p.End():
				ends++
			case p.Operation == "UpdateItem" && p.Function == "ingest":
				if calls++; p.Nth != calls {
					t.Errorf("%+v", p)
				}
			}
		}
		if calls != 2 || ends < 4 || len(s.Trace()) != len(s.Points())-ends {
			t.Errorf("%d calls, %d ends, %d steps", calls, ends, len(s.Trace()))
		}
	})
}

func TestSiteOf(t *testing.T) {
	for function, want := range map[string]string{
		"loophub/shared/aws/hub.Workspace.Commit":                     "shared/aws/hub.Workspace.Commit",
		"loophub/shared/aws/hub.(*Table).In":                          "shared/aws/hub.Table.In",
		"loophub/shared/aws/hub.Workspace.batch.func1":                "shared/aws/hub.Workspace.batch",
		"loophub/shared/aws/hub.Workspace.batch.func1.2":              "shared/aws/hub.Workspace.batch",
		"loophub/shared/aws/hub.each[...]":                            "shared/aws/hub.each",
		"loophub/shared/aws/hub.each[...].func1":                      "shared/aws/hub.each",
		"loophub/shared/aws/hub.Workspace.Dues.func1-range1":          "shared/aws/hub.Workspace.Dues",
		"loophub/shared/aws/hub.Workspace.Ahead.Workspace.Dues.func1": "shared/aws/hub.Workspace.Dues",
		"loophub/functions/api.(*API).Handle-fm":                      "functions/api.API.Handle",
		"loophub/functions/unify.(*Stage).take.deferwrap1":            "functions/unify.Stage.take",
		"loophub/functions/ingest.function":                           "functions/ingest.function",
		"loophub/shared/outbound.(*doer).send":                        "",
		"loophub/infra/local/lambda.lifeline.Do":                      "",
		"github.com/aws/aws-sdk-go-v2/service/dynamodb.Client":        "",
	} {
		if got := sim.SiteOf(function); got != want {
			t.Errorf("%s is %q, want %q", function, got, want)
		}
	}
}
