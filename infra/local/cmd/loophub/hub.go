package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"loophub/connectors/hubspot/simulator"
	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/stage"
	"loophub/infra/local/store"
	"loophub/infra/stack/snapshot"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

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
	made := local.Options{Handlers: stage.Handlers(simulated(systems)), Clock: c, Store: o.kept}
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
	if err := h.simulate(systems); err != nil {
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
	w, err := workspace.Parse(text, stage.Manifests(), validation.Checks(stage.Manifests())...)
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
	w, err := stage.Apply(ctx, h.cloud, text)
	if err == nil {
		h.workspace = w
	}
	return err
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

func (h *hub) token() string { return stage.Token(h.workspace.ID) }
