package main

import (
	"bytes"
	"os"
	"testing"
)

func TestListIsFresh(t *testing.T) {
	want, err := list("../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../all.gen.go")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("connectors/all/all.gen.go is stale: run go generate ./connectors/all (%v)", err)
	}
}

func TestListNeedsConnectors(t *testing.T) {
	if _, err := list(t.TempDir()); err == nil {
		t.Error("an empty folder gives a list")
	}
}
