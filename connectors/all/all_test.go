package all

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	connector "loophub/connectors"
)

func TestConnectors(t *testing.T) {
	var names []string
	for _, c := range Connectors() {
		names = append(names, c.Manifest.Name)
		if found, ok := Find(c.Manifest.Name); !ok || found.Manifest.Title != c.Manifest.Title {
			t.Errorf("%s is not found by its name", c.Manifest.Name)
		}
		if _, err := os.Stat(filepath.Join("..", c.Manifest.Name)); err != nil {
			t.Errorf("%s is not the name of its folder", c.Manifest.Name)
		}
		if c.Source == nil {
			t.Errorf("%s reads nothing", c.Manifest.Name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names are not sorted, or there twice: %v", names)
	}
	if _, ok := Find("nothing"); ok {
		t.Error("a connector that does not exist is found")
	}
}

func TestReadmesAreFresh(t *testing.T) {
	read := func(folder string) (string, error) {
		b, err := os.ReadFile(filepath.Join("..", folder, "README.md"))
		return string(b), err
	}
	fresh, err := Readmes(read)
	if err != nil {
		t.Fatal(err)
	}
	for folder, want := range fresh {
		if got, err := read(folder); err != nil || got != want {
			t.Errorf("connectors/%s/README.md is stale: run go generate ./connectors/all (%v)", folder, err)
		}
	}
}

func TestPlace(t *testing.T) {
	got, err := Place("before\n"+begin+"old\n"+end+"after\n", "new\n")
	if err != nil || got != "before\n"+begin+"new\n"+end+"after\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Place("nothing", "new"); err == nil {
		t.Error("a README without the lines is accepted")
	}
}

func TestFactsNameWhatAnEngineerNeeds(t *testing.T) {
	text := Facts(connector.Manifest{
		Name: "x", Topics: []string{"a/b"}, Refusal: 200, Secrets: "HMAC", Unsure: []string{"the moon"},
		Settings: []connector.Setting{{Name: "shop", About: "its name", Required: true}}, Setup: []string{"Enter {url} in <form>."},
	})
	for _, part := range []string{"a/b", "200 OK", "HMAC", "the moon", "**shop**", "its name", "{url} in `<form>`"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}
