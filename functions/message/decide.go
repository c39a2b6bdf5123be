package message

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"loophub/shared/fault"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	"loophub/shared/token"
)

const (
	// unseen is for how long whoever asked may know a newer definition than we do: each
	// remembers one for a minute.
	unseen = 2 * time.Minute
	// soonest is how far ahead a moment is armed at the least.
	soonest = time.Minute
)

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// decide looks at everything, in the order in which it is cheap to be told no.
func (w *work) decide(ctx context.Context, m message.Message) (telemetry.Outcome, error) {
	c, err := w.gather(ctx, m)
	if err != nil {
		return retried, err
	}
	now := w.Now()
	if m.Purpose != message.Test && len(c.View.Members) == 0 {
		return w.drop(ctx, m, message.NoProfile, now)
	}
	d := message.Decide(c.Case, now)
	if known := time.UnixMilli(m.At).Add(unseen); d.Verb == message.DoDrop && now.Before(known) && (d.Reason == message.NoTemplate || d.Reason == message.NoChannel) {
		d.Verb, d.Until = message.DoWait, known
	}
	w.reason = d.Reason
	switch d.Verb {
	case message.DoHold:
		if err := w.hub.Hold(ctx, d.Control, w.what()); err != nil {
			return retried, fmt.Errorf("holding the message: %w", err)
		}
		return held, nil
	case message.DoWait:
		// Before the state that needs it. What came early, by another clock, is about to
		// be deleted: so never for the moment that has just come.
		if err := w.hub.Arm(ctx, w.what(), later(d.Until, now.Add(soonest))); err != nil {
			return retried, fmt.Errorf("arming the message's moment: %w", err)
		}
		next, err := m.Wait(d.Until, d.Reason, now)
		if err != nil {
			return retried, fault.As(fault.Permanent, err)
		}
		return w.commit(ctx, next)
	case message.DoSend:
		mail, rendered, err := w.render(c, m, d.Address, now)
		if err != nil {
			return w.drop(ctx, m, message.Unrenderable, now)
		}
		return w.send(ctx, c, m, mail, rendered, now)
	}
	return w.drop(ctx, m, d.Reason, now)
}

func (w *work) drop(ctx context.Context, m message.Message, why message.Reason, now time.Time) (telemetry.Outcome, error) {
	next, err := m.Drop(why, now)
	if err != nil {
		return retried, fault.As(fault.Permanent, err)
	}
	return w.commit(ctx, next)
}

// gathered is what a message is decided and written from.
type gathered struct {
	message.Case
	key token.Key
}

// gather reads what the decision looks at. What stops somebody is read last: a
// withdrawal that came in between is in.
func (w *work) gather(ctx context.Context, m message.Message) (g gathered, err error) {
	g.Request = m.Request
	if g.Workspace, err = w.Definitions.Load(ctx, w.workspace); err != nil {
		return g, fmt.Errorf("loading the definition: %w", err)
	}
	if t, known := g.Workspace.Templates[m.Template]; known {
		g.Template = &t
	}
	secret, err := w.Definitions.IdentityKey(ctx, w.workspace)
	if err != nil {
		return g, fmt.Errorf("loading the identity key: %w", err)
	}
	g.Rules = profile.NewRules(secret, g.Workspace.Identity.DeniedEmails, g.Workspace.Identity.DeniedPhones)
	if g.key, err = token.NewKey(secret); err != nil {
		return g, fault.As(fault.Permanent, err)
	}
	if g.Controls, err = w.hub.Stopped(ctx, m.Request); err != nil {
		return g, fmt.Errorf("reading controls: %w", err)
	}
	if m.Purpose == message.Test {
		id := g.Rules.Key.Identifier(profile.Identifier{Kind: profile.Email, Value: m.To})
		if g.Identities, err = w.hub.Identities(ctx, []string{id}); err != nil {
			return g, fmt.Errorf("reading the address: %w", err)
		}
		return g, nil
	}
	return g, w.person(ctx, &g)
}

