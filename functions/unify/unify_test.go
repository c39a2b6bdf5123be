package unify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	connector "loophub/connectors"
	"loophub/shared/delivery"
	"loophub/shared/fault"
)

var errDown = fault.New(fault.Throttled, "down: lan@marker.vn body-MARKER")

// TestTwice: each kind of input twice, from the stream and from the queue, gives
// what it gives once.
func TestTwice(t *testing.T) {
	for _, source := range []string{"stream", "queue"} {
		w := newStage(t)
		keys := []delivery.Key{w.deliver("saigon", "shop", "customer 1"), w.deliver("saigon", "shop", "order 2"), w.deliver("hanoi", "shop", "customer 1"),
			w.deliver("saigon", "shop", "nothing"), w.deliver("saigon", "shop", "faults 3")}
		var messages []string
		for _, k := range keys {
			messages = append(messages, message(k))
		}
		before := ""
		for round := range 2 {
			var failed []string
			if source == "stream" {
				failed = w.fromStream(keys...)
			} else {
				failed = w.fromQueue(1, messages...)
			}
			if len(failed) > 0 || len(w.queue) > 0 {
				t.Fatal(source, failed, w.queue)
			}
			now := w.tables["saigon"].print() + w.tables["hanoi"].print() + fmt.Sprint(w.parked)
			if before != "" && now != before {
				t.Errorf("%s: the second time changes something\n%s\n%s", source, before, now)
			}
			before = now
			for n, l := range w.lines(len(keys)) {
				want := []string{"unified", "unified", "unified", "unified", "parked"}[n]
				if l["msg"] != want || l["workspace"] != keys[n].Workspace || l["connection"] != "shop" || l["delivery"] != keys[n].String() || l["trace"] != "trace-1" {
					t.Errorf("%s, round %d: %v", source, round, l)
				}
			}
		}
		if !w.records("saigon")["1"] || !w.records("saigon")["2"] || !w.records("saigon")["3"] || len(w.records("hanoi")) != 1 {
			t.Error(source, w.records("saigon"), w.records("hanoi"))
		}
		for _, f := range w.tables["saigon"].facts["shop|customer|1"] {
			if f.Workspace != "saigon" || f.Connection != "shop" || f.Rank != 3 || f.Received != noon.UnixMilli() {
				t.Errorf("%s: %+v", source, f)
			}
		}
	}
}

func TestInvokeRefusesWhatIsNoEvent(t *testing.T) {
	w := newStage(t)
	for _, payload := range []string{"", "null", "{}", `{"Records":[]}`, `{"Records":"lan@MARKER.vn"}`, `{"Records":[{"eventSource":"aws:sqs","body":{"MARKER":1}}]}`,
		`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{"NewImage":{"pk":{"X":"MARKER"}}}}]}`} {
		if _, err := w.stage.Invoke(t.Context(), []byte(payload)); err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Error(payload, err)
		}
	}
}

// TestTableDown: what can't be taken in goes to the retry queue by its key; the
// batch is done. When the queue is down too, the stream gives it again.
func TestTableDown(t *testing.T) {
	for name, breaks := range map[string]func(*stageWorld, error){
		"table":       func(w *stageWorld, err error) { w.table = func(string) error { return err } },
		"definitions": func(w *stageWorld, err error) { w.loading = err },
		"keys":        func(w *stageWorld, err error) { w.keys = err },
		"overflow":    func(w *stageWorld, err error) { w.reading = err },
	} {
		w := newStage(t)
		keys := []delivery.Key{w.deliver("saigon", "shop", "customer 1"), w.deliver("saigon", "shop", "order 2"), w.deliver("hanoi", "shop", "customer 3")}
		breaks(w, errDown)
		for range 2 {
			w.queue = nil
			if failed := w.fromStream(keys...); len(failed) > 0 || !slices.Equal(w.queue, []string{message(keys[0]), message(keys[1]), message(keys[2])}) {
				t.Errorf("%s: failed %v, queue %v", name, failed, w.queue)
			}
			if l := w.lines(1)[0]; l["msg"] != "retried" || l["retried"] != 1.0 || l["class"] != "throttled" || l["level"] != "ERROR" {
				t.Error(name, l)
			}
		}
		w.sending = fault.New(fault.Unauthorised, "no leave to send")
		if failed := w.fromStream(keys...); !slices.Equal(failed, []string{"100", "101", "102"}) {
			t.Errorf("%s: the queue is down too, and the stream need not give again more than %v", name, failed)
		}
		if l := w.lines(1)[0]; l["failures"] != 1.0 || l["class"] != "unauthorised" || l["level"] != "ERROR" {
			t.Errorf("%s: nobody hears why the queue took nothing: %v", name, l)
		}
		if failed := w.fromQueue(4, w.queue...); !slices.Equal(failed, []string{"m0", "m1", "m2"}) || len(w.parked) > 0 {
			t.Errorf("%s: from the queue %v failed, parked %v", name, failed, w.parked)
		}
		breaks(w, nil)
		for range 2 {
			if failed := w.fromQueue(2, w.queue...); len(failed) > 0 || len(w.records("saigon")) != 2 || len(w.records("hanoi")) != 1 {
				t.Errorf("%s: when it is up again: %v", name, failed)
			}
		}
	}
}

