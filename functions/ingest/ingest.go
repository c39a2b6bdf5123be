// Package ingest is the front door: it takes a connected system's HTTP request,
// verifies it, stores it, and only then says 2xx.
package ingest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// Definitions says which connections there are, and what signs their deliveries.
type Definitions interface {
	// Load gives a workspace, or workspace.ErrUnknown.
	Load(ctx context.Context, id string) (workspace.Workspace, error)
	Secrets(ctx context.Context, id, connection string) ([]connector.Secret, error)
}

// Inbox stores deliveries. Storing one again is harmless.
type Inbox interface {
	Put(ctx context.Context, s delivery.Sealed) (delivery.Key, delivery.Outcome, error)
}

// Spill takes deliveries that the Inbox did not.
type Spill interface {
	Send(ctx context.Context, s delivery.Sealed) error
}

// Config is what the stage stands on.
type Config struct {
	Connectors  []connector.Connector
	Definitions Definitions
	Inbox       Inbox
	Spill       Spill
	Log         *telemetry.Log
	Now         func() time.Time
}

// MaxBody is the largest body taken, in bytes.
const MaxBody = 6 << 20

// Stage is the front door.
type Stage struct {
	Config
	connectors map[string]connector.Connector
	sources    *sources
	spelled    spellings
}

// New makes the stage.
func New(c Config) *Stage {
	s := &Stage{Config: c, connectors: map[string]connector.Connector{}, sources: &sources{byName: map[string]source{}},
		spelled: newSpellings(c.Connectors)}
	for _, one := range c.Connectors {
		s.connectors[one.Manifest.Name] = one
	}
	return s
}

// Outcomes besides those of delivery.Outcome, as the log names them.
const (
	unknown  telemetry.Outcome = "unknown"  // no such path, workspace or connection
	tooLarge telemetry.Outcome = "toolarge" // the body is over MaxBody
	garbled  telemetry.Outcome = "garbled"  // the body is not the base64 that it should be
	answered telemetry.Outcome = "answered" // the connector answered; there was nothing to store
	refused  telemetry.Outcome = "refused"  // not verified
	spilled  telemetry.Outcome = "spilled"  // stored in the spill queue
	failed   telemetry.Outcome = "failed"   // not stored: the sender must try again
)

// Handle answers one request. Its error is always nil: a request that can't be
// handled is answered 503, so that the sender tries again.
func (s *Stage) Handle(ctx context.Context, e events.LambdaFunctionURLRequest) (events.LambdaFunctionURLResponse, error) {
	return s.answer(ctx, &e, []byte(e.Body)), nil
}

func (s *Stage) answer(ctx context.Context, e *events.LambdaFunctionURLRequest, body []byte) events.LambdaFunctionURLResponse {
	start := s.Now().UTC()
	h := &handling{Stage: s, event: e, body: body, received: start.Truncate(time.Millisecond)}
	h.line.Trace = trace(e)
	reply := h.guarded(ctx)
	h.line.Status = reply.StatusCode
	h.line.Duration = s.Now().Sub(start)
	s.Log.Write(ctx, start, h.line)
	return reply
}

// handling is one request on its way.
type handling struct {
	*Stage
	event    *events.LambdaFunctionURLRequest
	body     []byte // the event's, in base64 where it says so
	received time.Time
	line     telemetry.Line
}

// guarded keeps a connector that panics from taking the function down: the sender
// would send the same bytes again, and again.
func (h *handling) guarded(ctx context.Context) (reply events.LambdaFunctionURLResponse) {
	defer func() {
		if recover() != nil {
			h.line.Where = telemetry.Where()
			reply = h.fail(nil)
		}
	}()
	return h.handle(ctx)
}

func (h *handling) handle(ctx context.Context) events.LambdaFunctionURLResponse {
	a, ok := parsePath(h.event.RawPath)
	if !ok {
		return h.end(unknown, http.StatusNotFound, "no such path; deliveries go to /hooks/{workspace}/{connection}")
	}
	if bodySize(h.body, h.event.IsBase64Encoded) > MaxBody {
		return h.end(tooLarge, http.StatusRequestEntityTooLarge, "the body is larger than 6 MB")
	}
	w, err := h.Definitions.Load(ctx, a.workspace)
	if err != nil && !errors.Is(err, workspace.ErrUnknown) {
		return h.fail(err)
	}
	c, there := w.Connections[a.connection]
	con, known := h.connectors[c.Connector]
	if err != nil || !there || known && (con.Manifest.Vouched() || con.Source == nil) {
		return h.end(unknown, http.StatusNotFound, "no such workspace or connection")
	}
	h.line.Workspace, h.line.Connection = w.ID, c.Name
	if !known {
		return h.fail(errors.New("the definition names a connector that this version does not have"))
	}
	src, err := h.sources.of(w, c, con)
	if err != nil {
		return h.fail(err)
	}
	r, err := request(h.event, h.body, a.rest, h.received, h.spelled)
	if err != nil {
		return h.end(garbled, http.StatusBadRequest, "the body is not base64")
	}
	h.line.Bytes = len(r.Body)
	return h.take(ctx, con.Manifest, src, r)
}

// take verifies and stores a request of a known connection.
func (h *handling) take(ctx context.Context, m connector.Manifest, src connector.Source, r connector.Request) events.LambdaFunctionURLResponse {
	answer, own := connector.Response{}, false
	if a, can := src.(connector.Answerer); can {
		var final bool
		if answer, final, own = a.Answer(r); own && final {
			h.line.Outcome = answered
			return render(answer)
		}
	}
	secrets, err := h.Definitions.Secrets(ctx, h.line.Workspace, h.line.Connection)
	if err != nil {
		return h.fail(err)
	}
	if src.Verify(r, secrets) != nil {
		// The reason may quote what a stranger sent; what could have caused it is
		// told by the names of missing headers and the number of secrets.
		h.line.Missing, h.line.Secrets = missing(slices.Concat(m.Proof, m.Headers), r.Header), new(len(secrets))
		h.count(telemetry.Refused)
		status := m.Refusal
		if status == 0 {
			status = http.StatusUnauthorized
		}
		return h.end(refused, status, "the request is not verified")
	}
	key := keyOf(h.line.Workspace, h.line.Connection, src, r)
	r.Header, r.URL = kept(m.Headers, r.Header), ""
	key, err = h.store(ctx, delivery.Seal(delivery.Delivery{Key: key, Request: r, Trace: h.line.Trace}))
	if err != nil {
		return h.fail(err)
	}
	h.count(telemetry.Deliveries)
	h.line.Delivery = key.String()
	if own {
		return render(answer)
	}
	return reply(http.StatusOK, "delivery", h.line.Delivery)
}

func (h *handling) count(m telemetry.Metric) {
	h.line.Counts = append(h.line.Counts, telemetry.Count{Metric: m, N: 1})
}

// end answers a request that gives no delivery and need not be sent again.
func (h *handling) end(o telemetry.Outcome, status int, text string) events.LambdaFunctionURLResponse {
	h.line.Outcome = o
	return reply(status, "error", text)
}

// fail asks the sender to try again.
func (h *handling) fail(err error) events.LambdaFunctionURLResponse {
	h.line.Outcome, h.line.Err = failed, err
	h.count(telemetry.Failures)
	r := reply(http.StatusServiceUnavailable, "error", "the delivery could not be stored; send it again")
	r.Headers["Retry-After"] = "30"
	return r
}
