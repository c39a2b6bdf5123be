package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	connector "loophub/connectors"
	"loophub/connectors/shopify"
)

// step is one step of a story: a request, or a check of what is there.
type step struct {
	Say        string            `yaml:"say"`
	Connection string            `yaml:"connection"`
	Topic      string            `yaml:"topic"` // of a shop's webhook
	ID         string            `yaml:"id"`    // of the webhook; its place in the story if absent
	Body       any               `yaml:"body"`
	Form       map[string]string `yaml:"form"`
	Forged     bool              `yaml:"forged"` // signed with another secret
	Answer     int               `yaml:"answer"` // expected status; 0 = 200, or 303 for a form

	Check string `yaml:"check"`
	Get   string `yaml:"get"`
	Want  any    `yaml:"want"`
}

func readStory(file string) ([]step, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the story: %w", err)
	}
	var steps []step
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&steps); err != nil {
		return nil, fmt.Errorf("reading the story %s: %w", file, err)
	}
	return steps, nil
}

// tell plays the steps of a story, one line each, and tells how many of its
// checks differ; without checks it plays the requests alone.
func (h *hub) tell(ctx context.Context, steps []step, checks bool, out io.Writer) (wrong int, err error) {
	n := 0
	for _, s := range steps {
		if s.Say == "" && !checks {
			continue
		}
		n++
		if s.Say != "" {
			if err := h.play(ctx, n, s, out); err != nil {
				return wrong, err
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
	return wrong, nil
}

// play sends a step's request as its system would, waits until all is at rest,
// and prints what became of it.
func (h *hub) play(ctx context.Context, n int, s step, out io.Writer) error {
	if s.ID == "" {
		s.ID = fmt.Sprintf("demo-%d", n)
	}
	r, err := h.request(ctx, s)
	if err != nil {
		return fmt.Errorf("step %d, %s: %w", n, s.Say, err)
	}
	h.taken()
	status, answer, err := send(r)
	if err != nil {
		return fmt.Errorf("step %d, %s: %w", n, s.Say, err)
	}
	if status != s.expected() {
		return fmt.Errorf("step %d, %s: answered %d, not %d: %s", n, s.Say, status, s.expected(), answer)
	}
	if err := h.cloud.Idle(ctx); err != nil {
		return fmt.Errorf("waiting for rest: %w", err)
	}
	topic := s.Topic
	if topic == "" {
		topic = "form post"
	}
	fmt.Fprintf(out, "%3d  %s · %s %s → %d%s\n", n, s.Say, s.Connection, topic, status, h.became())
	return nil
}

func (s step) expected() int {
	switch {
	case s.Answer != 0:
		return s.Answer
	case s.Form != nil:
		return http.StatusSeeOther
	}
	return http.StatusOK
}

// became tells, from log and bus, what the last request led to.
func (h *hub) became() string {
	var stored, unified, profiles []string // ingest may log after unify: they run side by side
	var delivery string
	for _, l := range h.taken() {
		if l.Event {
			for _, p := range changed(l) {
				if !slices.Contains(profiles, p) {
					profiles = append(profiles, p)
				}
			}
			continue
		}
		var m line
		if json.Unmarshal([]byte(l.Text), &m) != nil {
			continue
		}
		switch l.Source {
		case "ingest":
			stored = append(stored, m.Msg)
		case "unify":
			unified = append(unified, m.Msg)
		default:
			continue
		}
		if m.Delivery != "" {
			delivery = m.Delivery
		}
	}
	text := " " + strings.Join(append(stored, unified...), ", ")
	if len(profiles) > 0 {
		text += " · profile " + strings.Join(profiles, " and ")
	}
	if delivery != "" {
		text += " · delivery " + delivery
	}
	return text
}

func (h *hub) request(ctx context.Context, s step) (*http.Request, error) {
	address := h.url + "/hooks/" + h.workspace.ID + "/" + s.Connection
	c, ok := h.workspace.Connections[s.Connection]
	if !ok {
		return nil, fmt.Errorf("the workspace has no connection %q", s.Connection)
	}
	if s.Form != nil {
		v := url.Values{}
		for k, text := range s.Form {
			v.Set(k, text)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(v.Encode()))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", c.Settings["allowed_origins"])
		return r, nil
	}
	body, err := json.Marshal(s.Body)
	if err != nil {
		return nil, fmt.Errorf("its body can't be JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	secret := connector.Secret(localSecret)
	if s.Forged {
		secret = "a stranger's secret"
	}
	name, signature := shopify.Sign(secret, body)
	for k, v := range map[string]string{"Content-Type": "application/json", name: signature, "X-Shopify-Topic": s.Topic,
		"X-Shopify-Webhook-Id": s.ID, "X-Shopify-Shop-Domain": c.Settings["shop"]} {
		r.Header.Set(k, v)
	}
	return r, nil
}

var client = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func send(r *http.Request) (int, []byte, error) {
	resp, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, b, err
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
	return differences("", s.Want, got), nil
}

// person is an e-mail address in a story's path that stands for the profile's id.
var person = regexp.MustCompile(`\{([^}]+)\}`)

// named puts a profile's id where a path names a person by an e-mail address.
func (h *hub) named(ctx context.Context, path string) (string, error) {
	m := person.FindStringSubmatch(path)
	if m == nil {
		return path, nil
	}
	got, err := h.get(ctx, "/v1/profiles?email="+url.QueryEscape(m[1]))
	if err != nil {
		return "", err
	}
	list, _ := got.(map[string]any)["profiles"].([]any)
	if len(list) != 1 {
		return "", fmt.Errorf("%s has %d profiles, not one", m[1], len(list))
	}
	return strings.Replace(path, m[0], fmt.Sprint(list[0].(map[string]any)["id"]), 1), nil
}

func (h *hub) get(ctx context.Context, path string) (any, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+h.token())
	status, b, err := send(r)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("GET %s answered %d: %s", path, status, b)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, errors.New("the answer is not JSON")
	}
	return v, nil
}

// differences compares: each field wanted must be there and equal, "*" stands
// for any text, and a list has just as many items as are wanted.
func differences(at string, want, got any) []string {
	var l []string
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: an object is wanted, it is %v", at, got)}
		}
		for _, k := range slices.Sorted(keys(w)) {
			l = append(l, differences(strings.TrimPrefix(at+"."+k, "."), w[k], g[k])...)
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			return []string{fmt.Sprintf("%s: %d items are wanted, there are %d: %v", at, len(w), len(g), g)}
		}
		for n := range w {
			l = append(l, differences(fmt.Sprintf("%s[%d]", at, n), w[n], g[n])...)
		}
	default:
		if text, ok := got.(string); want == "*" && ok && text != "" {
			return nil
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			return []string{fmt.Sprintf("%s: %v is wanted, it is %v", at, want, got)}
		}
	}
	return l
}