// TestFifthReceiveParks: what fails for ever ends where an operator sees it.
func TestFifthReceiveParks(t *testing.T) {
	w := newStage(t)
	k := w.deliver("saigon", "shop", "customer 1")
	w.table = func(string) error { return errDown }
	for receive := 1; receive <= 6; receive++ {
		failed := w.fromQueue(receive, message(k))
		if last := receive >= 5; last != (len(failed) == 0) || last != (len(w.parked[k]) == 1) {
			t.Errorf("receive %d: failed %v, parked %v", receive, failed, w.parked[k])
		}
	}
	if f := w.parked[k][0]; f.Class != "unprocessed" || !strings.Contains(f.Reason, "5 times") || !strings.Contains(f.Reason, "throttled") || strings.Contains(f.Reason, "MARKER") {
		t.Error(f)
	}
	if l := w.lines(1)[0]; l["msg"] != "parked" || l["parked"] != 1.0 {
		t.Error(l)
	}
	w.parking = errDown // then the queue's own limit takes it to the dead letters
	if failed := w.fromQueue(5, message(k)); len(failed) != 1 {
		t.Error("it is neither parked nor tried again")
	}
}

func TestExpiredInRetryIsDone(t *testing.T) {
	w := newStage(t)
	gone := delivery.Key{Workspace: "saigon", Connection: "shop", Object: "o", Delivery: "gone"}
	for range 2 {
		if failed := w.fromQueue(1, message(gone)); len(failed) > 0 || len(w.parked) > 0 {
			t.Error(failed, w.parked)
		}
		if l := w.lines(1)[0]; l["msg"] != "expired" || l["level"] != "INFO" {
			t.Error(l)
		}
	}
}

// TestMalformedMessages stay in the queue until it gives them to the dead letters.
func TestMalformedMessages(t *testing.T) {
	w := newStage(t)
	k := w.deliver("saigon", "shop", "customer 1")
	for receive := range 7 {
		failed := w.fromQueue(receive, "", "saigon", "saigon MARKER@x", "saigon !!!", message(k))
		if !slices.Equal(failed, []string{"m0", "m1", "m2", "m3"}) || len(w.parked) > 0 {
			t.Errorf("receive %d: %v %v", receive, failed, w.parked)
		}
	}
	if !w.records("saigon")["1"] {
		t.Error("the good one beside them is not taken in")
	}
}

func TestImageWithoutKey(t *testing.T) {
	w := newStage(t)
	k := w.deliver("saigon", "shop", "customer 1")
	good := fmt.Sprintf(`{"eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"2","NewImage":{"pk":{"S":"saigon#shop#%s"},"sk":{"S":"d"}}}}`, k.Object)
	failed := w.invoke(`{"Records":[{"eventSource":"aws:dynamodb","dynamodb":{"SequenceNumber":"1","NewImage":{"x":{"N":"1"}}}},` + good + `]}`)
	if len(failed) > 0 || len(w.queue) != 1 || !w.records("saigon")["1"] {
		t.Error("it stops what is beside it, or goes without a trace", failed, w.queue)
	}
}

