package cost

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/hubspot/simulator"
	api "loophub/functions/api/wiring"
	attribution "loophub/functions/attribution/wiring"
	ingest "loophub/functions/ingest/wiring"
	journey "loophub/functions/journey/wiring"
	links "loophub/functions/links/wiring"
	message "loophub/functions/message/wiring"
	publish "loophub/functions/publish/wiring"
	segment "loophub/functions/segment/wiring"
	sweep "loophub/functions/sweep/wiring"
	unify "loophub/functions/unify/wiring"
	writeback "loophub/functions/writeback/wiring"
	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/lambda"
	"loophub/infra/local/meter"
	"loophub/infra/stack/snapshot"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/validation"
)

const (
	id     = "priced"
	secret = "a-secret-of-the-test"
)

var start = time.Date(2026, 11, 2, 3, 0, 0, 0, time.UTC)

var stages = map[string]func(deps.Deps) (awslambda.Handler, error){
	"ingest": ingest.New, "unify": unify.New, "publish": publish.New, "segment": segment.New, "journey": journey.New,
	"message": message.New, "attribution": attribution.New, "writeback": writeback.New, "links": links.New, "api": api.New,
	"sweep": sweep.New,
}

// world is the whole hub with one workspace, in a bubble. It is its own driver: what runs by itself runs one piece at a
// time, in an order that hangs on nothing but the pieces' names. So a batch holds what there is to be held, and every count
// is the same in every run.
type world struct {
	*local.Cloud
	t      *testing.T
	clock  *clock.Offset
	crm    *simulator.Simulator
	sparse bool

	mu      sync.Mutex
	waiting []piece
	turns   int            // pieces of work that were let go on
	outside map[string]int // calls to outside systems, by function
	mix     mix
}

// piece is a piece of work that waits for its turn.
type piece struct {
	name string
	go_  chan struct{}
}

// newWorld makes the hub. Sparse: every batch holds one item, whatever there is.
func newWorld(t *testing.T, sparse bool) *world {
	t.Helper()
	w := &world{t: t, clock: clock.Stopped(start), sparse: sparse, outside: map[string]int{}}
	handlers := map[string]lambda.Factory{}
	for name, wire := range stages {
		handlers[name] = func(e lambda.Environment) (awslambda.Handler, error) { return wire(deps.Deps(e)) }
	}
	var err error
	w.Cloud, err = local.New(w.template(), local.Options{Handlers: handlers, Clock: w.clock, Driver: w, Tail: w.see})
	w.must(err)
	w.must(w.Start(t.Context()))
	text, err := os.ReadFile("testdata/workspace.yaml")
	w.must(err)
	account := w.Config("")
	d := definition.NewWriter(dynamodb.NewFromConfig(account), ssm.NewFromConfig(account), w.hub(), "/loophub", manifests(),
		rand.NewChaCha8([32]byte{}), validation.Checks(manifests())...)
	done, err := d.Apply(t.Context(), text)
	w.must(err)
	for name := range done.Workspace.Connections {
		w.must(d.SetSecrets(t.Context(), id, name, []connector.Secret{secret}))
	}
	w.must(d.SetCredentials(t.Context(), id, "crm", map[string]string{"access_token": secret}))
	w.crm, err = simulator.New(simulator.Config{Token: secret, App: "4711", Secret: secret, Now: w.clock.Now, Requests: 1 << 30,
		Properties: []string{"loophub_segments", "loophub_last_campaign"}})
	w.must(err)
	w.rest()
	return w
}

// template is what is deployed, but for two things. What SES tells of a mail, and the CRM of a change, are webhooks of their
// own: they are switched off, since the mix speaks of orders. And in a sparse world batches hold one item.
func (w *world) template() []byte {
	w.t.Helper()
	var stack map[string]any
	w.must(json.Unmarshal(snapshot.Template(), &stack))
	resources := stack["Resources"].(map[string]any)
	for name, r := range resources {
		switch r := r.(map[string]any); r["Type"] {
		case "AWS::SES::ConfigurationSetEventDestination":
			delete(resources, name)
		case "AWS::Lambda::EventSourceMapping":
			if w.sparse {
				r["Properties"].(map[string]any)["BatchSize"] = 1
			}
		}
	}
	text, err := json.Marshal(stack)
	w.must(err)
	return text
}

