package matrix

import (
	"context"
	"strconv"
	"strings"
	"time"
)

const (
	lately  = int64(3 * time.Minute / time.Millisecond)
	lagging = int64(30 * time.Minute / time.Millisecond)
)

// wake tells when sweep has something to do: at the next moment that is due, and each minute for as long as something lies
// in the spill queue, waits for a control, or is to be reviewed. All other runs would find nothing, and are left out.
func (s *stand) wake() (time.Time, bool) {
	now := s.Now()
	var next int64
	minute := now.Add(time.Minute).UnixMilli()
	at := func(t int64) {
		if next == 0 || t < next {
			next = t
		}
	}
	segments := ""
	controls, err := s.table.Controls(context.Background())
	if err != nil {
		s.t.Error(err)
	}
	for _, item := range s.Cloud.Table("HubTable").Items() {
		if item["pk"].Text == "workspaces" {
			segments = item["g"].Text
		}
		kind, rest, _ := strings.Cut(strings.TrimPrefix(item["pk"].Text, id+"#"), "#")
		switch {
		case kind == "d" && rest != "":
			due, _, _ := strings.Cut(item["sk"].Text, "#")
			if t, err := strconv.ParseInt(due, 10, 64); err == nil {
				at(max(t, minute))
			}
		case kind == "h" && rest != "" && !controls.Stops(rest):
			// What a connection received is looked at for half an hour, since unify may be late.
			if t := controls.Turns[rest].At; t+lately > now.UnixMilli() {
				at(minute)
			} else {
				at(max(minute, t+lagging))
			}
		}
	}
	if r, err := s.table.Review(context.Background()); err == nil && (r.Segments != segments || r.Version > 0 && !r.Done) {
		at(max(r.Begin, minute))
	}
	for _, q := range s.Cloud.Stack().Queues {
		if visible, flight, delayed, err := s.Cloud.Depth(q.LogicalID); err == nil && strings.Contains(q.LogicalID, "Spill") && visible+flight+delayed > 0 {
			at(minute)
		}
	}
	return time.UnixMilli(next).UTC(), next != 0
}
