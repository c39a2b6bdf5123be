// Package deps is what the outside gives to a stage: everything else it makes
// itself, so that a stage runs alike on AWS and in the local cloud.
package deps

import (
	"fmt"
	"io"
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
}

// Output is where log lines go.
func (d Deps) Output() io.Writer {
	if d.Log == nil {
		return os.Stdout
	}
	return d.Log
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
