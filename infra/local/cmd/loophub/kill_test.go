//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"loophub/infra/local/stage"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

// The environment of a hub that is a process of its own: this test's binary.
const (
	childData      = "LOOPHUB_TEST_DATA"
	childWorkspace = "LOOPHUB_TEST_WORKSPACE"
	childRoom      = "LOOPHUB_TEST_ROOM" // how many bytes its disk still has, once it is up
)

func TestMain(m *testing.M) {
	if os.Getenv(childData) == "" {
		os.Exit(m.Run())
	}
	args := []string{"run", "-port", "0", "-data", os.Getenv(childData), "-workspace", os.Getenv(childWorkspace)}
	if err := command(context.Background(), args, narrow{os.Stdout}); err != nil {
		fmt.Fprintln(os.Stdout, err)
		os.Exit(1)
	}
}

// narrow fills the disk up as soon as the hub says that it is up.
type narrow struct{ io.Writer }

func (n narrow) Write(line []byte) (int, error) {
	room, err := strconv.ParseUint(os.Getenv(childRoom), 10, 64)
	if err == nil && bytes.HasPrefix(line, []byte(up)) {
		var info os.FileInfo
		if info, err = os.Stat(filepath.Join(os.Getenv(childData), "loophub.log")); err == nil {
			limit := uint64(info.Size()) + room
			err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit})
		}
		if err != nil {
			return 0, err
		}
	}
	return n.Writer.Write(line)
}

const up = "Loophub is up at "

// process is a hub that can be killed.
type process struct {
	*exec.Cmd
	url   string
	mu    sync.Mutex
	lines []string
	ended chan struct{} // closed when its output ends
}

func launch(t *testing.T, dir, workspace string, room int) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$"), ended: make(chan struct{})}
	p.Env = append(os.Environ(), childData+"="+dir, childWorkspace+"="+workspace)
	if room > 0 {
		p.Env = append(p.Env, fmt.Sprint(childRoom, "=", room))
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Stderr = p.Stdout
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	started := make(chan string, 1)
	go func() {
		defer close(p.ended)
		defer close(started)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, s.Text())
			p.mu.Unlock()
			if rest, ok := strings.CutPrefix(s.Text(), up); ok {
				address, _, _ := strings.Cut(rest, ",")
				started <- address
			}
		}
	}()
	if p.url = <-started; p.url == "" {
		t.Fatalf("the hub does not start: %q", p.said())
	}
	return p
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// kill ends the process at once, and returns when it is gone.
func (p *process) kill() {
	_ = p.Process.Kill() // it may have ended by itself
	<-p.ended
	_ = p.Wait() // it was killed, which is an error
}

// siege posts steps to a hub that dies again and again.
type siege struct {
	t         *testing.T
	rand      *rand.Rand
	dir, file string
	workspace workspace.Workspace

	mu      sync.Mutex
	pending [][]step // of each person, in order
	deaths  int
	full    int // deaths by a full disk
}

func (s *siege) hub(p *process) *hub {
	return &hub{url: p.url, workspace: s.workspace, memory: map[string]string{}}
}

// take gives the next person with steps that nobody has acknowledged.
func (s *siege) take() []step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return nil
	}
	next := s.pending[0]
	s.pending = s.pending[1:]
	return next
}

func (s *siege) giveBack(rest []step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, rest)
}

// round lets a hub live until it has acknowledged so many steps, or its disk is full; 0 and 0 is until all is done.
func (s *siege) round(acknowledge, room int) {
	s.t.Helper()
	p := launch(s.t, s.dir, s.file, room)
	h := s.hub(p)
	var acknowledged atomic.Int64
	var hands sync.WaitGroup
	for range 3 {
		hands.Go(func() {
			for person := s.take(); person != nil; person = s.take() {
				for len(person) > 0 {
					if _, err := h.do(s.t.Context(), person[0]); err != nil {
						s.giveBack(person)
						return
					}
					person = person[1:]
					if n := acknowledged.Add(1); acknowledge > 0 && n == int64(acknowledge) {
						_ = p.Process.Kill() // in the middle of what the others and the stages are doing
					}
				}
			}
		})
	}
	hands.Wait()
	if room > 0 && len(s.pending) > 0 {
		select {
		case <-p.ended: // by itself: a hub that can't keep anything does not stay up
		case <-s.t.Context().Done():
		}
		if said := p.said(); !strings.Contains(said, "file too large") {
			s.t.Errorf("a hub with a full disk said %s", said)
		}
		s.full++
	}
	p.kill()
	s.deaths++
}

