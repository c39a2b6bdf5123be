package simulation

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/events"
	"loophub/shared/attribution"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/writeback"
)

// noLoop: what we wrote to the CRM comes back and goes nowhere, nothing is written that stands there already, and no field
// is written again and again.
func (c *checking) noLoop() {
	edited := map[string]bool{}
	for _, p := range c.people {
		maps.Copy(edited, p.edits)
	}
	writes := map[string]int{}
	for _, w := range c.CRM.Writes() {
		// What somebody changed there becomes ours, and is written there once more.
		if w.Same && !edited[w.Value] {
			c.wrong(5, "the CRM's field %s of contact %s was given %q, which it had", w.Property, w.Contact, w.Value)
		}
		k := w.Contact + " " + w.Property
		if writes[k]++; writes[k] == 25 {
			c.wrong(5, "the CRM's field %s was written %d times", k, writes[k])
		}
	}
	if n := c.CRM.Calls(); n > 1000 {
		c.wrong(5, "the CRM was called %d times", n)
	}
	for _, f := range c.now.Facts {
		if f.Connection != "crm" {
			continue
		}
		for name, value := range f.Fields {
			if name != "email" && !edited[value.String()] && !c.unheard(f) {
				c.wrong(5, "the CRM is said to say that %s of contact %s is %q, which nobody but us wrote there", name, f.Record, value)
			}
		}
	}
	for _, f := range c.echoes { // what people said there came in
		if city, ok := f.Fields["city"]; ok && edited[city.String()] && !c.known(f.Record, "city", city) {
			c.wrong(1, "somebody gave contact %s the city %s in the CRM, and no fact says so", f.Record, city)
		}
	}
}

// unheard tells whether the answer to what a fact echoes may have been lost. Of a contact that was made by it nobody knew
// that it is ours; then only HubSpot's word on who made the change tells, and this HubSpot lists us under another name.
func (c *checking) unheard(f events.Fact) bool {
	at := time.UnixMilli(f.Received)
	return c.outside.App != "" && slices.ContainsFunc(c.trouble.happened, func(m mishap) bool {
		return m.Function == "writeback" && m.Time.Before(at) && m.Time.After(at.Add(-5*time.Minute))
	})
}

func (c *checking) known(record, field string, value events.Value) bool {
	for _, f := range c.now.Facts {
		if f.Connection == "crm" && f.Record == record && f.Fields[field] == value {
			return true
		}
	}
	// We may have written the same there, before or after.
	for _, l := range c.now.Ledgers {
		for _, w := range l.Fields {
			was := func(p writeback.Past) bool { return p.Value == value.String() }
			if w.Value == value.String() || slices.ContainsFunc(w.Before, was) {
				return true
			}
		}
	}
	return false
}

// crmHolds: every customer who is to be written there stands there as is known, or an operator is told why not.
func (c *checking) crmHolds() {
	d, ok := c.Workspace.Destinations["crm"]
	if !ok || c.kind.deadCRM {
		c.attemptsGoOn()
		return
	}
	zone, err := time.LoadLocation(c.Workspace.Zone)
	if err != nil {
		c.wrong(2, "%v", err)
		return
	}
	plan, err := writeback.Compile(d, hubspot.New().Manifest.Outbound.Key, zone)
	if err != nil {
		c.wrong(2, "compiling the destination: %v", err)
		return
	}
	contacts := map[string]simulator.Contact{}
	for _, contact := range c.CRM.Contacts() {
		contacts[contact.ID] = contact
	}
	for _, group := range c.persons() {
		wanted, err := plan.Wanted(c.view(group), c.beside(group), c.Now())
		if err != nil {
			c.wrong(2, "deciding what the CRM should hold: %v", err)
			continue
		}
		if wanted.In {
			c.holds(group, wanted, contacts)
		}
	}
	c.attemptsGoOn()
}

// attemptsGoOn: what is on its way to the CRM is tried again.
func (c *checking) attemptsGoOn() {
	for _, group := range c.persons() {
		l, ok := c.ledger(group)
		if !ok || len(l.Pending) == 0 && (l.Trouble == nil || l.Trouble.Next == 0) {
			continue
		}
		next := l.Lease
		if l.Trouble != nil && l.Trouble.Next > next {
			next = l.Trouble.Next
		}
		ours := func(what string) bool { return what == "crm|"+string(l.Fragment) }
		if !c.waits("writeback", later(time.UnixMilli(next), c.Now()), ours) {
			pending := slices.Sorted(maps.Keys(l.Pending))
			c.wrong(1, "the CRM's contact of %s has %v pending, and nobody goes on with it", l.Fragment, pending)
		}
	}
}

// ledger is a profile's: the first that has a record, else the first.
func (c *checking) ledger(group []profile.Fragment) (l writeback.Ledger, ok bool) {
	for _, id := range ids(group) {
		if one, there := c.now.Ledgers[id]; there && (!ok || l.Record == "" && one.Record != "") {
			l, ok = one, true
		}
	}
	return l, ok
}

func (c *checking) holds(group []profile.Fragment, wanted writeback.Wanted, contacts map[string]simulator.Contact) {
	ledger, ok := c.ledger(group)
	if !ok {
		c.wrong(1, "%s was never written to the CRM", group[0].ID)
		return
	}
	if ledger.Trouble != nil && strings.Contains(ledger.Trouble.Reason, "merge the two") {
		return // an operator is told
	}
	contact, ok := contacts[ledger.Record]
	if !ok {
		c.wrong(1, "the CRM has no contact %q of %s; trouble %+v", ledger.Record, group[0].ID, ledger.Trouble)
		return
	}
	for name, value := range wanted.Values {
		is := contact.Properties[name]
		if is == value || is == "" && value == "" || ledger.Fields[name].Value == value && name != "loophub_segments" {
			continue // people may have changed it there since
		}
		if value == "" && ledger.Fields[name].At == 0 {
			continue // what we never wrote is not ours to clear
		}
		c.wrong(2, "the CRM's field %s of %s is %q, and should be %q; the ledger has %q, trouble %+v", name,
			cmp.Or(contact.Properties["email"], contact.ID), is, value, ledger.Fields[name].Value, ledger.Trouble)
	}
}

// beside is what is known of a profile beside its fragments.
func (c *checking) beside(group []profile.Fragment) segment.Beside {
	var kept []profile.Memberships
	var outcome attribution.Outcome
	for _, id := range ids(group) {
		if m, ok := c.now.Memberships[id]; ok {
			kept = append(kept, m)
		}
		if o := c.now.Credits[id].Outcome; outcome.IsZero() {
			outcome = o
		}
	}
	b := segment.Beside{Segments: profile.InSegments(kept), Outcome: segment.Outcome{Count: outcome.Orders, Net: outcome.Net}}
	if o := outcome.Campaign; o != nil {
		b.Campaign = segment.Campaign{Journey: o.Journey, Variant: o.Variant, Template: o.Template, Result: o.Result,
			At: time.UnixMilli(o.At)}
	}
	return b
}
