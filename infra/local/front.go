package local

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"loophub/infra/local/lambda"
)

// routes say which stage answers which paths. On AWS each stage has a function URL of its own.
var routes = []struct{ path, stage string }{
	{"/hooks", "ingest"},
	{"/v1", "api"},
	{"/healthz", "api"},
	{"/l", "links"}, // what customers touch: clicks,
	{"/u", "links"}, // unsubscribing,
	{"/p", "links"}, // preferences
	{"/c", "links"}, // and confirmations
}

// FrontDoor is what one local port serves: the function URLs of the stages, by path.
func (c *Cloud) FrontDoor() http.Handler {
	open := map[string]http.Handler{}
	for _, u := range c.stack.URLs {
		f, err := c.function(u.TargetFunctionArn)
		if err != nil || u.AuthType != "NONE" || u.InvokeMode != "" && u.InvokeMode != "BUFFERED" {
			continue // answered with 404 in words
		}
		open[f.Stage] = c.functions.Handler(lambda.URL{Function: f.ARN, Address: u.URL,
			Allow: func() error { return c.mayOpen(f.ARN) }})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, route := range routes {
			if r.URL.Path != route.path && !strings.HasPrefix(r.URL.Path, route.path+"/") {
				continue
			}
			if h := open[route.stage]; h != nil {
				h.ServeHTTP(w, r)
				return
			}
			notFound(w, fmt.Sprintf("%s belongs to the stage %s, which has no public function URL in this template",
				route.path, route.stage))
			return
		}
		notFound(w, "there is nothing here: webhooks go to /hooks/{workspace}/{connection}, the API is below /v1")
	})
}

func notFound(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	// A caller that has hung up needs no answer.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
}
