package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	connector "loophub/connectors"
	"loophub/shared/delivery"
	"loophub/shared/telemetry"
	"loophub/shared/workspace"
)

// stray is the outcome of a notification that is about nothing of ours.
const stray telemetry.Outcome = "stray"

// patient is how long a notification whose connection is not found is tried
// again: longer than a definition serves without a look, and shorter than the
// three minutes over which Lambda makes its attempts.
const patient = 2 * time.Minute

// notifications reads what the account's own topics bring.
func notifications(payload []byte) ([]events.SNSEventRecord, bool) {
	var e events.SNSEvent
	if json.Unmarshal(payload, &e) != nil || len(e.Records) == 0 {
		return nil, false
	}
	for _, r := range e.Records {
		if r.EventSource != "aws:sns" {
			return nil, false
		}
	}
	return e.Records, true
}

// receive stores notifications. With an error Lambda brings all of them again,
// and those that were stored are found as duplicates.
func (s *Stage) receive(ctx context.Context, records []events.SNSEventRecord) error {
	failures := 0
	for _, r := range records {
		if !s.notified(ctx, r.SNS) {
			failures++
		}
	}
	if failures > 0 {
		// The log has the reason; its text may quote what a customer wrote.
		return errors.New("storing notification: it could not be stored; it is tried again")
	}
	return nil
}

func (s *Stage) notified(ctx context.Context, n events.SNSEntity) (ok bool) {
	start := s.Now().UTC()
	h := &handling{Stage: s, received: start.Truncate(time.Millisecond)}
	if c, known := lambdacontext.FromContext(ctx); known {
		h.line.Trace = c.AwsRequestID
	}
	h.line.Bytes = len(n.Message)
	defer func() {
		if recover() != nil {
			h.line.Where, ok = telemetry.Where(), false
		}
		if !ok {
			h.line.Outcome = failed
			h.count(telemetry.Failures)
		}
		h.line.Duration = s.Now().Sub(start)
		s.Log.Write(ctx, start, h.line)
	}()
	if err := h.notification(ctx, n); err != nil {
		h.line.Err = err
		return false
	}
	return true
}

// notification finds whose it is and stores it. What is about nothing of ours
// ends here: nothing could come of it at another attempt.
func (h *handling) notification(ctx context.Context, n events.SNSEntity) error {
	r := connector.Request{Method: http.MethodPost, Header: http.Header{connector.PlatformID: {n.MessageID}},
		Body: []byte(n.Message), ReceivedAt: h.received}
	con, where, ok := h.addressee(r)
	if !ok {
		return h.drop()
	}
	w, err := h.Definitions.Load(ctx, where.workspace)
	if err != nil && !errors.Is(err, workspace.ErrUnknown) {
		return err
	}
	c, there := w.Connections[where.connection]
	if err != nil || !there || c.Connector != con.Manifest.Name {
		if h.received.Sub(n.Timestamp) < patient {
			return errors.New("the connection is not in the definition that is remembered here")
		}
		return h.drop()
	}
	h.line.Workspace, h.line.Connection = w.ID, c.Name
	src, err := h.sources.of(w, c, con)
	if err != nil {
		return err
	}
	key := keyOf(w.ID, c.Name, src, r)
	r.Header = kept(con.Manifest.Headers, r.Header)
	if key, err = h.store(ctx, delivery.Seal(delivery.Delivery{Key: key, Request: r, Trace: h.line.Trace})); err != nil {
		return err
	}
	h.count(telemetry.Deliveries)
	h.line.Delivery = key.String()
	return nil
}

// addressee asks the connectors of the platform whose a notification is.
func (h *handling) addressee(r connector.Request) (connector.Connector, address, bool) {
	for _, c := range h.Connectors {
		if c.Address == nil {
			continue
		}
		w, name, ok := c.Address(r)
		if ok && workspace.ValidID(w) && workspace.ValidID(name) {
			return c, address{workspace: w, connection: name}, true
		}
	}
	return connector.Connector{}, address{}, false
}

func (h *handling) drop() error {
	h.line.Outcome = stray
	h.count(telemetry.Strayed)
	return nil
}
