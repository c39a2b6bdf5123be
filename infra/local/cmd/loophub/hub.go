package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

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
	"loophub/infra/local/lambda"
	"loophub/infra/local/store"
	"loophub/infra/stack/snapshot"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

// Secret and token of the local hub. They are public and protect nothing.
const (
	localSecret = "loophub-demo-secret"
	localToken  = ".demo-token-of-this-laptop" // after the workspace
)

// prefix is where the template says that parameters lie.
const prefix = "/loophub"

// stages are the functions of the template.
var stages = map[string]func(deps.Deps) (awslambda.Handler, error){
	"ingest": ingest.New, "unify": unify.New, "publish": publish.New, "segment": segment.New, "journey": journey.New, "message": message.New,
	"attribution": attribution.New, "writeback": writeback.New, "links": links.New, "api": api.New, "sweep": sweep.New,
}

// hub is Loophub at work on this machine.
type hub struct {
	cloud     *local.Cloud
	clock     *clock.Offset
	workspace workspace.Workspace
	hubspot   *simulator.Simulator // nil where the workspace writes to none
	store     *store.Store         // nil where nothing is kept
	url       string
	stop      func()

	memory map[string]string // what the story's steps kept
	moving sync.Mutex        // held while time passes

	mu    sync.Mutex
	lines []local.Line
	woken chan struct{}
}

// start brings the whole template up behind one local port, with one workspace, at
// the time that a clock shows.
func start(ctx context.Context, o options, c *clock.Offset) (*hub, error) {
	text, err := os.ReadFile(o.workspace)
	if err != nil {
		return nil, fmt.Errorf("reading the workspace file: %w", err)
	}
	listener, err := listen(ctx, o.port)
	if err != nil {
		return nil, err
	}
	systems, err := listen(ctx, 0)
	if err != nil {
		listener.Close()
		return nil, err
	}
	made := local.Options{Handlers: inProcess(simulated(systems)), Clock: c, Store: o.kept}
	if o.change != nil {
		o.change(&made)
	}
	h, err := keptHub(ctx, o, made, text, address(listener))
	if err != nil {
		listener.Close()
		systems.Close()
		return nil, err
	}
	if err := h.apply(ctx, text); err != nil {
		h.stop()
		listener.Close()
		systems.Close()
		return nil, named(o.workspace, err)
	}
	serve(h, listener, h.console())
	if err := h.simulate(ctx, systems); err != nil {
		h.stop()
		systems.Close()
		return nil, err
	}
	return h, nil
}

// keptHub starts a hub, and before it, where one is kept, the account that its
// workspace writes to: what is kept of it is read with all the rest.
func keptHub(ctx context.Context, o options, made local.Options, text []byte, url string) (*hub, error) {
	if o.kept == nil {
		return newHub(ctx, o.template, made, url)
	}
	w, err := workspace.Parse(text, manifests(), validation.Checks(manifests())...)
	if err != nil {
		return nil, named(o.workspace, err)
	}
	account, err := account(w, url, made.Clock.Now)
	if err != nil {
		return nil, err
	}
	if account != nil {
		account.Journal = o.kept.Attach("hubspot", account)
	}
	h, err := newHub(ctx, o.template, made, url)
	if err != nil {
		return nil, err
	}
	h.hubspot = account
	return h, nil
}

// address is what people write in a browser.
func address(l net.Listener) string {
	return "http://" + strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
}

func listen(ctx context.Context, port int) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use; choose another, such as: make run PORT=%d", port, port+1)
	}
	if err != nil {
		return nil, fmt.Errorf("opening port %d: %w", port, err)
	}
	return l, nil
}

// inProcess runs the stages as they are compiled into this program. What they write
// to outside systems goes to simulators: connector=URL.
func inProcess(systems string) map[string]lambda.Factory {
	handlers := map[string]lambda.Factory{}
	for stage, wire := range stages {
		handlers[stage] = told(systems, func(e lambda.Environment) (awslambda.Handler, error) { return wire(deps.Deps(e)) })
	}
	return handlers
}

// told tells a stage of simulators, which no template knows.
func told(systems string, start lambda.Factory) lambda.Factory {
	return func(e lambda.Environment) (awslambda.Handler, error) {
		getenv := e.Getenv
		e.Getenv = func(name string) string {
			if name == outbound {
				return systems
			}
			return getenv(name)
		}
		return start(e)
	}
}

// newHub starts the cloud, of the committed template if none is given, and from what its store has kept of it if there is
// one. Links in messages lead to that address.
func newHub(ctx context.Context, template []byte, o local.Options, url string) (*hub, error) {
	ctx, cancel := context.WithCancel(ctx)
	h := &hub{url: url, store: o.Store, clock: o.Clock, memory: map[string]string{}, woken: make(chan struct{}, 1)}
	h.stop = func() {
		// First, so that what is then cut short leaves no trace: it goes on with the next start.
		if err := o.Store.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "loophub: closing the data:", err)
		}
		cancel()
	}
	if template == nil {
		template = snapshot.Template()
	}
	tail := o.Tail
	o.Front, o.Tail = url+"/", func(l local.Line) {
		h.note(l)
		if tail != nil {
			tail(l)
		}
	}
	var err error
	if h.cloud, err = local.New(template, o); err != nil {
		cancel()
		return nil, err
	}
	if err := h.cloud.Start(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("starting the local cloud: %w", err)
	}
	return h, nil
}

// apply uploads a workspace file, and makes a secret for each connection and a token.
func (h *hub) apply(ctx context.Context, text []byte) error {
	w := writer(h)
	done, err := w.Apply(ctx, text)
	if err != nil {
		return err
	}
	h.workspace = done.Workspace
	for name := range done.Workspace.Connections {
		if err := w.SetSecrets(ctx, done.Workspace.ID, name, []connector.Secret{localSecret}); err != nil {
			return err
		}
	}
	return w.SetTokens(ctx, done.Workspace.ID, []string{done.Workspace.ID + localToken})
}

func writer(h *hub) *definition.Writer {
	account := h.cloud.Config("")
	return definition.NewWriter(dynamodb.NewFromConfig(account), ssm.NewFromConfig(account), h.table(), prefix, manifests(), demoKeys(), validation.Checks(manifests())...)
}

// demoKeys makes the local hub's identity keys: the same for everybody, so that
// ids and what hangs on them, such as the variants of a split, are too.
func demoKeys() io.Reader {
	return rand.NewChaCha8([32]byte([]byte("loophub on this laptop, unsecret")))
}

// table is the physical name of the Hub table.
func (h *hub) table() string {
	for _, t := range h.cloud.Stack().Tables {
		if t.LogicalID == "HubTable" {
			return t.Name
		}
	}
	return ""
}

func manifests() []connector.Manifest {
	var l []connector.Manifest
	for _, c := range all.Connectors() {
		l = append(l, c.Manifest)
	}
	return l
}

// named puts the file's name before each problem, as compilers do.
func named(file string, err error) error {
	var problems workspace.Problems
	if !errors.As(err, &problems) {
		return fmt.Errorf("applying %s: %w", file, err)
	}
	var b strings.Builder
	for _, p := range problems {
		place := filepath.ToSlash(file)
		for _, n := range []int{p.Line, p.Column} {
			if n > 0 {
				place += ":" + strconv.Itoa(n)
			}
		}
		b.WriteString("\n  " + place + ": " + p.Reason)
	}
	return fmt.Errorf("the workspace file is refused, nothing has changed:%s", b.String())
}

func (h *hub) token() string { return h.workspace.ID + localToken }
