package simulation

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/infra/simulation/shop"
	"loophub/shared/delivery"
)

// nothingLost: what was acknowledged lies in the Inbox, as it was sent, and ended in exactly the facts that its connector
// reads out of it, or is parked with a reason. It keeps what those facts are, for the checks after it.
func (c *checking) nothingLost() {
	c.facts = map[string]events.Fact{}
	seen := map[delivery.Key]bool{}
	for _, s := range c.sent {
		if s.acked.IsZero() {
			c.wrong(5, "%s was sent %d times and never acknowledged", s.What, s.times)
			continue
		}
		stored, ok := c.stored(s)
		if !ok {
			c.wrong(1, "%s was acknowledged at %s and is not in the Inbox", s.What, clock(s.acked))
			continue
		}
		if seen[stored.Key] {
			continue
		}
		seen[stored.Key] = true
		if stored.ReceivedAt.Before(s.began.Add(-time.Second)) && !c.twice(s) {
			c.wrong(1, "%s says that it was received at %s, before it was sent", s.What, clock(stored.ReceivedAt))
		}
		facts, faults := c.Decode(s.Delivery, stored.ReceivedAt)
		c.ended(s.What, stored, facts, faults, s.Poison)
	}
	for _, d := range sortedInbox(c.now) {
		if seen[d.Key] {
			continue
		}
		// What came by another door: our own links, mail events, the API.
		facts, faults, err := c.DecodeStored(d)
		if err != nil {
			c.wrong(1, "the delivery %s can't be read: %v", d.Key.Delivery, err)
			continue
		}
		if c.mine(d.Key.Connection) {
			c.wrong(2, "nobody sent the delivery %s of %s", d.Key.Delivery, d.Key.Connection)
		}
		c.ended(d.Key.Connection+" "+d.Key.Delivery, d, facts, faults, false)
	}
	for _, id := range slices.Sorted(maps.Keys(c.now.Facts)) {
		f := c.now.Facts[id]
		switch said, ok := c.facts[id]; {
		case f.Connection == "crm":
		case !ok:
			c.wrong(2, "nobody said the fact %s at version %d: %v", f.RecordKey(), f.Version, f.Fields)
		case f.Received != said.Received:
			c.wrong(3, "the fact %s was first received at %d, the log says %d", f.RecordKey(), said.Received, f.Received)
		}
	}
	c.queuesEmpty()
}

// mine tells whether the world itself sends all of a connection's deliveries.
func (c *checking) mine(connection string) bool {
	return connection == "shop" || connection == "website" || connection == "crm"
}

// twice tells whether the same delivery is also sent by another sending, which may have been first.
func (c *checking) twice(s *sending) bool {
	object, key := c.Key(s.Delivery)
	return slices.ContainsFunc(c.sent, func(o *sending) bool {
		if o == s || o.Connection != s.Connection {
			return false
		}
		other, also := c.Key(o.Delivery)
		return other == object && also == key
	})
}

// stored is the item that holds a delivery: under its key, or beside it where another body lies there.
func (c *checking) stored(s *sending) (shop.Stored, bool) {
	object, key := c.Key(s.Delivery)
	hash := delivery.HashOf(s.Body)
	k := delivery.Key{Workspace: c.ID(), Connection: s.Connection, Object: object, Delivery: key}
	for _, name := range []string{key, key + "~" + hex.EncodeToString(hash[:])} {
		k.Delivery = name
		if d, ok := c.now.Inbox[k]; ok && d.Hash == hash {
			if opened, err := d.Open(); err == nil && bytes.Equal(opened.Request.Body, s.Body) {
				return d, true
			}
		}
	}
	return shop.Stored{}, false
}

// ended holds one delivery to what its connector reads.
func (c *checking) ended(what string, d shop.Stored, facts []events.Fact, faults []connector.Fault, poison bool) {
	var why []connector.Fault
	if d.Why != "" && (json.Unmarshal([]byte(d.Why), &why) != nil || len(why) == 0 || why[0].Reason == "") {
		c.wrong(1, "%s is parked without a reason: %s", what, d.Why)
	}
	switch {
	case len(faults) > 0 && d.Why == "":
		c.wrong(6, "%s can't be read (%s), and is not parked", what, faults[0].Reason)
	case len(faults) == 0 && d.Why != "":
		c.wrong(1, "%s is parked: %s", what, d.Why)
	case poison && len(faults) == 0:
		c.wrong(6, "%s was to be poison and is read", what)
	}
	if d.Why != "" && d.Queued {
		c.wrong(1, "%s is parked and marked as to be processed", what)
	}
	for _, f := range facts {
		if f.Connection == "crm" && f.Kind == events.Customer {
			c.echoes = append(c.echoes, f)
			continue // what of it is our own echo is left out
		}
		id := f.ID()
		if was, ok := c.facts[id]; !ok || f.Received < was.Received {
			c.facts[id] = f
		}
		if _, ok := c.now.Facts[id]; !ok {
			c.wrong(1, "%s: the fact %s at version %d is not in the log", what, f.RecordKey(), f.Version)
		}
	}
}

// queuesEmpty: nothing waits, nothing was given up.
func (c *checking) queuesEmpty() {
	for _, q := range append(slices.Clone(queues), "DeadQueue") {
		if visible, hidden, delayed, err := c.world.Cloud.Depth(q); err != nil || visible+hidden+delayed > 0 {
			c.wrong(1, "the queue %s holds %d messages", q, visible+hidden+delayed)
		}
	}
	for id, f := range c.now.Profiles.Fragments {
		if len(f.Pending) > 0 {
			c.wrong(1, "the fragment %s has links that nobody made: %v", id, f.Pending)
		}
	}
}

// profilesAreRecounted: every byte of fragments, orders, identities and views is what the facts give, computed anew.
func (c *checking) profilesAreRecounted() {
	for id, f := range c.now.Facts {
		if f.Connection == "crm" {
			c.facts[id] = f // checked apart
		}
	}
	want := batch(c.rules, slices.Collect(maps.Values(c.facts)))
	was, is := want.Print(c.rules), c.now.Profiles.Print(c.rules)
	if was == is {
		return
	}
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	line := func(l []string) string {
		if n < len(l) {
			return l[n]
		}
		return "nothing"
	}
	c.wrong(3, "the profiles are not what the facts say:\n  from the facts  %s\n  in the table    %s", line(a), line(b))
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
