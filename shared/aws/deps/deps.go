// Package deps is what the outside gives to a stage: everything else it makes
// itself, so that a stage runs alike on AWS and in the local cloud.
package deps

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Deps is what a stage's wiring starts from.
type Deps struct {
	Config aws.Config          // region, credentials, HTTP client
	Getenv func(string) string // os.Getenv, or the template's variables in the local cloud
	Now    func() time.Time
	Log    io.Writer // where log lines go; nil = standard output, which Lambda keeps
	Random io.Reader // nil = the machine's own
	// Transport carries requests to systems outside of AWS; nil = the open internet.
	Transport http.RoundTripper
}

// Output is where log lines go.
func (d Deps) Output() io.Writer {
	if d.Log == nil {
		return os.Stdout
	}
	return d.Log
}

// Float is a random number in [0, 1).
func (d Deps) Float() float64 {
	random := d.Random
	if random == nil {
		random = rand.Reader
	}
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil { // no source of chance ends
		panic(fmt.Errorf("reading a random number: %w", err))
	}
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}

// Pause gives a function that waits a random part of base, doubled with every
// attempt, or until ctx ends.
func (d Deps) Pause(base time.Duration) func(ctx context.Context, attempt int) error {
	return func(ctx context.Context, attempt int) error {
		return Wait(ctx, time.Duration(d.Float()*float64(base<<attempt)))
	}
}

// Wait waits for a time, or until ctx ends.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Variables reads variables and remembers the first that is not set.
type Variables struct {
	getenv func(string) string
	err    error
}

// Variables begins reading the environment.
func (d Deps) Variables() *Variables { return &Variables{getenv: d.Getenv} }

// Required reads one variable.
func (v *Variables) Required(name string) string {
	s := v.getenv(name)
	if s == "" && v.err == nil {
		v.err = fmt.Errorf("reading environment: %s is not set", name)
	}
	return s
}

// Err names the first variable that is missing.
func (v *Variables) Err() error { return v.err }
