package writeback

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
