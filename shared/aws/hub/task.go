package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/journey"
	"loophub/shared/profile"
)

// taskItem is a task for people.
//
//	<ws>#g#<fragment>  t#<task>
func (w Workspace) taskItem(t journey.Task) (key, error) {
	item := w.key("g", string(t.Fragment), "t#"+t.ID)
	var err error
	if item["d"], err = pack(t); err != nil {
		return nil, err
	}
	return item, tell(item, events.TaskCreated, events.Task{Fragment: string(t.Fragment), Task: t.ID})
}

// Tasks are the newest tasks under any of the fragments, at most so many, newest first.
func (w Workspace) Tasks(ctx context.Context, fragments []profile.ID, limit int) ([]journey.Task, error) {
	var l []journey.Task
	for _, id := range fragments {
		out, err := w.db.Query(ctx, w.query("g", string(id), "t#", true, int32(limit)))
		if err != nil {
			return nil, classed(err)
		}
		for _, item := range out.Items {
			var t journey.Task
			if err := unpack(item["d"], &t); err != nil {
				return nil, fault.As(fault.Permanent, fmt.Errorf("a task: %w", err))
			}
			l = append(l, t)
		}
	}
	slices.SortFunc(l, func(a, b journey.Task) int { return strings.Compare(b.ID, a.ID) })
	return l[:min(len(l), limit)], nil
}
