package writeback

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	connector "loophub/connectors"
	"loophub/shared/fault"
	"loophub/shared/profile"
	"loophub/shared/telemetry"
	plan "loophub/shared/writeback"
)

// write sends what was claimed, and tells which messages have to come again. The
// calls end well within the claims' lease.
func (j *job) write(ctx context.Context) map[string]error {
	errs := map[string]error{}
	if len(j.entries) == 0 {
		return errs
	}
	calls, cancel := context.WithTimeout(ctx, work-j.Now().Sub(j.since))
	defer cancel()
	end := func(e *entry, err error) {
		e.done = true
		if err != nil && !errors.Is(err, profile.ErrLost) { // whoever was first goes on with it
			errs[e.message] = err
		}
	}
	j.seek(ctx, calls, end)
	j.apply(ctx, calls, end)
	j.entries = nil
	return errs
}

// seek finds the records of those who need it, and compares: what is there needs
// not be written.
func (j *job) seek(ctx, calls context.Context, end func(*entry, error)) {
	var sought []*entry
	var keys []connector.Key
	fields := map[string]bool{}
	for _, e := range j.entries {
		if e.step == plan.Seek {
			sought = append(sought, e)
			keys = append(keys, connector.Key{Record: e.ledger.Record, Match: e.wanted.Match})
			for f := range e.ledger.Pending {
				fields[f] = true
			}
		}
	}
	if len(sought) == 0 {
		return
	}
	found, err := j.to.Find(calls, j.do, keys, slices.Sorted(maps.Keys(fields)))
	if err == nil && len(found) != len(keys) {
		err = fault.New(fault.Permanent, "finding gave %d answers to %d keys", len(found), len(keys))
	}
	for n, e := range sought {
		if err != nil {
			end(e, j.fail(ctx, e, err, true))
			continue
		}
		if done, err := j.compare(ctx, e, found[n]); done || err != nil {
			end(e, err)
		}
	}
}

// compare takes in what was found; done = nothing is left to be written.
func (j *job) compare(ctx context.Context, e *entry, found connector.Found) (done bool, err error) {
	if found.Record == "" && e.ledger.Record != "" {
		return true, j.fail(ctx, e, fault.As(fault.Permanent, fmt.Errorf("looking for the record: %w", connector.ErrGone)), false)
	}
	next, left, held := e.ledger.Compare(found, e.wanted.Values, j.Now())
	e.ledger, e.fields = next, left
	if len(left) == 0 {
		return true, j.settled(ctx, e)
	}
	if found.Record != "" {
		if err := j.point(ctx, e); err != nil {
			return true, err
		}
	}
	if held {
		return false, nil
	}
	return false, j.commit(ctx, e)
}

// apply writes what is left, and takes in what became of it.
func (j *job) apply(ctx, calls context.Context, end func(*entry, error)) {
	l := slices.DeleteFunc(slices.Clone(j.entries), func(e *entry) bool { return e.done })
	if len(l) == 0 {
		return
	}
	changes := make([]connector.Change, len(l))
	for n, e := range l {
		changes[n] = connector.Change{Key: connector.Key{Record: e.ledger.Record, Match: e.wanted.Match}, Fields: e.fields}
	}
	receipts := j.to.Apply(calls, j.do, changes)
	for n, e := range l {
		r := connector.Receipt{Err: fault.New(fault.Transient, "the connector gave no receipt")}
		if len(receipts) == len(l) {
			r = receipts[n]
		}
		if r.Err != nil {
			end(e, j.fail(ctx, e, r.Err, fault.ClassOf(r.Err) == fault.Transient))
			continue
		}
		e.ledger = e.ledger.Settle(r, e.wanted.Values, j.Now(), j.Jitter())
		end(e, j.settled(ctx, e))
	}
}

// settled stores that all is written, and whose the record is before it.
func (j *job) settled(ctx context.Context, e *entry) error {
	if e.ledger.Record != "" {
		if err := j.point(ctx, e); err != nil {
			return err
		}
	}
	j.count(Records)
	return j.commit(ctx, e)
}

// point notes whose the record is, before anything is written to it. One that is
// another profile's is left alone.
func (j *job) point(ctx context.Context, e *entry) error {
	if e.pointed == e.ledger.Record {
		return nil
	}
	err := j.hub.Point(ctx, j.plan.Connection, e.ledger.Record, j.plan.Name, e.ledger.Fragment, e.members)
	if errors.Is(err, profile.ErrLost) {
		e.ledger.Record, e.ledger.Fields = "", nil
		err := fault.New(fault.Permanent, "the record belongs to another profile: merge the two profiles, or give one of them another address")
		if err := j.fail(ctx, e, err, false); err != nil {
			return err
		}
		return profile.ErrLost
	}
	if err != nil {
		return fmt.Errorf("noting whose the record is: %w", err)
	}
	e.pointed = e.ledger.Record
	return nil
}

// fail stores why nothing was written. When it is to be tried again is armed first.
func (j *job) fail(ctx context.Context, e *entry, err error, unsure bool) error {
	e.ledger = e.ledger.Fail(err, unsure, e.wanted.Values, j.Now(), j.Jitter())
	switch e.ledger.Trouble.Class {
	case fault.Permanent:
		j.count(Refused)
	case fault.Unauthorised:
		j.count(Locked)
	default:
		j.count(Delayed)
	}
	if next := e.ledger.Trouble.Next; next != 0 {
		if err := j.arm(ctx, e.ledger.Fragment, time.UnixMilli(next).UTC(), e.came); err != nil {
			return err
		}
	}
	return j.commit(ctx, e)
}

func (j *job) count(m telemetry.Metric) {
	i := slices.IndexFunc(j.counts, func(c telemetry.Count) bool { return c.Metric == m })
	if i < 0 {
		i, j.counts = len(j.counts), append(j.counts, telemetry.Count{Metric: m})
	}
	j.counts[i].N++
}
