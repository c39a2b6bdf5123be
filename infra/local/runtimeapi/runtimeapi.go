// Package runtimeapi runs compiled functions as Lambda does: each instance is a
// process of its own, which asks for its next event over HTTP. So the binaries
// that are deployed can be tried here, main function and all.
//
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, read 2026-11-22.
package runtimeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"

	"loophub/infra/local/lambda"
)

// Process gives instances that run a binary. endpoint is where the binary's SDK
// finds the local cloud, by its loopback door; variables are the names of those
// that it gets of its environment. Every instance ends with ctx.
func Process(ctx context.Context, binary, endpoint string, variables []string) lambda.Factory {
	return func(e lambda.Environment) (awslambda.Handler, error) {
		credentials, err := e.Config.Credentials.Retrieve(ctx)
		if err != nil {
			return nil, fmt.Errorf("finding the role's credentials: %w", err)
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("opening the runtime's port: %w", err)
		}
		i := &instance{events: make(chan event), failed: make(chan struct{})}
		command := exec.CommandContext(ctx, binary)
		command.Stdout, command.Stderr = e.Log, e.Log
		command.Env = []string{
			"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=" + e.Config.Region,
			"AWS_ACCESS_KEY_ID=" + credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + credentials.SecretAccessKey,
			"AWS_SESSION_TOKEN=" + credentials.SessionToken,
		}
		for _, name := range variables {
			if v := e.Getenv(name); v != "" {
				command.Env = append(command.Env, name+"="+v)
			}
		}
		if err := command.Start(); err != nil {
			listener.Close()
			return nil, fmt.Errorf("starting %s: %w", binary, err)
		}
		server := &http.Server{Handler: i, ReadHeaderTimeout: time.Second}
		go server.Serve(listener) //nolint:errcheck // it ends when the process has
		go func() {
			i.fail(fmt.Errorf("the process of %s has ended: %w", binary, ended(command.Wait())))
			server.Close()
		}()
		return i, nil
	}
}

// ended gives a reason also where a process ended of its own will.
func ended(err error) error {
	if err == nil {
		return errors.New("without an error")
	}
	return err
}

// instance is one process. It handles one event at a time, as Lambda does.
type instance struct {
	mu     sync.Mutex // one event at a time
	events chan event
	once   sync.Once
	failed chan struct{}
	reason error

	waiting sync.Map // request id → chan outcome
	count   int
}

type event struct {
	id       string
	payload  []byte
	deadline time.Time
}

type outcome struct {
	body []byte
	err  error
}

func (i *instance) fail(err error) {
	i.once.Do(func() { i.reason = err; close(i.failed) })
}

// Invoke hands the process an event and waits for its response.
func (i *instance) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.count++
	e := event{id: strconv.Itoa(i.count), payload: payload}
	e.deadline, _ = ctx.Deadline() // the local Lambda always sets one
	answer := make(chan outcome, 1)
	i.waiting.Store(e.id, answer)
	defer i.waiting.Delete(e.id)
	select {
	case i.events <- e:
	case <-i.failed:
		return nil, i.reason
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case o := <-answer:
		return o.body, o.err
	case <-i.failed:
		return nil, i.reason
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const api = "/2018-06-01/runtime/"

// ServeHTTP is the Runtime API.
func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, api)
	if !ok {
		http.NotFound(w, r)
		return
	}
	if path == "invocation/next" {
		i.next(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, lambda.MaxPayload+1))
	if err != nil {
		http.Error(w, "the body was cut", http.StatusBadRequest)
		return
	}
	if path == "init/error" {
		i.fail(fmt.Errorf("the function could not start: %s", body))
	} else if id, what, _ := strings.Cut(strings.TrimPrefix(path, "invocation/"), "/"); !i.answer(id, what, body) {
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	select {
	case e := <-i.events:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", e.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(e.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:local")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(e.payload) // a process that has gone is seen by its end
	case <-i.failed:
		http.Error(w, "the instance has ended", http.StatusGone)
	case <-r.Context().Done():
	}
}

func (i *instance) answer(id, what string, body []byte) bool {
	answer, ok := i.waiting.Load(id)
	if !ok {
		return false
	}
	o := outcome{body: body}
	switch what {
	case "response":
	case "error":
		o = outcome{err: fmt.Errorf("the function failed: %s", body)}
	default:
		return false
	}
	select {
	case answer.(chan outcome) <- o:
	default: // answered already
	}
	return true
}