func (w *work) person(ctx context.Context, g *gathered) error {
	members, identities, err := w.hub.Load(ctx, w.fragment)
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	if len(members) == 0 {
		return nil
	}
	for _, f := range members { // a link is being made: what was sent to whom is not known
		if !slices.Equal(f.Profile(), members[0].Profile()) {
			return fmt.Errorf("reading the profile: its fragments do not agree: %w", profile.ErrLost)
		}
	}
	g.View, g.Identities = profile.Combine(members, identities, g.Rules.Limits), identities
	if g.Sends, err = w.hub.Sends(ctx, g.View.Members); err != nil {
		return fmt.Errorf("reading what was sent: %w", err)
	}
	// An address that is only a trait has no claim, and so was not read with it.
	id := g.Rules.Key.Identifier(profile.Identifier{Kind: profile.Email, Value: g.View.Trait("email")})
	if _, read := identities[id]; !read && g.View.Trait("email") != "" {
		own, err := w.hub.Identities(ctx, []string{id})
		if err != nil {
			return fmt.Errorf("reading the address: %w", err)
		}
		g.Identities = own
	}
	return nil
}

const testMark = "[TEST] "

// render writes the mail before it is claimed: what can't be written drops, and
// counts in no cap.
func (w *work) render(g gathered, m message.Message, to string, now time.Time) (message.Mail, message.Rendered, error) {
	t, err := message.Compile(*g.Template)
	if err != nil {
		return message.Mail{}, message.Rendered{}, err
	}
	v := message.Values{Workspace: g.Workspace.Name, View: g.View, Voucher: m.Voucher.Code, Event: m.Event}
	locale := g.View.Trait("locale")
	if m.Purpose == message.Test {
		v.Sample, locale = g.Template.Sample, m.Locale
	}
	r, err := t.Render(locale, v, message.Signer{Address: w.Links, Key: g.key,
		Token: token.Token{Workspace: w.workspace, Fragment: string(w.fragment), Message: m.ID, Issued: now}})
	if err != nil {
		return message.Mail{}, r, err
	}
	mail := r.Mail()
	if m.Purpose == message.Test {
		mail.Subject = testMark + mail.Subject
	}
	settings := g.Workspace.Connections[m.Connection].Settings
	mail.Workspace, mail.Connection, mail.Fragment, mail.Message = w.workspace, m.Connection, string(m.Fragment), m.ID
	mail.From, mail.ReplyTo, mail.To = settings["from"], settings["reply_to"], to
	if mail.From == "" {
		return mail, r, errors.New("the connection has no sender")
	}
	return mail, r, nil
}

// patience is how long the channel may take to answer. It leaves time to write
// down that it did not.
const patience = 20 * time.Second

// send claims the message, so that nobody else sends it and everybody counts it,
// sends it, and writes down what became of it.
func (w *work) send(ctx context.Context, g gathered, m message.Message, mail message.Mail, r message.Rendered, now time.Time) (telemetry.Outcome, error) {
	claimed, err := m.Claim(r, now)
	if err != nil {
		return retried, fault.As(fault.Permanent, err)
	}
	sends := slices.Clone(g.Sends)
	if len(sends) > 0 { // a test counts nowhere
		sends[0] = sends[0].With(g.Count(now))
	}
	if err := w.hub.CommitClaim(ctx, claimed, sends); err != nil {
		return retried, fmt.Errorf("claiming the message: %w", err)
	}
	claimed.Stored++
	limited, cancel := context.WithTimeout(ctx, patience)
	provider, err := w.Mailer.Send(limited, mail)
	cancel()
	switch {
	case err == nil:
		return w.settle(ctx, claimed, func(m message.Message) (message.Message, error) { return m.Send(provider, w.Now()) })
	case errors.Is(err, message.ErrUncertain):
		return w.settle(ctx, claimed, func(m message.Message) (message.Message, error) { return m.Lose(w.Now()) })
	case fault.ClassOf(err) == fault.Permanent:
		return w.settle(ctx, claimed, func(m message.Message) (message.Message, error) { return m.Fail(message.Refused, w.Now()) })
	}
	return w.giveBack(ctx, claimed, err)
}

