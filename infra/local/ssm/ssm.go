// Package ssm is the Parameter Store of AWS Systems Manager.
package ssm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"loophub/infra/local/clock"
	"loophub/infra/local/dispatch"
	"loophub/infra/local/journal"
)

const (
	standardBytes = 4 << 10 // value of a standard parameter
	advancedBytes = 8 << 10
	maxVersions   = 100
	maxLevels     = 15
)

// Service holds parameters with their versions.
type Service struct {
	// Journal, if not nil, gets each new version. Set it before the first call.
	Journal journal.Journal

	clock  clock.Clock
	region string
	owner  string

	mu         sync.Mutex
	parameters map[string]*parameter
}

type parameter struct {
	kind, tier string
	versions   []version // newest last
}

type version struct {
	number int
	value  string
	at     time.Time
}

// New returns an empty store.
func New(c clock.Clock, region, account string) *Service {
	return &Service{clock: c, region: region, owner: account, parameters: map[string]*parameter{}}
}

type operation struct {
	serve func(*Service, dispatch.Call) (any, error)
	names func(request) []string
}

// request is what the operations' authorisation looks at.
type request struct {
	Name, Path string
	Names      []string
}

var operations = map[string]operation{
	"GetParameter":        {(*Service).getParameter, func(r request) []string { return []string{r.Name} }},
	"GetParameters":       {(*Service).getParameters, func(r request) []string { return r.Names }},
	"GetParametersByPath": {(*Service).getParametersByPath, func(r request) []string { return []string{r.Path} }},
	"PutParameter":        {(*Service).putParameter, func(r request) []string { return []string{r.Name} }},
}

// Operations lists what is implemented.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// Serve implements dispatch.Service.
func (s *Service) Serve(_ context.Context, c dispatch.Call) (dispatch.Reply, error) {
	op, ok := operations[c.Operation]
	if !ok {
		return dispatch.Reply{}, dispatch.Unimplemented(c)
	}
	out, err := op.serve(s, c)
	if err != nil {
		return dispatch.Reply{}, err
	}
	return dispatch.JSON(http.StatusOK, out)
}

// Needs implements dispatch.Service.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	op, ok := operations[c.Operation]
	if !ok {
		return nil, dispatch.Unimplemented(c)
	}
	var all struct {
		request
		Value, Type, Description, Tier, DataType, NextToken, AllowedPattern any
		Overwrite, WithDecryption, Recursive, MaxResults                    any
	}
	if err := dispatch.Decode(c.Body, &all); err != nil {
		return nil, err
	}
	var out []dispatch.Need
	for _, name := range op.names(all.request) {
		base, _, _ := strings.Cut(name, ":")
		out = append(out, dispatch.Need{Action: "ssm:" + c.Operation, Resource: s.arn(base)})
	}
	return out, nil
}

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:aws:ssm:%s:%s:parameter/%s", s.region, s.owner, strings.TrimPrefix(name, "/"))
}

// shape is a parameter in a reply.
type shape struct {
	Name             string
	Type             string
	Value            string
	Version          int
	Selector         string `json:",omitempty"`
	LastModifiedDate float64
	ARN              string
	DataType         string
}

func (s *Service) getParameter(c dispatch.Call) (any, error) {
	var in struct {
		Name           string
		WithDecryption bool
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.read(in.Name, in.WithDecryption)
	if err != nil {
		return nil, err
	}
	return struct{ Parameter shape }{p}, nil
}

func (s *Service) getParameters(c dispatch.Call) (any, error) {
	var in struct {
		Names          []string
		WithDecryption bool
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	if len(in.Names) < 1 || len(in.Names) > 10 {
		return nil, invalid("1 validation error detected: Value at 'names' failed to satisfy constraint: " +
			"Member must have length less than or equal to 10 and greater than or equal to 1")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := struct {
		Parameters        []shape
		InvalidParameters []string
	}{[]shape{}, []string{}}
	for _, name := range in.Names {
		if p, err := s.read(name, in.WithDecryption); err == nil {
			out.Parameters = append(out.Parameters, p)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

func (s *Service) getParametersByPath(c dispatch.Call) (any, error) {
	var in struct {
		Path           string
		Recursive      bool
		WithDecryption bool
		MaxResults     int
		NextToken      string
	}
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(in.Path, "/") {
		return nil, invalid("The parameter path must begin with a slash: " + in.Path)
	}
	if in.MaxResults == 0 {
		in.MaxResults = 10
	}
	if in.MaxResults < 1 || in.MaxResults > 10 {
		return nil, invalid("MaxResults must be between 1 and 10")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	prefix := strings.TrimSuffix(in.Path, "/") + "/"
	var names []string
	for name := range s.parameters {
		rest, below := strings.CutPrefix(name, prefix)
		if below && name > in.NextToken && (in.Recursive || !strings.Contains(rest, "/")) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, cmp.Compare[string])
	out := struct {
		Parameters []shape
		NextToken  string `json:",omitempty"`
	}{Parameters: []shape{}}
	for _, name := range names {
		if len(out.Parameters) == in.MaxResults {
			out.NextToken = out.Parameters[in.MaxResults-1].Name
			break
		}
		p, err := s.read(name, in.WithDecryption)
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, p)
	}
	return out, nil
}

// read finds a parameter, "name" or "name:version". The caller holds the lock.
func (s *Service) read(name string, decrypt bool) (shape, error) {
	base, selector, selected := strings.Cut(name, ":")
	p := s.parameters[base]
	if p == nil {
		// AWS sends this error without a message.
		return shape{}, &dispatch.Error{Code: "ParameterNotFound"}
	}
	v := p.versions[len(p.versions)-1]
	out := shape{Name: base, Type: p.kind, ARN: s.arn(base), DataType: "text"}
	if selected {
		n, err := strconv.Atoi(selector)
		i := slices.IndexFunc(p.versions, func(v version) bool { return v.number == n })
		if err != nil || i < 0 {
			return shape{}, &dispatch.Error{Code: "ParameterVersionNotFound",
				Message: fmt.Sprintf("Systems Manager could not find version %s of %s.", selector, base)}
		}
		v, out.Selector = p.versions[i], ":"+selector
	}
	out.Value, out.Version = v.value, v.number
	out.LastModifiedDate = float64(v.at.UnixMilli()) / 1000
	if p.kind == "SecureString" && !decrypt {
		sum := sha256.Sum256([]byte(v.value))
		out.Value = "LOCAL" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return out, nil
}

func invalid(message string) error {
	return &dispatch.Error{Code: "ValidationException", Message: message}
}
