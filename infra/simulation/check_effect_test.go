package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/infra/local/ses"
	"loophub/shared/message"
	"loophub/shared/profile"
)

// messages of the table, in an order.
func (c *checking) messages() []message.Message {
	l := slices.Collect(maps.Values(c.now.Messages))
	slices.SortFunc(l, func(a, b message.Message) int {
		return cmp.Or(cmp.Compare(a.Claimed, b.Claimed), strings.Compare(a.ID, b.ID))
	})
	return l
}

// mailsAndMessages: each message that is said to be sent has its one mail, each mail its message, and nothing is undecided
// that nobody waits for.
func (c *checking) mailsAndMessages() {
	mails := map[string][]ses.Mail{}
	for _, m := range c.world.Cloud.Outbox().Mails() {
		if m.Tag("loophub-workspace") == c.ID() {
			k := m.Tag("loophub-fragment") + "#" + m.Tag("loophub-message")
			mails[k] = append(mails[k], m)
		}
	}
	for k, l := range mails {
		m, ok := c.now.Messages[k]
		switch {
		case !ok:
			c.wrong(4, "a mail to %v was sent, and there is no message %s", l[0].To, k)
		case len(l) > 1:
			c.wrong(4, "the message %s was sent %d times, at %s and %s", k, len(l), clock(l[0].At), clock(l[1].At))
		case !m.Is(message.Sent) && !m.Is(message.Unknown):
			c.wrong(4, "a mail to %v was sent, and its message %s is %s", l[0].To, k, cmp.Or(m.Status, message.Requested))
		}
	}
	for k, m := range c.now.Messages {
		ours := func(what string) bool { return what == strings.Replace(k, "#", "|", 1) }
		switch {
		case m.Is(message.Sent) && len(mails[k]) == 0:
			c.wrong(4, "the message %s is said to be sent, and there is no mail", k)
		case m.Is(message.Requested), m.Is(message.Claimed):
			c.wrong(1, "the message %s is %s, and nobody goes on with it", k, cmp.Or(m.Status, message.Requested))
		case m.Is(message.Waiting) && !c.waits("message", time.UnixMilli(m.Until), ours):
			c.wrong(1, "the message %s waits for %s (%s), and nobody tells it", k, clock(time.UnixMilli(m.Until)), m.Reason)
		}
	}
}

// onePerCause: whatever caused an entry, a message, a task or a voucher caused it once.
func (c *checking) onePerCause() {
	once := map[string]string{}
	note := func(cause, what string) {
		if was, twice := once[cause]; twice {
			c.wrong(4, "%s caused %s and %s", cause, was, what)
		}
		once[cause] = what
	}
	for k, e := range c.now.Entries {
		note("the entry "+e.Journey+" "+e.ID, k)
		if e.Journey == "second-cup" {
			note("the first order of "+string(e.Fragment), "the entry "+e.ID)
		}
	}
	for k, m := range c.now.Messages {
		note(fmt.Sprintf("the step %s of %s %s", m.Step, m.Journey, m.Entry), "the message "+k)
	}
	for _, t := range c.now.Tasks {
		note(fmt.Sprintf("the step %s of %s %s", t.Step, t.Journey, t.Entry), "the task "+t.ID)
	}
}

// vouchersOnce: no code is given twice, none is lost, and what is given is known as given.
func (c *checking) vouchersOnce() {
	given := map[string]string{}
	for cause, a := range c.now.Used {
		if was, twice := given[a.Code]; twice {
			c.wrong(4, "the code %s was given for %s and for %s", a.Code, was, cause)
		}
		given[a.Code] = cause
		if i := c.now.Issued[a.Code]; i.To.Cause != cause || i.To.Fragment != a.Fragment {
			c.wrong(4, "the code %s was given to %s, and is known as %s's", a.Code, a.Fragment, i.To.Fragment)
		}
		if c.now.Free[a.Code] {
			c.wrong(4, "the code %s was given and can be given again", a.Code)
		}
	}
	for code := range c.now.Issued {
		if given[code] == "" && !c.now.Free[code] {
			c.wrong(4, "the code %s is lost: nobody has it, and nobody can get it", code)
		}
	}
	carried := map[string]string{}
	for k, m := range c.now.Messages {
		code := m.Voucher.Code
		if code == "" {
			continue
		}
		if was, twice := carried[code]; twice {
			c.wrong(4, "the code %s is in the messages %s and %s", code, was, k)
		}
		if carried[code] = k; given[code] == "" {
			c.wrong(4, "the message %s carries the code %s, which was not given", k, code)
		}
	}
}

