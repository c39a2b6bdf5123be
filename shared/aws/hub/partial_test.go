package hub

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"loophub/infra/local/awstest"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// partly fails a part of the first calls of a kind, and notes how many entries each of them holds.
func (w *world) partly(call string, times int) (entries *[]int) {
	entries = &[]int{}
	w.Fault = func(name string) *awstest.Fault {
		if name != call || times == 0 {
			return nil
		}
		times--
		return &awstest.Fault{Partial: true}
	}
	w.reply = func(target string, body []byte) []byte {
		var in struct{ RequestItems map[string]json.RawMessage }
		if target != "DynamoDB_20120810."+call[len("dynamodb."):] || json.Unmarshal(body, &in) != nil {
			return nil
		}
		var keys struct{ Keys []json.RawMessage }
		var writes []json.RawMessage
		if json.Unmarshal(in.RequestItems[awstest.Hub], &keys) == nil {
			*entries = append(*entries, len(keys.Keys))
		} else if json.Unmarshal(in.RequestItems[awstest.Hub], &writes) == nil {
			*entries = append(*entries, len(writes))
		}
		return nil
	}
	return entries
}

func (w *world) asked(got *[]int, want ...int) {
	w.t.Helper()
	if !slices.Equal(*got, want) {
		w.t.Errorf("calls with %v entries, want %v", *got, want)
	}
}

// TestReadsTheLeftPartAlone: keys that a batch leaves unprocessed are asked for again, the others are not.
func TestReadsTheLeftPartAlone(t *testing.T) {
	w := newWorld(t)
	var ids []profile.ID
	for n := range 7 {
		ids = append(ids, fragmentID(n))
		w.must(w.Commit(t.Context(), profile.Fragment{ID: ids[n], State: profile.State{Orders: int64(n)}}, nil, nil))
	}
	entries := w.partly("dynamodb.BatchGetItem", 2)
	l, err := w.Fragments(t.Context(), ids)
	w.must(err)
	w.asked(entries, 7, 4, 2)
	for n, f := range l {
		if f.ID != ids[n] || f.State.Orders != int64(n) {
			t.Errorf("fragment %d: %s with %d orders", n, f.ID, f.State.Orders)
		}
	}
	w.partly("dynamodb.BatchGetItem", 99)
	if _, err := w.Fragments(t.Context(), ids); fault.ClassOf(err) != fault.Throttled {
		t.Error("a table that never gets to the last key:", err)
	}
}

// TestDisarmsTheLeftPartAlone: writes that a batch leaves unprocessed are done again, the others are not.
func TestDisarmsTheLeftPartAlone(t *testing.T) {
	w := newWorld(t)
	begin := time.Date(2026, 3, 10, 11, 58, 0, 0, time.UTC)
	var l []Due
	for n := range 30 {
		d := Due{"segment", string(fragmentID(n)), begin.Add(time.Duration(n) * time.Second).UnixMilli()}
		l = append(l, d)
		w.must(w.Arm(t.Context(), d.Stage, d.What, time.UnixMilli(d.At)))
	}
	entries := w.partly("dynamodb.BatchWriteItem", 1)
	w.must(w.Disarm(t.Context(), l[:29]))
	w.asked(entries, 25, 17)
	w.Fault = nil
	if left := w.dues(l[0].At, l[29].At); len(left) != 1 || left[0] != l[29] {
		t.Errorf("armed are %v", left)
	}
	w.partly("dynamodb.BatchWriteItem", 99)
	if err := w.Disarm(t.Context(), l[29:]); fault.ClassOf(err) != fault.Throttled {
		t.Error("a table that never gets to it:", err)
	}
}
