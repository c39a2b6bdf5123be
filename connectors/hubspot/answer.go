package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	connector "loophub/connectors"
	"loophub/shared/fault"
)

// answer is HubSpot's reply to a batch, or to anything that it refuses.
type answer struct {
	status   int
	Category string    `json:"category"`
	Message  string    `json:"message"` // may quote values: read, never told
	Results  []object  `json:"results"`
	Errors   []problem `json:"errors"`
}

type object struct {
	ID         string             `json:"id"`
	New        bool               `json:"new"`
	Properties map[string]*string `json:"properties"`
}

// found gives the fields that were asked for; what is not set is "".
func (o object) found(fields []string) connector.Found {
	f := connector.Found{Record: o.ID, Fields: map[string]string{}}
	for _, name := range fields {
		f.Fields[name] = ""
		if v := o.Properties[name]; v != nil {
			f.Fields[name] = *v
		}
	}
	return f
}

type problem struct {
	Category string              `json:"category"`
	Code     string              `json:"code"`
	Message  string              `json:"message"`
	Context  map[string][]string `json:"context"`
	Errors   []problem           `json:"errors"`
}

// call sends one request. Its error is for replies by which nothing is known of
// single contacts.
func call(ctx context.Context, do connector.Doer, path string, body any) (answer, error) {
	var a answer
	text, err := json.Marshal(body)
	if err != nil {
		return a, fault.As(fault.Permanent, fmt.Errorf("encoding a request: %w", err))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(text))
	if err != nil {
		return a, fault.As(fault.Permanent, fmt.Errorf("making a request: %w", err))
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	response, err := do.Do(r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	if err != nil {
		return a, fault.As(fault.Transient, fmt.Errorf("reading a reply: %w", err))
	}
	readable := json.Unmarshal(text, &a) == nil
	a.status = response.StatusCode
	switch s := response.StatusCode; {
	case s == http.StatusUnauthorized:
		return a, fault.New(fault.Unauthorised, "HubSpot does not accept the access token: renew the connection's credentials")
	case s == http.StatusForbidden:
		return a, fault.New(fault.Unauthorised, "the app may not do this: give it the scopes that the connector's README names")
	case s == http.StatusLocked: // written was nothing, and somebody else is at work
		return a, fault.New(fault.Throttled, "HubSpot has locked what is written to")
	case s == http.StatusRequestTimeout || s >= 500:
		return a, fault.New(fault.Transient, "HubSpot answers %d", s)
	case s < 300 && !readable:
		return a, fault.New(fault.Transient, "HubSpot's reply can't be read")
	}
	return a, nil
}

// Categories and codes of errors.
const (
	notFound   = "OBJECT_NOT_FOUND"
	conflict   = "CONFLICT"
	rates      = "RATE_LIMITS"
	noProperty = "PROPERTY_DOESNT_EXIST"
)

// class says what may be done about a refusal of the whole call.
func (a answer) class() error {
	if a.status == http.StatusConflict && a.Category == "" {
		a.Category = conflict
	}
	return problem{Category: a.Category, Message: a.Message, Errors: a.Errors}.class()
}

// class says what may be done about an error, in words that hold no value.
func (p problem) class() error {
	switch {
	case p.Category == notFound:
		return fault.As(fault.Permanent, fmt.Errorf("HubSpot: %w; it was deleted or merged there", connector.ErrGone))
	case p.Category == conflict:
		return fault.New(fault.Permanent, "another contact at HubSpot has this e-mail address: merge the two there")
	case p.Category == rates:
		return fault.New(fault.Throttled, "HubSpot asks to wait")
	case strings.Contains(p.Category, "INTERNAL") || strings.Contains(p.Category, "TIMEOUT") || strings.Contains(p.Category, "UNAVAILABLE"):
		return fault.New(fault.Transient, "HubSpot failed over the contact")
	}
	if l := p.lacking(); len(l) > 0 {
		return fault.New(fault.Permanent, "HubSpot has no contact property %s: create it there, or take it out of the destination", strings.Join(l, ", "))
	}
	words := append([]string{safe(p.Category)}, p.details()...)
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	return fault.As(fault.Permanent, errors.New("HubSpot refuses the contact: "+strings.Join(words, ", ")))
}

// details are the codes and properties that an error names.
func (p problem) details() []string {
	var l []string
	for _, e := range append(p.Errors, problem{Code: p.Code, Context: p.Context}) {
		text := safe(e.Code)
		for _, name := range e.Context["propertyName"] {
			text = strings.TrimSpace(text + " property " + safe(name))
		}
		l = append(l, text)
	}
	return l
}

// word is what may be told of an error: codes and names of properties.
var word = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,99}$`)

func safe(s string) string {
	if word.MatchString(s) {
		return s
	}
	return ""
}

// quoted finds the name in messages, where the context does not give it.
var quoted = regexp.MustCompile(`Property \\*"([a-z][a-z0-9_]{0,99})\\*" does not exist`)

func (a answer) lacking() []string {
	return problem{Category: a.Category, Message: a.Message, Errors: a.Errors}.lacking()
}

// lacking are the properties that an error says do not exist.
func (p problem) lacking() []string {
	var l []string
	for _, m := range quoted.FindAllStringSubmatch(p.Message, -1) {
		l = append(l, m[1])
	}
	if p.Code == noProperty {
		for _, name := range p.Context["propertyName"] {
			if safe(name) != "" {
				l = append(l, name)
			}
		}
	}
	for _, e := range p.Errors {
		l = append(l, e.lacking()...)
	}
	slices.Sort(l)
	return slices.Compact(l)
}