// storm posts steps and kills the hub some times meanwhile; the last hub of all gets the rest.
func (s *siege) storm(steps [][]step, deaths int) {
	s.t.Helper()
	s.pending = steps
	for n := 0; n < deaths && len(s.pending) > 0; n++ {
		if n%3 == 2 {
			s.round(0, 1+s.rand.IntN(20_000))
		} else {
			s.round(1+s.rand.IntN(8), 0)
		}
	}
	if len(s.pending) > 0 {
		s.round(0, 0)
	}
	if len(s.pending) > 0 {
		s.t.Fatalf("%d persons are left", len(s.pending))
	}
}

// customer is a customer of the shop, who wants the newsletter.
func customer(n int, at string) []step {
	email := buyer(n)
	return []step{
		{Connection: "shop", Topic: "customers/create", ID: fmt.Sprint("customer-", n), Body: object{"id": 1000 + n, "email": email,
			"first_name": "Lan", "state": "enabled", "verified_email": true, "created_at": at, "updated_at": at}},
		{Connection: "shop", Topic: "customers_email_marketing_consent/update", ID: fmt.Sprint("consent-", n), Body: object{"customer_id": 1000 + n,
			"email_address": email, "email_marketing_consent": object{"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": at}}},
	}
}

func buyer(n int) string  { return fmt.Sprintf("buyer%d@example.vn", n) }
func reader(n int) string { return fmt.Sprintf("reader%d@example.vn", n) }

// order is the first order of a customer, told three times.
func order(n int, at string) []step {
	one := step{Connection: "shop", Topic: "orders/create", ID: fmt.Sprint("order-", n), Body: object{"id": 5000 + n, "name": fmt.Sprint("#", n),
		"email": buyer(n), "customer": object{"id": 1000 + n, "email": buyer(n)}, "currency": "VND", "total_price": "450000",
		"financial_status": "paid", "source_name": "web", "test": false, "created_at": at, "processed_at": at, "updated_at": at,
		"line_items": list{object{"id": 9000 + n, "sku": "TS-100", "title": "Trà sen", "quantity": 2, "price": "225000"}}}}
	return []step{one, one, one}
}

func form(n int) []step {
	return []step{{Connection: "website", Form: map[string]string{"key": "pk_tra_sen", "email": reader(n), "name": "Nguyễn Bạn", "newsletter": "on"}}}
}

// siegedWorkspace is the demo shop with a journey that mails to everybody with a first order.
func siegedWorkspace(t *testing.T) (string, workspace.Workspace) {
	t.Helper()
	text, err := os.ReadFile(demo().workspace)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), "\njourneys:\n")
	_, tail, ok2 := strings.Cut(rest, "\ndestinations:\n")
	if !ok1 || !ok2 {
		t.Fatal("the demo shop has no journeys and destinations")
	}
	quiet := `  quiet_hours: {from: "21:00", to: "08:00"}` + "\n" // by the wall's clock: mails go while hubs die
	if !strings.Contains(head, quiet) {
		t.Fatal("the demo shop has no quiet hours")
	}
	text = []byte(strings.Replace(head, quiet, "", 1) + "\njourneys:\n  welcome:\n    about: Thanks\n    trigger: {entered: first-time}\n    re_entry: never\n" +
		"    steps:\n      - send: come-back-plain\ndestinations:\n" + tail)
	file := filepath.Join(t.TempDir(), "workspace.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := workspace.Parse(text, stage.Manifests(), validation.Checks(stage.Manifests())...)
	if err != nil {
		t.Fatal(named(file, err))
	}
	return file, w
}

