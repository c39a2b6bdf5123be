package dynamodb

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
	"loophub/infra/local/journal/journaltest"
)

// kept is a service under random calls, and its clock.
type kept struct {
	*testing.T
	*rand.Rand
	service *Service
	now     time.Time
}

func newKept(t *testing.T, r *rand.Rand) *kept {
	k := &kept{T: t, Rand: r, now: time.Unix(1_800_000_000, 0)}
	k.service = k.fresh()
	return k
}

func (k *kept) fresh() *Service {
	s, err := New(func() time.Time { return k.now }, specs())
	if err != nil {
		k.Fatal(err)
	}
	return s
}

func (k *kept) call(operation, body string) error {
	_, err := k.service.Serve(context.Background(), dispatch.Call{Operation: operation, Body: []byte(body)})
	return err
}

func (k *kept) pick(of ...string) string { return of[k.IntN(len(of))] }

// key is a key of a table, in JSON without braces.
func (k *kept) key(table string) string {
	switch table {
	case "Plain":
		return fmt.Sprintf(`"id":{"S":"%d"}`, k.IntN(6))
	case "Numbered":
		return fmt.Sprintf(`"p":{"B":"%s"},"n":{"N":"%d.5"}`, base64.StdEncoding.EncodeToString([]byte{byte(k.IntN(3)), 0xFF}), k.IntN(4)-2)
	}
	return fmt.Sprintf(`"pk":{"S":"p%d"},"sk":{"S":"%d"}`, k.IntN(3), k.IntN(6))
}

// value is any value, to a depth.
func (k *kept) value(depth int) string {
	kinds := 10
	if depth == 0 {
		kinds = 8
	}
	switch k.IntN(kinds) {
	case 0:
		return `{"S":"` + k.pick("", "x", "é\\u0000\\n", "\\\"") + `"}`
	case 1:
		return `{"N":"` + k.pick("0", "-12345678901234567890.123", "1e-130", "9.9e125", "7") + `"}`
	case 2:
		return `{"B":"` + k.pick("", "AP/+") + `"}`
	case 3:
		return `{"BOOL":` + k.pick("true", "false") + `}`
	case 4:
		return `{"NULL":true}`
	case 5:
		return `{"SS":["b","a"]}`
	case 6:
		return `{"NS":["10","9","-1.5"]}`
	case 7:
		return `{"BS":["AA==","/w=="]}`
	case 8:
		return `{"M":{"":` + k.value(depth-1) + `,"n":` + k.value(depth-1) + `}}`
	}
	return `{"L":[` + k.value(depth-1) + `,` + k.value(depth-1) + `]}`
}

// item is an item of a table. It may expire, and stand in an index.
func (k *kept) item(table string) string {
	text := k.key(table) + `,"v":` + k.value(2)
	if k.IntN(2) == 0 {
		text += fmt.Sprintf(`,"x":{"N":"%d"}`, k.now.Unix()+k.Int64N(20_000))
	}
	switch table {
	case "Inbox":
		text += k.pick(``, `,"pw":{"S":"w"},"pt":{"N":"3"},"why":`+k.value(1))
	case "Numbered":
		text += k.pick(``, `,"g":{"S":"g"}`, `,"g":{"S":"g"},"h":{"B":"AA=="}`)
	}
	return text
}

var tableNames = []string{"Inbox", "Hub", "Plain", "Numbered"}

// write is a part of a transaction: its kind and itself.
func (k *kept) write() (kind, body string) {
	table := k.pick(tableNames...)
	condition := k.pick(``, `,"ConditionExpression":"attribute_exists(v)"`, `,"ConditionExpression":"attribute_not_exists(v)"`)
	switch k.IntN(4) {
	case 0:
		return "Delete", `"TableName":"` + table + `","Key":{` + k.key(table) + `}` + condition
	case 1:
		return "Update", `"TableName":"` + table + `","Key":{` + k.key(table) + `}` + condition +
			`,"UpdateExpression":"SET u = :u REMOVE x","ExpressionAttributeValues":{":u":` + k.value(2) + `}`
	case 2:
		return "ConditionCheck", `"TableName":"` + table + `","Key":{` + k.key(table) + `},"ConditionExpression":"attribute_not_exists(nothing)"`
	}
	return "Put", `"TableName":"` + table + `","Item":{` + k.item(table) + `}` + condition
}

