package eventbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/meter"
)

const (
	maxEntries = 10
	// maxBytes is the limit on all entries of a request together, 1 MB in the API reference of PutEvents, read 2026-11.
	maxBytes = 1 << 20
)

type entry struct {
	Detail       string
	DetailType   string
	EventBusName string
	Source       string
	Resources    []string
	Time         *float64 // epoch seconds
	TraceHeader  string
}

type result struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// Operations lists what is implemented.
func Operations() []string { return []string{putEvents} }

const putEvents = "PutEvents"

// Serve implements dispatch.Service.
func (s *Service) Serve(ctx context.Context, c dispatch.Call) (dispatch.Reply, error) {
	in, err := read(c)
	if err != nil {
		return dispatch.Reply{}, err
	}
	total := 0
	for _, e := range in {
		total += e.size()
	}
	switch {
	case len(in) < 1 || len(in) > maxEntries:
		return dispatch.Reply{}, invalid("1 validation error detected: Value at 'entries' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d and greater than or equal to 1", maxEntries)
	case total > maxBytes:
		return dispatch.Reply{}, invalid("Total size of the entries in the request is over the limit.")
	}
	out := struct {
		FailedEntryCount int
		Entries          []result
	}{}
	s.mu.Lock()
	var fresh []*accepted
	spared := c.Spared(len(in))
	for i, e := range in {
		meter.Of(ctx).Billed += meter.Chunks(e.size())
		r, a := result{ErrorCode: "InternalFailure", ErrorMessage: "Internal Service Failure"}, (*accepted)(nil)
		if i < spared {
			r, a = s.put(e, s.serial+uint64(len(fresh))+1)
		}
		if r.ErrorCode != "" {
			out.FailedEntryCount++
		} else {
			fresh = append(fresh, a)
		}
		out.Entries = append(out.Entries, r)
	}
	err = s.queue(fresh)
	s.mu.Unlock()
	if err != nil {
		return dispatch.Reply{}, err
	}
	s.loop.Wake()
	return dispatch.JSON(http.StatusOK, out)
}

// Needs implements dispatch.Service: PutEvents on each bus that the entries name.
func (s *Service) Needs(c dispatch.Call) ([]dispatch.Need, error) {
	in, err := read(c)
	if err != nil {
		return nil, err
	}
	var out []dispatch.Need
	for _, e := range in {
		n := dispatch.Need{Action: "events:PutEvents", Resource: s.busARN(busName(e.EventBusName))}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}

func read(c dispatch.Call) ([]entry, error) {
	if c.Operation != putEvents {
		return nil, dispatch.Unimplemented(c)
	}
	var in struct{ Entries []entry }
	if err := dispatch.Decode(c.Body, &in); err != nil {
		return nil, err
	}
	return in.Entries, nil
}

// busName accepts a name or an ARN.
func busName(given string) string {
	if given == "" {
		return "default"
	}
	return given[strings.LastIndexByte(given, '/')+1:]
}

func (s *Service) busARN(name string) string {
	return fmt.Sprintf("arn:aws:events:%s:%s:event-bus/%s", s.cfg.Region, s.cfg.Account, name)
}

func (s *Service) put(e entry, serial uint64) (result, *accepted) {
	bus := busName(e.EventBusName)
	if code, message := s.check(bus, e); code != "" {
		return result{ErrorCode: code, ErrorMessage: message}, nil
	}
	at := s.cfg.Timers.Now()
	if e.Time != nil {
		at = time.UnixMilli(int64(*e.Time * 1000))
	}
	id, a, err := s.accept(bus, e, at, serial)
	if err != nil {
		return result{ErrorCode: "InternalFailure", ErrorMessage: err.Error()}, nil
	}
	return result{EventID: id}, a
}

func (s *Service) check(bus string, e entry) (code, message string) {
	required := func(name string) (string, string) {
		return "InvalidArgument", fmt.Sprintf("Parameter %s is not valid. Reason: %s is a required argument.", name, name)
	}
	var object map[string]json.RawMessage
	switch {
	case s.buses[bus].Name == "":
		return "ResourceNotFoundException", "Event bus " + bus + " does not exist."
	case e.Source == "":
		return required("Source")
	case e.DetailType == "":
		return required("DetailType")
	case e.Detail == "":
		return required("Detail")
	case strings.HasPrefix(e.Source, "aws."):
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	case json.Unmarshal([]byte(e.Detail), &object) != nil:
		return "MalformedDetail", "Detail is malformed."
	}
	return "", ""
}

// size is the documented measure of an entry.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html, read 2026-11.
func (e entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

func invalid(format string, args ...any) error {
	return &dispatch.Error{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}
