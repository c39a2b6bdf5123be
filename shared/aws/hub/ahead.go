package hub

import (
	"context"
	"slices"
)

// maxPages bounds how much of the index one look ahead reads: of 48 hours every
// partition, and as much again.
const maxPages = 2 * 49 * shards

// Ahead lists moments of some stages from one on up to another, that one included:
// at most limit of them, hour by hour. None that comes before whole is missing,
// which lies beyond to where all of them are listed. It changes nothing.
func (w Workspace) Ahead(ctx context.Context, from, to int64, limit int, stages ...string) (l []Due, whole int64, err error) {
	pages := 0
	for page, err := range w.Dues(ctx, from, to) {
		if err != nil {
			return nil, 0, err
		}
		if pages++; pages > maxPages {
			return l, page.From, nil
		}
		for _, d := range page.List {
			if !slices.Contains(stages, d.Stage) {
				continue
			}
			if len(l) == limit {
				return l, page.From, nil
			}
			l = append(l, d)
		}
	}
	return l, to + 1, nil
}
