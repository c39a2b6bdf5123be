package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/telemetry"
)

// record is one of a Hub stream's: a fragment's new image with what changed.
type record struct {
	workspace, fragment, profile, ev string
	version                          int
	extra                            string // of the image
}

func id(n int) string { return fmt.Sprintf("c%024d", n) }

func payload(l ...record) []byte {
	var b []string
	for n, r := range l {
		ev := ""
		if r.ev != "" {
			ev = fmt.Sprintf(`,"ev":{"S":%q}`, r.ev)
		}
		b = append(b, fmt.Sprintf(`{"eventID":"%d","eventName":"MODIFY","eventSource":"aws:dynamodb","dynamodb":{"ApproximateCreationDateTime":%d,
			"SequenceNumber":"%d","StreamViewType":"NEW_AND_OLD_IMAGES","NewImage":{"pk":{"S":"%s#g#%s"},"sk":{"S":"STATE"},"v":{"N":"%d"},"p":{"S":%q}%s%s}}}`,
			n, 1795249232+n, 1000+n, r.workspace, r.fragment, r.version, r.profile, ev, r.extra))
	}
	return []byte(`{"Records":[` + strings.Join(b, ",") + `]}`)
}

// bus refuses what it is told to, call by call.
type bus struct {
	calls  [][]events.Envelope
	taken  []events.Envelope
	refuse []func(l []events.Envelope) ([]int, error)
}

func (b *bus) Put(_ context.Context, l []events.Envelope) (failed []int, err error) {
	b.calls = append(b.calls, slices.Clone(l))
	if n := len(b.calls) - 1; n < len(b.refuse) && b.refuse[n] != nil {
		failed, err = b.refuse[n](l)
	}
	for n, e := range l {
		if err == nil && !slices.Contains(failed, n) {
			b.taken = append(b.taken, e)
		}
	}
	return failed, err
}

func only(n ...int) func([]events.Envelope) ([]int, error) {
	return func([]events.Envelope) ([]int, error) { return n, nil }
}

func down([]events.Envelope) ([]int, error) { return nil, errors.New("down: MARKER") }

// world is the stage before that bus.
type world struct {
	t      *testing.T
	bus    *bus
	log    bytes.Buffer
	pauses []int
	paused error
}

func newWorld(t *testing.T, refuse ...func([]events.Envelope) ([]int, error)) *world {
	return &world{t: t, bus: &bus{refuse: refuse}}
}

// publish invokes the stage as Lambda does; "" = the batch is done.
func (w *world) publish(payload []byte) string {
	w.t.Helper()
	s := New(Config{Bus: w.bus, Log: telemetry.New(&w.log, "publish"), Now: func() time.Time { return time.Unix(0, 0) },
		Pause: func(_ context.Context, n int) error { w.pauses = append(w.pauses, n); return w.paused }})
	out, err := s.Invoke(w.t.Context(), payload)
	if err != nil {
		w.t.Fatal(err)
	}
	var r struct {
		BatchItemFailures []struct{ ItemIdentifier string }
	}
	if err := json.Unmarshal(out, &r); err != nil || r.BatchItemFailures == nil || len(r.BatchItemFailures) > 1 {
		w.t.Fatalf("%s: %v", out, err)
	}
	if len(r.BatchItemFailures) == 0 {
		return ""
	}
	return r.BatchItemFailures[0].ItemIdentifier
}

// announced are the changes that the bus took, by workspace and fragment.
func (w *world) announced() map[string]events.ProfileChange {
	w.t.Helper()
	m := map[string]events.ProfileChange{}
	for _, e := range w.bus.taken {
		var d events.ProfileChanges
		if err := json.Unmarshal(e.Data, &d); err != nil {
			w.t.Fatal(err)
		}
		for _, c := range d.Changes {
			k := e.Workspace + " " + c.Fragment
			if _, twice := m[k]; twice {
				w.t.Errorf("%s is announced twice", k)
			}
			m[k] = c
		}
	}
	return m
}

func TestFolds(t *testing.T) {
	w := newWorld(t)
	failed := w.publish(payload(
		record{"saigon", id(1), id(1), "orders", 3, ""},
		record{"saigon", id(2), id(2), "tags", 1, ""},
		record{"saigon", id(1), id(1), "traits,orders", 4, ""},
		record{"saigon", id(1), id(1), "", 5, ""}, // bookkeeping says nothing of its own
		record{"saigon", id(1), id(0), "identity", 6, ""},
	))
	want := map[string]events.ProfileChange{
		"saigon " + id(1): {Fragment: id(1), Version: 6, Profile: id(0), Parts: []string{"orders", "traits", "identity"}},
		"saigon " + id(2): {Fragment: id(2), Version: 1, Profile: id(2), Parts: []string{"tags"}},
	}
	if diff := cmp.Diff(want, w.announced()); diff != "" || failed != "" {
		t.Error(failed, diff)
	}
	if e := w.bus.taken[0]; len(w.bus.taken) != 1 || e.Time.Unix() != 1795249236 || e.Type != events.ProfileChanged {
		t.Errorf("%+v", w.bus.taken)
	}
}

