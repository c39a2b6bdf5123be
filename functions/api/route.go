package api

import (
	"context"
	_ "embed"
	"net/http"
	"strings"
)

// route is one thing that can be asked for.
type route struct {
	method, pattern string
	open            bool // needs no token
	status          int  // of a good answer
	serve           func(*handling, context.Context) (any, error)
	body            int // bytes that its body may have; 0 = MaxBody
}

// routes are written where people read them too: in openapi.yaml. A test holds
// the two together.
var routes = []route{
	{http.MethodGet, "/healthz", true, http.StatusOK, (*handling).health, 0},
	{http.MethodGet, "/v1/openapi.yaml", true, http.StatusOK, (*handling).document, 0},
	{http.MethodGet, "/v1/profiles", false, http.StatusOK, (*handling).profiles, 0},
	{http.MethodPost, "/v1/profiles/merge", false, http.StatusAccepted, (*handling).merge, 0},
	{http.MethodGet, "/v1/profiles/{id}/timeline", false, http.StatusOK, (*handling).timeline, 0},
	{http.MethodGet, "/v1/profiles/{id}/why", false, http.StatusOK, (*handling).why, 0},
	{http.MethodGet, "/v1/profiles/{id}/messages", false, http.StatusOK, (*handling).messages, 0},
	{http.MethodPost, "/v1/profiles/{id}/unmerge", false, http.StatusAccepted, (*handling).unmerge, 0},
	{http.MethodPost, "/v1/events", false, http.StatusAccepted, (*handling).track, 0},
	{http.MethodGet, "/v1/journeys", false, http.StatusOK, (*handling).journeys, 0},
	{http.MethodGet, "/v1/journeys/{name}/report", false, http.StatusOK, (*handling).report, 0},
	{http.MethodGet, "/v1/forecast", false, http.StatusOK, (*handling).forecast, 0},
	{http.MethodPost, "/v1/messages/test", false, http.StatusAccepted, (*handling).testSend, 0},
	{http.MethodGet, "/v1/deliveries", false, http.StatusOK, (*handling).deliveries, 0},
	{http.MethodPost, "/v1/deliveries/replay", false, http.StatusAccepted, (*handling).replayAll, 0},
	{http.MethodPost, "/v1/deliveries/{key}/replay", false, http.StatusAccepted, (*handling).replay, 0},
	{http.MethodGet, "/v1/controls", false, http.StatusOK, (*handling).controls, 0},
	{http.MethodGet, "/v1/controls/history", false, http.StatusOK, (*handling).history, 0},
	{http.MethodPut, "/v1/controls/sends", false, http.StatusOK, (*handling).stop, 0},
	{http.MethodPut, "/v1/controls/{kind}/{name}", false, http.StatusOK, (*handling).pause, 0},
	{http.MethodGet, "/v1/profiles/{id}/tasks", false, http.StatusOK, (*handling).tasks, 0},
	{http.MethodPost, "/v1/journeys/{name}/entries", false, http.StatusAccepted, (*handling).ask, 0},
	{http.MethodGet, "/v1/vouchers/{pool}", false, http.StatusOK, (*handling).pool, 0},
	{http.MethodPost, "/v1/vouchers/{pool}/codes", false, http.StatusOK, (*handling).upload, maxUpload},
}

// route finds what is asked for.
func (h *handling) route() (route, error) {
	var allowed []string
	for _, r := range routes {
		args, ok := match(r.pattern, h.event.RawPath)
		if !ok {
			continue
		}
		h.line.Route = r.pattern
		if r.method == h.event.RequestContext.HTTP.Method {
			h.args, h.line.Route = args, r.method+" "+r.pattern
			return r, nil
		}
		allowed = append(allowed, r.method)
	}
	if len(allowed) == 0 {
		return route{}, notFound("no such path; GET /v1/openapi.yaml lists what there is")
	}
	allow := strings.Join(allowed, ", ")
	return route{}, &problem{status: http.StatusMethodNotAllowed, code: "method_not_allowed",
		message: "this path takes " + allow, header: map[string]string{"Allow": allow}}
}

// match compares a path with a pattern, part by part.
func match(pattern, path string) (args map[string]string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	for n, w := range want {
		switch {
		case strings.HasPrefix(w, "{") && got[n] != "":
			if args == nil {
				args = map[string]string{}
			}
			args[strings.Trim(w, "{}")] = got[n]
		case w != got[n]:
			return nil, false
		}
	}
	return args, true
}

// health says that the function runs; it asks nothing of anybody.
func (h *handling) health(context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	return map[string]string{"status": "ok"}, nil
}

//go:embed openapi.yaml
var openapi string

// yaml is an answer that is no JSON.
type yaml string

func (h *handling) document(context.Context) (any, error) {
	if _, err := h.query(); err != nil {
		return nil, err
	}
	return yaml(openapi), nil
}
