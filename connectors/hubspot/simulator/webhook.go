package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	connector "loophub/connectors"
	"loophub/connectors/hubspot"
)

// event is one entry of a webhook.
type event map[string]any

// perHook is the most events that HubSpot puts into one webhook.
const perHook = 100

func (s *Simulator) emit(e event, by origin) {
	if s.Hook == "" {
		return
	}
	s.nextEvent++
	e["eventId"], e["subscriptionId"], e["portalId"], e["appId"] = s.nextEvent, 25, 33133, json.Number(s.App)
	e["occurredAt"], e["attemptNumber"] = s.Now().UnixMilli(), 0
	e["changeSource"], e["sourceId"] = by.source, by.id
	s.queue, s.fresh.Events = append(s.queue, e), append(s.fresh.Events, e)
}

// Webhooks takes what is to be delivered, signed now: the events of all changes
// since the last time. Once they are delivered, Heard says so.
func (s *Simulator) Webhooks() ([]connector.Request, error) {
	s.mu.Lock()
	queue := s.queue
	s.queue = nil
	if len(queue) > 0 {
		s.taken = queue[len(queue)-1].id()
	}
	s.mu.Unlock()
	var l []connector.Request
	for len(queue) > 0 {
		n := min(len(queue), perHook)
		body, err := json.Marshal(queue[:n])
		if err != nil {
			return nil, fmt.Errorf("encoding a webhook: %w", err)
		}
		r := connector.Request{Method: http.MethodPost, URL: s.Hook, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ReceivedAt: s.Now().UTC()}
		hubspot.Sign(&r, s.Secret, s.Hook)
		l = append(l, r)
		queue = queue[n:]
	}
	return l, nil
}

// Deliver posts what is to be delivered; whoever does not answer 2xx gets it again
// with the next.
func (s *Simulator) Deliver(ctx context.Context, client *http.Client) error {
	s.mu.Lock()
	queue := s.queue
	s.mu.Unlock()
	hooks, err := s.Webhooks()
	if err != nil {
		return err
	}
	for _, h := range hooks {
		r, err := http.NewRequestWithContext(ctx, h.Method, h.URL, bytes.NewReader(h.Body))
		if err != nil {
			return fmt.Errorf("making a webhook: %w", err)
		}
		r.Header = h.Header
		response, err := client.Do(r)
		if err == nil {
			response.Body.Close()
			if response.StatusCode < 300 {
				continue
			}
			err = fmt.Errorf("it was answered %d", response.StatusCode)
		}
		s.mu.Lock()
		for _, e := range queue {
			if n, ok := e["attemptNumber"].(int); ok {
				e["attemptNumber"] = n + 1
			}
		}
		s.queue = append(queue, s.queue...)
		s.mu.Unlock()
		return fmt.Errorf("delivering a webhook: %w", err)
	}
	return s.Heard()
}
