package profile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"loophub/events"
)

// parts writes a partition as words: "a+b c".
func parts(m map[ID][]ID) string {
	seen := map[string]bool{}
	for id, in := range m {
		if !slices.Contains(in, id) || !slices.IsSorted(in) {
			return fmt.Sprintf("%s is not in its own part %v", id, in)
		}
		var l []string
		for _, x := range in {
			l = append(l, string(x))
		}
		seen[strings.Join(l, "+")] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), " ")
}

// component of fragments a, b, …; edges as "email/1 abc", decisions as "tie ab" and "split ab".
func component(fragments string, says ...string) Component {
	c := Component{map[ID]Fragment{}, map[string][]ID{}}
	for _, r := range fragments {
		c.Fragments[ID(string(r))] = Fragment{ID: ID(string(r))}
	}
	for _, s := range says {
		what, who, _ := strings.Cut(s, " ")
		var l []ID
		for _, r := range who {
			l = append(l, ID(string(r)))
		}
		if what != "tie" && what != "split" {
			c.Edges[what] = l
			continue
		}
		for n, id := range l {
			if f, inside := c.Fragments[id]; inside {
				f.Tie(l[1-n], Decision{At: 1, Split: what == "split"})
				c.Fragments[id] = f
			}
		}
	}
	return c
}

func TestPartition(t *testing.T) {
	for name, tt := range map[string]struct {
		c    Component
		want string
	}{
		"alone":                             {component("a"), "a"},
		"an address":                        {component("abc", "email/1 ac"), "a+c b"},
		"a chain":                           {component("abcd", "email/1 ab", "phone/1 bc", "anonymous/1 cd"), "a+b+c+d"},
		"a tie":                             {component("abc", "tie ac"), "a+c b"},
		"a tie with one outside":            {component("ab", "tie ax"), "a b"},
		"split against an address":          {component("ab", "email/1 ab", "split ab"), "a b"},
		"split across a chain":              {component("abc", "email/1 ab", "email/2 bc", "split ac"), "a+b c"},
		"e-mail before phone":               {component("abc", "phone/1 ab", "email/2 bc", "split ac"), "a b+c"},
		"phone before device":               {component("abc", "anonymous/1 ab", "phone/2 bc", "split ac"), "a b+c"},
		"by identifier where kinds are one": {component("abc", "email/2 ab", "email/1 bc", "split ac"), "a b+c"},
		"a tie before any address":          {component("abc", "email/1 ab", "tie bc", "split ac"), "a b+c"},
		"three of one address, two split":   {component("abc", "email/1 abc", "split ab"), "a+c b"},
		"both halves gather":                {component("abcd", "email/1 abcd", "split ab"), "a+c+d b"},
		"two splits at one address":         {component("abcd", "email/1 abcd", "split ab", "split ac"), "a+d b+c"},
		"unordered edges":                   {component("abc", "email/1 cba"), "a+b+c"},
	} {
		for range 20 { // maps come in another order each time
			if got := parts(tt.c.Partition(DefaultLimits)); got != tt.want {
				t.Fatalf("%s: %s", name, got)
			}
		}
	}
}

func TestPartitionBeyondTheLimit(t *testing.T) {
	c := component("abcde", "email/1 abcde")
	if got := parts(c.Partition(Limits{Members: 5})); got != "a+b+c+d+e" {
		t.Error(got)
	}
	if got := parts(c.Partition(Limits{Members: 4})); got != "a b c d e" {
		t.Error("a component beyond the limit is not cut:", got)
	}
}

func TestPartitionOfRandomComponents(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const all = "abcdefgh"
	for range 3_000 {
		var says []string
		for n := range r.IntN(6) {
			var who []byte
			for _, b := range []byte(all) {
				if r.IntN(3) == 0 {
					who = append(who, b)
				}
			}
			says = append(says, fmt.Sprintf("%s/%d %s", kinds[r.IntN(3)], n, who))
		}
		for range r.IntN(5) {
			if i, j := r.IntN(len(all)), r.IntN(len(all)); i != j {
				says = append(says, []string{"tie ", "split ", "split "}[r.IntN(3)]+string([]byte{all[i], all[j]}))
			}
		}
		c := component(all, says...)
		m := c.Partition(DefaultLimits)
		want := parts(m)
		for range 3 {
			if got := parts(component(all, says...).Partition(DefaultLimits)); got != want {
				t.Fatalf("%v: %s, then %s", says, want, got)
			}
		}
		for a, f := range c.Fragments {
			for b, d := range f.Ties {
				if d.Split && slices.Contains(m[a], b) {
					t.Fatalf("%v: %s and %s are split, yet one: %s", says, a, b, want)
				}
			}
		}
		if !strings.Contains(strings.Join(says, ""), "split") {
			for what, l := range c.Edges {
				for _, id := range l {
					if !slices.Equal(m[id], m[l[0]]) {
						t.Fatalf("%v: %s does not tie: %s", says, what, want)
					}
				}
			}
		}
	}
}

