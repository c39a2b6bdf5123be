package api

import (
	"context"
	"fmt"
	"time"

	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// ask plans a message that a step asks for.
func (c *coming) ask(ctx context.Context, r journey.Request, at time.Time) error {
	return c.decide(ctx, message.Request{ID: r.ID, Fragment: r.Fragment, Connection: r.Connection, Template: r.Template, Purpose: r.Purpose,
		Journey: r.Journey, Version: r.Version, Entry: r.Entry, Variant: r.Variant, Step: r.Step, At: r.At}, false, at)
}

// waiting goes on with a message that was asked for and waits for a moment.
func (c *coming) waiting(ctx context.Context, fragment profile.ID, id string, at time.Time) error {
	m, err := c.hub.Message(ctx, fragment, id)
	if err != nil {
		return fmt.Errorf("reading the message: %w", err)
	}
	if m.Stored == 0 || !m.Open() {
		return nil
	}
	return c.decide(ctx, m.Request, true, at)
}

// decide says what is done with a message by then, and again at the end of what it
// waits for. One that would be sent counts against those after it.
func (c *coming) decide(ctx context.Context, r message.Request, stored bool, at time.Time) error {
	place, again := c.plans[r.ID]
	if again && c.answer.Sends[place].Decision != message.DoWait {
		return nil // it is decided for good
	}
	if !again {
		place = len(c.answer.Sends)
		c.plans[r.ID] = place
		c.answer.Sends = append(c.answer.Sends, c.plan(r, stored))
	}
	on, err := c.caseOf(ctx, r)
	if err != nil {
		return err
	}
	d, plan := message.Decide(on, at), &c.answer.Sends[place]
	if plan.Decision == message.DoWait {
		plan.Delayed = plan.Reason
	}
	plan.Decision, plan.Reason, plan.Words, plan.At = d.Verb, d.Reason, d.Reason.Words(), stamp(at.UnixMilli())
	switch d.Verb {
	case message.DoWait:
		plan.At = stamp(d.Until.UnixMilli())
		c.arm(ofMessages, string(r.Fragment)+"|"+r.ID, d.Until, func(ctx context.Context, at time.Time) error { return c.decide(ctx, r, stored, at) })
	case message.DoSend:
		c.sends[0] = c.sends[0].With(on.Count(at))
	}
	return nil
}

func (c *coming) plan(r message.Request, stored bool) planned {
	p := planned{Profile: c.ids[0], Template: r.Template, Connection: r.Connection, Purpose: string(r.Purpose), Variant: r.Variant, Step: r.Step,
		RequestedAt: stamp(r.At)}
	if r.Journey != "" {
		p.Journey = &r.Journey
	}
	if stored {
		p.Message = &r.ID
	}
	return p
}

// caseOf is what a decision looks at, as far as it is known now.
func (c *coming) caseOf(ctx context.Context, r message.Request) (message.Case, error) {
	on := message.Case{Workspace: c.workspace, Request: r, View: c.view.View, Identities: c.identities, Rules: c.rules, Controls: message.Controls{
		StopAll: c.controls.StopAll(), Journey: r.Journey != "" && c.controls.Paused(workspace.ControlJourney, r.Journey),
		Connection: c.controls.Paused(workspace.ControlConnection, r.Connection)}}
	if t, known := c.workspace.Templates[r.Template]; known {
		on.Template = &t
	}
	var err error
	if c.sends == nil {
		if c.sends, err = c.hub.Sends(ctx, c.ids); err != nil {
			return on, fmt.Errorf("reading what was sent: %w", err)
		}
	}
	on.Sends = c.sends
	// An address that is only a trait has no claim, and so was not read with it.
	address := c.view.Trait("email")
	id := c.rules.Key.Identifier(profile.Identifier{Kind: profile.Email, Value: address})
	if _, read := c.identities[id]; !read && address != "" {
		if on.Identities, err = c.hub.Identities(ctx, []string{id}); err != nil {
			return on, fmt.Errorf("reading the address: %w", err)
		}
	}
	return on, nil
}
