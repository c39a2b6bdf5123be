package token

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	issued  = time.Date(2026, 11, 20, 2, 14, 32, 0, time.UTC)
	example = Token{Kind: Click, Workspace: "saigon", Fragment: "caaaaaaaaaaaaaaaaaaaaaaaa",
		Message: "019aaf1b2c0-qqqqqqqqqqqqqqqqqqqqqqqq", Link: 3, Issued: issued}
)

func testKey(t testing.TB, seed string) Key {
	t.Helper()
	k, err := NewKey([]byte(strings.Repeat(seed, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signed(t testing.TB, k Key, token Token) string {
	t.Helper()
	s, err := Sign(k, token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func only(workspace string, k Key) func(string) (Key, error) {
	return func(id string) (Key, error) {
		if id != workspace {
			return nil, nil
		}
		return k, nil
	}
}

func TestEveryKindComesBack(t *testing.T) {
	k := testKey(t, "k")
	for kind := Click; kind <= Confirm; kind++ {
		token := example
		if token.Kind = kind; kind != Click {
			token.Link = 0
		}
		s := signed(t, k, token)
		got, err := Read(s, issued.Add(MaxAge), only("saigon", k))
		if err != nil || got != token {
			t.Errorf("%+v, %v", got, err)
		}
		if len(s) > 100 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%d characters: %s", len(s), s)
		}
	}
}

// Links lie in mailboxes: this one has to be read for as long as it may be followed.
func TestTokensAreFrozen(t *testing.T) {
	const was = "AQEGc2FpZ29uYwAAAAAAAAAAAAAAAAAAAAAZqvGywIQhCEIQhCEIQhCEIQhCEAADav-tCJDcjqquQmdqnVt10mjjocI"
	if got := signed(t, testKey(t, "k"), example); got != was {
		t.Errorf("every link that was sent is dead:\n%s\n%s", got, was)
	}
}

func TestAge(t *testing.T) {
	k := testKey(t, "k")
	s := signed(t, k, example)
	if _, err := Read(s, issued.Add(MaxAge+time.Second), only("saigon", k)); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}

func TestEveryBitCounts(t *testing.T) {
	k := testKey(t, "k")
	s := signed(t, k, example)
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(b) {
		b[bit/8] ^= 1 << (bit % 8)
		any := func(string) (Key, error) { return k, nil } // whatever workspace it says
		if got, err := Read(base64.RawURLEncoding.EncodeToString(b), issued, any); !errors.Is(err, ErrInvalid) {
			t.Errorf("bit %d: %+v, %v", bit, got, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	for n := range len(s) {
		if _, err := Read(s[:n], issued, only("saigon", k)); !errors.Is(err, ErrInvalid) {
			t.Errorf("the first %d characters: %v", n, err)
		}
		if _, err := Read(s[:n]+"\n"+s[n:], issued, only("saigon", k)); !errors.Is(err, ErrInvalid) {
			t.Errorf("a line break at %d: %v", n, err)
		}
	}
}

func TestOthersKeys(t *testing.T) {
	ours, theirs := testKey(t, "k"), testKey(t, "x")
	s := signed(t, ours, example)
	for name, key := range map[string]func(string) (Key, error){
		"another key": only("saigon", theirs), "no workspace": only("hanoi", ours), "an empty key": only("saigon", Key{}),
	} {
		if _, err := Read(s, issued, key); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	down := errors.New("down")
	if _, err := Read(s, issued, func(string) (Key, error) { return nil, down }); !errors.Is(err, down) || errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestWhatCanNotBeSigned(t *testing.T) {
	k := testKey(t, "k")
	for name, change := range map[string]func(*Token){
		"no kind":        func(x *Token) { x.Kind = 0 },
		"unknown kind":   func(x *Token) { x.Kind = 5 },
		"click of none":  func(x *Token) { x.Link = 0 },
		"link of none":   func(x *Token) { x.Kind = Unsubscribe },
		"link too great": func(x *Token) { x.Link = MaxLink + 1 },
		"no workspace":   func(x *Token) { x.Workspace = "" },
		"workspace":      func(x *Token) { x.Workspace = "Sài Gòn" },
		"fragment class": func(x *Token) { x.Fragment = "x" + x.Fragment[1:] },
		"fragment":       func(x *Token) { x.Fragment = x.Fragment[:24] },
		"message moment": func(x *Token) { x.Message = "019AAF1b2c0-qqqqqqqqqqqqqqqqqqqqqqqq" },
		"message":        func(x *Token) { x.Message = "lan@example.vn" },
		"before 1970":    func(x *Token) { x.Issued = time.Unix(-1, 0) },
	} {
		token := example
		change(&token)
		if s, err := Sign(k, token); err == nil {
			t.Errorf("%s is signed: %s", name, s)
		}
	}
	if _, err := Sign(nil, example); err == nil {
		t.Error("signed without a key")
	}
}

func TestURL(t *testing.T) {
	for kind, want := range map[Kind]string{Click: "https://links.example/l/x", Unsubscribe: "https://links.example/u/x",
		Preferences: "https://links.example/p/x", Confirm: "https://links.example/c/x"} {
		for _, address := range []string{"https://links.example", "https://links.example/"} {
			if got := URL(address, kind, "x"); got != want {
				t.Error(got)
			}
		}
	}
}

// What is read was signed, and is signed to the same text again.
func FuzzRead(f *testing.F) {
	k := testKey(f, "k")
	s := signed(f, k, example)
	f.Add(s)
	f.Add("")
	f.Add(s[:40])
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Read(s, issued, func(string) (Key, error) { return k, nil })
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) || got != (Token{}) {
				t.Fatal(got, err)
			}
			return
		}
		if again := signed(t, k, got); again != s {
			t.Fatalf("%q reads as %q", s, again)
		}
	})
}
