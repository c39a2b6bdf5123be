package shop

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"loophub/events"
	"loophub/functions/unify/unifytest"
	"loophub/infra/local/dynamodb/attr"
	"loophub/shared/attribution"
	"loophub/shared/aws/hub"
	"loophub/shared/delivery"
	"loophub/shared/journey"
	"loophub/shared/message"
	"loophub/shared/profile"
	"loophub/shared/writeback"
)

// Stored is a delivery as it lies in the Inbox.
type Stored struct {
	delivery.Sealed
	Queued bool   // it is marked as to be processed
	Why    string // why it is parked, as JSON; "" = it is not
	Clash  bool
}

// Rest is what lies in the tables of a shop.
type Rest struct {
	Inbox       map[delivery.Key]Stored
	Facts       map[string]events.Fact // by id
	Profiles    unifytest.Rest
	Memberships map[profile.ID]profile.Memberships
	Messages    map[string]message.Message // by fragment and id
	Sends       map[profile.ID]message.Sends
	Entries     map[string]journey.Entry // by fragment, journey and id
	Heads       map[string]journey.Head  // by fragment and journey
	Tasks       []journey.Task
	Used        map[string]journey.Assignment // codes that were taken, by cause
	Free        map[string]bool               // codes that nobody has
	Issued      map[string]hub.Issued         // all codes
	Credits     map[profile.ID]attribution.Credits
	Counters    attribution.Counts
	Ledgers     map[profile.ID]writeback.Ledger
	Records     map[string]profile.ID // of the CRM, with their fragments
	Due         []hub.Due
	Held        []string
}

// Read reads the tables of the cloud straight, without a call.
func (s *Shop) Read() (Rest, error) {
	r := Rest{Inbox: map[delivery.Key]Stored{}, Facts: map[string]events.Fact{}, Profiles: unifytest.NewRest(),
		Memberships: map[profile.ID]profile.Memberships{}, Messages: map[string]message.Message{},
		Sends: map[profile.ID]message.Sends{}, Entries: map[string]journey.Entry{}, Heads: map[string]journey.Head{},
		Used: map[string]journey.Assignment{}, Free: map[string]bool{}, Issued: map[string]hub.Issued{},
		Credits: map[profile.ID]attribution.Credits{}, Counters: attribution.Counts{},
		Ledgers: map[profile.ID]writeback.Ledger{}, Records: map[string]profile.ID{}}
	for _, item := range s.Cloud.Table("InboxTable").Items() {
		if err := r.delivery(s.id, item); err != nil {
			return r, fmt.Errorf("reading the Inbox at %s %s: %w", item["pk"].Text, item["sk"].Text, err)
		}
	}
	for _, item := range s.Cloud.Table("HubTable").Items() {
		kind, name, mine := s.place(item)
		if !mine {
			continue
		}
		if err := r.item(s.id, kind, name, item["sk"].Text, item); err != nil {
			return r, fmt.Errorf("reading the Hub at %s %s: %w", item["pk"].Text, item["sk"].Text, err)
		}
	}
	return r, nil
}

// place reads a key of the Hub: <workspace>#<kind>#<name>.
func (s *Shop) place(item attr.Map) (kind, name string, mine bool) {
	rest, mine := strings.CutPrefix(item["pk"].Text, s.id+"#")
	kind, name, _ = strings.Cut(rest, "#")
	return kind, name, mine
}

func (r *Rest) delivery(id string, item attr.Map) error {
	parts := strings.SplitN(item["pk"].Text, "#", 3)
	if parts[0] != id {
		return nil
	}
	if len(parts) != 3 {
		return fmt.Errorf("it has no key of a delivery")
	}
	s := Stored{Queued: item["q"].Kind != attr.None, Why: item["why"].Text, Clash: item["f"].Kind != attr.None}
	s.Key = delivery.Key{Workspace: id, Connection: parts[1], Object: parts[2], Delivery: item["sk"].Text}
	s.Packed, s.Overflow, s.Lane = []byte(item["d"].Text), item["o"].Text, delivery.Lane(item["l"].Text)
	s.ReceivedAt = time.UnixMilli(number(item["r"])).UTC()
	copy(s.Hash[:], item["h"].Text)
	r.Inbox[s.Key] = s
	return nil
}

