package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"loophub/connectors/hubspot/simulator"
	"loophub/infra/local/stage"
	"loophub/shared/workspace"
)

// simulated is the value of stage.Outbound.
func simulated(l net.Listener) string { return "hubspot=" + address(l) }

// simulate stands in for the systems that the workspace writes to. Each has an
// address of its own, and sends its webhooks to the hub's front door.
func (h *hub) simulate(l net.Listener) (err error) {
	if h.hubspot == nil {
		if h.hubspot, err = account(h.workspace, h.url, h.clock.Now); err != nil {
			return err
		}
	}
	if h.hubspot != nil {
		serve(h, l, h.hubspot)
	}
	return nil
}

// crm is the connection to HubSpot, "" where there is none.
func crm(w workspace.Workspace) string {
	for _, name := range slices.Sorted(keys(w.Connections)) {
		if w.Connections[name].Connector == "hubspot" {
			return name
		}
	}
	return ""
}

// account is the simulated HubSpot of a workspace, nil where it has none.
func account(w workspace.Workspace, url string, now func() time.Time) (*simulator.Simulator, error) {
	name := crm(w)
	if name == "" {
		return nil, nil
	}
	sim, err := simulator.New(simulator.Config{Token: stage.Secret, App: w.Connections[name].Settings["app_id"], Secret: stage.Secret,
		Hook: signed(url, "/hooks/"+w.ID+"/"+name), Specs: os.Getenv("LOOPHUB_SPECS"), Properties: properties(w.Destinations, name), Now: now})
	if err != nil {
		return nil, fmt.Errorf("starting the simulator of HubSpot: %w", err)
	}
	return sim, nil
}

// properties are those that destinations write over a connection.
func properties(all map[string]workspace.Destination, connection string) []string {
	var l []string
	for _, d := range all {
		if d.Connection == connection {
			l = slices.AppendSeq(l, maps.Keys(d.Properties))
		}
	}
	slices.Sort(l)
	return l
}

// serve answers on a listener until the hub stops.
func serve(h *hub, l net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l) //nolint:errcheck // it ends with Close, which the reader of the terminal asked for
	stop := h.stop
	h.stop = func() { server.Close(); stop() }
}

// rest waits until nothing is in flight, here and at the simulators.
func (h *hub) rest(ctx context.Context) error {
	for {
		if err := h.cloud.Idle(ctx); err != nil {
			return fmt.Errorf("waiting for rest: %w", err)
		}
		if h.hubspot == nil {
			return nil
		}
		before := h.hubspot.Calls()
		if err := h.deliver(ctx); err != nil {
			return fmt.Errorf("delivering HubSpot's webhooks: %w", err)
		}
		if err := h.cloud.Idle(ctx); err != nil {
			return fmt.Errorf("waiting for rest: %w", err)
		}
		if h.hubspot.Calls() == before {
			return nil
		}
	}
}

// signed is an address of the front door as a function URL tells it to ingest, and as
// vendors sign it: function URLs are always https.
func signed(url, path string) string {
	return "https" + strings.TrimPrefix(url, "http") + path
}

// deliver brings HubSpot's webhooks to the front door.
func (h *hub) deliver(ctx context.Context) error {
	l, err := h.hubspot.Webhooks()
	if err != nil {
		return err
	}
	for _, one := range l {
		path := strings.TrimPrefix(one.URL, signed(h.url, ""))
		r, err := http.NewRequestWithContext(ctx, one.Method, h.url+path, bytes.NewReader(one.Body))
		if err != nil {
			return err
		}
		r.Header = one.Header.Clone()
		status, answer, err := send(r)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("a webhook was answered %d %s", status, answer)
		}
		if err != nil {
			return err
		}
	}
	if len(l) == 0 {
		return nil
	}
	return h.hubspot.Heard()
}

// contact is what the simulator's people see: GET /simulators/hubspot/contacts/{email}.
func (h *hub) contact(w http.ResponseWriter, r *http.Request) {
	if h.hubspot == nil {
		answer(w, http.StatusNotFound, map[string]string{"error": "the workspace writes to no HubSpot"})
		return
	}
	c, ok := h.hubspot.Contact(strings.ToLower(r.PathValue("email")))
	if !ok {
		answer(w, http.StatusNotFound, map[string]string{"error": "there is no such contact"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"id": c.ID, "properties": c.Properties})
}

// writes are the properties that were written, how often, and how often with the
// value that was there already.
func (h *hub) writes(w http.ResponseWriter, _ *http.Request) {
	out := struct {
		Contacts int      `json:"contacts"`
		Written  int      `json:"written"`
		Same     int      `json:"same"`
		Problems []string `json:"problems"`
	}{Problems: []string{}}
	if h.hubspot != nil {
		out.Contacts = len(h.hubspot.Contacts())
		out.Problems = append(out.Problems, h.hubspot.Problems()...)
		for _, one := range h.hubspot.Writes() {
			out.Written++
			if one.Same {
				out.Same++
			}
		}
	}
	answer(w, http.StatusOK, out)
}