func TestSaysNothingOfBookkeeping(t *testing.T) {
	for name, p := range map[string][]byte{
		"no fragment announces itself": payload(record{"saigon", id(1), id(1), "", 3, ""}),
		"an identity":                  bytes.ReplaceAll(payload(record{"saigon", "email/x", id(1), "orders", 3, ""}), []byte("#g#"), []byte("#i#")),
		"a version that is none":       bytes.ReplaceAll(payload(record{"saigon", id(1), id(1), "orders", 3, ""}), []byte(`{"N":"3"}`), []byte(`{"S":"3"}`)),
		"a key of somebody else":       bytes.ReplaceAll(payload(record{"saigon", id(1), id(1), "orders", 3, ""}), []byte("saigon#g#"), []byte("saigon")),
		"removed":                      []byte(`{"Records":[{"eventName":"REMOVE","dynamodb":{"SequenceNumber":"1","OldImage":{"ev":{"S":"orders"}}}}]}`),
		"an empty batch":               []byte(`{"Records":[]}`),
	} {
		w := newWorld(t)
		if failed := w.publish(p); failed != "" || len(w.bus.calls) > 0 {
			t.Errorf("%s: %v, %q", name, w.bus.calls, failed)
		}
	}
	w := newWorld(t)
	for _, bad := range []string{"", "[]", `{"Records":"lan@MARKER.vn"}`, `{"Records":[{"dynamodb":{"NewImage":{"pk":{"X":"MARKER"}}}}]}`} {
		s := New(Config{Bus: w.bus, Log: telemetry.New(&w.log, "publish"), Now: time.Now})
		if _, err := s.Invoke(t.Context(), []byte(bad)); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Error(bad, err)
		}
	}
}

func TestPacksPerWorkspace(t *testing.T) {
	var l []record
	for n := range 230 {
		l = append(l, record{[]string{"saigon", "hanoi"}[n%2], id(n), id(n), "orders", 1, ""})
	}
	w := newWorld(t)
	w.publish(payload(l...))
	sizes := map[string][]int{}
	for _, e := range w.bus.taken {
		var d events.ProfileChanges
		if err := json.Unmarshal(e.Data, &d); err != nil {
			t.Fatal(err)
		}
		sizes[e.Workspace] = append(sizes[e.Workspace], len(d.Changes))
		if e.Source != "loophub/"+e.Workspace {
			t.Error(e.Source)
		}
	}
	if diff := cmp.Diff(map[string][]int{"saigon": {100, 15}, "hanoi": {100, 15}}, sizes); diff != "" {
		t.Error(diff)
	}
	for k, c := range w.announced() {
		var n int
		if _, err := fmt.Sscanf(c.Fragment, "c%d", &n); err != nil || !strings.HasPrefix(k, []string{"saigon", "hanoi"}[n%2]) {
			t.Errorf("%s is in the wrong workspace", k)
		}
	}
}

func TestPacksBySize(t *testing.T) {
	parts := strings.TrimSuffix(strings.Repeat("a-part,", 100), ",")
	var l []record
	for n := range 120 {
		l = append(l, record{"saigon", id(n), id(n), parts, 1, ""})
	}
	w := newWorld(t)
	w.publish(payload(l...))
	for _, e := range w.bus.taken {
		if len(e.Data) > 48<<10 {
			t.Errorf("an event of %d bytes", len(e.Data))
		}
	}
	if len(w.announced()) != 120 || len(w.bus.taken) < 3 {
		t.Errorf("%d changes in %d events", len(w.announced()), len(w.bus.taken))
	}
}

// sixParcels are changes of six workspaces, interleaved: an event each.
func sixParcels() []byte {
	var l []record
	for n := range 18 {
		l = append(l, record{fmt.Sprint("w", n%6), id(n), id(n), "orders", 1, ""})
	}
	return payload(l...)
}