// TestIsolation: one poison delivery among ten; nine are taken in, whatever is wrong with it.
func TestIsolation(t *testing.T) {
	poisons := map[string]func(w *stageWorld) delivery.Key{
		"decoder breaks down": func(w *stageWorld) delivery.Key { return w.deliver("saigon", "shop", "panic x") },
		"unknown workspace":   func(w *stageWorld) delivery.Key { return w.deliver("nowhere", "shop", "customer x") },
		"unreadable": func(w *stageWorld) delivery.Key {
			k := w.deliver("saigon", "shop", "customer x")
			w.garbled[k] = true
			return k
		},
	}
	for _, call := range []string{"known x", "put x", "commit x"} {
		poisons["table fails at "+call] = func(w *stageWorld) delivery.Key {
			w.table = func(c string) error {
				if c == call {
					return errors.New("poison")
				}
				return nil
			}
			return w.deliver("saigon", "shop", "customer x")
		}
	}
	for name, poison := range poisons {
		for place := range 10 {
			w := newStage(t)
			var keys []delivery.Key
			for n := range 10 {
				if n == place {
					keys = append(keys, poison(w))
					continue
				}
				keys = append(keys, w.deliver("saigon", "shop", fmt.Sprint("customer ", n)))
			}
			for range 2 {
				w.queue = nil
				if failed := w.fromStream(keys...); len(failed) > 0 {
					t.Fatal(name, failed)
				}
				if aside := len(w.queue) + len(w.parked); aside != 1 || len(w.queue) == 1 && w.queue[0] != message(keys[place]) {
					t.Errorf("%s: %d are set aside, %v", name, aside, w.queue)
				}
				for n := range 10 {
					id := w.stateOf(fmt.Sprint(n))
					if there := len(w.tables["saigon"].fragments[id].body) > 0; there != (n != place) {
						t.Errorf("%s: delivery %d is taken in: %v", name, n, there)
					}
				}
			}
		}
	}
}

// TestLogsHoldNothingPersonal: whatever goes wrong, no line holds a body, an
// address, an error's text or a secret.
func TestLogsHoldNothingPersonal(t *testing.T) {
	w := newStage(t)
	var keys []delivery.Key
	for _, body := range []string{"customer 1", "panic 2", "faults 3", "future 4", "invalid 5", "order 6", "nothing"} {
		for _, c := range []string{"shop", "broken", "outlet", "future", "none"} {
			keys = append(keys, w.deliver("saigon", c, body))
		}
	}
	keys = append(keys, w.deliver("nowhere", "shop", "customer 1"))
	w.garbled[keys[0]] = true
	var messages []string
	for _, k := range keys {
		messages = append(messages, message(k))
	}
	rounds := 0
	for _, ports := range []func(){
		func() {},
		func() { w.table = func(string) error { return errDown } },
		func() { w.keys = errDown },
		func() { w.loading = errDown },
		func() { w.reading = errDown },
		func() { w.parking = errDown },
		func() { w.sending = errDown },
	} {
		ports()
		w.fromStream(keys...)
		for receive := range 6 {
			w.fromQueue(receive, messages...)
		}
		rounds++
	}
	log := w.log.String()
	if n := strings.Count(log, "\n"); n != rounds*7*len(keys) {
		t.Errorf("%d lines for %d items", n, rounds*7*len(keys))
	}
	for _, word := range []string{"marker", "@", "84912345678", "lan@", "Lan", "MARKER"} {
		if i := strings.Index(log, word); i >= 0 {
			t.Errorf("%q is in the log: %s", word, log[max(0, i-200):i+50])
		}
	}
	for k, faults := range w.parked {
		for _, f := range faults {
			if strings.Contains(f.Reason, "MARKER") || strings.Contains(f.Reason, "marker") {
				t.Errorf("%v is parked with a value of the body: %s", k, f.Reason)
			}
		}
	}
	if w.lines(1)[0]["ms"] == nil {
		t.Error("no duration")
	}
}

// TestPaused: what a paused connection receives is parked, and taken in when it is
// replayed afterwards; while it can't be told whether it is paused, it waits.
func TestPaused(t *testing.T) {
	w := newStage(t)
	paused, down := true, errDown
	w.stage.Paused = func(_ context.Context, id, connection string) (bool, error) {
		return paused && id == "saigon" && connection == "shop", down
	}
	mine, other := w.deliver("saigon", "shop", "customer 1"), w.deliver("hanoi", "shop", "customer 1")
	w.fromStream(mine, other)
	if len(w.queue) != 2 || len(w.parked) != 0 || w.records("hanoi")["1"] {
		t.Error("nothing is known, and something was done:", w.queue, w.parked)
	}
	w.queue, down = nil, nil
	for range 2 {
		w.fromStream(mine, other)
		if f := w.parked[mine]; len(f) != 1 || f[0].Class != connector.Paused || len(w.parked) != 1 || w.records("saigon")["1"] || !w.records("hanoi")["1"] {
			t.Error(w.parked, w.records("saigon"), w.records("hanoi"))
		}
	}
	paused = false
	w.fromStream(mine)
	if !w.records("saigon")["1"] {
		t.Error("it does not go on")
	}
}