func TestIdentityShared(t *testing.T) {
	l := Limits{Claimants: 4, Shared: map[Kind]int{Email: 2, Phone: 1}}
	for name, tt := range map[string]struct {
		id   string
		by   string // class and connection of each claimant
		want bool
	}{
		"customers up to the limit":        {"email/x", "cs cs", false},
		"customers beyond it":              {"email/x", "cs cs cs", true},
		"customers of several connections": {"email/x", "cs cs ct ct", false},
		"another limit for phones":         {"phone/x", "cs cs", true},
		"guests do not count as customers": {"phone/x", "gs gt nu", false},
		"too many in all":                  {"phone/x", "gs gt gu gv gw", true},
	} {
		i := Identity{ID: tt.id}
		for n, who := range strings.Fields(tt.by) {
			id := ID(fmt.Sprintf("%c%d", who[0], n))
			was := i
			if !i.Claimed(id, who[1:], l) || len(was.Claimants) != n {
				t.Errorf("%s: claimant %d is not taken, or reaches into the older value", name, n)
			}
			if i.Claimed(id, who[1:], l) {
				t.Errorf("%s: claimant %d is taken twice", name, n)
			}
		}
		if i.Shared != tt.want {
			t.Errorf("%s: shared %v", name, i.Shared)
		}
		if !i.Shared {
			continue
		}
		was := len(i.Claimants)
		for n := range 2 * l.Claimants { // found by it, not tied, and not without bound
			if id := ID(fmt.Sprintf("clater%d", n)); i.Claimed(id, "s", l) != (n < l.Claimants) || i.Claimed(id, "s", l) || i.Ties(id) {
				t.Errorf("%s: later claimant %d", name, n)
			}
		}
		if len(i.Claimants) != was || len(i.Found()) != was+l.Claimants || !i.Shared {
			t.Errorf("%s: once shared it ties more, or finds %d", name, len(i.Found()))
		}
	}
}

func TestIdentityStops(t *testing.T) {
	var i Identity
	if !i.Stop(map[string]Consent{"email:m": {Withdrawn: 5}}) || i.Stop(map[string]Consent{"email:m": {Withdrawn: 4}}) {
		t.Error("the newest withdrawal counts")
	}
	was := i
	if !i.Stop(map[string]Consent{"email:m": {Withdrawn: 6}, "email:n": {Withdrawn: 1}}) || was.Stops["email:m"].Withdrawn != 5 || len(i.Stops) != 2 {
		t.Error("stops", was, i)
	}
}

func TestPending(t *testing.T) {
	f := Fragment{Version: 3}
	f.Pend("email/a")
	f.Pend("email/b")
	done := maps.Clone(f.Pending)
	f.Version = 6
	f.Pend("email/b") // anew, while a slower worker makes the links of before
	f.Linked(done)
	if !maps.Equal(f.Pending, map[string]int64{"email/b": 7}) {
		t.Error(f.Pending)
	}
	if f.Linked(map[string]int64{"email/b": 7}); f.Pending != nil {
		t.Error(f.Pending)
	}
}

// full is a fragment in which everything is set.
func full() Fragment {
	o := Order{At: 1, Record: "r", Total: 2, Currency: "VND"}
	r := Register{Version: 1, Value: events.Text(`["a"]`)}
	return Fragment{ID: "ca", Version: 1, Anchor: Source{"shop", "1"}, Ties: map[ID]Decision{"cb": {1, true}}, Members: []ID{"ca", "cb"},
		Pending: map[string]int64{"email/a": 1}, State: State{Orders: 1, Sums: map[string]Sum{"VND": {1, 2, 0}}, Recent: []Order{o}, First: &o,
			Traits: map[string]Register{"city": r}, Snapshot: &r, Tags: map[string]Register{"b": r}, Consent: map[string]Consent{"email:m": {1, 0}},
			Claims: map[string]Claim{"email/a": {1, "a"}}, Checkout: &r, Events: map[string][]Event{"viewed": {{1, "r"}}}, Marks: map[string]Register{"a": r}}}
}

// TestEqualSeesEveryField: a field that Equal forgot would never be written.
func TestEqualSeesEveryField(t *testing.T) {
	if !full().Equal(full()) || !full().Equal(full().Clone()) {
		t.Fatal("equals differ")
	}
	clear := func(v reflect.Value, name string, f *Fragment) {
		v.SetZero()
		if f.Equal(full()) || full().Equal(*f) {
			t.Errorf("%s is not compared", name)
		}
	}
	for n := range reflect.TypeFor[Fragment]().NumField() {
		f := full()
		if name := reflect.TypeFor[Fragment]().Field(n).Name; name != "ID" && name != "Version" && name != "Quiet" && name != "State" {
			clear(reflect.ValueOf(&f).Elem().Field(n), name, &f)
		}
	}
	for n := range reflect.TypeFor[State]().NumField() {
		f := full()
		clear(reflect.ValueOf(&f.State).Elem().Field(n), "State."+reflect.TypeFor[State]().Field(n).Name, &f)
	}
}

