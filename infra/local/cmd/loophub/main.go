// Command loophub runs the whole of Loophub on this machine, in one process and
// without an AWS account, and looks after workspaces on AWS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // a fresh machine may have no time zones

	"loophub/infra/local"
	"loophub/infra/local/clock"
	"loophub/infra/local/store"
)

const usage = `
usage: loophub COMMAND [FLAGS]

  run      start Loophub here, play the demo shop, and stay up
  story    play the demo shop, check every figure, and stop
  samples  send a folder of real payloads through, and compare with the table
  apply    upload a workspace file to the AWS account of the environment

  -workspace FILE   the workspace (run, story, apply); else the demo shop's
  -port N           where to listen (run); else 8080
  -data FOLDER      where everything is kept, to go on from there (run); else nothing is
  -dir FOLDER       the payloads (samples)
  -table, -name     Hub table and name of the deployment (apply)`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "loophub:", err)
		os.Exit(1)
	}
}

// options are what the commands take.
type options struct {
	port      int
	workspace string
	story     string
	dir       string
	deployed  string
	table     string
	data      string

	kept *store.Store // the data, opened; nil where nothing is kept

	// For tests.
	template []byte               // in the place of the committed one
	change   func(*local.Options) // of which the cloud is made
}

func command(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("name a command" + usage)
	}
	var o options
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.IntVar(&o.port, "port", 8080, "local port")
	f.StringVar(&o.workspace, "workspace", "testdata/demo/workspace.yaml", "workspace file")
	f.StringVar(&o.story, "story", "testdata/demo/story.yaml", "story file")
	f.StringVar(&o.data, "data", "", "folder of the data")
	f.StringVar(&o.dir, "dir", "", "folder of payloads")
	f.StringVar(&o.deployed, "name", "loophub", "name of the deployment on AWS")
	f.StringVar(&o.table, "table", "", "Hub table of the deployment on AWS")
	if err := f.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w%s", err, usage)
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is one word too many%s", f.Arg(0), usage)
	}
	if o.data != "" && args[0] != "run" {
		return fmt.Errorf("-data is for run: %s begins anew each time", args[0])
	}
	switch args[0] {
	case "run":
		return run(ctx, o, out)
	case "story":
		return story(ctx, o, out)
	case "samples":
		return sendSamples(ctx, o, out)
	case "apply":
		return apply(ctx, o, out)
	}
	return fmt.Errorf("there is no command %q%s", args[0], usage)
}

// demoWorkspace is the workspace that the story plays in.
const demoWorkspace = "testdata/demo/workspace.yaml"

// run plays the demo shop, in its own time, and then stays up on the wall clock
// until it is interrupted. A workspace of the reader's own comes up empty, and one
// that is kept as it was.
func run(ctx context.Context, o options, out io.Writer) error {
	var err error
	if o.kept, err = keep(o.data, out); err != nil {
		return err
	}
	err = live(ctx, o, out)
	// What went wrong with the data is why everything else did.
	if failed := o.kept.Err(); failed != nil && !errors.Is(failed, store.ErrClosed) {
		err = failed
	}
	return errors.Join(err, o.kept.Close())
}

func live(ctx context.Context, o options, out io.Writer) (err error) {
	t, c := tale{}, clock.Wall()
	if o.workspace == demoWorkspace && o.kept.Fresh() {
		if t, err = readStory(o.story); err != nil {
			return err
		}
		c = clock.WallFrom(t.Begins)
	}
	h, err := start(ctx, o, c)
	if err != nil {
		return err
	}
	defer func() { h.stop() }()
	fmt.Fprintf(out, "Loophub is up at %s, with the workspace %s%s.\n", h.url, h.workspace.ID, o.known())
	ctx, watched := h.watch(ctx)
	defer watched()
	if err := h.arrive(ctx, t, out); err != nil {
		return err
	}
	h.invite(out)
	h.follow(ctx, out)
	return nil
}

// arrive plays a story and lets time pass up to now. Whoever wants more time to pass
// meanwhile waits: what is under way would be from long ago when it comes to its end.
func (h *hub) arrive(ctx context.Context, t tale, out io.Writer) error {
	h.moving.Lock()
	defer h.moving.Unlock()
	if _, err := h.tell(ctx, t, false, out); err != nil {
		return err
	}
	return h.pass(ctx, time.Now())
}

// story plays the demo shop and compares what the API says with what it should.
// Its clock stands still but where the story lets time pass.
func story(ctx context.Context, o options, out io.Writer) error {
	t, err := readStory(o.story)
	if err != nil {
		return err
	}
	o.port = 0
	h, err := start(ctx, o, clock.Stopped(t.Begins))
	if err != nil {
		return err
	}
	defer func() { h.stop() }()
	wrong, err := h.tell(ctx, t, true, out)
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d checks of the story differ", wrong)
	}
	return nil
}
