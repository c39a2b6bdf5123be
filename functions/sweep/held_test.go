package sweep_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/functions/sweep"
	"loophub/infra/local/awstest"
	"loophub/shared/aws/hub"
	"loophub/shared/aws/inbox"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
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
	log   bytes.Buffer
	stage *sweep.Stage
}

// paused is a workspace's part of a table, where no moment waits and no segment changes.
type paused struct {
	sweep.Moments
	sweep.Reviews
	sweep.Stops
}

// mouth is the queue of one stage.
type mouth struct {
	*pauses
	stage string
}

func (m mouth) Send(_ context.Context, l []events.Envelope) ([]int, error) {
	if m.stage == m.full {
		return nil, errors.New("the queue is down")
	}
	for _, e := range l {
		var d events.Due
		if err := json.Unmarshal(e.Data, &d); err != nil || e.Type != events.DueReached || d.At != m.Now().UnixMilli() {
			return nil, fmt.Errorf("%+v: %w", e, err)
		}
		m.sent = append(m.sent, e.Workspace+" "+m.stage+" "+d.What)
	}
	return nil, nil
}

func newPauses(t *testing.T) *pauses {
	c := awstest.New(t)
	db := dynamodb.NewFromConfig(c.Config())
	p := &pauses{Cloud: c, t: t, hub: hub.New(db, awstest.Hub), inbox: inbox.New(db, awstest.Inbox, nil)}
	stages := sweep.Stages{}
	for _, name := range []string{"segment", "journey", "message", "writeback"} {
		stages[name] = mouth{p, name}
	}
	idle := newClockwork(t)
	p.stage = sweep.New(sweep.Config{Queue: empty{}, Parked: p.inbox, Stages: stages, Log: telemetry.New(&p.log, "sweep"), Now: p.Now,
		Hub: func(id string) sweep.Hub { return paused{idle, idle, p.hub.In(id)} },
		Workspaces: func(context.Context) ([]sweep.Workspace, error) {
			return []sweep.Workspace{{ID: "hanoi"}, {ID: "saigon"}}, nil
		}})
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
	p.log.Reset()
	p.Advance(time.Minute)
	p.must(p.stage.Handle(p.t.Context()))
	if log := p.log.String(); strings.Contains(log, `"failures":1`) != (p.full != "") || len(p.sent) > 0 && !strings.Contains(log, fmt.Sprintf(`"released":%d`, len(p.sent))) {
		p.t.Error(log)
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
	if sent := p.minute(); len(sent) != 0 {
		t.Error("sent twice:", sent)
	}
	p.full = ""
	if sent := p.minute(); len(sent) != 2 || !strings.HasPrefix(sent[0], "saigon writeback") {
		t.Error(sent)
	}
}

// What a stage without room can't take holds up nobody behind it, however much it is.
func TestHeldHoldsUpNobody(t *testing.T) {
	p := newPauses(t)
	p.turn(workspace.ControlAll, true)
	p.hold(workspace.ControlAll, "journey", 120)
	p.hold(workspace.ControlAll, "message", 3)
	p.turn(workspace.ControlAll, false)
	p.full = "journey"
	if sent := p.minute(); len(sent) != 3 || sent[0] != "saigon message g1.000" {
		t.Error(sent)
	}
	p.full = ""
	if sent := p.minute(); len(sent) != 120 {
		t.Error(len(sent))
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
	if l, err := p.hub.In("saigon").Held(t.Context(), shop, workspace.Held{}, 10); err != nil || len(l) != 0 {
		t.Error("it is looked at for ever:", l, err)
	}
}