// step makes one call, or lets time pass.
func (k *kept) step() error {
	switch k.IntN(8) {
	case 0:
		k.now = k.now.Add(time.Duration(k.Int64N(int64(2 * time.Hour))))
		k.service.Expire(k.now)
		return nil
	case 1:
		table, other := k.pick("Inbox", "Hub"), k.pick("Plain", "Numbered")
		return k.call("BatchWriteItem", `{"RequestItems":{"`+table+`":[{"PutRequest":{"Item":{`+k.item(table)+`}}}],"`+
			other+`":[{"DeleteRequest":{"Key":{`+k.key(other)+`}}}]}}`)
	case 2, 3, 4:
		var entries []string
		for range 1 + k.IntN(3) {
			kind, body := k.write()
			entries = append(entries, `{"`+kind+`":{`+body+`}}`)
		}
		token := k.pick(``, fmt.Sprintf(`,"ClientRequestToken":"%d"`, k.IntN(100)))
		return k.call("TransactWriteItems", `{"TransactItems":[`+strings.Join(entries, ",")+`]`+token+`}`)
	}
	kind, body := k.write()
	if kind == "ConditionCheck" {
		return nil
	}
	return k.call(kind+"Item", "{"+body+"}")
}

// TestEverythingSurvives: whatever was written, a restart finds items, indexes, expiry, streams and tokens again; what
// can't be kept does not happen.
func TestEverythingSurvives(t *testing.T) {
	journaltest.Run(t, 400, func(t *testing.T, r *rand.Rand) journaltest.Subject {
		k := newKept(t, r)
		t.Cleanup(k.comesBack)
		return journaltest.Subject{Live: k.service, Journal: &k.service.Journal, Reopen: func() journal.Part { return k.fresh() },
			Step: func(bool) error { return k.step() }, Now: func() time.Time { return k.now }}
	})
}

// comesBack compares what the dump does not show: index, order of expiry, and a stream's record as its readers get it.
func (k *kept) comesBack() {
	k.Helper()
	again := k.fresh()
	journaltest.Load(k, again, journaltest.Dump(k, k.service))
	for _, t := range k.service.Tables() {
		other := again.Table(t.Name())
		got, want := fmt.Sprintf("%+v", other.Records(0, 10_000)), fmt.Sprintf("%+v", t.Records(0, 10_000))
		for i := range t.indexes {
			got, want = got+shown(other.indexes[i].rows), want+shown(t.indexes[i].rows)
		}
		t.expiry.ascend("", "", func(key, primary string) bool { want += key + primary; return true })
		other.expiry.ascend("", "", func(key, primary string) bool { got += key + primary; return true })
		if got != want {
			k.Errorf("table %s comes back as\n%s, it was\n%s", t.Name(), got, want)
		}
	}
}

func shown(rows tree[*row]) (out string) {
	rows.ascend("", "", func(key string, r *row) bool { out += fmt.Sprintf("%x %v %d\n", key, r.item, r.size); return true })
	return out
}

// TestAnotherTemplateIsRefused: data of a table that has another key now, or is gone, is not read as if nothing were.
func TestAnotherTemplateIsRefused(t *testing.T) {
	k := newKept(t, nil)
	data := journaltest.Dump(t, k.service)
	for want, change := range map[string]func(*TableSpec){
		"table Plain has the key (id S) in the data, and (id N) in the template": func(s *TableSpec) { s.Keys = []Key{{"id", "N"}} },
		"the template has no table Plain":                                        func(s *TableSpec) { s.Name = "Other" },
	} {
		all := specs()
		change(&all[2])
		s, err := New(time.Now, all)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range data {
			if err = s.Load(record); err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzLoad: no record, however damaged, brings the service down.
func FuzzLoad(f *testing.F) {
	var log journaltest.Log
	k := newKept(&testing.T{}, rand.New(rand.NewPCG(1, 1)))
	k.service.Journal = &log
	for range 30 {
		_ = k.step() // some are refused
	}
	for _, r := range append(journaltest.Dump(f, k.service), log.Records...) {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		s := newKept(t, nil).service
		if s.Load(record) == nil {
			journaltest.Dump(t, s)
		}
	})
}