func TestFailedEntriesAloneAreRetried(t *testing.T) {
	w := newWorld(t, only(4, 1), only(0))
	if failed := w.publish(sixParcels()); failed != "" {
		t.Error("all is announced in the end, yet the stream is to give it again:", failed)
	}
	var sizes []int
	for _, c := range w.bus.calls {
		sizes = append(sizes, len(c))
	}
	if !slices.Equal(sizes, []int{6, 2, 1}) || !slices.Equal(w.pauses, []int{1, 2}) || len(w.announced()) != 18 {
		t.Error(sizes, w.pauses, len(w.announced()))
	}
}

func TestEarliestUnsentRecord(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse    []func([]events.Envelope) ([]int, error)
		want      string
		announced int
		calls     int
	}{
		"two are refused for good":    {[]func([]events.Envelope) ([]int, error){only(5, 2), only(0, 1), only(1, 0)}, "1002", 12, 3},
		"the whole call fails thrice": {[]func([]events.Envelope) ([]int, error){down, down, down}, "1000", 0, 3},
		"the whole call fails once":   {[]func([]events.Envelope) ([]int, error){down}, "", 18, 2},
		"refused, then down":          {[]func([]events.Envelope) ([]int, error){only(3), down, down}, "1003", 15, 3},
		"down, then refused":          {[]func([]events.Envelope) ([]int, error){down, only(4), only(0)}, "1004", 15, 3},
	} {
		w := newWorld(t, tt.refuse...)
		if failed := w.publish(sixParcels()); failed != tt.want || len(w.announced()) != tt.announced || len(w.bus.calls) != tt.calls {
			t.Errorf("%s: from %q, %d announced in %d calls", name, failed, len(w.announced()), len(w.bus.calls))
		}
		var line map[string]any
		if err := json.Unmarshal(w.log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if n, _ := line["announced"].(float64); int(n) != tt.announced || (line["msg"] == "retried") != (tt.want != "") || (line["failures"] == 1.0) != (tt.want != "") {
			t.Error(name, line)
		}
		if strings.Contains(w.log.String(), "MARKER") {
			t.Error("an error's text is in the log")
		}
	}
	w := newWorld(t, only(2), only(0))
	w.paused = context.DeadlineExceeded // no time is left
	if failed := w.publish(sixParcels()); failed != "1002" || len(w.bus.calls) != 1 {
		t.Error(failed, len(w.bus.calls))
	}
}

// TestFoldedRecordFailsFromItsFirst: the stream gives again from the first record
// of what was folded, so nothing between is lost.
func TestFoldedRecordFailsFromItsFirst(t *testing.T) {
	w := newWorld(t, only(0), only(0), only(0))
	failed := w.publish(payload(record{"a", id(1), id(1), "orders", 1, ""}, record{"b", id(2), id(2), "orders", 1, ""}, record{"a", id(1), id(1), "tags", 2, ""}))
	if failed != "1000" || len(w.announced()) != 1 {
		t.Error(failed, w.announced())
	}
}

// TestTwice: the same batch again gives the same events, with the same ids, so
// that readers can drop what they have seen.
func TestTwice(t *testing.T) {
	ids := func() []string {
		w := newWorld(t)
		w.publish(sixParcels())
		var l []string
		for _, e := range w.bus.taken {
			l = append(l, e.ID)
		}
		return l
	}
	one, two := ids(), ids()
	if !slices.Equal(one, two) || len(one) != 6 || len(slices.Compact(slices.Sorted(slices.Values(one)))) != 6 {
		t.Error(one, two)
	}
}

// TestIDsOnly: whatever an image holds, an event holds ids, versions and the
// words of our own.
func TestIDsOnly(t *testing.T) {
	w := newWorld(t)
	w.publish(payload(record{"saigon", id(1), id(1), "orders,traits", 3,
		`,"d":{"B":"bGFuQE1BUktFUi52bg=="},"email":{"S":"lan@MARKER.vn"},"phone":{"S":"+84912345678"},"c":{"M":{"x":{"S":"lan@MARKER.vn"}}}`}))
	var d struct{ Changes []map[string]any }
	if err := json.Unmarshal(w.bus.taken[0].Data, &d); err != nil || len(d.Changes) != 1 {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(d.Changes[0])); !slices.Equal(got, []string{"fragment", "parts", "profile", "version"}) {
		t.Error("an event has fields that nobody decided on:", got)
	}
	whole, err := json.Marshal(w.bus.taken[0])
	if err != nil || strings.Contains(string(whole), "MARKER") || strings.Contains(string(whole), "84912345678") || strings.Contains(string(whole), "@") {
		t.Errorf("%s %v", whole, err)
	}
	if strings.Contains(w.log.String(), "MARKER") {
		t.Error("the log holds it")
	}
}
