package main

import (
	"encoding/json"
	"net/http"
	"time"
)

// console is what the local hub serves beside the stages: its clock, the mails that
// were sent, and what the simulators hold.
func (h *hub) console() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, _ *http.Request) { h.show(w, http.StatusOK) })
	mux.HandleFunc("POST /clock", h.advance)
	mux.HandleFunc("GET /outbox", h.outbox)
	mux.HandleFunc("GET /outbox/{id}", h.envelope)
	mux.HandleFunc("GET /outbox/{id}/html", h.open)
	mux.Handle("GET /{$}", http.RedirectHandler("/outbox", http.StatusFound))
	mux.HandleFunc("GET /simulators/hubspot/contacts/{email}", h.contact)
	mux.HandleFunc("GET /simulators/hubspot/writes", h.writes)
	mux.Handle("/", h.cloud.FrontDoor())
	return mux
}

// longest is how far one request may advance the clock.
const longest = 400 * 24 * time.Hour

// advance lets time pass: {"advance": "24h"}.
func (h *hub) advance(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Advance string `json:"advance"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body)
	by, wrong := time.ParseDuration(body.Advance)
	if err != nil || wrong != nil || by <= 0 || by > longest {
		answer(w, http.StatusBadRequest, map[string]string{"error": `say by how much, up to 9600h: {"advance": "24h"}`})
		return
	}
	h.moving.Lock()
	defer h.moving.Unlock()
	if err := h.pass(r.Context(), h.clock.Now().Add(by)); err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	h.show(w, http.StatusOK)
}

func (h *hub) show(w http.ResponseWriter, status int) {
	answer(w, status, map[string]string{"now": h.clock.Now().Format(time.RFC3339), "local": h.local(h.clock.Now())})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // people read it
	_ = e.Encode(v)        // a caller that has hung up needs no answer
}
