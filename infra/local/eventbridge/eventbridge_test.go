package eventbridge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/dispatch/dispatchtest"
	"loophub/infra/local/eventbridge"
	"loophub/infra/local/retry"
	"loophub/infra/local/work"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// bench has a bus with three rules: everything, orders only with a constant input, and one whose target refuses.
type bench struct {
	*client.Client
	t              *testing.T
	clock          *clock.Offset
	tracker        work.Tracker
	all, constants []string
	buried         []map[string]string
	refusal        error           // of the third rule's target
	tries          []time.Duration // when it was asked, from noon
	fail           func()          // a part of the next call's entries
}

func run(t *testing.T, test func(b *bench)) {
	t.Helper()
	runWith(t, retry.Default(), test)
}

// runWith has a retry policy for the target that refuses.
func runWith(t *testing.T, policy retry.Policy, test func(b *bench)) {
	t.Helper()
	var b *bench
	dispatchtest.RunPartial(t, "events", func(t *testing.T) dispatch.Service {
		b = &bench{clock: clock.Stopped(noon), refusal: &dispatch.Error{Code: "AccessDeniedException", Message: "no"}}
		into := func(list *[]string) func([]byte) error {
			return func(e []byte) error { *list = append(*list, string(e)); return nil }
		}
		s, err := eventbridge.New(eventbridge.Config{Region: "us-east-1", Account: "1", Timers: b.clock, Tracker: &b.tracker,
			Buses: []eventbridge.Bus{{Name: "bus", ARN: "arn:aws:events:us-east-1:1:event-bus/bus"}},
			Rules: []eventbridge.Rule{
				{ARN: "all", Bus: "bus", Pattern: []byte(`{"source":[{"prefix":""}]}`), Targets: []eventbridge.Target{{Retry: retry.Default(), Deliver: into(&b.all)}}},
				{ARN: "orders", Bus: "bus", Pattern: []byte(`{"detail":{"kind":["order"]}}`),
					Targets: []eventbridge.Target{{Input: `{"constant":true}`, Retry: retry.Default(), Deliver: into(&b.constants)}}},
				{ARN: "closed", Bus: "bus", Pattern: []byte(`{"detail-type":["refused"]}`), Targets: []eventbridge.Target{{ARN: "target",
					Retry: policy, Deliver: func([]byte) error { b.tries = append(b.tries, b.clock.Now().Sub(noon)); return b.refusal },
					Bury: func(e []byte, about map[string]string) error {
						about["event"] = string(e)
						b.buried = append(b.buried, about)
						return nil
					}}}},
			}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, func(t *testing.T, cfg aws.Config, fail func()) {
		b.t, b.Client, b.fail = t, client.NewFromConfig(cfg), fail
		test(b)
	})
}

func entry(kind, detail string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{EventBusName: aws.String("bus"), Source: aws.String("loophub"), DetailType: &kind, Detail: &detail}
}

func (b *bench) put(entries ...types.PutEventsRequestEntry) (*client.PutEventsOutput, error) {
	b.t.Helper()
	out, err := b.PutEvents(b.t.Context(), &client.PutEventsInput{Entries: entries})
	if idle := b.tracker.Idle(b.t.Context()); idle != nil {
		b.t.Fatal(idle)
	}
	return out, err
}

func (b *bench) refused(err error, code string) {
	b.t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		b.t.Errorf("got %v, want %s", err, code)
	}
}

func TestEventsReachTheTargetsOfFittingRulesInOrder(t *testing.T) {
	run(t, func(b *bench) {
		at := noon.Add(-time.Hour)
		timed := entry("a", `{"kind":"order","n":1.50}`)
		timed.Time, timed.Resources = &at, []string{"r"}
		out, err := b.put(timed, entry("b", `{}`), entry("refused", `{"kind":"x"}`))
		if err != nil || out.FailedEntryCount != 0 || len(out.Entries) != 3 {
			b.t.Fatalf("%+v %v", out, err)
		}
		if len(b.all) != 3 || !slices.Equal(b.constants, []string{`{"constant":true}`}) {
			b.t.Fatalf("delivered %v and %v", b.all, b.constants)
		}
		want := fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"a","source":"loophub","account":"1","time":"2026-01-02T11:00:00Z",`+
			`"region":"us-east-1","resources":["r"],"detail":{"kind":"order","n":1.50}}`, *out.Entries[0].EventId)
		if b.all[0] != want {
			b.t.Errorf("event\n%s, want\n%s", b.all[0], want)
		}
		var second struct{ Time time.Time }
		if err := json.Unmarshal([]byte(b.all[1]), &second); err != nil || !second.Time.Equal(noon) {
			b.t.Errorf("an event without time got %v", second.Time)
		}
		if len(b.buried) != 1 || b.buried[0]["ERROR_CODE"] != "NO_PERMISSIONS" || b.buried[0]["RULE_ARN"] != "closed" ||
			b.buried[0]["TARGET_ARN"] != "target" || b.buried[0]["event"] != b.all[2] {
			b.t.Errorf("dead letters %v", b.buried)
		}
	})
}

func TestEntriesFailOneByOne(t *testing.T) {
	run(t, func(b *bench) {
		noSource, reserved := entry("a", `{}`), entry("a", `{}`)
		noSource.Source, reserved.Source = aws.String(""), aws.String("aws.s3")
		elsewhere := entry("a", `{}`)
		elsewhere.EventBusName = aws.String("none")
		out, err := b.put(entry("a", `{}`), noSource, entry("", `{}`), entry("a", ``), entry("a", `[1]`), entry("a", `{`), reserved, elsewhere)
		if err != nil || out.FailedEntryCount != 7 {
			b.t.Fatalf("%+v %v", out, err)
		}
		want := []string{"", "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail", "MalformedDetail",
			"NotAuthorizedForSourceException", "ResourceNotFoundException"}
		for i, e := range out.Entries {
			if aws.ToString(e.ErrorCode) != want[i] || (e.EventId == nil) == (want[i] == "") {
				b.t.Errorf("entry %d: %v %v", i, aws.ToString(e.ErrorCode), aws.ToString(e.ErrorMessage))
			}
		}
		if len(b.all) != 1 {
			b.t.Errorf("%d events delivered", len(b.all))
		}
	})
}

func TestPartOfTheEntriesFails(t *testing.T) {
	run(t, func(b *bench) {
		b.fail()
		out, err := b.put(entry("a", `{"n":0}`), entry("b", `{"n":1}`), entry("c", `{"n":2}`))
		if err != nil || out.FailedEntryCount != 2 || len(out.Entries) != 3 {
			b.t.Fatalf("%+v %v", out, err)
		}
		for i, want := range []string{"", "InternalFailure", "InternalFailure"} {
			if e := out.Entries[i]; aws.ToString(e.ErrorCode) != want || (e.EventId == nil) == (want == "") {
				b.t.Errorf("entry %d: %v", i, aws.ToString(e.ErrorCode))
			}
		}
		if len(b.all) != 1 || !strings.Contains(b.all[0], `"n":0`) {
			b.t.Errorf("delivered %v", b.all)
		}
		b.fail()
		if out, err = b.put(entry("a", `{}`)); err != nil || out.FailedEntryCount != 1 {
			b.t.Errorf("the only entry: %+v %v", out, err)
		}
		if out, err = b.put(entry("a", `{}`)); err != nil || out.FailedEntryCount != 0 || len(b.all) != 2 {
			b.t.Errorf("afterwards: %+v %v", out, err)
		}
	})
}

func TestLimits(t *testing.T) {
	run(t, func(b *bench) {
		eleven := make([]types.PutEventsRequestEntry, 11)
		for i := range eleven {
			eleven[i] = entry("a", `{}`)
		}
		_, err := b.put(eleven...)
		b.refused(err, "ValidationException")
		half := `{"x":"` + strings.Repeat("x", 512<<10) + `"}`
		_, err = b.put(entry("a", half), entry("a", half))
		b.refused(err, "ValidationException")
		if out, err := b.put(entry("a", half)); err != nil || out.FailedEntryCount != 0 {
			b.t.Errorf("half of the limit: %v", err)
		}
		_, err = b.ListRules(b.t.Context(), &client.ListRulesInput{})
		b.refused(err, "UnknownOperationException")
		if len(b.all) != 1 {
			b.t.Errorf("%d events delivered", len(b.all))
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, r := range map[string]eventbridge.Rule{
		"unknown bus":     {Bus: "none", Pattern: []byte(`{"source":["x"]}`)},
		"unknown matcher": {Bus: "bus", Pattern: []byte(`{"source":[{"cidr":"10.0.0.0/8"}]}`)},
	} {
		_, err := eventbridge.New(eventbridge.Config{Tracker: &work.Tracker{}, Buses: []eventbridge.Bus{{Name: "bus"}}, Rules: []eventbridge.Rule{r}})
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