// TestCloneSharesNothing: what a worker changes in its copy stays there.
func TestCloneSharesNothing(t *testing.T) {
	f := full()
	c := f.Clone()
	c.Tie("cz", Decision{})
	c.Members[0] = "cz"
	c.Pend("email/z")
	c.State.Join(statement(t, fact(events.Customer, "1", 9, "city", "Huế", "tags", "[]", "tag:z", "+", "grant:email:m", "9")))
	c.State.Join(statement(t, fact(events.Event, "9", 9, "name", "viewed", "anonymous_id", "x")))
	c.State.Join(statement(t, fact(events.Decision, "9", 9, "fragment", someone, "tag:z", "+")))
	c.State.Claim(map[string]Claim{"email/z": {1, "z"}}, DefaultLimits)
	c.State.Settle(12, "z", &Order{At: 9, Record: "z", Currency: "USD"}, Older{})
	c.State.Settle(12, "r", nil, Older{})
	if !f.Equal(full()) {
		t.Error("a clone reaches into the fragment")
	}
}

func statement(t *testing.T, f events.Fact) Statement {
	t.Helper()
	s, ok := testRules.Statement(f)
	if !ok {
		t.Fatal("it says nothing")
	}
	return s
}

func TestChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Fragment)
		want   string
	}{
		"nothing":                 {func(*Fragment) {}, "[]"},
		"version":                 {func(f *Fragment) { f.Version++ }, "[]"},
		"pending":                 {func(f *Fragment) { f.Pend("email/a") }, "[]"},
		"a decision":              {func(f *Fragment) { f.Tie("cz", Decision{}) }, "[]"},
		"an order":                {func(f *Fragment) { f.State.Settle(12, "z", &Order{At: 9, Record: "z"}, Older{}) }, "[orders]"},
		"a trait":                 {func(f *Fragment) { f.State.Traits["city"] = Register{Value: events.Text("Huế")} }, "[traits]"},
		"a trait said again":      {func(f *Fragment) { f.State.Traits["city"] = Register{Version: 9, Value: events.Text(`["a"]`)} }, "[traits]"},
		"a tag":                   {func(f *Fragment) { f.State.Tags["z"] = Register{Value: events.Text("+")} }, "[tags]"},
		"a tag that holds anyway": {func(f *Fragment) { f.State.Tags["a"] = Register{Value: events.Text("+")} }, "[tags]"},
		"consent":                 {func(f *Fragment) { f.State.Consent["sms:m"] = Consent{1, 0} }, "[consent]"},
		"checkout":                {func(f *Fragment) { f.State.Checkout = &Register{} }, "[checkout]"},
		"an event":                {func(f *Fragment) { f.State.joinEvent("viewed", Event{2, "s"}) }, "[events]"},
		"an event told again":     {func(f *Fragment) { f.State.joinEvent("viewed", Event{1, "r"}) }, "[]"},
		"a tag of our own":        {func(f *Fragment) { f.State.Marks["z"] = Register{Value: events.Text("+")} }, "[tags]"},
		"a quiet write":           {func(f *Fragment) { f.Quiet = 9 }, "[]"},
		"members":                 {func(f *Fragment) { f.SetMembers([]ID{"ca"}) }, "[identity]"},
		"a claim":                 {func(f *Fragment) { f.State.Claim(map[string]Claim{"email/z": {}}, DefaultLimits) }, "[identity]"},
		"a claim renewed":         {func(f *Fragment) { f.State.Claim(map[string]Claim{"email/a": {9, "a"}}, DefaultLimits) }, "[]"},
		"several": {func(f *Fragment) {
			f.State.Consent["sms:m"] = Consent{1, 0}
			f.State.Settle(12, "r", nil, Older{})
		}, "[orders consent]"},
	} {
		f := full().Clone()
		tt.change(&f)
		if got := fmt.Sprint(Changes(full(), f)); got != tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if l := Changes(Fragment{ID: "ca"}, Fragment{ID: "ca", Members: []ID{"ca"}}); len(l) != 0 {
		t.Error("alone and alone", l)
	}
	// Who is alone says nothing new by saying it again; beside others the newest word counts for all.
	lone := full()
	lone.SetMembers([]ID{"ca"})
	again := lone.Clone()
	again.State.Traits["city"], again.State.Tags["a"] = Register{Version: 9, Value: events.Text(`["a"]`)}, Register{Value: events.Text("+")}
	if l := Changes(lone, again); len(l) != 0 {
		t.Error("said again by who is alone", l)
	}
	if l := Changes(full(), full(), Move{Order: Order{Record: "old"}, Put: true}); fmt.Sprint(l) != "[orders]" {
		t.Error("an order beyond the newest was dated anew, and nobody hears of it", l)
	}
}
