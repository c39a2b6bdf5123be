package writeback

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/events"
	"loophub/shared/profile"
	"loophub/shared/segment"
	"loophub/shared/workspace"
)

// words is a language of three words, to stand in for CEL.
type words struct{}

type word string

func (words) Rule(text string, _ *time.Location) (Rule, error) { return parse(text) }
func (words) Expression(text string, _ *time.Location) (Expression, error) {
	return parse(text)
}

func parse(text string) (word, error) {
	if strings.HasPrefix(text, "traits.") || text == "segments" || text == "old" || text == "broken" || text == "hour" || text == "day" {
		return word(text), nil
	}
	return "", segment.Problems{{Line: 1, Column: 3, Reason: "there is no " + text}}
}

func (w word) Holds(v segment.View, x Extra, now time.Time) (bool, Times, error) {
	text, times, err := w.Value(v, x, now)
	return text != "", times, err
}

func (w word) Value(v segment.View, x Extra, now time.Time) (string, Times, error) {
	switch name, isTrait := strings.CutPrefix(string(w), "traits."); {
	case isTrait:
		return v.Trait(name), Times{}, nil
	case w == "segments":
		return strings.Join(x.Segments, ";"), Times{}, nil
	case w == "old" && v.Since.IsZero():
		return "", Times{Older: t0}, nil
	case w == "old":
		return "yes", Times{}, nil
	case w == "hour" || w == "day":
		return "1", Times{Next: now.Add(map[word]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[w])}, nil
	}
	return "", Times{}, errors.New("broken")
}

func view(traits fields) segment.View {
	v := segment.View{View: profile.View{Traits: map[string]profile.Register{}}}
	for name, value := range traits {
		v.Traits[name] = profile.Register{Value: events.Text(value)}
	}
	return v
}

