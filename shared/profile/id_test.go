package profile

import (
	"slices"
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	id := testRules.Key.Fragment(customerAnchor("1"))
	if got, ok := ParseID(string(id)); !ok || got != id {
		t.Errorf("%s is refused", id)
	}
	s := string(id)
	for _, bad := range []string{"", s[1:], s + "a", "x" + s[1:], "C" + s[1:], s[:24] + "1", s[:24] + "A", s[:24] + "#", strings.Repeat("ä", 12) + "c", "lan@example.vn"} {
		if _, ok := ParseID(bad); ok {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// TestIDsAreFrozen: ids are stored everywhere; another one would be another person.
func TestIDsAreFrozen(t *testing.T) {
	key := Key("a key for tests")
	for want, got := range map[string]string{
		"ccxmjwmil5z6kf4mfhoxdo7dh":      string(key.Fragment(Anchor{CustomerClass, "shop", "1"})),
		"gwhjxq7ymb4cb2wc34kbywgqn":      string(key.Fragment(Anchor{GuestClass, "shop", "email/lan@example.vn"})),
		"nebxf77essgdweufu3ictwenq":      string(key.Fragment(Anchor{AnonymousClass, "shop", "anonymous/x"})),
		"email/nfacszug33luloplnomijnoa": key.Identifier(Identifier{Email, "lan@example.vn"}),
	} {
		if got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}

func TestIDsTellApart(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range []Key{Key("a"), Key("b")} {
		for _, c := range []string{"shop", "till"} {
			for _, class := range []Class{CustomerClass, GuestClass, AnonymousClass} {
				for _, v := range []string{"1", "2"} {
					seen[string(key.Fragment(Anchor{class, c, v}))] = true
				}
			}
		}
		for _, k := range kinds {
			seen[key.Identifier(Identifier{k, "1"})] = true
		}
		// parts that run together
		seen[string(key.Fragment(Anchor{CustomerClass, "shop1", ""}))] = true
		seen[string(key.Fragment(Anchor{CustomerClass, "", "shop1"}))] = true
	}
	if len(seen) != 2*(2*3*2+3+2) {
		t.Errorf("%d ids", len(seen))
	}
}

func TestClasses(t *testing.T) {
	key := testRules.Key
	l := []ID{key.Fragment(Anchor{AnonymousClass, "a", "a"}), key.Fragment(Anchor{GuestClass, "a", "a"}), key.Fragment(Anchor{CustomerClass, "z", "z"})}
	slices.Sort(l)
	if l[0].Class() != CustomerClass || l[1].Class() != GuestClass || l[2].Class() != AnonymousClass || ID("").Class() != 0 {
		t.Error("a customer's id is not the least", l)
	}
	if KindOf(key.Identifier(Identifier{Phone, "+841"})) != Phone {
		t.Error("the kind can't be read off a stored identifier")
	}
	if s := key.Identifier(Identifier{Email, "lan@example.vn"}); strings.Contains(s, "lan") || strings.Contains(string(key.Fragment(customerAnchor("4711"))), "4711") {
		t.Error("an id tells what it stands for")
	}
}
