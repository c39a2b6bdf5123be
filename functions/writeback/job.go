package writeback

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	connector "loophub/connectors"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
	plan "loophub/shared/writeback"
)

// job is what one call of the stage does for one destination.
type job struct {
	*Stage
	hub     Hub
	plan    plan.Plan
	to      connector.Destination
	do      connector.Doer
	out     connector.Outbound
	seen    map[profile.ID]bool // profiles that were looked at
	matches map[string]bool     // keys of records that are being sought
	entries []*entry            // claimed and not yet written: at most a batch
	since   time.Time           // of the first of them
	counts  []telemetry.Count
}

// entry is one profile that has something to be written.
type entry struct {
	message string
	came    int64 // the moment that brought it, Unix ms
	members []profile.ID
	ledger  plan.Ledger
	wanted  plan.Wanted
	step    plan.Do
	fields  map[string]string // to be written
	done    bool
	pointed string // the record of which it is noted here whose it is
}

// job readies a destination; nil = it is paused.
func (s *Stage) job(ctx context.Context, w workspace.Workspace, d workspace.Destination) (*job, error) {
	hub := s.Hub(w.ID)
	paused, err := hub.Paused(ctx, d.Name)
	if err != nil {
		return nil, fmt.Errorf("asking whether %s is paused: %w", d.Name, err)
	}
	if paused {
		return nil, nil
	}
	c, there := w.Connections[d.Connection]
	con, known := s.connectors[c.Connector]
	if !there || !known || con.Destination == nil || con.Manifest.Outbound == nil {
		return nil, fault.New(fault.Permanent, "destination %s: connection %s is of no system that this version writes to", d.Name, d.Connection)
	}
	j := &job{Stage: s, hub: hub, out: *con.Manifest.Outbound, seen: map[profile.ID]bool{}, matches: map[string]bool{}}
	if j.plan, err = s.plans.of(w, d, j.out.Key); err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	if j.to, err = con.Destination(w.SettingsOf(c)); err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("connection %s: %w", c.Name, err))
	}
	j.do, err = s.Systems.For(w.ID, c.Name, con.Manifest)
	return j, err
}

// races is how often a profile is looked at again when somebody else was first.
const races = 8

// take looks at one profile and claims what is to be written of it.
func (j *job) take(ctx context.Context, w wake) error {
	for range races {
		l, ok, err := j.look(ctx, w.fragment)
		if err != nil || !ok {
			return err
		}
		if l.linking && w.destination == "" {
			// It may be a known customer, who is written there already. When it is due, it is
			// written in any case: links of a delivery that was parked wait for its replay.
			return j.hub.Arm(ctx, What(j.plan.Name, w.fragment), j.Now().Add(apart))
		}
		if j.seen[l.members[0]] {
			return nil
		}
		if l.wanted.Next.After(j.Now()) { // before anything that hangs on it
			if err := j.arm(ctx, l.members[0], l.wanted.Next, w.came); err != nil {
				return err
			}
		}
		err = j.claim(ctx, &entry{message: w.message, came: w.came, members: l.members, wanted: l.wanted}, w.fragment)
		if errors.Is(err, profile.ErrLost) {
			continue
		}
		j.seen[l.members[0]] = true
		return err
	}
	return profile.ErrLost
}

// looked is a profile as the destination should hold it.
type looked struct {
	members []profile.ID // the least first
	linking bool         // its links are being made
	wanted  plan.Wanted
}

func (l looked) same(o looked) bool {
	return slices.Equal(l.members, o.members) && l.wanted.In == o.wanted.In && maps.Equal(l.wanted.Values, o.wanted.Values)
}

// look reads a profile and decides what the destination should hold of it. ok is
// false where it was erased, or is not there yet: its next change tells.
func (j *job) look(ctx context.Context, fragment profile.ID) (l looked, ok bool, err error) {
	p, err := j.hub.Person(ctx, fragment)
	if err != nil || len(p.Members) == 0 {
		if err != nil {
			err = fmt.Errorf("reading the profile: %w", err)
		}
		return l, false, err
	}
	l.linking = slices.ContainsFunc(p.Members, func(f profile.Fragment) bool { return len(f.Pending) > 0 })
	view := segment.Combine(p.Members, p.Identities, profile.DefaultLimits)
	l.members = view.Members
	beside, now := p.beside(), j.Now()
	l.wanted, err = j.plan.Wanted(view, beside, now)
	if err == nil && !l.wanted.Older.IsZero() {
		var older []profile.Order
		for _, f := range p.Members {
			more, err := j.hub.OlderOrders(ctx, f.ID, l.wanted.Older)
			if err != nil {
				return l, false, fmt.Errorf("reading older orders: %w", err)
			}
			older = append(older, more...)
		}
		l.wanted, err = j.plan.Wanted(view.With(older, l.wanted.Older), beside, now)
	}
	if err != nil {
		return l, false, fmt.Errorf("deciding what %s should hold: %w", j.plan.Name, err)
	}
	return l, true, nil
}

