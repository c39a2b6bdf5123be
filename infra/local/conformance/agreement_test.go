package conformance

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var (
	operations = flag.Int("operations", 20000, "how many random requests are made of the referee and of the local cloud")
	seed       = flag.Uint64("seed", 1, "what the random requests are made from")
)

// enough disagreements say what is wrong; more would hide it.
const enough = 20

// TestAgreement makes the same random requests of the local cloud and of the referee. Answers must be the same, errors and
// units with them, but for the differences that the README of infra/local explains; and so must be what is stored in the end.
func TestAgreement(t *testing.T) {
	if referee == nil {
		t.Skip("LOOPHUB_REFEREE names nobody to compare with: make referee")
	}
	ours, theirs := inProcess(t), &world{TB: t, config: *referee}
	heal(ours, theirs) // of what other tests have left
	g := newGenerator(*seed)
	equal, met, failures := 0, make([]int, len(differences)), 0
	for i := range *operations {
		r := g.request()
		text := r.text()
		x := &exchange{request: r, ours: r.normal(ours.ask(r.operation, text)),
			theirs: r.normal(theirs.ask(r.operation, text))}
		diverged := (x.ours.Code == "") != (x.theirs.Code == "") || x.misnamed()
		if x.same() {
			equal++
			continue
		}
		for _, d := range x.resolve() {
			met[d]++
		}
		if !x.same() {
			t.Errorf("request %d (%s): %s %s\n ours    %.1000s\n referee %.1000s", i, r.fault, r.operation,
				abridged(text), x.ours, x.theirs)
			if failures++; failures == enough {
				t.FailNow()
			}
		}
		if diverged {
			heal(ours, theirs)
		}
	}
	t.Logf("%d requests: %d answers are equal, %d differ as the table of differences says, %d disagree",
		*operations, equal, *operations-equal-failures, failures)
	for i, d := range differences {
		t.Logf("met %5d times: %s", met[i], d.here)
		if met[i] == 0 && theirs.server == dynamoDBLocal && *operations >= 20000 {
			t.Errorf("never met, so it does not belong into the table: %s", d.here)
		}
	}
	compareStored(t, ours, theirs)
}

// TestDoorsAgree makes random requests by both doors of the local cloud.
func TestDoorsAgree(t *testing.T) {
	if referee != nil {
		t.Skip("this is about the local cloud alone")
	}
	one, other := inProcess(t), loopback(t)
	g := newGenerator(2)
	for range 1000 {
		r := g.request()
		x := &exchange{request: r, ours: one.ask(r.operation, r.text()), theirs: other.ask(r.operation, r.text())}
		if !x.same() {
			t.Fatalf("%s %s\n in process %s\n loopback   %s", r.operation, abridged(r.text()), x.ours, x.theirs)
		}
	}
	compareStored(t, one, other)
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 2)), run: fmt.Sprint(time.Now().UnixNano(), " ")}
}

// abridged leaves out what makes a text long.
func abridged(text []byte) string {
	s := strings.ReplaceAll(string(text), strings.Repeat("x", 1000), "x…")
	return s[:min(len(s), 1500)]
}

func compareStored(t *testing.T, ours, theirs *world) {
	t.Helper()
	for _, k := range []keyspace{pairs, numbered, plain} {
		ours.same("stored in "+k.table, ours.items(k, ""), theirs.items(k, ""))
		for _, i := range k.indexes {
			ours.same("listed by "+i.index, ours.items(k, i.index), theirs.items(k, i.index))
		}
	}
}

// heal makes their tables what ours are, after a difference that left them apart.
func heal(ours, theirs *world) {
	for _, k := range []keyspace{pairs, numbered, plain} {
		mine, other := ours.items(k, ""), theirs.items(k, "")
		for key, item := range other {
			if mine[key] == nil {
				theirs.must("DeleteItem", object{"TableName": k.table, "Key": k.keyOf(item)})
			}
		}
		for key, item := range mine {
			if jsonText(other[key]) != jsonText(item) {
				theirs.must("PutItem", object{"TableName": k.table, "Item": item})
			}
		}
	}
}

func (k keyspace) keyOf(item object) object {
	key := object{k.primary.hash: item[k.primary.hash]}
	if k.primary.sort != "" {
		key[k.primary.sort] = item[k.primary.sort]
	}
	return key
}

// items are all of a table or an index, by key.
func (w *world) items(k keyspace, index string) map[string]object {
	w.Helper()
	in := object{"TableName": k.table}
	if index != "" {
		in["IndexName"] = index
	}
	items := map[string]object{}
	for {
		reply := w.must("Scan", in)
		for _, i := range canonical(reply["Items"]).([]any) {
			items[jsonText(k.keyOf(i.(object)))] = i.(object)
		}
		if in["ExclusiveStartKey"] = reply["LastEvaluatedKey"]; reply["LastEvaluatedKey"] == nil {
			return items
		}
	}
}

// must makes a request that has to succeed.
func (w *world) must(operation string, body object) object {
	w.Helper()
	a := w.ask(operation, request{body: body}.text())
	if a.Code != "" {
		w.Fatalf("%s %s: %v", operation, jsonText(body), a)
	}
	return a.Body
}
