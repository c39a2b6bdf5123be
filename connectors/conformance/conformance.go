// Package conformance holds every connector to the contract. A connector's own
// test calls Run with its fixtures; the names of the checks and what each of
// them promises stand in checks.
package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	connector "loophub/connectors"
)

// Suite is a connector with what is needed to try it.
type Suite struct {
	New      func() connector.Connector
	Settings connector.Settings
	Secret   connector.Secret // a public test secret that signs the fixtures
	// Sign signs r as the system would; nil where nothing signs.
	Sign     func(r *connector.Request, s connector.Secret)
	Fixtures string // folder with one folder per fixture, named <topic> or <topic>-<variant>
	// Waive names checks that the connector does not pass, with the reason. A
	// waiver for a check that passes is itself a failure: the list only shrinks.
	Waive  map[string]string
	Update bool // rewrite goldens and signatures, and fail
}

// Received is when every fixture arrived.
var Received = time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)

type check struct {
	name string
	run  func(*bench)
}

var checks = []check{
	{"manifest", (*bench).manifestIsWhole},
	{"settings", (*bench).settingsAreRefused},
	{"topics", (*bench).topicsHaveFixtures},
	{"golden", (*bench).fixturesGiveGoldens},
	{"signature", (*bench).signaturesVerify},
	{"tampering", (*bench).changedBodiesAreRefused},
	{"rotation", (*bench).secretsRotate},
	{"key", (*bench).keysName},
	{"retry", (*bench).retriesKeepTheirKey},
	{"headers", (*bench).keptHeadersSuffice},
	{"purity", (*bench).decodingIsPure},
	{"truncation", (*bench).cutBodiesDoNoHarm},
	{"types", (*bench).wrongTypesDoNoHarm},
	{"hostile", (*bench).hostileBodiesAreBounded},
	{"answers", (*bench).answersAreAnswers},
	{"destination", (*bench).destinationsAnswerForEachChange},
}

// Run holds a connector to the contract.
func Run(t *testing.T, s Suite) {
	for name := range s.Waive {
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == name }) {
			t.Errorf("the waiver %q names no check", name)
		}
	}
	if _, err := prepare(s); err != nil {
		t.Fatal(err) // once, and not in every check
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			for _, problem := range judge(s, c) {
				t.Error(problem)
			}
		})
	}
}

// judge gives what a check found, or what is wrong with its waiver.
func judge(s Suite, c check) []string {
	found := examine(s, c)
	reason, waived := s.Waive[c.name]
	switch {
	case waived && len(found) == 0:
		return []string{"passes now: take its waiver away (" + reason + ")"}
	case waived && reason == "":
		return []string{"is waived without a reason"}
	case waived:
		return nil
	}
	return found
}

// bench is a connector under examination.
type bench struct {
	Suite
	manifest connector.Manifest
	source   connector.Source
	fixtures []fixture
	found    []string
}

// enough is how many problems of one check are told.
const enough = 10

func (b *bench) fail(format string, args ...any) {
	if len(b.found) < enough {
		b.found = append(b.found, fmt.Sprintf(format, args...))
	}
}

// examine runs one check and gives what it found.
func examine(s Suite, c check) (found []string) {
	b, err := prepare(s)
	if err != nil {
		return []string{err.Error()}
	}
	defer func() {
		if p := recover(); p != nil {
			found = append(b.found, fmt.Sprintf("panicked: %v", p))
		}
	}()
	c.run(b)
	return b.found
}

// prepare makes the source and reads the fixtures.
func prepare(s Suite) (*bench, error) {
	made := s.New()
	b := &bench{Suite: s, manifest: made.Manifest}
	var err error
	if b.source, err = made.Source(s.Settings); err != nil {
		return nil, fmt.Errorf("making the source with the suite's settings: %w", err)
	}
	b.fixtures, err = load(s.Fixtures)
	return b, err
}

// signed gives a copy of the request, signed with the suite's secret.
func (b *bench) signed(r connector.Request, s connector.Secret) connector.Request {
	r = clone(r)
	if b.Sign != nil {
		b.Sign(&r, s)
	}
	return r
}

func clone(r connector.Request) connector.Request {
	r.Header = r.Header.Clone()
	r.Body = slices.Clone(r.Body)
	query := map[string][]string{}
	for k, v := range r.Query {
		query[k] = slices.Clone(v)
	}
	r.Query = query
	return r
}