func manifests() []connector.Manifest {
	var l []connector.Manifest
	for _, c := range all.Connectors() {
		l = append(l, c.Manifest)
	}
	return l
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) hub() string {
	for _, t := range w.Stack().Tables {
		if t.LogicalID == "HubTable" {
			return t.Name
		}
	}
	return ""
}

// Pass implements local.Driver: every call is served.
func (w *world) Pass(_ context.Context, c dispatch.Call, serve func(dispatch.Call) dispatch.Reply, _ func(*dispatch.Error) dispatch.Reply) (dispatch.Reply, error) {
	return serve(c), nil
}

// Ended implements local.Driver: every result is heard.
func (w *world) Ended(_ dispatch.Invocation, _ []byte, r lambda.Result) lambda.Result { return r }

// Pick implements local.Driver: the oldest message first.
func (w *world) Pick(int) int { return 0 }

// Adapt implements local.Driver: chance is the same in every run, and the CRM is a simulator.
func (w *world) Adapt(instance string, e *lambda.Environment) {
	e.Random = rand.NewChaCha8([32]byte([]byte(instance + strings.Repeat(".", 32))[:32]))
	name, _, _ := strings.Cut(instance, "/")
	e.Transport = transport(func(r *http.Request) (*http.Response, error) {
		w.mu.Lock()
		w.outside[name]++
		w.mu.Unlock()
		return w.crm.RoundTrip(r)
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Turn implements local.Driver.
func (w *world) Turn(name string) {
	p := piece{name, make(chan struct{})}
	w.mu.Lock()
	w.waiting = append(w.waiting, p)
	w.mu.Unlock()
	<-p.go_
}

// order of the stages in which what waits goes on: each finds all that those before it have for it. Writeback comes before
// journey and message, so that what a CRM is shown in two steps is written in two.
var order = []string{"→ Loophub-Unify", "→ Loophub-Publish", "events", "→ Loophub-Segment", "→ Loophub-Writeback",
	"→ Loophub-Journey", "→ Loophub-Message", "→ Loophub-Attribution"}

func rank(name string) int {
	if i := slices.IndexFunc(order, func(s string) bool { return strings.Contains(name, s) }); i >= 0 {
		return i
	}
	return len(order)
}

// next lets one piece of work go on; false when none waits.
func (w *world) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		return false
	}
	first := slices.MinFunc(w.waiting, func(a, b piece) int {
		if a, b := rank(a.name), rank(b.name); a != b {
			return a - b
		}
		return strings.Compare(a.name, b.name)
	})
	w.waiting = slices.DeleteFunc(w.waiting, func(p piece) bool { return p == first })
	w.turns++
	close(first.go_)
	return true
}

// while lets the hub work, piece by piece, while do runs and until all is at rest.
func (w *world) while(do func() error) {
	w.t.Helper()
	var done bool
	var err error
	go func() {
		err = do()
		if err == nil {
			err = w.Idle(w.t.Context())
		}
		done = true
	}()
	for !done {
		synctest.Wait()
		if !w.next() && !done {
			time.Sleep(time.Millisecond) // somebody waits for the bubble's time
		}
		synctest.Wait()
	}
	w.must(err)
}

func (w *world) rest() { w.t.Helper(); w.while(func() error { return nil }) }

// send brings a request to the front door.
func (w *world) send(r *http.Request) {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.FrontDoor().ServeHTTP(rec, r)
	if resp := rec.Result(); resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("%s answered %d %s", r.URL, resp.StatusCode, body)
	}
}

// used is what was used so far, by stage, with calls to outside systems.
func (w *world) used() meter.Sheet {
	sheet := w.Used()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.Stack().Functions {
		if n := w.outside[f.Name]; n > 0 {
			sheet[meter.Key{Who: f.Stage, Service: meter.Outside}] = meter.Use{Calls: n, Billed: n}
		}
	}
	return sheet
}

// hour lets an hour pass in which nothing happens.
func (w *world) hour() {
	w.t.Helper()
	w.while(func() error { return w.Advance(w.t.Context(), time.Hour) })
}

// alarms counts those of the template.
func (w *world) alarms() (n int) {
	w.t.Helper()
	var stack struct {
		Resources map[string]struct{ Type string }
	}
	w.must(json.Unmarshal(snapshot.Template(), &stack))
	for _, r := range stack.Resources {
		if r.Type == "AWS::CloudWatch::Alarm" {
			n++
		}
	}
	return n
}

func isQueue(arn string) bool { return strings.HasPrefix(arn, "arn:aws:sqs:") }