// journeysGoOn: who entered goes on or is through, and who was to enter has entered.
func (c *checking) journeysGoOn() {
	for k, e := range c.now.Entries {
		if !e.Open() || e.Due == 0 {
			continue
		}
		due := time.UnixMilli(e.Due)
		ours := func(what string) bool { return what == fmt.Sprintf("entry|%s|%s|%s", e.Fragment, e.Journey, e.ID) }
		if !c.waits("journey", later(due, c.Now()), ours) || due.Before(c.Now().Add(-late)) {
			c.wrong(1, "the entry %s waits for %s, and nobody wakes it", k, clock(due))
		}
	}
	if len(c.Workspace.Journeys) == 0 || c.quiet() {
		return
	}
	for _, group := range c.persons() {
		in := map[string]bool{}
		for _, e := range c.now.Entries {
			in[e.Journey] = in[e.Journey] || slices.Contains(ids(group), e.Fragment)
		}
		v := c.view(group)
		news := func(t turn) bool {
			happened := t.Cause == events.ByChange || t.Cause == events.ByTime
			mine := slices.Contains(ids(group), profile.ID(t.Fragment))
			return mine && happened && t.kind == events.SegmentEntered && t.Segment == "buyers"
		}
		if v.Orders > 0 && !in["second-cup"] && slices.ContainsFunc(c.memberships, news) {
			c.wrong(1, "%s became a buyer, and never entered second-cup", group[0].ID)
		}
		if v.Orders > 0 && !in["thanks"] {
			c.wrong(1, "%s ordered, and never entered thanks", group[0].ID)
		}
	}
}

