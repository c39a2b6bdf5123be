package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	"loophub/functions/sweep"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/workspace"
)

// pauses is a table with controls, an Inbox, and queues that tell what was sent.
type pauses struct {
	*awstest.Cloud
	t     *testing.T
	hub   *hub.Hub
	inbox *inbox.Inbox
	sent  []string
	full  string // a stage whose queue takes nothing
	run   sweep.Release
}

func newPauses(t *testing.T) *pauses {
	c := awstest.New(t)
	db := dynamodb.NewFromConfig(c.Config())
	p := &pauses{Cloud: c, t: t, hub: hub.New(db, awstest.Hub), inbox: inbox.New(db, awstest.Inbox, nil)}
	p.run = sweep.Release{
		Controls: func(id string) sweep.Controls { return p.hub.In(id) },
		Parked:   p.inbox,
		Send: func(_ context.Context, id, stage, what string, _ time.Time) error {
			if stage == p.full {
				return errors.New("the queue is down")
			}
			p.sent = append(p.sent, id+" "+stage+" "+what)
			return nil
		},
	}
	return p
}

func (p *pauses) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pauses) turn(control string, off bool) {
	p.t.Helper()
	w := p.hub.In("saigon")
	c, err := w.Controls(p.t.Context())
	p.must(err)
	_, err = w.Turn(p.t.Context(), c, workspace.Turn{Control: control, Off: off, At: p.Now().UnixMilli()})
	p.must(err)
}

func (p *pauses) hold(control, stage string, n int) {
	p.t.Helper()
	for i := range n {
		p.must(p.hub.In("saigon").Hold(p.t.Context(), control, stage, fmt.Sprintf("g1.%03d", i)))
	}
}

// minute runs sweep once, and gives what was sent by it.
func (p *pauses) minute() []string {
	p.t.Helper()
	p.sent = nil
	p.Advance(time.Minute)
	n, err := p.run.Run(p.t.Context(), []string{"hanoi", "saigon"}, p.Now())
	if (err != nil) != (p.full != "") || n < len(p.sent) {
		p.t.Error(n, err)
	}
	return p.sent
}

func TestHeldGoesOn(t *testing.T) {
	p := newPauses(t)
	comeBack, welcome := workspace.Control(workspace.ControlJourney, "come-back"), workspace.Control(workspace.ControlJourney, "welcome")
	p.turn(comeBack, true)
	p.turn(welcome, true)
	p.hold(comeBack, "message", 250)
	p.hold(welcome, "journey", 1)
	if sent := p.minute(); len(sent) != 0 {
		t.Error("sent while paused:", sent)
	}
	p.turn(comeBack, false)
	sent := p.minute()
	slices.Sort(sent)
	if len(slices.Compact(sent)) != 250 || sent[249] != "saigon message g1.249" {
		t.Error(len(sent), sent[:min(len(sent), 3)])
	}
	if again := p.minute(); len(again) != 0 {
		t.Error("sent twice:", again)
	}
	// What a stage holds just after the control was turned on goes on too.
	p.hold(comeBack, "message", 1)
	if late := p.minute(); len(late) != 1 {
		t.Error(late)
	}
}

// What can't be sent stays, and what waits for another control goes on.
func TestHeldStays(t *testing.T) {
	p := newPauses(t)
	one, two := workspace.Control(workspace.ControlJourney, "a"), workspace.Control(workspace.ControlDestination, "b")
	p.hold(one, "journey", 2)
	p.hold(two, "writeback", 2)
	p.full = "writeback"
	if sent := p.minute(); len(sent) != 2 {
		t.Error(sent)
	}
	p.full = ""
	if sent := p.minute(); len(sent) != 2 || !strings.HasPrefix(sent[0], "saigon writeback") {
		t.Error(sent)
	}
}

// What a paused connection received is put back into the queue, also what unify
// parks a moment after the connection goes on; other faults stay parked.
func TestPausedDeliveriesGoOn(t *testing.T) {
	p := newPauses(t)
	shop := workspace.Control(workspace.ControlConnection, "shop")
	park := func(n int, class connector.FaultClass) delivery.Key {
		k := delivery.Key{Workspace: "saigon", Connection: "shop", Object: fmt.Sprint("order-", n), Delivery: "d"}
		d := delivery.Delivery{Key: k, Request: connector.Request{Method: "POST", Body: []byte(`{"class":"paused"}`), ReceivedAt: p.Now()}}
		_, _, err := p.inbox.Put(t.Context(), delivery.Seal(d))
		p.must(err)
		p.must(p.inbox.Park(t.Context(), k, []delivery.Fault{{Class: class, Reason: `because of "class":"x"`}}, false, p.Now()))
		return k
	}
	parked := func() int {
		list, _, err := p.inbox.ListParked(t.Context(), delivery.Listing{Workspace: "saigon", Connection: "shop", Limit: 100, Now: p.Now(), Key: []byte("k")})
		p.must(err)
		return len(list)
	}
	p.turn(shop, true)
	park(0, connector.Undecodable)
	for n := range 30 {
		park(n+1, connector.Paused)
	}
	if p.minute(); parked() != 31 {
		t.Error("taken in while paused:", parked())
	}
	p.turn(shop, false)
	if p.minute(); parked() != 1 {
		t.Error(parked())
	}
	park(40, connector.Paused)
	if p.minute(); parked() != 1 {
		t.Error("what was parked late stays:", parked())
	}
	p.Advance(time.Hour)
	p.minute()
	if l, err := p.hub.In("saigon").Held(t.Context(), shop, 10); err != nil || len(l) != 0 {
		t.Error("it is looked at for ever:", l, err)
	}
}
