package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"loophub/events"
	"loophub/shared/fault"
	"loophub/shared/profile"
)

// TestDictionaryIsFrozen: every stored item needs these very bytes.
func TestDictionaryIsFrozen(t *testing.T) {
	d := sha256.Sum256(dictionary1)
	if got, want := hex.EncodeToString(d[:]), "68bec9b303abb086faf9b81ba0be19f4ea02b9dbb823cce2005b86d4ef105d80"; got != want {
		t.Errorf("dictionary/1.txt is not what items were stored with: %s. Undo it; a better one is 2.txt beside it", got)
	}
}

// TestStoredItemsDecode: items that were ever stored are read for ever. Files
// are added and never changed; UPDATE=1 writes those that are missing.
func TestStoredItemsDecode(t *testing.T) {
	o := exampleOrder(1795249229000)
	fact := exampleFact(1795249231000)
	for name, want := range map[string]any{"fragment": exampleFragment(), "fragment-2": engagedFragment(), "order-2": codedOrder(), "identity": exampleIdentity(), "order": o, "fact": fact} {
		file := filepath.Join("testdata", "format-1", name+".hex")
		b, err := os.ReadFile(file)
		if os.IsNotExist(err) && os.Getenv("UPDATE") == "1" {
			a, err := pack(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(hex.EncodeToString(a.(*types.AttributeValueMemberB).Value)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			t.Errorf("%s is written", file)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		packed, err := hex.DecodeString(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		a := &types.AttributeValueMemberB{Value: packed}
		var got any
		switch want := want.(type) {
		case profile.Fragment:
			var f profile.Fragment
			err = unpack(a, &f)
			f.ID = want.ID
			got = f
		case profile.Identity:
			var i profile.Identity
			err = unpack(a, &i)
			i.ID = want.ID
			got = i
		case profile.Order:
			var o profile.Order
			err = unpack(a, &o)
			got = o
		case events.Fact:
			f := events.Fact{Workspace: want.Workspace, Connection: want.Connection, Received: want.Received}
			err = unpack(a, &f)
			got = f
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want, got, exactly); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func TestUnreadableItemsAreRefusedInWords(t *testing.T) {
	w := newWorld(t)
	bomb := append([]byte{format}, encoder.EncodeAll(make([]byte, maxPlain+1), nil)...)
	for name, tt := range map[string]struct {
		d    types.AttributeValue
		want string
	}{
		"a later format": {&types.AttributeValueMemberB{Value: []byte{2, 1, 2, 3}}, "format 2 is unknown to this version"},
		"nothing":        {&types.AttributeValueMemberB{Value: []byte{}}, "nothing is stored"},
		"a text":         {text("{}"), "nothing is stored"},
		"noise":          {&types.AttributeValueMemberB{Value: []byte{1, 2, 3}}, "decompressing"},
		"a bomb":         {&types.AttributeValueMemberB{Value: bomb}, "decompressing"},
		"no JSON":        {&types.AttributeValueMemberB{Value: append([]byte{format}, encoder.EncodeAll([]byte("{"), nil)...)}, "JSON"},
	} {
		for _, k := range []key{w.state(lan), w.identity(mail), w.order(lan, profile.Lookup{At: 5, Record: "r"}), w.factKey(exampleFact(1))} {
			k["d"], k["v"] = tt.d, number(1)
			w.put(k)
		}
		_, one := w.Fragment(t.Context(), lan)
		_, many := w.Fragments(t.Context(), []profile.ID{lan})
		_, identity := w.Identity(t.Context(), mail)
		_, identities := w.Identities(t.Context(), []string{mail})
		_, own := w.Older(t.Context(), lan, []profile.Lookup{{At: 5, Record: "r"}}, false)
		_, ends := w.Older(t.Context(), lan, nil, true)
		_, facts := w.Facts(t.Context(), exampleFact(1).RecordKey())
		for n, err := range []error{one, many, identity, identities, own, ends, facts} {
			if fault.ClassOf(err) != fault.Permanent || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, read %d: %v", name, n, err)
			}
		}
	}
}

func TestPackIsBounded(t *testing.T) {
	w := newWorld(t)
	f := exampleFragment()
	f.State.Traits["city"] = profile.Register{Value: events.Text(strings.Repeat("a", maxPlain))}
	if err := w.Commit(t.Context(), f, nil, nil); fault.ClassOf(err) != fault.Permanent {
		t.Error("more than can be read again is written:", err)
	}
	if w.print() != "" {
		t.Error("something is written")
	}
}

// TestPackIsSmall: the dictionary is at work.
func TestPackIsSmall(t *testing.T) {
	plain, err := json.Marshal(exampleFragment())
	if err != nil {
		t.Fatal(err)
	}
	a, err := pack(exampleFragment())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a.(*types.AttributeValueMemberB).Value); n*2 > len(plain) {
		t.Errorf("%d bytes of %d", n, len(plain))
	}
}
