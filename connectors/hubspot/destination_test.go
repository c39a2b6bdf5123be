package hubspot_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/shared/fault"
)

type fields = map[string]string

const token = "pat-public-test-token"

// account is a HubSpot account and a connection to it.
type account struct {
	*simulator.Simulator
	t        *testing.T
	to       connector.Destination
	now      time.Time
	fault    func(simulator.Call) simulator.Fault
	requests []string
}

var said sync.Once

func newAccount(t *testing.T) *account {
	a := &account{t: t, now: time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)}
	specs := os.Getenv("LOOPHUB_SPECS")
	if specs == "" {
		said.Do(func() {
			t.Log("LOOPHUB_SPECS is not set: requests and replies are NOT held to the vendor's OpenAPI document")
		})
	}
	var err error
	a.Simulator, err = simulator.New(simulator.Config{Token: token, App: "1160452", Specs: specs, Properties: []string{"loophub_segments", "loophub_revenue"},
		Now: func() time.Time { return a.now }, Fault: func(c simulator.Call) simulator.Fault {
			if a.fault == nil {
				return simulator.Fault{}
			}
			return a.fault(c)
		}})
	if err != nil {
		t.Fatal(err)
	}
	if a.to, err = hubspot.New().Destination(connector.Settings{Values: fields{"app_id": "1160452"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range a.Problems() {
			t.Error(p)
		}
	})
	return a
}

