package hub

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"loophub/infra/local/awstest"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// put writes an item past the adapter.
func (w *world) put(item key) {
	w.t.Helper()
	_, err := w.raw.PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: aws.String(awstest.Hub), Item: item})
	w.must(err)
}

// step is one of everything that the adapter does, as its callers do it: what
// failed is done again from its reads on.
type step struct {
	name string
	run  func(ctx context.Context, w Workspace) error
}

func rewrite(change func(*profile.Fragment)) func(context.Context, Workspace) error {
	return func(ctx context.Context, w Workspace) error {
		f, err := w.Fragment(ctx, lan)
		if err != nil {
			return err
		}
		next := f.Clone()
		if change(&next); next.Equal(f) {
			return nil // it is as it should be
		}
		return w.Commit(ctx, next, nil, profile.Changes(f, next))
	}
}

func settle(o profile.Order, withdraw bool) func(context.Context, Workspace) error {
	return func(ctx context.Context, w Workspace) error {
		f, err := w.Fragment(ctx, lan)
		if err != nil {
			return err
		}
		want := &o
		if withdraw {
			want = nil
		}
		var older profile.Older
		next := f.Clone()
		if own, ends := next.State.Reads(o.Record, want, []int64{o.At}); len(own) > 0 || ends {
			if older, err = w.Older(ctx, lan, own, ends); err != nil {
				return err
			}
		}
		changed, moves := next.State.Settle(2, o.Record, want, older)
		if !changed {
			return nil
		}
		return w.Commit(ctx, next, moves, profile.Changes(f, next))
	}
}

func steps() []step {
	amended := exampleOrder(1)
	amended.Total = 3
	return []step{
		{"fact", func(ctx context.Context, w Workspace) error { return w.Put(ctx, exampleFact(1)) }},
		{"the fact, received earlier", func(ctx context.Context, w Workspace) error {
			f := exampleFact(1)
			f.Received = 1
			return w.Put(ctx, f)
		}},
		{"index", func(ctx context.Context, w Workspace) error { return w.Index(ctx, lan, "shop|order|1", 5) }},
		{"first sight", rewrite(func(f *profile.Fragment) { f.Anchor = exampleFragment().Anchor })},
		{"members", rewrite(func(f *profile.Fragment) { f.SetMembers([]profile.ID{lan, hoa}) })},
		{"an order", settle(exampleOrder(1), false)},
		{"another", settle(exampleOrder(2), false)},
		{"one more, the oldest moves out", settle(exampleOrder(3), false)},
		{"and more", settle(exampleOrder(4), false)},
		{"amended in place", settle(amended, false)},
		{"withdrawn, an older one moves in", settle(exampleOrder(4), true)},
		{"identity", func(ctx context.Context, w Workspace) error {
			i, err := w.Identity(ctx, mail)
			if err != nil || !i.Claimed(lan, "shop", profile.DefaultLimits) {
				return err
			}
			return w.CommitIdentity(ctx, i)
		}},
	}
}

// TestFaultsAfterEffect: each write takes effect, its answer is lost, the step is
// run again: the table is the one without the fault, versions included.
func TestFaultsAfterEffect(t *testing.T) {
	run := func(fail int, f awstest.Fault) (tables []string, writes int) {
		w := newWorld(t)
		faulty := false
		w.Fault = func(call string) *awstest.Fault {
			if call != "dynamodb.PutItem" && call != "dynamodb.TransactWriteItems" {
				return nil
			}
			if writes++; writes != fail {
				return nil
			}
			faulty = true
			return &f
		}
		for _, s := range steps() {
			for range 2 { // the second time as a copy does
				err := s.run(t.Context(), w.Workspace)
				if faulty != (err != nil) {
					t.Fatalf("%s: faulty %v, yet %v", s.name, faulty, err)
				}
				if faulty {
					faulty = false
					w.must(s.run(t.Context(), w.Workspace))
				}
			}
			tables = append(tables, w.print())
		}
		return tables, writes
	}
	want, writes := run(0, awstest.Fault{})
	if writes < len(steps()) {
		t.Fatalf("%d writes", writes)
	}
	for fail := 1; fail <= writes; fail++ {
		for _, after := range []bool{true, false} {
			got, _ := run(fail, awstest.Fault{Status: 500, Code: "InternalServerError", After: after})
			for n, s := range steps() {
				if got[n] != want[n] {
					t.Fatalf("write %d failed (after effect: %v): after %q\n--- want\n%s\n--- got\n%s", fail, after, s.name, want[n], got[n])
				}
			}
		}
	}
}