func (r *Rest) item(id, kind, name, sort string, item attr.Map) error {
	packed, version := []byte(item["d"].Text), number(item["v"])
	head, rest, _ := strings.Cut(sort, "#")
	switch kind {
	case "r":
		var f events.Fact
		err := hub.Unpack(packed, &f)
		f.Workspace, f.Received = id, number(item["r"])
		f.Connection, _, _ = strings.Cut(name, "|")
		r.Facts[rest] = f
		return err
	case "x":
		_, record, _ := strings.Cut(sort, "#")
		if r.Profiles.Index[profile.ID(name)] == nil {
			r.Profiles.Index[profile.ID(name)] = map[string]bool{}
		}
		r.Profiles.Index[profile.ID(name)][record] = true
	case "i":
		var i profile.Identity
		err := hub.Unpack(packed, &i)
		i.ID, i.Version = name, version
		r.Profiles.Identities[name] = i
		return err
	case "g":
		return r.under(profile.ID(name), head, rest, packed, version, number(item["a"]))
	case "p":
		if head == "a" {
			_, code, _ := strings.Cut(rest, "#")
			r.Free[code] = true
			return nil
		}
		var a journey.Assignment
		err := hub.Unpack(packed, &a)
		r.Used[rest] = a
		return err
	case "v":
		var i hub.Issued
		err := hub.Unpack(packed, &i)
		r.Issued[name] = i
		return err
	case "c":
		if p := strings.Split(sort, "|"); len(p) == 4 {
			k := attribution.Key{Journey: name, Variant: p[0], Template: p[1]}
			for attribute, n := range item {
				if m, ok := strings.CutPrefix(attribute, "m:"); ok {
					k.Measure = attribution.Measure(m)
					r.Counters.Add(k, number(n))
				}
			}
			return nil
		}
		return fmt.Errorf("a counter's name has four parts")
	case "w":
		r.Records[name] = profile.ID(item["f"].Text)
	case "d":
		r.due(head, rest)
	case "h":
		if name != "" {
			r.Held = append(r.Held, name+" "+sort)
		}
	}
	return nil
}

// under reads what lies under a fragment.
func (r *Rest) under(id profile.ID, head, rest string, packed []byte, version, armed int64) error {
	read := func(v any) error { return hub.Unpack(packed, v) }
	switch head {
	case "STATE":
		var f profile.Fragment
		err := read(&f)
		f.ID, f.Version = id, version
		r.Profiles.Fragments[id] = f
		return err
	case "o":
		at, record, _ := strings.Cut(rest, "#")
		ms, _ := strconv.ParseInt(at, 10, 64) // the key holds nothing else
		if r.Profiles.Older[id] == nil {
			r.Profiles.Older[id] = map[profile.Lookup]profile.Order{}
		}
		var o profile.Order
		err := read(&o)
		r.Profiles.Older[id][profile.Lookup{At: ms, Record: record}] = o
		return err
	case "SEGMENTS":
		var m profile.Memberships
		err := read(&m)
		m.Fragment, m.Version, m.Armed = id, version, armed
		r.Memberships[id] = m
		return err
	case "SENDS":
		var s message.Sends
		err := read(&s)
		s.Fragment, s.Version = id, version
		r.Sends[id] = s
		return err
	case "CREDITS":
		var c attribution.Credits
		err := read(&c)
		c.Fragment, c.Version = id, version
		r.Credits[id] = c.Named()
		return err
	case "m":
		var m message.Message
		err := read(&m)
		m.Stored = version
		r.Messages[string(id)+"#"+rest] = m
		return err
	case "t":
		var t journey.Task
		err := read(&t)
		r.Tasks = append(r.Tasks, t)
		return err
	case "w":
		var l writeback.Ledger
		err := read(&l)
		l.Fragment, l.Version = id, version
		r.Ledgers[id] = l
		return err
	case "j":
		if strings.Contains(rest, "#") {
			var e journey.Entry
			err := read(&e)
			r.Entries[string(id)+"#"+rest] = e
			return err
		}
		var h journey.Head
		err := read(&h)
		r.Heads[string(id)+"#"+rest] = h
		return err
	}
	return nil
}

// due reads the moment that lies at <ms>#<stage>|<what>.
func (r *Rest) due(ms, rest string) {
	at, err := strconv.ParseInt(ms, 10, 64)
	if stage, what, ok := strings.Cut(rest, "|"); ok && err == nil {
		r.Due = append(r.Due, hub.Due{Stage: stage, What: what, At: at})
	}
}

// Next is when sweep finds something to do: the earliest moment of the due index over all workspaces; at once, where
// something is held or spilled.
func Next(c interface {
	Items() []attr.Map
}, now time.Time) (earliest time.Time, found bool) {
	for _, item := range c.Items() {
		_, rest, _ := strings.Cut(item["pk"].Text, "#")
		kind, name, _ := strings.Cut(rest, "#")
		at := now
		switch {
		case kind == "h" && name != "":
		case kind == "d":
			ms, _, ok := strings.Cut(item["sk"].Text, "#")
			n, err := strconv.ParseInt(ms, 10, 64)
			if !ok || err != nil {
				continue // the cursor
			}
			at = time.UnixMilli(n)
		default:
			continue
		}
		if !found || at.Before(earliest) {
			earliest, found = at, true
		}
	}
	return earliest, found
}

func number(v attr.Value) int64 {
	n, _ := v.Num.Int64() // a version, a count or a time
	return n
}