// giveBack takes a claim back where the channel surely took nothing: the message
// comes again, and counts in no cap meanwhile. A channel that is busy is asked some
// minutes later; what a person has to mend comes by the queue, until it gives up.
// Where giving back fails the message stays claimed, and becomes unknown.
func (w *work) giveBack(ctx context.Context, m message.Message, why error) (telemetry.Outcome, error) {
	as := func(m message.Message) (message.Message, error) { return m.Release(w.Now()) }
	busy := fault.ClassOf(why) == fault.Throttled
	if busy {
		until := m.Room(w.Now())
		if err := w.hub.Arm(ctx, w.what(), until); err != nil {
			busy = false
		} else {
			as = func(m message.Message) (message.Message, error) { return m.Postpone(until, w.Now()) }
		}
	}
	if err := w.release(ctx, m, as); err != nil {
		return retried, fmt.Errorf("giving the claim back: %w", err)
	}
	if busy {
		w.reason = message.Throttled
		return delayed, nil
	}
	return retried, why
}

// settle writes down what became of a claimed message, and tries hard: what is not
// written now is unknown for ever. Somebody may have noted meanwhile that nobody
// knows; now we do.
func (w *work) settle(ctx context.Context, m message.Message, as func(message.Message) (message.Message, error)) (telemetry.Outcome, error) {
	for attempt := 0; ; attempt++ {
		next, err := as(m)
		if err != nil { // the channel's own word was faster
			w.reason = m.Reason
			return ignored, nil
		}
		outcome, err := w.commit(ctx, next)
		if err == nil || attempt == attempts {
			return outcome, unlost(err)
		}
		if err := w.Pause(ctx, attempt); err != nil {
			return retried, err
		}
		if again, err := w.hub.Message(ctx, w.fragment, w.id); err == nil {
			m = again
		}
	}
}

func (w *work) release(ctx context.Context, m message.Message, as func(message.Message) (message.Message, error)) error {
	for attempt := 0; ; attempt++ {
		err := w.releaseOnce(ctx, m, as)
		if err == nil || attempt == attempts {
			return unlost(err)
		}
		if err := w.Pause(ctx, attempt); err != nil {
			return err
		}
		if again, err := w.hub.Message(ctx, w.fragment, w.id); err == nil {
			m = again
		}
	}
}

func (w *work) releaseOnce(ctx context.Context, m message.Message, as func(message.Message) (message.Message, error)) error {
	released, err := as(m)
	if err != nil {
		return nil // somebody else has settled it
	}
	if m.Purpose == message.Test {
		return w.hub.CommitMessage(ctx, released)
	}
	members, _, err := w.hub.Load(ctx, w.fragment)
	if err != nil {
		return fmt.Errorf("reading the profile: %w", err)
	}
	ids := []profile.ID{w.fragment}
	for _, f := range members {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	all, err := w.hub.Sends(ctx, slices.Compact(ids))
	if err != nil {
		return fmt.Errorf("reading what was sent: %w", err)
	}
	for _, s := range all { // it may lie under whoever was the least then
		if fewer := s.Without(m.ID); len(fewer.List) < len(s.List) {
			return w.hub.CommitClaim(ctx, released, []message.Sends{fewer})
		}
	}
	return w.hub.CommitMessage(ctx, released)
}

// unlost keeps a race that was lost after the claim from beginning anew: that would
// decide about a message that is claimed.
func unlost(err error) error {
	if errors.Is(err, profile.ErrLost) {
		return fault.New(fault.Transient, "others kept writing the message")
	}
	return err
}