// Do is the least that a Doer does.
func (a *account) Do(r *http.Request) (*http.Response, error) {
	a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	if r.URL.Host != "" || r.Header.Get("Authorization") != "" {
		a.t.Errorf("a request names its host or credentials: %s", r.URL)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "https", "api.hubapi.com"
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := a.RoundTrip(r)
	if err != nil {
		return nil, fault.As(fault.Transient, err)
	}
	if response.StatusCode == http.StatusTooManyRequests {
		wait, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil {
			return nil, fault.New(fault.Throttled, "asked to wait")
		}
		return nil, fault.Throttle(a.now.Add(time.Duration(wait)*time.Second), "asked to wait")
	}
	return response, nil
}

func (a *account) apply(changes ...connector.Change) []connector.Receipt {
	a.t.Helper()
	l := a.to.Apply(a.t.Context(), a, changes)
	if len(l) != len(changes) {
		a.t.Fatalf("%d receipts for %d changes", len(l), len(changes))
	}
	for _, r := range l {
		if (r.Err == nil) != (r.Record != "") {
			a.t.Errorf("a receipt of record %q: %v", r.Record, r.Err)
		}
		if r.Err != nil && strings.Contains(r.Err.Error(), "@") {
			a.t.Errorf("a reason tells an address: %v", r.Err)
		}
	}
	return l
}

func (a *account) holds(email string, want fields) {
	a.t.Helper()
	c, ok := a.Contact(email)
	if diff := cmp.Diff(want, c.Properties); !ok || diff != "" {
		a.t.Errorf("%s: %v %s", email, ok, diff)
	}
}

func by(match string, f fields) connector.Change {
	return connector.Change{Key: connector.Key{Match: match}, Fields: f}
}

func of(record string, f fields) connector.Change {
	return connector.Change{Key: connector.Key{Record: record, Match: "x@example.vn"}, Fields: f}
}

func TestApply(t *testing.T) {
	a := newAccount(t)
	hoa := a.Edit("hoa@example.vn", fields{"firstname": "Hoa"})
	changes := []connector.Change{
		by("Lan@example.vn", fields{"email": "Lan@example.vn", "firstname": "Lan", "loophub_segments": "a;b"}),
		of(hoa, fields{"firstname": "Hoa Mai", "email": "mai@example.vn", "loophub_segments": ""}),
		by("", fields{"firstname": "Nobody"}),
	}
	for range 2 { // applying twice is harmless
		l := a.apply(changes...)
		if l[0].Err != nil || l[1].Err != nil || l[1].Record != hoa || fault.ClassOf(l[2].Err) != fault.Permanent {
			t.Fatalf("%+v", l)
		}
		a.holds("lan@example.vn", fields{"email": "lan@example.vn", "firstname": "Lan", "loophub_segments": "a;b"})
		a.holds("mai@example.vn", fields{"email": "mai@example.vn", "firstname": "Hoa Mai"})
	}
	if n := len(a.Contacts()); n != 2 {
		t.Errorf("%d contacts", n)
	}
}

func TestBatches(t *testing.T) {
	a := newAccount(t)
	var changes []connector.Change
	for n := range 250 {
		changes = append(changes, by(fmt.Sprintf("c%d@example.vn", n%200), fields{"city": fmt.Sprint(n)}))
	}
	for n, r := range a.apply(changes...) {
		if r.Err != nil {
			t.Fatalf("change %d: %v", n, r.Err)
		}
	}
	if len(a.requests) != 3 { // 100, 100 and the 50 that are there twice
		t.Errorf("%q", a.requests)
	}
	a.holds("c49@example.vn", fields{"email": "c49@example.vn", "city": "249"})
}

// A property that does not exist, and a value that HubSpot refuses, keep nobody
// else from being written.
func TestWhatRefusesABatch(t *testing.T) {
	a := newAccount(t)
	var changes []connector.Change
	for n := range 64 {
		f := fields{"city": "Huế"}
		if n%16 == 3 {
			f["loophub_typo"] = "x"
		}
		if n == 40 {
			f["email"] = "broken"
		}
		changes = append(changes, of(a.Edit(fmt.Sprintf("c%d@example.vn", n), nil), f))
	}
	for n, r := range a.apply(changes...) {
		switch {
		case n%16 == 3:
			if fault.ClassOf(r.Err) != fault.Permanent || !strings.Contains(r.Err.Error(), "loophub_typo") {
				t.Errorf("%d: %v", n, r.Err)
			}
		case n == 40:
			if fault.ClassOf(r.Err) != fault.Permanent || !strings.Contains(r.Err.Error(), "INVALID_EMAIL property email") {
				t.Errorf("%d: %v", n, r.Err)
			}
		case r.Err != nil:
			t.Errorf("%d: %v", n, r.Err)
		}
	}
	if len(a.requests) > 2+2*7 { // each halving of 64 takes two
		t.Errorf("%d requests to find two", len(a.requests))
	}
}

func TestReceiptsAreClassed(t *testing.T) {
	retry := time.Date(2026, 11, 24, 8, 30, 7, 0, time.UTC)
	for _, c := range []struct {
		name    string
		fault   simulator.Fault
		class   fault.Class
		until   time.Time
		written bool
	}{
		{"401", simulator.Fault{Status: 401}, fault.Unauthorised, time.Time{}, false},
		{"403", simulator.Fault{Status: 403}, fault.Unauthorised, time.Time{}, false},
		{"400", simulator.Fault{Status: 400}, fault.Permanent, time.Time{}, false},
		{"409", simulator.Fault{Status: 409}, fault.Permanent, time.Time{}, false},
		{"423", simulator.Fault{Status: 423}, fault.Throttled, time.Time{}, false},
		{"429 with a moment", simulator.Fault{Status: 429, Retry: 7 * time.Second}, fault.Throttled, retry, false},
		{"429 without", simulator.Fault{Status: 429}, fault.Throttled, time.Time{}, false},
		{"500", simulator.Fault{Status: 500}, fault.Transient, time.Time{}, false},
		{"502 after effect", simulator.Fault{Status: 502, After: true}, fault.Transient, time.Time{}, true},
		{"no answer", simulator.Fault{Hang: true}, fault.Transient, time.Time{}, false},
		{"no answer after effect", simulator.Fault{Hang: true, After: true}, fault.Transient, time.Time{}, true},
		{"200 with nothing in it", simulator.Fault{Empty: true}, fault.Transient, time.Time{}, true},
		{"this one alone", simulator.Fault{Records: []string{"lan@example.vn"}}, fault.Permanent, time.Time{}, false},
	} {
		a := newAccount(t)
		a.fault = func(simulator.Call) simulator.Fault { return c.fault }
		r := a.apply(by("lan@example.vn", fields{"city": "Huế"}))[0]
		if r.Err == nil || fault.ClassOf(r.Err) != c.class || !fault.Until(r.Err).Equal(c.until) {
			t.Errorf("%s: %v, class %s, until %s", c.name, r.Err, fault.ClassOf(r.Err), fault.Until(r.Err))
		}
		if _, written := a.Contact("lan@example.vn"); written != c.written {
			t.Errorf("%s: written %v", c.name, written)
		}
	}
}

func TestPartialFailures(t *testing.T) {
	a := newAccount(t)
	gone, one, two := a.Edit("gone@example.vn", nil), a.Edit("one@example.vn", nil), a.Edit("two@example.vn", nil)
	a.Delete("gone@example.vn")
	l := a.apply(of(gone, fields{"city": "x"}), of(one, fields{"city": "x"}), of(two, fields{"email": "one@example.vn"}))
	if !errors.Is(l[0].Err, connector.ErrGone) || fault.ClassOf(l[0].Err) != fault.Permanent {
		t.Errorf("gone: %v", l[0].Err)
	}
	if l[1].Err != nil || l[1].Record != one {
		t.Errorf("one: %+v", l[1])
	}
	if l[2].Err == nil || !strings.Contains(l[2].Err.Error(), "merge the two") {
		t.Errorf("two: %v", l[2].Err)
	}
}

func TestFind(t *testing.T) {
	a := newAccount(t)
	lan := a.Edit("lan@example.vn", fields{"firstname": "Lan"})
	keys := []connector.Key{{Match: "Lan@example.vn"}, {Match: "nobody@example.vn"}, {Record: lan, Match: "other@example.vn"}, {Record: "999"}, {}, {Match: "lan@example.vn"}}
	for n := range 120 {
		keys = append(keys, connector.Key{Match: fmt.Sprintf("c%d@example.vn", n)})
	}
	got, err := a.to.Find(t.Context(), a, keys, []string{"firstname", "city"})
	if err != nil {
		t.Fatal(err)
	}
	there := connector.Found{Record: lan, Fields: fields{"firstname": "Lan", "city": ""}}
	want := append([]connector.Found{there, {}, there, {}, {}, there}, make([]connector.Found, 120)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, f := range []simulator.Fault{{Status: 500}, {Empty: true}, {Hang: true}} {
		a.fault = func(simulator.Call) simulator.Fault { return f }
		if _, err := a.to.Find(t.Context(), a, keys, nil); err == nil || fault.ClassOf(err) != fault.Transient {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestPrepare(t *testing.T) {
	a := newAccount(t)
	p, ok := a.to.(connector.Preparer)
	if !ok {
		t.Fatal("HubSpot's properties can be made")
	}
	change := by("lan@example.vn", fields{"loophub_new": "x"})
	if r := a.apply(change)[0]; r.Err == nil {
		t.Fatal("the property is there already")
	}
	for range 2 {
		if err := p.Prepare(t.Context(), a, []string{"firstname", "loophub_new", "loophub_segments", "not_ours"}); err != nil {
			t.Fatal(err)
		}
	}
	if r := a.apply(change)[0]; r.Err != nil {
		t.Error(r.Err)
	}
	if i := slices.IndexFunc(a.Writes(), func(w simulator.Write) bool { return w.Property == "loophub_new" }); i < 0 {
		t.Error("it was not written")
	}
	a.fault = func(simulator.Call) simulator.Fault { return simulator.Fault{Status: 403} }
	if err := p.Prepare(t.Context(), a, []string{"loophub_new"}); fault.ClassOf(err) != fault.Unauthorised {
		t.Errorf("without the scope: %v", err)
	}
}
