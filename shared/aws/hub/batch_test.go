package hub

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

func fragmentID(n int) profile.ID {
	return profile.ID("c" + strings.Repeat("a", 20) + strings.Map(func(r rune) rune { return 'a' + r - '0' }, fmt.Sprintf("%04d", n)))
}

func TestBatchReads(t *testing.T) {
	w := newWorld(t)
	var ids []profile.ID
	var names []string
	for n := range 250 {
		id, name := fragmentID(n), fmt.Sprintf("email/%d", n)
		ids, names = append(ids, id), append(names, name)
		if n%5 == 0 {
			continue // absent
		}
		w.must(w.Commit(t.Context(), profile.Fragment{ID: id, State: profile.State{Orders: int64(n)}}, nil, nil))
		w.must(w.CommitIdentity(t.Context(), profile.Identity{ID: name, Claimants: map[profile.ID]string{id: "shop"}}))
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		n := r.IntN(250)
		ids, names = append(ids, ids[n]), append(names, names[n])
	}
	r.Shuffle(len(ids), func(i, j int) { ids[i], ids[j], names[i], names[j] = ids[j], ids[i], names[j], names[i] })
	before := w.Calls("dynamodb.BatchGetItem")
	fragments, err := w.Fragments(t.Context(), ids)
	w.must(err)
	if n := w.Calls("dynamodb.BatchGetItem") - before; n != 3 {
		t.Errorf("250 keys take %d calls", n)
	}
	identities, err := w.Identities(t.Context(), names)
	w.must(err)
	if len(fragments) != len(ids) || len(identities) != 250 {
		t.Fatal(len(fragments), len(identities))
	}
	for n, id := range ids {
		want := w.fragment(id)
		if diff := cmp.Diff(want, fragments[n], exactly); diff != "" {
			t.Fatal(diff)
		}
		one, err := w.Identity(t.Context(), names[n])
		w.must(err)
		if diff := cmp.Diff(one, identities[names[n]], exactly); diff != "" {
			t.Fatal(diff)
		}
	}
	if l, err := w.Fragments(t.Context(), nil); err != nil || len(l) != 0 || w.Calls("dynamodb.BatchGetItem")-before != 6 {
		t.Error("nothing is read with a call", l, err)
	}
}

// TestBatchReadsWhatIsLeft: a reply holds at most 16 MB and names the keys that are left.
func TestBatchReadsWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	r := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(62)]
	}
	var ids []profile.ID
	for n := range 60 {
		f := profile.Fragment{ID: fragmentID(n), State: profile.State{Traits: map[string]profile.Register{"city": {Value: events.Text(string(noise))}}}}
		ids = append(ids, f.ID)
		w.must(w.Commit(t.Context(), f, nil, nil))
	}
	l, err := w.Fragments(t.Context(), ids)
	w.must(err)
	for n, f := range l {
		if f.ID != ids[n] || f.Version != 1 {
			t.Fatal("left unread:", f.ID, f.Version)
		}
	}
	if w.Calls("dynamodb.BatchGetItem") < 2 {
		t.Error("all fitted one reply: the test shows nothing")
	}
	w.reply = func(call string, body []byte) []byte { // a table that never gets to it
		var in struct{ RequestItems json.RawMessage }
		if json.Unmarshal(body, &in) != nil {
			return nil
		}
		return fmt.Appendf(nil, `{"Responses":{},"UnprocessedKeys":%s}`, in.RequestItems)
	}
	if _, err := w.Fragments(t.Context(), ids); fault.ClassOf(err) != fault.Throttled {
		t.Error("it goes on for ever, or gives what it has not read:", err)
	}
}
