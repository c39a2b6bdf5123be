package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	connector "loophub/connectors"
	"loophub/connectors/shopify"
	"loophub/infra/local/stage"
)

// do does what a step says and tells in a few words what it was.
func (h *hub) do(ctx context.Context, s step) (did string, err error) {
	var r *http.Request
	switch {
	case s.Mail != "":
		return h.read(ctx, s)
	case s.Path != "":
		r, did, err = h.call(ctx, s)
	case s.Form != nil:
		r, err = h.form(ctx, s)
		did = s.Connection + " form post"
	case s.Connection != "":
		r, err = h.webhook(ctx, s)
		did = s.Connection + " " + s.Topic
	default:
		return "", fmt.Errorf("the step says nothing to do")
	}
	if err != nil {
		return "", err
	}
	status, answer, err := send(r)
	if err != nil {
		return "", err
	}
	if status != s.expected() {
		return "", fmt.Errorf("answered %d, not %d: %s", status, s.expected(), answer)
	}
	return fmt.Sprintf("%s → %d", did, status), nil
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

// call makes a request to the API.
func (h *hub) call(ctx context.Context, s step) (*http.Request, string, error) {
	path, err := h.named(ctx, s.Path)
	if err != nil {
		return nil, "", err
	}
	if s.Method == "" {
		s.Method = http.MethodPost
	}
	body, err := json.Marshal(h.kept(s.Body))
	if err != nil {
		return nil, "", fmt.Errorf("its body can't be JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, s.Method, h.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", "Bearer "+h.token())
	r.Header.Set("Content-Type", "application/json")
	return r, s.Method + " " + s.Path, nil
}

// address is where a connection's webhooks go.
func (h *hub) address(s step) (string, map[string]string, error) {
	c, ok := h.workspace.Connections[s.Connection]
	if !ok {
		return "", nil, fmt.Errorf("the workspace has no connection %q", s.Connection)
	}
	return h.url + "/hooks/" + h.workspace.ID + "/" + s.Connection, c.Settings, nil
}

func (h *hub) form(ctx context.Context, s step) (*http.Request, error) {
	address, settings, err := h.address(s)
	if err != nil {
		return nil, err
	}
	v := url.Values{}
	for k, text := range s.Form {
		v.Set(k, text)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(v.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", settings["allowed_origins"])
	return r, nil
}

func (h *hub) webhook(ctx context.Context, s step) (*http.Request, error) {
	address, settings, err := h.address(s)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(h.kept(s.Body))
	if err != nil {
		return nil, fmt.Errorf("its body can't be JSON: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	secret := connector.Secret(stage.Secret)
	if s.Forged {
		secret = "a stranger's secret"
	}
	name, signature := shopify.Sign(secret, body)
	for k, v := range map[string]string{"Content-Type": "application/json", name: signature, "X-Shopify-Topic": s.Topic,
		"X-Shopify-Webhook-Id": s.ID, "X-Shopify-Shop-Domain": settings["shop"]} {
		r.Header.Set(k, v)
	}
	return r, nil
}

// kept puts what earlier steps kept into the texts of a value: {code}.
func (h *hub) kept(v any) any {
	switch v := v.(type) {
	case string:
		for name, text := range h.memory {
			v = strings.ReplaceAll(v, "{"+name+"}", text)
		}
		return v
	case []any:
		l := make([]any, len(v))
		for n, one := range v {
			l[n] = h.kept(one)
		}
		return l
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, one := range v {
			m[k] = h.kept(one)
		}
		return m
	}
	return v
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

// person is an e-mail address in a story's path that stands for the profile's id.
var person = regexp.MustCompile(`\{([^}]+@[^}]+)\}`)

// named puts a profile's id where a path names a person by an e-mail address, and
// what was kept where it names that.
func (h *hub) named(ctx context.Context, path string) (string, error) {
	path, _ = h.kept(path).(string)
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
		return nil, errNotJSON
	}
	return v, nil
}
