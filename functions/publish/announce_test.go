package publish

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"loophub/events"
)

// announcing is a record of an item of any kind that announces something.
func announcing(pk, sk string, said ...events.Announcement) string {
	b, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	return item(pk, sk, fmt.Sprintf(`,"ev":{"S":"+"},"an":{"S":%q},"v":{"N":"3"}`, b))
}

func item(pk, sk, attributes string) string {
	return fmt.Sprintf(`{"pk":{"S":%q},"sk":{"S":%q}%s}`, pk, sk, attributes)
}

// stream is a batch of such images.
func stream(images ...string) []byte {
	var b []string
	for n, i := range images {
		b = append(b, fmt.Sprintf(`{"eventName":"MODIFY","eventSource":"aws:dynamodb","dynamodb":{"ApproximateCreationDateTime":%d,"SequenceNumber":"%d","NewImage":%s}}`,
			1795249232+n, 1000+n, i))
	}
	return []byte(`{"Records":[` + strings.Join(b, ",") + `]}`)
}

func fragment(workspace, id string, version int, ev, occurred string) string {
	return item(workspace+"#g#"+id, "STATE", fmt.Sprintf(`,"v":{"N":"%d"},"p":{"S":%q},"ev":{"S":%q},"oc":{"S":%q}`, version, id, ev, occurred))
}

func says(kind, data string) events.Announcement {
	return events.Announcement{Type: kind, Data: json.RawMessage(data)}
}

// mixed is a batch of everything: fragments of two workspaces, and items of stages.
func mixed() []byte {
	return stream(
		announcing("saigon#g#"+id(1), "SEGMENTS", says(events.SegmentEntered, `{"fragment":"1"}`), says(events.SegmentLeft, `{"fragment":"1"}`)),
		fragment("saigon", id(1), 3, "orders", `[{"what":"order.placed","record":"shop|order|1","at":5}]`),
		announcing("hanoi#g#"+id(2), "m#1", says(events.MessageRequested, `{"message":"1"}`)),
		fragment("hanoi", id(2), 1, "tags", ""),
		announcing("saigon#v#TEA10", "STATE", says(events.TaskCreated, `{"task":"1"}`)),
		fragment("saigon", id(1), 4, "events,orders", `[{"what":"order.placed","record":"shop|order|1","at":5},{"what":"message.clicked","record":"email|message|x","at":7,"message":"m"}]`),
		item("saigon#g#"+id(1), "SENDS", `,"v":{"N":"9"}`), // says nothing
		announcing("saigon#g#"+id(1), "CREDITS", says(events.OutcomeChanged, `{"fragment":"1"}`)),
	)
}

func heard(l []events.Envelope) (out []string) {
	for _, e := range l {
		out = append(out, e.Workspace+" "+strings.TrimSuffix(e.Type, ".v1"))
	}
	return out
}

var everything = []string{"saigon segment.entered", "saigon segment.left", "saigon profile.changed", "hanoi message.requested", "hanoi profile.changed",
	"saigon task.created", "saigon outcome.changed"}

// TestAnnouncements: whatever its key, an item announces what it carries, in the
// order of the batch and with the same ids each time; all in one call.
func TestAnnouncements(t *testing.T) {
	var ids [][]string
	for range 2 {
		w := newWorld(t)
		if failed := w.publish(mixed()); failed != "" || len(w.bus.calls) != 1 {
			t.Fatal(failed, len(w.bus.calls))
		}
		if diff := cmp.Diff(everything, heard(w.bus.taken)); diff != "" {
			t.Error(diff)
		}
		var l []string
		for _, e := range w.bus.taken {
			l = append(l, e.ID)
			if e.SpecVersion != "1.0" || e.Source != "loophub/"+e.Workspace || e.Time.IsZero() {
				t.Errorf("%+v", e)
			}
		}
		if got := string(w.bus.taken[3].Data); got != `{"message":"1"}` {
			t.Error(got)
		}
		ids = append(ids, l)
	}
	if !slices.Equal(ids[0], ids[1]) || len(slices.Compact(slices.Sorted(slices.Values(ids[0])))) != len(everything) {
		t.Error(ids)
	}
}

// TestFoldingLosesNoOccurrence: of several versions of a fragment the newest counts,
// and what occurred by any of them is told once.
func TestFoldingLosesNoOccurrence(t *testing.T) {
	w := newWorld(t)
	w.publish(mixed())
	want := events.ProfileChange{Fragment: id(1), Version: 4, Profile: id(1), Parts: []string{"orders", "events"}, Occurred: []events.Occurrence{
		{What: "order.placed", Record: "shop|order|1", At: 5}, {What: "message.clicked", Record: "email|message|x", At: 7, Message: "m"}}}
	if diff := cmp.Diff(want, w.of(id(1))); diff != "" {
		t.Error(diff)
	}
	if c := w.of(id(2)); len(c.Occurred) != 0 {
		t.Error("what occurred to one is told of another", c)
	}
}