func TestWanted(t *testing.T) {
	lan := view(fields{"email": "lan@example.vn", "first_name": "Lan"})
	properties := fields{"email": "traits.email", "firstname": "traits.first_name", "loophub_segments": "segments", "city": "traits.city"}
	values := fields{"email": "lan@example.vn", "firstname": "Lan", "loophub_segments": "a;b", "city": ""}
	since := lan
	since.Since = t0
	for _, c := range []struct {
		name, when string
		v          segment.View
		want       Wanted
	}{
		{"everybody", "", lan, Wanted{Values: values, Match: "lan@example.vn", In: true}},
		{"who meets the rule", "traits.first_name", lan, Wanted{Values: values, Match: "lan@example.vn", In: true}},
		{"who does not", "traits.city", lan, Wanted{}},
		{"older orders are wanted", "old", lan, Wanted{Times: Times{Older: t0}}},
		{"a rule of time", "day", lan, Wanted{Times: Times{Next: t0.Add(24 * time.Hour)}, Values: values, Match: "lan@example.vn", In: true}},
		{"older orders are there", "old", since, Wanted{Values: values, Match: "lan@example.vn", In: true}},
	} {
		p, err := Compile(workspace.Destination{Name: "crm", When: c.when, Properties: properties}, "email", words{}, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Wanted(c.v, Extra{Segments: []string{"a", "b"}}, t0)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
		if nobody, err := p.Wanted(view(nil), Extra{}, t0); err != nil || nobody.In {
			t.Errorf("%s: who has no address is written (%v)", c.name, err)
		}
	}
	for _, c := range []struct {
		properties fields
		want       Times
	}{
		{fields{"email": "traits.email", "a": "day", "b": "hour"}, Times{Next: t0.Add(time.Hour)}},
		{fields{"email": "traits.email", "a": "old", "b": "segments"}, Times{Older: t0}},
	} {
		p, err := Compile(workspace.Destination{Properties: c.properties}, "email", words{}, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if w, err := p.Wanted(lan, Extra{}, t0); err != nil || w.Times != c.want || w.In != c.want.Older.IsZero() {
			t.Errorf("%v: %+v (%v)", c.properties, w, err)
		}
	}
	for _, d := range []workspace.Destination{{When: "nonsense"}, {Properties: fields{"a": "nonsense"}}} {
		if _, err := Compile(d, "email", words{}, time.UTC); err == nil {
			t.Errorf("%v compiles", d)
		}
	}
	p, err := Compile(workspace.Destination{Properties: fields{"email": "traits.email", "a": "broken"}}, "email", words{}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wanted(lan, Extra{}, t0); err == nil || !strings.Contains(err.Error(), "property a") {
		t.Errorf("an expression that breaks: %v", err)
	}
}

func TestChecks(t *testing.T) {
	crm := connector.Connector{
		Manifest: connector.Manifest{Name: "crm", Outbound: &connector.Outbound{Key: "email", Property: `[a-z_]{1,10}`, Traits: fields{"email": "email"}}},
		Destination: func(connector.Settings) (connector.Destination, error) {
			return nil, errors.New("not needed")
		},
	}
	form := connector.Connector{Manifest: connector.Manifest{Name: "form"}}
	many := fields{"email": "traits.email"}
	for n := range 100 {
		many["p"+strings.Repeat("_", n%9)+string(rune('a'+n/9))] = "segments"
	}
	for _, c := range []struct {
		name string
		d    map[string]workspace.Destination
		want []string
	}{
		{"fine", map[string]workspace.Destination{"a": {Connection: "hub", When: "traits.city", Properties: fields{"email": "traits.email"}}}, nil},
		{"no such connection", map[string]workspace.Destination{"a": {Connection: "x", Properties: fields{"email": "traits.email"}}}, []string{`destinations.a.connection 0:0 there is no connection "x"`}},
		{"nothing is written there", map[string]workspace.Destination{"a": {Connection: "web", Properties: fields{"email": "traits.email"}}}, []string{`destinations.a.connection 0:0 connection "web" is of form, to which nothing is written; name a connection of crm`}},
		{"one connection twice", map[string]workspace.Destination{"a": {Connection: "hub", Properties: fields{"email": "traits.email"}}, "b": {Connection: "hub", Properties: fields{"email": "traits.email"}}},
			[]string{`destinations.b.connection 0:0 destination "a" writes to connection "hub" already`}},
		{"nothing to write", map[string]workspace.Destination{"a": {Connection: "hub"}}, []string{`destinations.a.properties 0:0 there is nothing to write`}},
		{"no key", map[string]workspace.Destination{"a": {Connection: "hub", Properties: fields{"x": "segments"}}}, []string{`destinations.a.properties 0:0 the property "email" is missing`}},
		{"no name", map[string]workspace.Destination{"a": {Connection: "hub", Properties: fields{"email": "traits.email", "First Name": "segments"}}}, []string{`destinations.a.properties.First Name 0:0 "First Name" is no name`}},
		{"no expression", map[string]workspace.Destination{"a": {Connection: "hub", When: "maybe", Properties: fields{"email": "traitz.email"}}},
			[]string{"destinations.a.when 1:3 there is no maybe", "destinations.a.properties.email 1:3 there is no traitz.email"}},
		{"too many", map[string]workspace.Destination{"a": {Connection: "hub", Properties: many}}, []string{"destinations.a.properties 0:0 101 properties"}},
	} {
		var got []string
		w := workspace.Workspace{Zone: "Asia/Ho_Chi_Minh", Destinations: c.d, Connections: map[string]workspace.Connection{
			"hub": {Name: "hub", Connector: "crm"}, "web": {Name: "web", Connector: "form"}}}
		Checks([]connector.Connector{form, crm}, words{})(w, func(path string, line, column int, reason string) {
			got = append(got, fmt.Sprintf("%s %d:%d %s", path, line, column, reason))
		})
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want %q", c.name, got[i], want)
			}
		}
	}
}
