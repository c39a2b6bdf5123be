package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"loophub/shared/journey"
	"loophub/shared/profile"
)

// state is a world at rest as promises see it, in lines: what is a function of what was told. Moments that the world itself
// noted, and what is made of them, are left out: a fault may delay.
func (s *stand) state() []string {
	r := &recital{stand: s, ctx: context.Background(), journeys: map[string]bool{}}
	for _, id := range s.profiles() {
		r.ids = append(r.ids, profile.ID(id))
	}
	r.tests = []string{tester}
	r.fragments()
	r.records()
	r.people()
	r.outside()
	r.queues()
	for n := range r.lines {
		r.lines[n] = masked(r.lines[n])
	}
	slices.Sort(r.lines)
	return r.lines
}

var (
	instant = regexp.MustCompile(`\b1[0-9]{12}\b`)
	stamp   = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`)
	named   = regexp.MustCompile(`\b1[0-9a-f]{10}-[0-9a-z]{20,}`) // a message
	tagging = regexp.MustCompile(`\btag\.[0-9a-z]{20,}`)          // by a journey
)

// masked leaves out moments since the world began, and what is named by them.
func masked(line string) string {
	line = tagging.ReplaceAllString(named.ReplaceAllString(line, "(message)"), "(tagging)")
	line = stamp.ReplaceAllStringFunc(line, func(text string) string {
		if t, err := time.Parse(time.RFC3339, text); err == nil && t.Before(begins) {
			return text
		}
		return "(then)"
	})
	return instant.ReplaceAllStringFunc(line, func(text string) string {
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms < begins.UnixMilli() {
			return text
		}
		return "(then)"
	})
}

// tester gets test messages.
const tester = "linh@tra-sen.example"

// recital writes a state.
type recital struct {
	*stand
	ctx      context.Context
	ids      []profile.ID
	journeys map[string]bool
	groups   [][]profile.ID
	tests    []string // fragments of test messages: whether they are asked for is not repeated
	lines    []string
}

func (r *recital) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(r.tests, func(f string) bool { return strings.Contains(line, f) }) {
		r.lines = append(r.lines, line)
	}
}

func (r *recital) must(err error) {
	if err != nil {
		r.t.Errorf("reading what is stored: %v", err)
	}
}

// words is a value in JSON, whose keys are sorted.
func (r *recital) words(v any) string {
	b, err := json.Marshal(v)
	r.must(err)
	return string(b)
}

// records are all facts. One that was told again at another moment is the same.
func (r *recital) records() {
	records, lines := map[string]bool{}, map[string]bool{}
	for _, item := range r.Cloud.Table("HubTable").Items() {
		if record, ok := strings.CutPrefix(item["pk"].Text, id+"#r#"); ok {
			records[record] = true
		}
	}
	for record := range records {
		facts, err := r.table.Facts(r.ctx, record)
		r.must(err)
		for _, f := range facts {
			lines[masked(fmt.Sprintf("fact %s %s %s", f.Kind, record, r.words(f.Fields)))] = true
		}
	}
	for line := range lines {
		r.say("%s", line)
	}
}

func (r *recital) fragments() {
	all, err := r.table.Fragments(r.ctx, r.ids)
	r.must(err)
	claimed := map[string]bool{}
	for _, f := range all {
		if f.Anchor == (profile.Source{}) {
			r.tests = append(r.tests, string(f.ID))
		}
		f.Quiet = 0
		if len(f.Pending) > 0 {
			r.say("fragment %s has links that are not made", f.ID)
		}
		r.say("fragment %s %s", f.ID, r.words(f))
		for identifier := range f.State.Claims {
			claimed[identifier] = true
		}
		if group := f.Profile(); group[0] == f.ID {
			r.groups = append(r.groups, group)
		}
	}
	identities, err := r.table.Identities(r.ctx, slices.Sorted(maps.Keys(claimed)))
	r.must(err)
	for name, i := range identities {
		r.say("identity %s %s", name, r.words(i))
	}
}

// people are profiles with what hangs on them, under whichever fragment it lies.
func (r *recital) people() {
	for _, group := range r.groups {
		who := group[0]
		kept, err := r.table.Memberships(r.ctx, group)
		r.must(err)
		r.say("profile %s of %v is in %v", who, group, profile.InSegments(kept))
		for _, fragment := range group {
			l, _, err := r.table.Messages(r.ctx, fragment, "", 100)
			r.must(err)
			for _, m := range l {
				r.say("message to %s: %s %s %s, voucher %v", who, m.Template, m.Status, m.Reason, m.Voucher.Code != "")
			}
		}
		heads, err := r.table.Heads(r.ctx, group)
		r.must(err)
		seen := map[string]bool{}
		for _, h := range heads {
			if !seen[h.Journey] {
				seen[h.Journey], r.journeys[h.Journey] = true, true
				r.entries(who, group, h.Journey)
			}
		}
		tasks, err := r.table.Tasks(r.ctx, group, 100)
		r.must(err)
		for _, t := range tasks {
			r.say("task about %s: %s", who, t.Title)
		}
	}
	for name := range r.journeys {
		counters, err := r.table.Counters(r.ctx, name)
		r.must(err)
		for key, n := range counters {
			if n != 0 {
				r.say("counter %v %d", key, n)
			}
		}
	}
}

func (r *recital) entries(who profile.ID, group []profile.ID, name string) {
	l, err := r.table.Entries(r.ctx, group, name)
	r.must(err)
	for _, e := range l {
		if e.Revision > 0 {
			r.say("entry of %s: %s %s at %q, steps %v", who, name, e.Status, e.At, taken(e))
		}
	}
}

func taken(e journey.Entry) (l []string) {
	for _, s := range e.Steps {
		l = append(l, s.Step)
	}
	return l
}

// outside is what others have of us.
func (r *recital) outside() {
	sent := map[string]bool{}
	for _, m := range r.Cloud.Outbox().Mails() {
		r.say("mail to %s: %s", m.To[0], m.Subject)
		if of := m.Tag("loophub-message"); sent[of] {
			r.say("message is sent twice: %s", m.Subject)
		} else {
			sent[of] = true
		}
	}
	for _, c := range r.hubspot.Contacts() {
		r.say("contact %s", r.words(c.Properties))
	}
	for _, p := range r.hubspot.Problems() {
		r.say("HubSpot has a problem: %s", p)
	}
	available, used, err := r.table.CountCodes(r.ctx, "ten")
	r.must(err)
	r.say("codes: %d available, %d used", available, used)
}

// queues is what is left over: nothing, where all is well, but what was parked.
func (r *recital) queues() {
	for _, item := range r.Cloud.Table("InboxTable").Items() {
		if why := item["why"].Text; why != "" {
			r.say("parked %s: %s", item["pw"].Text, why)
		}
	}
	for _, item := range r.Cloud.Table("HubTable").Items() {
		if held, ok := strings.CutPrefix(item["pk"].Text, id+"#h#"); ok && held != "" {
			r.say("held for %s: %s", held, item["sk"].Text)
		}
	}
	for _, q := range r.Cloud.Stack().Queues {
		visible, flight, delayed, err := r.Cloud.Depth(q.LogicalID)
		r.must(err)
		if n := visible + flight + delayed; n > 0 {
			r.say("queue %s holds %d", q.LogicalID, n)
		}
	}
}
