package delivery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
)

func order(t testing.TB) Delivery {
	body, err := os.ReadFile("testdata/order.json")
	if err != nil {
		t.Fatal(err)
	}
	return Delivery{
		Key: Key{"saigon", "shop", "order-6120934571845", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"},
		Request: connector.Request{
			Method: "POST", Rest: "a/b", Query: url.Values{"k": {"v", "ü&="}},
			Header:     http.Header{"X-Shop-Topic": {"orders/create"}, "X-Two": {"1", "2"}},
			Body:       body,
			ReceivedAt: time.Date(2026, 11, 20, 2, 14, 32, 123_000_000, time.UTC),
		},
		Trace: "1-5759e988-bd862e3fe1be46a994272793",
		Lane:  Backfill,
	}
}

func TestSealOpens(t *testing.T) {
	d := order(t)
	s := Seal(d)
	got, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, got); diff != "" {
		t.Error(diff)
	}
	if len(s.Packed) > 1500 {
		t.Errorf("an order of %d bytes takes %d: the dictionary is not at work", len(d.Request.Body), len(s.Packed))
	}
	if !bytes.Equal(s.Packed, Seal(d).Packed) {
		t.Error("packing twice gives different bytes")
	}
}

// Bodies of any size come back, and what lies in a pooled buffer stays apart.
func TestSealKeepsEveryBody(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var sealed []Sealed
	var want []Delivery
	for _, size := range []int{0, 1, 100, 40_000, 70_000, 400_000, 6 << 20, 5_000, 10} {
		for _, alphabet := range []int{1, 4, 256} {
			d := order(t)
			d.Request.Body = make([]byte, size)
			for i := range d.Request.Body {
				d.Request.Body[i] = byte(random.IntN(alphabet))
			}
			want, sealed = append(want, d), append(sealed, Seal(d))
		}
	}
	for i, s := range sealed {
		got, err := s.Open()
		if err != nil || !bytes.Equal(got.Request.Body, want[i].Request.Body) {
			t.Errorf("%d bytes: %v", len(want[i].Request.Body), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	block := func(plain []byte) []byte { return append([]byte{1}, codec1.Encode(nil, plain)...) }
	bomb := block(make([]byte, maxUnpacked+1))
	cut := Seal(order(t))
	cut.Packed = cut.Packed[:len(cut.Packed)/2]
	other := Seal(order(t))
	other.Hash[0] ^= 1
	for name, tt := range map[string]struct {
		s    Sealed
		want string
	}{
		"nothing":        {Sealed{}, "nothing is stored"},
		"bomb":           {Sealed{Packed: bomb}, "would grow to"},
		"new dictionary": {Sealed{Packed: []byte{2, 0}}, "dictionary 2 is unknown"},
		"cut":            {cut, "decompressing"},
		"empty frame":    {Sealed{Packed: block(nil)}, "cut"},
		"false length":   {Sealed{Packed: block([]byte{200})}, "cut"},
		"other body":     {other, "not the one that was stored"},
	} {
		tt.s.Key = Key{"w", "c", "o", "d"}
		d, err := tt.s.Open()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: want %q, got %v", name, tt.want, err)
		}
		if d.Key != tt.s.Key {
			t.Errorf("%s: the key is gone", name)
		}
	}
}

// The bytes of a dictionary are part of everything stored with it.
func TestDictionaryNeverChanges(t *testing.T) {
	sum := sha256.Sum256(dictionary1)
	if hex.EncodeToString(sum[:]) != "1fa3f4105b97a1634d244c6b2e06f5da4d6083638bf6cf5f9ac0d0b2e08ab84d" {
		t.Error("dictionary 1 changed: what is stored can't be read any more; add a dictionary 2 instead")
	}
}

func TestObjectNamesTheDelivery(t *testing.T) {
	a := Seal(order(t))
	b := a
	b.Hash[0]++
	if a.Object() != Seal(order(t)).Object() || a.Object() == b.Object() || !strings.HasPrefix(a.Object(), "overflow/saigon/") {
		t.Errorf("%s, %s", a.Object(), b.Object())
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(Seal(order(f)).Packed)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := unpack(packed)
		if err != nil {
			return
		}
		again, err := unpack(pack(r))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	d := order(b)
	var s Sealed
	for b.Loop() {
		s = Seal(d)
	}
	b.ReportMetric(float64(len(s.Packed)), "bytes/item")
}

func BenchmarkOpen(b *testing.B) {
	s := Seal(order(b))
	for b.Loop() {
		if _, err := s.Open(); err != nil {
			b.Fatal(err)
		}
	}
}