// quiet tells whether anything was replayed: what it says is no news, and starts nothing.
func (c *checking) quiet() bool {
	for _, d := range c.now.Inbox {
		if d.Lane != "" {
			return true
		}
	}
	return false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sendsAreAllowed: nobody gets more than the caps let through, nor at night, nor the same twice in a row.
func (c *checking) sendsAreAllowed() {
	zone, err := time.LoadLocation(c.Workspace.Zone)
	if err != nil {
		c.wrong(4, "%v", err)
		return
	}
	sent := map[profile.ID][]message.Message{}
	for _, m := range c.messages() {
		if !m.Is(message.Sent) && !m.Is(message.Unknown) {
			continue
		}
		at := time.UnixMilli(m.Claimed).In(zone)
		if at.Hour() >= 23 || at.Hour() < 5 {
			c.wrong(4, "the message %s was sent at %s, in quiet hours", m.ID, at.Format("15:04"))
		}
		who := c.one(m.Fragment)
		for _, o := range sent[who] {
			if o.Template == m.Template && m.Claimed-o.Claimed < (3*time.Hour).Milliseconds() {
				c.wrong(4, "%s got the template %s twice within three hours, by %s and %s", who, m.Template, o.ID, m.ID)
			}
		}
		sent[who] = append(sent[who], m)
		if n := len(sent[who]); n > 2 && m.Claimed-sent[who][n-3].Claimed < (24*time.Hour).Milliseconds() {
			c.wrong(4, "%s got three messages within a day, the last being %s", who, m.ID)
		}
	}
}

// one is who a fragment is, for as long as the world could see: the least of its profile if that never was another, else
// the fragment itself.
func (c *checking) one(id profile.ID) profile.ID {
	is := c.now.Profiles.Fragments[id].Profile()
	for _, p := range c.past {
		for _, m := range is {
			if f, there := p.rests[c.number()].Profiles.Fragments[m]; there && !slices.Equal(f.Profile(), is) {
				return id
			}
		}
	}
	if len(is) > 1 && c.apart(is) {
		return id
	}
	return is[0]
}

// apart tells whether members were not all there at the first look: they may have been linked since.
func (c *checking) apart(members []profile.ID) bool {
	for _, m := range members {
		if _, there := c.past[0].rests[c.number()].Profiles.Fragments[m]; !there {
			return true
		}
	}
	return false
}

func (c *checking) number() int { return slices.Index(c.towns, c.town) }

// consentIsRespected: who had withdrawn, bounced or complained at one look and still at the next, and said nothing else in
// between, got nothing meanwhile.
func (c *checking) consentIsRespected() {
	for n := 1; n <= len(c.past); n++ {
		from := c.past[n-1]
		to := picture{at: c.Now()}
		after := c.now
		if n < len(c.past) {
			to = c.past[n]
			after = to.rests[c.number()]
		}
		before := from.rests[c.number()]
		for _, m := range c.messages() {
			at := time.UnixMilli(m.Claimed)
			if !m.Is(message.Sent) && !m.Is(message.Unknown) || !at.After(from.at) || at.After(to.at) {
				continue
			}
			who := before.Profiles.Fragments[m.Fragment].Profile()
			why := stopped(before.Profiles, m.Fragment, c.rules)
			same := slices.Equal(who, after.Profiles.Fragments[m.Fragment].Profile())
			if why == "" || !same || c.granted(before.Facts, after.Facts, who) {
				continue
			}
			c.wrong(4, "the message %s was sent at %s, though its recipient had %s at %s", m.ID, clock(at), why, clock(from.at))
		}
	}
}

// farewellsAreKept: who was told that there will be no more mail has withdrawn.
func (c *checking) farewellsAreKept() {
	for _, m := range c.farewells {
		if m.Tag("loophub-workspace") != c.ID() {
			continue
		}
		record := m.Tag("loophub-fragment") + "." + m.Tag("loophub-message")
		if !slices.ContainsFunc(slices.Collect(maps.Values(c.now.Facts)), func(f events.Fact) bool {
			_, said := f.Fields["unsubscribed_at"]
			return said && f.Record == record
		}) {
			c.wrong(1, "somebody unsubscribed by the message %s, was told so, and no fact says it", record)
		}
	}
}

// granted tells whether anybody granted anything for those members between two looks.
func (c *checking) granted(before, after map[string]events.Fact, members []profile.ID) bool {
	for id, f := range after {
		if _, there := before[id]; there {
			continue
		}
		said, ok := c.rules.Statement(f)
		if !ok || !slices.Contains(members, said.Fragment) {
			continue
		}
		for name := range f.Fields {
			if strings.HasPrefix(name, "grant:") {
				return true
			}
		}
	}
	return false
}

// stopped says why nobody may write to whom a fragment belongs; "" where somebody may.
func stopped(at unifytest.Rest, id profile.ID, rules profile.Rules) string {
	f, there := at.Fragments[id]
	if !there || len(f.Pending) > 0 {
		return ""
	}
	var group []profile.Fragment
	for _, m := range f.Profile() {
		g, there := at.Fragments[m]
		if !there || !slices.Equal(g.Profile(), f.Profile()) {
			return ""
		}
		group = append(group, g)
	}
	v := profile.Combine(group, at.Identities, rules.Limits)
	addresses := 0
	for _, i := range v.Identities {
		if i.Kind == profile.Email {
			addresses++
		}
	}
	for _, subject := range []string{profile.Bounced, profile.Complained} {
		if v.Consent[subject].Withdrawn > 0 && addresses == 1 {
			return subject
		}
	}
	if !v.Consent["email:marketing"].Given() {
		return "no consent"
	}
	return ""
}
