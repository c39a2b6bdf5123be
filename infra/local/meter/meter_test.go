package meter

import (
	"context"
	"maps"
	"testing"
)

func TestChunks(t *testing.T) {
	for bytes, want := range map[int]int{0: 1, 1: 1, Chunk: 1, Chunk + 1: 2, 4 * Chunk: 4} {
		if got := Chunks(bytes); got != want {
			t.Errorf("%d bytes are %d requests, want %d", bytes, got, want)
		}
	}
}

func TestSheets(t *testing.T) {
	var m Meter
	put := Key{"role", "dynamodb", "PutItem"}
	m.Add(put, Use{Calls: 1, Billed: 1, Writes: 2})
	before := m.Sheet()
	m.Add(put, Use{Calls: 1, Billed: 1, Writes: 0.5})
	m.Add(Key{"a role", "sqs", "SendMessage"}, Use{Calls: 1, Billed: 3})
	if before[put].Writes != 2 {
		t.Error("a sheet changes after it was given away")
	}
	want := Sheet{put: {Calls: 1, Billed: 1, Writes: 0.5}, {"a role", "sqs", "SendMessage"}: {Calls: 1, Billed: 3}}
	got := m.Sheet().Since(before)
	if !maps.Equal(got, want) {
		t.Errorf("since then: %v", got)
	}
	if keys := got.Keys(); len(keys) != 2 || keys[0].Who != "a role" {
		t.Errorf("keys in no order: %v", keys)
	}
	if rest := m.Sheet().Since(m.Sheet()); len(rest) != 0 {
		t.Errorf("nothing was used, and %v is told", rest)
	}
}

// What a service notes belongs to its call alone, and to nobody where nobody counts.
func TestNotes(t *testing.T) {
	outer, a := Begin(context.Background())
	inner, b := Begin(outer)
	Of(inner).Reads += 2
	Of(outer).Writes++
	Of(context.Background()).Reads += 100
	if *a != (Use{Calls: 1, Writes: 1}) || *b != (Use{Calls: 1, Reads: 2}) {
		t.Errorf("noted %+v and %+v", *a, *b)
	}
}