// TestKilledAgainAndAgain: a hub that keeps its data is killed while it takes webhooks in, by kill -9 and by a disk that is
// full in the middle of a record. At the end every acknowledged delivery is in its profile, orders count once, nobody got
// a mail twice, and whoever got none has one of which nobody can know whether it was sent.
func TestKilledAgainAndAgain(t *testing.T) {
	s := &siege{t: t, rand: rand.New(rand.NewPCG(*seed, 1)), dir: t.TempDir()}
	s.file, s.workspace = siegedWorkspace(t)
	const buyers, readers = 10, 6
	at := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	var people, orders [][]step
	for n := range buyers {
		people = append(people, customer(n, at))
		orders = append(orders, order(n, at))
	}
	for n := range readers {
		people = append(people, form(n))
	}
	deaths := 5
	if testing.Short() {
		deaths = 3
	}
	s.storm(people, deaths)
	s.let("30m") // who buys before the consent is known gets no mail
	s.storm(orders, deaths)
	p := s.let("24h")
	h := s.hub(p)
	for n := range readers {
		s.sees(h, "/v1/profiles?email="+url.QueryEscape(reader(n)), object{"profiles": list{object{"orders": object{"count": 0}}}})
	}
	unknown := 0
	for n := range buyers {
		unknown += s.bought(h, n)
	}
	if unknown > s.deaths {
		t.Errorf("%d mails of which nobody knows, after %d deaths", unknown, s.deaths)
	}
	s.sees(h, "/v1/deliveries?status=parked", object{"deliveries": list{}})
	if contacts := s.get(h, "/simulators/hubspot/writes")["contacts"]; contacts != float64(buyers+readers) {
		t.Errorf("%v contacts in the CRM, want %d", contacts, buyers+readers)
	}
	t.Logf("%d deaths, %d of them by a full disk; %d mails of which nobody knows", s.deaths, s.full, unknown)
}

// let starts a hub, comes to rest there and lets time pass.
func (s *siege) let(d string) *process {
	s.t.Helper()
	p := launch(s.t, s.dir, s.file, 0)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, p.url+"/clock", strings.NewReader(`{"advance":"`+d+`"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	status, answer, err := send(r)
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("letting %s pass: %d %s %v\n%s", d, status, answer, err, p.said())
	}
	if d == "30m" {
		p.kill()
	}
	return p
}

func (s *siege) sees(h *hub, path string, want any) {
	s.t.Helper()
	differ, err := h.check(s.t.Context(), step{Get: path, Want: want})
	if err != nil || len(differ) > 0 {
		s.t.Errorf("%s: %v %v", path, differ, err)
	}
}

func (s *siege) get(h *hub, path string) map[string]any {
	s.t.Helper()
	got, err := h.get(s.t.Context(), path)
	m, ok := got.(map[string]any)
	if err != nil || !ok {
		s.t.Fatalf("%s: %v %v", path, got, err)
	}
	return m
}

// bought checks a customer with one order; it is 1 where nobody knows whether the mail was sent.
func (s *siege) bought(h *hub, n int) int {
	s.t.Helper()
	s.sees(h, "/v1/profiles?email="+url.QueryEscape(buyer(n)), object{"profiles": list{object{
		"orders": object{"count": 1, "revenue": list{object{"currency": "VND", "net": 450000}}}}}})
	path, err := h.named(s.t.Context(), "/v1/profiles/{"+buyer(n)+"}/messages")
	if err != nil {
		s.t.Fatal(err)
	}
	messages, _ := s.get(h, path)["messages"].([]any)
	mails, _ := s.get(h, "/outbox?to="+url.QueryEscape(buyer(n)))["mails"].([]any)
	text, err := json.Marshal(messages)
	if err != nil {
		s.t.Fatal(err)
	}
	var sent []struct{ Status string }
	if err := json.Unmarshal(text, &sent); err != nil || len(sent) != 1 {
		s.t.Errorf("%s: %d messages, want one: %s", buyer(n), len(sent), text)
		return 0
	}
	switch status := sent[0].Status; {
	case status == "sent" && len(mails) == 1:
		return 0
	case status == "unknown" && len(mails) == 0:
		return 1
	default:
		s.t.Errorf("%s: message %s, %d mails", buyer(n), text, len(mails))
		return 0
	}
}
