package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// tale is a story: what happens, in order, and what is true then.
type tale struct {
	Begins time.Time `yaml:"begins"` // what the clock shows at first
	Acts   []act     `yaml:"acts"`
}

// act is a part of a story. What it sends may come in any order, and several
// times: what its checks find is the same.
type act struct {
	Act   string    `yaml:"act"`
	At    time.Time `yaml:"at"` // time passes up to then first
	Steps []step    `yaml:"steps"`
}

// step is one step of a story: something that is done, or a check of what is there.
type step struct {
	Say string `yaml:"say"`

	// A webhook or a form post of a connected system.
	Connection string            `yaml:"connection"`
	Topic      string            `yaml:"topic"` // of a shop's webhook
	ID         string            `yaml:"id"`    // of the webhook; its place in the story if absent
	Form       map[string]string `yaml:"form"`
	Forged     bool              `yaml:"forged"` // signed with another secret

	// A request to the API.
	Method string `yaml:"method"` // POST if absent
	Path   string `yaml:"path"`

	// What somebody does with the newest message that they got.
	Mail        string            `yaml:"mail"` // whose
	Open        bool              `yaml:"open"`
	Click       string            `yaml:"click"`       // words of the link that is followed
	Unsubscribe bool              `yaml:"unsubscribe"` // by the mail program's button
	Keep        map[string]string `yaml:"keep"`        // name → regular expression over the text; {name} stands for it from then on

	Body   any `yaml:"body"`
	Answer int `yaml:"answer"` // expected status; 0 = the usual one

	Check string `yaml:"check"`
	Get   string `yaml:"get"`
	Want  any    `yaml:"want"`
}

func readStory(file string) (tale, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return tale{}, fmt.Errorf("reading the story: %w", err)
	}
	var t tale
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		return tale{}, fmt.Errorf("reading the story %s: %w", file, err)
	}
	if t.Begins.IsZero() || len(t.Acts) == 0 {
		return tale{}, fmt.Errorf("reading the story %s: begins: or acts: is missing there", file)
	}
	return t, nil
}

// tell plays a story, one line for each step, and tells how many of its checks
// differ; without checks it plays the rest alone.
func (h *hub) tell(ctx context.Context, t tale, checks bool, out io.Writer) (wrong int, err error) {
	n := 0
	for _, a := range t.Acts {
		if err := h.begin(ctx, a, out); err != nil {
			return wrong, fmt.Errorf("act %q: %w", a.Act, err)
		}
		for _, s := range a.Steps {
			if s.Say == "" && !checks {
				continue
			}
			n++
			if s.Say != "" {
				if err := h.play(ctx, n, s, out); err != nil {
					return wrong, fmt.Errorf("step %d, %s: %w", n, s.Say, err)
				}
				continue
			}
			differ, err := h.check(ctx, s)
			if err != nil {
				return wrong, fmt.Errorf("step %d, %s: %w", n, s.Check, err)
			}
			if len(differ) == 0 {
				fmt.Fprintf(out, "%3d  ✓ %s\n", n, s.Check)
				continue
			}
			wrong++
			fmt.Fprintf(out, "%3d  ✗ %s · GET %s\n       %s\n", n, s.Check, s.Get, strings.Join(differ, "\n       "))
		}
	}
	return wrong, nil
}

// begin lets time pass up to an act and prints its title.
func (h *hub) begin(ctx context.Context, a act, out io.Writer) error {
	h.taken()
	if err := h.pass(ctx, a.At); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n     %s · %s\n", h.local(h.clock.Now()), a.Act)
	if became := h.became(); became != "" {
		fmt.Fprintf(out, "     meanwhile:%s\n", became)
	}
	return nil
}

// play does what a step says, waits until all is at rest, and prints what became of it.
func (h *hub) play(ctx context.Context, n int, s step, out io.Writer) error {
	if s.ID == "" {
		s.ID = fmt.Sprintf("demo-%d", n)
	}
	h.taken()
	did, err := h.do(ctx, s)
	if err != nil {
		return err
	}
	if err := h.rest(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%3d  %s · %s%s\n", n, s.Say, did, h.became())
	return nil
}

// check reads the API and gives what differs from what the step wants.
func (h *hub) check(ctx context.Context, s step) ([]string, error) {
	path, err := h.named(ctx, s.Get)
	if err != nil {
		return nil, err
	}
	got, err := h.get(ctx, path)
	if err != nil {
		return nil, err
	}
	return differences("", h.kept(s.Want), got), nil
}

// local writes a moment as people of the workspace read it.
func (h *hub) local(t time.Time) string {
	if zone, err := time.LoadLocation(h.workspace.Zone); err == nil {
		t = t.In(zone)
	}
	return t.Format("Mon 2 January 2006, 15:04")
}

var errNotJSON = errors.New("the answer is not JSON")
