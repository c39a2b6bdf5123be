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
}

// routes are written where people read them too: in openapi.yaml. A test holds
// the two together.
var routes = []route{
	{http.MethodGet, "/healthz", true, http.StatusOK, (*handling).health},
	{http.MethodGet, "/v1/openapi.yaml", true, http.StatusOK, (*handling).document},
	{http.MethodGet, "/v1/profiles", false, http.StatusOK, (*handling).profiles},
	{http.MethodPost, "/v1/profiles/merge", false, http.StatusAccepted, (*handling).merge},
	{http.MethodGet, "/v1/profiles/{id}/timeline", false, http.StatusOK, (*handling).timeline},
	{http.MethodGet, "/v1/profiles/{id}/why", false, http.StatusOK, (*handling).why},
	{http.MethodGet, "/v1/profiles/{id}/messages", false, http.StatusOK, (*handling).messages},
	{http.MethodPost, "/v1/profiles/{id}/unmerge", false, http.StatusAccepted, (*handling).unmerge},
	{http.MethodPost, "/v1/events", false, http.StatusAccepted, (*handling).track},
	{http.MethodGet, "/v1/journeys", false, http.StatusOK, (*handling).journeys},
	{http.MethodGet, "/v1/journeys/{name}/report", false, http.StatusOK, (*handling).report},
	{http.MethodPost, "/v1/messages/test", false, http.StatusAccepted, (*handling).testSend},
	{http.MethodGet, "/v1/deliveries", false, http.StatusOK, (*handling).deliveries},
	{http.MethodPost, "/v1/deliveries/replay", false, http.StatusAccepted, (*handling).replayAll},
	{http.MethodPost, "/v1/deliveries/{key}/replay", false, http.StatusAccepted, (*handling).replay},
	{http.MethodGet, "/v1/controls", false, http.StatusOK, (*handling).controls},
	{http.MethodGet, "/v1/controls/history", false, http.StatusOK, (*handling).history},
	{http.MethodPut, "/v1/controls/sends", false, http.StatusOK, (*handling).stop},
	{http.MethodPut, "/v1/controls/{kind}/{name}", false, http.StatusOK, (*handling).pause},
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