func (w *world) of(fragment string) events.ProfileChange {
	w.t.Helper()
	for _, e := range w.bus.taken {
		var d events.ProfileChanges
		if e.Type == events.ProfileChanged && json.Unmarshal(e.Data, &d) == nil {
			for _, c := range d.Changes {
				if c.Fragment == fragment {
					return c
				}
			}
		}
	}
	w.t.Fatal("nothing is said of", fragment)
	return events.ProfileChange{}
}

func TestFailedAnnouncementsAloneAreRetried(t *testing.T) {
	w := newWorld(t, only(1, 5), only(0))
	if failed := w.publish(mixed()); failed != "" {
		t.Error(failed)
	}
	want := [][]string{everything, {"saigon segment.left", "saigon task.created"}, {"saigon segment.left"}}
	var got [][]string
	for _, c := range w.bus.calls {
		got = append(got, heard(c))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(w.bus.taken) != len(everything) {
		t.Error(diff)
	}
	w = newWorld(t, only(6, 3), only(0, 1), only(1, 0)) // the third of the batch, and the last
	if failed := w.publish(mixed()); failed != "1002" || len(w.bus.taken) != len(everything)-2 {
		t.Error(failed, heard(w.bus.taken))
	}
	var line map[string]any
	if err := json.Unmarshal(w.log.Bytes(), &line); err != nil || line["announced"] != 5.0 {
		t.Error(line, err)
	}
}

// TestUnreadableAnnouncementsStopNobody: they are counted, and what lies beside
// them is announced; the stream need not give them again.
func TestUnreadableAnnouncementsStopNobody(t *testing.T) {
	for name, bad := range map[string]string{
		"no JSON":          item("saigon#g#"+id(9), "SEGMENTS", `,"ev":{"S":"+"},"an":{"S":"MARKER"}`),
		"no list":          item("saigon#g#"+id(9), "SEGMENTS", `,"ev":{"S":"+"},"an":{"S":"{}"}`),
		"no type":          announcing("saigon#g#"+id(9), "SEGMENTS", says("", `{}`)),
		"no data":          item("saigon#g#"+id(9), "SEGMENTS", `,"ev":{"S":"+"},"an":{"S":"[{\"type\":\"x.y.v1\"}]"}`),
		"what occurred":    fragment("saigon", id(9), 2, "orders", "MARKER"),
		"what occurred, 2": fragment("saigon", id(9), 2, "orders", `[{"what":"a"},{"what":5}]`),
	} {
		w := newWorld(t)
		failed := w.publish(stream(bad, announcing("saigon#g#"+id(1), "SEGMENTS", says(events.SegmentLeft, `{"fragment":"1"}`))))
		if failed != "" || len(w.bus.calls) != 1 || !slices.Contains(heard(w.bus.taken), "saigon segment.left") {
			t.Error(name, failed, heard(w.bus.taken))
		}
		if strings.HasPrefix(name, "what occurred") && len(w.of(id(9)).Occurred) != 0 {
			t.Error(name, "half of it is told")
		}
		if log := w.log.String(); !strings.Contains(log, `"msg":"unreadable"`) || !strings.Contains(log, `"failures":1`) || strings.Contains(log, "MARKER") {
			t.Error(name, log)
		}
	}
}

// TestSaysNothingOfOtherItems: an item without ev or without a workspace is no news.
func TestSaysNothingOfOtherItems(t *testing.T) {
	for name, i := range map[string]string{
		"not marked":                item("saigon#g#"+id(1), "SEGMENTS", `,"an":{"S":"[{\"type\":\"x.y.v1\",\"data\":{}}]"}`),
		"of no workspace":           announcing("workspaces", "saigon", says("x.y.v1", `{}`)),
		"a fragment's other item":   item("saigon#g#"+id(1), "SENDS", `,"ev":{"S":"+"},"v":{"N":"2"}`),
		"announces an empty list":   announcing("saigon#g#"+id(1), "SEGMENTS"),
		"ev and an are no texts":    item("saigon#g#"+id(1), "SEGMENTS", `,"ev":{"N":"1"},"an":{"N":"1"}`),
		"of an empty workspace's g": announcing("#g#"+id(1), "SEGMENTS", says("x.y.v1", `{}`)),
	} {
		w := newWorld(t)
		if failed := w.publish(stream(i)); failed != "" || len(w.bus.calls) > 0 {
			t.Error(name, failed, heard(w.bus.taken))
		}
	}
}

// TestOccurrencesCountForTheSize: an event stays within its limit whatever occurred.
func TestOccurrencesCountForTheSize(t *testing.T) {
	const one = `{"what":"message.delivered","record":"email|message|caaaaaaaaaaaaaaaaaaaaaaaa.%d","at":1795249231000,"message":"1"}`
	var images []string
	for n := range 100 {
		var l []string
		for m := range 10 {
			l = append(l, fmt.Sprintf(one, m))
		}
		images = append(images, fragment("saigon", id(n), 1, "events", "["+strings.Join(l, ",")+"]"))
	}
	w := newWorld(t)
	w.publish(stream(images...))
	for _, e := range w.bus.taken {
		if len(e.Data) > maxBytes {
			t.Errorf("an event of %d bytes", len(e.Data))
		}
	}
	if len(w.announced()) != 100 || len(w.bus.taken) < 3 {
		t.Error(len(w.announced()), len(w.bus.taken))
	}
}