// beside is what expressions know of a profile beside its fragments.
func (p Person) beside() segment.Beside {
	o := p.Outcome
	b := segment.Beside{Segments: profile.InSegments(p.Memberships), Outcome: segment.Outcome{Count: o.Orders, Net: o.Net}}
	if c := o.Campaign; c != nil {
		b.Campaign = segment.Campaign{Journey: c.Journey, Variant: c.Variant, Template: c.Template, Result: c.Result, At: time.UnixMilli(c.At)}
	}
	return b
}

const (
	lease = 90 * time.Second // how long a claim keeps others away
	work  = 60 * time.Second // how long calls may take after the first claim
	apart = time.Minute      // between two profiles that seek a record by one key
)

// claim decides what comes next for a profile, and puts down what is about to be
// written before anything is. It looks at the profile once more after the ledger was
// read: what was wanted before may be older than what the ledger's last writer wrote.
func (j *job) claim(ctx context.Context, e *entry, fragment profile.ID) error {
	ledgers, err := j.hub.Ledgers(ctx, e.members, j.plan.Name)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	e.ledger = chosen(ledgers, e.members[0])
	in := e.wanted.In
	if !in { // what stands there stays; what may be on its way is still looked for
		if len(e.ledger.Pending) == 0 {
			return nil
		}
		e.wanted.Values, e.wanted.Match = map[string]string{}, e.ledger.Pending[j.out.Key]
	}
	now := j.Now()
	step := plan.Next(e.ledger, e.wanted.Values, now)
	if e.step = step.Do; e.step == plan.Nothing {
		return nil
	}
	if e.step == plan.Seek && e.ledger.Record == "" && e.wanted.Match != "" {
		if j.matches[e.wanted.Match] { // two profiles with one address: never both at once
			step = plan.Step{Do: plan.Wait, Until: now.Add(apart)}
		}
		j.matches[e.wanted.Match] = true
	}
	if step.Do == plan.Wait {
		return j.arm(ctx, e.ledger.Fragment, step.Until, e.came)
	}
	first := looked{members: e.members, wanted: e.wanted}
	if second, ok, err := j.look(ctx, fragment); err != nil || !ok {
		return err
	} else if in && !second.same(first) {
		return profile.ErrLost
	}
	if len(j.entries) == 0 {
		j.since = now
	}
	e.ledger = e.ledger.Claim(e.wanted.Values, now, now.Add(lease))
	e.fields = e.ledger.Pending
	if err := j.commit(ctx, e); err != nil {
		return err
	}
	j.entries = append(j.entries, e)
	return nil
}

// chosen is the ledger of the profile: the first that has a record, else the
// first, else a new one under the least member.
func chosen(l []plan.Ledger, least profile.ID) plan.Ledger {
	for _, one := range l {
		if one.Record != "" {
			return one
		}
	}
	if len(l) > 0 {
		return l[0]
	}
	return plan.Ledger{Fragment: least}
}

// commit stores the entry's ledger. What is due for it was armed before.
func (j *job) commit(ctx context.Context, e *entry) error {
	if err := j.hub.CommitLedger(ctx, j.plan.Name, e.ledger); err != nil {
		return fmt.Errorf("storing the ledger: %w", err)
	}
	e.ledger.Version++
	return nil
}

// arm wakes the stage for a profile at a moment. One that came before its time, by
// another clock, is about to be deleted: then it is another, a little later.
func (j *job) arm(ctx context.Context, id profile.ID, at time.Time, came int64) error {
	if at.UnixMilli() <= came {
		at = time.UnixMilli(came + 1).UTC()
	}
	if err := j.hub.Arm(ctx, What(j.plan.Name, id), at); err != nil {
		return fmt.Errorf("arming: %w", err)
	}
	return nil
}

// plans keeps destinations compiled.
type plans struct {
	mu     sync.Mutex
	byName map[string]compiled
}

type compiled struct {
	from workspace.Destination
	zone string
	plan plan.Plan
}

const maxPlans = 1_000

func (p *plans) of(w workspace.Workspace, d workspace.Destination, key string) (plan.Plan, error) {
	name := w.ID + "/" + d.Name
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, there := p.byName[name]; there && c.zone == w.Zone && c.from.Connection == d.Connection && c.from.When == d.When &&
		maps.Equal(c.from.Properties, d.Properties) {
		return c.plan, nil
	}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("loading the workspace's zone: %w", err)
	}
	made, err := plan.Compile(d, key, zone)
	if err != nil {
		return made, err
	}
	if len(p.byName) >= maxPlans {
		clear(p.byName)
	}
	p.byName[name] = compiled{d, w.Zone, made}
	return made, nil
}
