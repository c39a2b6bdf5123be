package events

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// golden reads a file of testdata; with UPDATE=1 it writes it, and fails.
func golden(t *testing.T, name, now string) string {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(file, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s is written; read the difference, then test again", file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func example() Fact {
	return Fact{Workspace: "saigon", Connection: "shop", Kind: Order, Record: "1001", Version: 1795249231000, At: 1795249231000, Received: 1795249232123,
		Rank: 3, Fields: Fields{"total": Text("1640000"), "currency": Text("VND"), "cancelled_at": Null}}
}

// TestIDsAreFrozen: an id that changed would make every stored fact new.
func TestIDsAreFrozen(t *testing.T) {
	bare := Fact{Workspace: "w", Connection: "c", Kind: Customer, Record: "1"}
	clear := bare
	clear.Fields = Fields{"email": Null}
	empty := bare
	empty.Fields = Fields{"first_name": Text("")}
	for want, f := range map[string]Fact{
		"mdnc7qikqsdk2crhdyga4ep4": example(),
		"g6fc3kx4iefxleiuu7rjxwqc": bare,
		"3bz7wm56mwl47s6hd6kevwyr": clear,
		"frlc2i5etoksz5t4ywcwinoj": empty,
	} {
		if got := f.ID(); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

func TestIDSeesEveryPart(t *testing.T) {
	seen := map[string]string{example().ID(): "nothing"}
	for name, change := range map[string]func(*Fact){
		"workspace":      func(f *Fact) { f.Workspace = "hanoi" },
		"connection":     func(f *Fact) { f.Connection = "till" },
		"kind":           func(f *Fact) { f.Kind = Checkout },
		"record":         func(f *Fact) { f.Record = "1002" },
		"version":        func(f *Fact) { f.Version++ },
		"time":           func(f *Fact) { f.At++ },
		"no time":        func(f *Fact) { f.At = 0 },
		"value":          func(f *Fact) { f.Fields["total"] = Text("1640001") },
		"cleared":        func(f *Fact) { f.Fields["total"] = Null },
		"emptied":        func(f *Fact) { f.Fields["total"] = Text("") },
		"field gone":     func(f *Fact) { delete(f.Fields, "total") },
		"field more":     func(f *Fact) { f.Fields["channel"] = Text("web") },
		"values swapped": func(f *Fact) { f.Fields["total"], f.Fields["currency"] = f.Fields["currency"], f.Fields["total"] },
		"name and value run together": func(f *Fact) {
			delete(f.Fields, "total")
			f.Fields["tota"] = Text("l1640000")
		},
	} {
		f := example()
		f.Fields = maps.Clone(f.Fields)
		change(&f)
		if other, twice := seen[f.ID()]; twice {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[f.ID()] = name
	}
	same := example()
	same.Received, same.Rank = 1, 9
	if same.ID() != example().ID() {
		t.Error("the time of reception or the decoder is part of the id")
	}
}

func TestTime(t *testing.T) {
	f := Fact{At: 5, Received: 7}
	if f.Time() != 5 {
		t.Error("the source's word does not count")
	}
	if f.At = 0; f.Time() != 7 {
		t.Error("without the source's word the time of reception counts")
	}
}

func TestValueJSON(t *testing.T) {
	for _, v := range []Value{Null, Text(""), Text("null"), Text("<a href=\"x\">&</a>"), Text("Nguyễn Thị Lan"), Text("\u2028")} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got := Text("left over")
		if err := json.Unmarshal(b, &got); err != nil || got != v {
			t.Errorf("%#v becomes %#v by %s: %v", v, got, b, err)
		}
	}
	var v Value
	if err := json.Unmarshal([]byte("5"), &v); err == nil {
		t.Error("a number is taken for a text")
	}
}

// FuzzFactJSON: a valid fact comes back from its JSON form as the same fact,
// with the same id.
func FuzzFactJSON(f *testing.F) {
	f.Add("1", int64(1), int64(1), "first_name", "Lan", "email", true)
	f.Add("a/b", int64(0), int64(0), "last_name", "a\xff\u2028<>&", "phone", false)
	f.Add("\xff", int64(5), int64(5), "company", "\x00\n", "locale", true)
	f.Fuzz(func(t *testing.T, record string, version, at int64, name, value, cleared string, sawNull bool) {
		in := Fact{Workspace: "w", Connection: "c", Kind: Customer, Record: record, Version: version, At: at, Fields: Fields{}}
		if sawNull {
			in.Fields[cleared] = Null
		}
		in.Fields[name] = Text(value)
		if in.Validate() != nil {
			t.Skip()
		}
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		out := Fact{Workspace: "w", Connection: "c"}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		if out.ID() != in.ID() || !maps.Equal(out.Fields, in.Fields) || out.RecordKey() != in.RecordKey() {
			t.Errorf("%#v became %#v", in, out)
		}
	})
}

// TestStoredFactsDecode: a fact that was ever stored is read for ever, also with
// what a later version may have put into it.
func TestStoredFactsDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/fact/*.json")
	if err != nil || len(files) < len(Catalogue) {
		t.Fatalf("%d examples for %d kinds: %v", len(files), len(Catalogue), err)
	}
	kinds := map[Kind]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := Fact{Workspace: "saigon", Connection: "shop"}
		if err := json.Unmarshal(b, &f); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		id, _, _ := strings.Cut(filepath.Base(file), ".")
		if f.ID() != id {
			t.Errorf("%s: its id is now %s", file, f.ID())
		}
		if err := f.Validate(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		kinds[f.Kind] = true
	}
	for _, k := range slices.Sorted(maps.Keys(Catalogue)) {
		if !kinds[k] {
			t.Errorf("no example of kind %s", k)
		}
	}
}