// TestErrorsAreClassed: whatever the call, the error says what may be done about it.
func TestErrorsAreClassed(t *testing.T) {
	calls := map[string]func(ctx context.Context, w Workspace) error{
		"Known":    func(ctx context.Context, w Workspace) error { _, err := w.Known(ctx, exampleFact(1)); return err },
		"Put":      func(ctx context.Context, w Workspace) error { return w.Put(ctx, exampleFact(1)) },
		"Index":    func(ctx context.Context, w Workspace) error { return w.Index(ctx, lan, "r", 1) },
		"Facts":    func(ctx context.Context, w Workspace) error { _, err := w.Facts(ctx, "r"); return err },
		"Fragment": func(ctx context.Context, w Workspace) error { _, err := w.Fragment(ctx, lan); return err },
		"Fragments": func(ctx context.Context, w Workspace) error {
			_, err := w.Fragments(ctx, []profile.ID{lan})
			return err
		},
		"Commit":         func(ctx context.Context, w Workspace) error { return w.Commit(ctx, exampleFragment(), nil, nil) },
		"Identity":       func(ctx context.Context, w Workspace) error { _, err := w.Identity(ctx, mail); return err },
		"Identities":     func(ctx context.Context, w Workspace) error { _, err := w.Identities(ctx, []string{mail}); return err },
		"CommitIdentity": func(ctx context.Context, w Workspace) error { return w.CommitIdentity(ctx, exampleIdentity()) },
		"Older":          func(ctx context.Context, w Workspace) error { _, err := w.Older(ctx, lan, nil, true); return err },
		"Older, own": func(ctx context.Context, w Workspace) error {
			_, err := w.Older(ctx, lan, []profile.Lookup{{At: 1, Record: "r"}}, false)
			return err
		},
		"Timeline": func(ctx context.Context, w Workspace) error { _, _, err := w.Timeline(ctx, lan, "", 5); return err },
		"Commit with moves": func(ctx context.Context, w Workspace) error {
			return w.Commit(ctx, exampleFragment(), []profile.Move{{Order: exampleOrder(1), Put: true}}, nil)
		},
	}
	w := newWorld(t)
	for name, call := range calls {
		for code, class := range map[string]fault.Class{
			"ProvisionedThroughputExceededException": fault.Throttled, "ThrottlingException": fault.Throttled, "RequestLimitExceeded": fault.Throttled,
			"ValidationException": fault.Permanent, "AccessDeniedException": fault.Unauthorised, "UnrecognizedClientException": fault.Unauthorised,
			"InternalServerError": fault.Transient, "ServiceUnavailable": fault.Transient, "SomethingNew": fault.Transient,
		} {
			w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 400, Code: code} }
			err := call(t.Context(), w.Workspace)
			if err == nil || errors.Is(err, profile.ErrLost) || fault.ClassOf(err) != class {
				t.Errorf("%s, %s: %v (%s)", name, code, err, fault.ClassOf(err))
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		w.Fault = nil
		if err := call(ended, w.Workspace); !errors.Is(err, context.Canceled) {
			t.Errorf("%s goes on without time: %v", name, err)
		}
	}
	for _, code := range []string{"ConditionalCheckFailedException", "TransactionConflictException"} {
		w.Fault = func(string) *awstest.Fault { return &awstest.Fault{Status: 400, Code: code} }
		if err := calls["Commit"](t.Context(), w.Workspace); !errors.Is(err, profile.ErrLost) {
			t.Errorf("%s is not a lost race: %v", code, err)
		}
	}
}

// TestWorkspacesDoNotMeet: the same steps in two workspaces of one table, one of
// whose names begins the other's.
func TestWorkspacesDoNotMeet(t *testing.T) {
	alone := newWorld(t)
	for _, s := range steps() {
		alone.must(s.run(t.Context(), alone.Workspace))
	}
	both := newWorld(t)
	other := New(both.raw, awstest.Hub)
	for _, s := range steps() {
		for _, name := range []string{"sai", "saigon-2"} {
			both.must(s.run(t.Context(), other.In(name)))
		}
		both.must(s.run(t.Context(), both.Workspace))
	}
	if !alone.fragment(lan).Equal(both.fragment(lan)) {
		t.Error("a neighbour shows")
	}
	one, err := alone.Facts(t.Context(), exampleFact(1).RecordKey())
	alone.must(err)
	two, err := both.Facts(t.Context(), exampleFact(1).RecordKey())
	both.must(err)
	if len(one) != 1 || len(two) != 1 {
		t.Error("a neighbour's facts are read", len(one), len(two))
	}
	l, _, err := both.Timeline(t.Context(), lan, "", 10)
	if err != nil || len(l) != 1 {
		t.Error("a neighbour's timeline is read", l, err)
	}
}
