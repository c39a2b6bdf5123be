package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"loophub/infra/local/clock"
)

var (
	seed  = flag.Uint64("seed", 1, "of the first shuffled story")
	times = flag.Int("stories", 3, "shuffled stories")
)

// people are whom the story is about, by how one asks for them.
var people = []string{"email=lan.nguyen@example.vn", "email=minh.le@example.vn", "email=hung.tran@example.vn", "phone=0912345678", "email=guest@haravan.com"}

// ending is what is compared: every byte of the views, and what was done once.
type ending map[string]string

// end reads everything that must not depend on order and copies, a few minutes later:
// who finds a record being written comes back after a while.
func (h *hub) end(ctx context.Context) (ending, error) {
	if err := h.pass(ctx, h.clock.Now().Add(4*time.Minute)); err != nil {
		return nil, err
	}
	e := ending{"mails": fmt.Sprint(len(h.cloud.Outbox().Mails()))}
	paths := []string{"/v1/journeys/win-back/report", "/v1/vouchers/come-back-10"}
	for _, p := range people {
		paths = append(paths, "/v1/profiles?"+p)
	}
	for _, path := range paths {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+path, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+h.token())
		status, b, err := send(r)
		if err != nil {
			return nil, err
		}
		e[path] = fmt.Sprint(status, " ", string(b))
	}
	for _, w := range h.hubspot.Writes() {
		if w.Same {
			e["written again"] += w.Property + " "
		}
	}
	for _, c := range h.hubspot.Contacts() {
		e["contact "+c.Properties["email"]] = fmt.Sprint(c.Properties)
	}
	return e, nil
}

// shuffled plays a story: what each act sends comes three times, in any order, and
// in several hands at once.
func (h *hub) shuffled(ctx context.Context, t tale, r *rand.Rand) ([]ending, error) {
	var endings []ending
	n := 0
	for _, a := range t.Acts {
		if err := h.begin(ctx, a, io.Discard); err != nil {
			return nil, err
		}
		var sends []step
		for _, s := range a.Steps {
			n++
			switch {
			case s.Check != "":
				continue
			case s.ID == "":
				s.ID = fmt.Sprintf("demo-%d", n)
			}
			if len(s.Keep) > 0 { // before anybody sends: it is read by many
				if _, err := h.do(ctx, step{Mail: s.Mail, Keep: s.Keep}); err != nil {
					return nil, err
				}
				s.Keep = nil
			}
			sends = append(sends, s, s, s)
		}
		r.Shuffle(len(sends), func(i, j int) { sends[i], sends[j] = sends[j], sends[i] })
		if err := h.together(ctx, sends, 1+r.IntN(4)); err != nil {
			return nil, err
		}
		e, err := h.end(ctx)
		if err != nil {
			return nil, err
		}
		endings = append(endings, e)
	}
	return endings, nil
}

// together does steps in so many hands.
func (h *hub) together(ctx context.Context, steps []step, hands int) error {
	work := make(chan step)
	failed := make(chan error, hands)
	var all sync.WaitGroup
	for range hands {
		all.Go(func() {
			for s := range work {
				if _, err := h.do(ctx, s); err != nil {
					select {
					case failed <- fmt.Errorf("%s: %w", s.Say, err):
					default: // one is enough
					}
				}
			}
		})
	}
	for _, s := range steps {
		work <- s
	}
	close(work)
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// TestShuffled: within each act the deliveries come three times each, in another
// order and side by side: the views are the same byte for byte, there is one mail,
// one voucher, and no field is written twice with the same value.
func TestShuffled(t *testing.T) {
	story, err := readStory(demo().story)
	if err != nil {
		t.Fatal(err)
	}
	play := func(play func(h *hub) ([]ending, error)) []ending {
		h, err := start(t.Context(), options{workspace: demo().workspace}, clock.Stopped(story.Begins))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { h.stop() }()
		endings, err := play(h)
		if err != nil {
			t.Fatal(err)
		}
		return endings
	}
	want := play(func(h *hub) (l []ending, err error) {
		n := 0
		for _, a := range story.Acts {
			if err := h.begin(t.Context(), a, io.Discard); err != nil {
				return nil, err
			}
			for _, s := range a.Steps {
				if n++; s.Say != "" {
					if err := h.play(t.Context(), n, s, io.Discard); err != nil {
						return nil, fmt.Errorf("%s: %w", s.Say, err)
					}
				}
			}
			e, err := h.end(t.Context())
			if err != nil {
				return nil, err
			}
			l = append(l, e)
		}
		return l, nil
	})
	for n := range uint64(*times) {
		got := play(func(h *hub) ([]ending, error) {
			return h.shuffled(t.Context(), story, rand.New(rand.NewPCG(*seed+n, 3)))
		})
		for act := range want {
			for what, is := range got[act] {
				if is != want[act][what] {
					t.Errorf("seed %d, act %q, %s:\n  shuffled %s\n  in order %s", *seed+n, story.Acts[act].Act, what, is, want[act][what])
				}
			}
		}
	}
}
