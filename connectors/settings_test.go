package connector_test

import (
	"fmt"
	"strings"
	"testing"

	connector "loophub/connectors"
)

func TestFill(t *testing.T) {
	m := connector.Manifest{Name: "toy", Settings: []connector.Setting{
		{Name: "shop", About: "its name", Required: true, Pattern: `[a-z]+|[0-9]+`},
		{Name: "colour", About: "its colour", Default: "red"},
		{Name: "token", About: "a word", Sensitive: true, Pattern: `[a-z]{8}`},
	}}
	for _, c := range []struct {
		about  string
		values map[string]string
		names  string // in the error; "" = fine
	}{
		{"all", map[string]string{"shop": "abc", "token": "abcdefgh"}, ""},
		{"the pattern holds for the whole value", map[string]string{"shop": "abc1"}, "shop"},
		{"missing", map[string]string{}, "shop"},
		{"empty", map[string]string{"shop": ""}, "shop"},
		{"unknown", map[string]string{"shop": "abc", "size": "M"}, "size"},
		{"wrong and sensitive", map[string]string{"shop": "abc", "token": "SECRETS!"}, "token"},
	} {
		got, err := m.Fill(connector.Settings{Values: c.values, Country: "VN"})
		if (err == nil) != (c.names == "") || err != nil && (!strings.Contains(err.Error(), c.names) || strings.Contains(err.Error(), "SECRETS!")) {
			t.Errorf("%s: %v", c.about, err)
		}
		if err == nil && (got.Values["colour"] != "red" || got.Country != "VN" || len(c.values) != 2) {
			t.Errorf("%s: %+v", c.about, got)
		}
	}
}

func TestSecretsHide(t *testing.T) {
	s := connector.Secret("hush")
	if text := fmt.Sprintf("%v %s %+v %#v %v", s, s, s, s, []connector.Secret{s}); strings.Contains(text, "hush") {
		t.Errorf("printed: %s", text)
	}
}
