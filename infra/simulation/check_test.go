package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"loophub/events"
	"loophub/infra/simulation/shop"
)

// problem is something that was not as promised.
type problem struct {
	promise int // by its number in the package's words
	text    string
}

func (p problem) String() string { return fmt.Sprintf("promise %d: %s", p.promise, p.text) }

// checking collects what is wrong in one town.
type checking struct {
	*world
	*town
	now         shop.Rest
	facts       map[string]events.Fact // what was said, by id
	echoes      []events.Fact          // what the CRM said, our own echoes among it
	memberships []turn                 // that the bus carried
	problems    []problem
}

func (c *checking) wrong(promise int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(c.towns) > 1 {
		text = c.ID() + ": " + text
	}
	c.problems = append(c.problems, problem{promise, text})
}

// check holds all towns to the promises.
func (w *world) check() []problem {
	var all []problem
	for _, t := range w.towns {
		r, err := t.Read()
		if err != nil {
			return append(all, problem{2, err.Error()})
		}
		c := &checking{world: w, town: t, now: r, memberships: w.turns(t.ID())}
		for _, hold := range []func(){
			c.nothingLost, c.farewellsAreKept, // 1, and of what can't be read 6
			c.profilesAreRecounted, c.membershipsHold, c.countersAreRecounted, // 2 and 3
			c.mailsAndMessages, c.onePerCause, c.vouchersOnce, c.journeysGoOn, c.sendsAreAllowed, c.consentIsRespected, // 4
			c.noLoop, c.crmHolds, // 5
		} {
			hold()
		}
		all = append(all, c.problems...)
	}
	slices.SortStableFunc(all, func(a, b problem) int { return a.promise - b.promise })
	return all
}

func sortedInbox(r shop.Rest) []shop.Stored {
	var l []shop.Stored
	for _, d := range r.Inbox {
		l = append(l, d)
	}
	slices.SortFunc(l, func(a, b shop.Stored) int { return strings.Compare(a.Key.String(), b.Key.String()) })
	return l
}

// unlucky tells whether a delivery was parked because calls failed too often, and for nothing else.
func unlucky(why string) bool { return strings.Contains(why, `"unprocessed"`) }

func upper(s string) string { return strings.ToUpper(s) }

// turn is an event of somebody who entered a segment or left it.
type turn struct {
	kind string
	at   time.Time
	events.Membership
}

// turns reads what the bus carried of a town's segments.
func (w *world) turns(id string) (l []turn) {
	for _, line := range w.lines {
		var e struct{ Detail events.Envelope }
		if json.Unmarshal([]byte(line.Text), &e) != nil || e.Detail.Workspace != id {
			continue
		}
		if e.Detail.Type != events.SegmentEntered && e.Detail.Type != events.SegmentLeft {
			continue
		}
		t := turn{kind: e.Detail.Type, at: line.Time}
		if json.Unmarshal(e.Detail.Data, &t.Membership) == nil {
			l = append(l, t)
		}
	}
	return l
}
