package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	lambda "github.com/aws/aws-lambda-go/events"

	"loophub/events"
	"loophub/functions/api"
	"loophub/shared/delivery"
	"loophub/shared/fault"
)

func TestHealth(t *testing.T) {
	w := newWorld()
	w.fail["authorise"] = errTable
	if r := w.send(t, ask(http.MethodGet, "/healthz", "", "")); r.StatusCode != 200 || r.Body != `{"status":"ok"}` {
		t.Error(r)
	}
}

func TestAuthorise(t *testing.T) {
	w := newWorld()
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic saigon.secret-MARKER", "saigon.secret-MARKER", "Bearer saigon.guess-MARKER", "Bearer hue.secret-MARKER", "Bearer ."} {
		e := ask(http.MethodGet, "/v1/profiles?email=lan@marker.example", "", "")
		if header != "" {
			e.Headers["authorization"] = header
		}
		r := w.send(t, e)
		if r.StatusCode != 401 || code(t, r) != "unauthorized" || !strings.HasPrefix(r.Headers["WWW-Authenticate"], `Bearer realm="loophub"`) {
			t.Error(header, r)
		}
		if l := w.line(t); l["msg"] != "refused" || l["workspace"] != nil || l["refused"] != 1.0 {
			t.Error(l)
		}
	}
	if len(w.asked) > 0 {
		t.Error("the Hub was asked: ", w.asked)
	}
	e := ask(http.MethodGet, "/v1/profiles?email=lan@marker.example", "", "")
	e.Headers["Authorization"] = "bearer  saigon.secret-MARKER "
	if r := w.send(t, e); r.StatusCode != 200 {
		t.Error(r)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld()
	id := "c" + strings.Repeat("a", 24)
	for _, tt := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/", 404, "not_found", ""}, {"GET", "", 404, "not_found", ""}, {"GET", "/v1", 404, "not_found", ""}, {"GET", "/v1/profiles/", 404, "not_found", ""},
		{"GET", "/v1/profiles/" + id, 404, "not_found", ""}, {"GET", "//v1/profiles", 404, "not_found", ""}, {"GET", "/v2/profiles", 404, "not_found", ""},
		{"GET", "/v1/profiles/" + id + "/timeline/x", 404, "not_found", ""},
		{"POST", "/v1/profiles", 405, "method_not_allowed", "GET"}, {"HEAD", "/healthz", 405, "method_not_allowed", "GET"},
		{"", "/healthz", 405, "method_not_allowed", "GET"}, {"marker marker", "/v1/deliveries", 405, "method_not_allowed", "GET"},
		{"DELETE", "/v1/profiles/merge", 405, "method_not_allowed", "POST"}, {"GET", "/v1/deliveries/x/replay", 405, "method_not_allowed", "POST"},
		{"GET", "/v1/profiles", 400, "invalid_request", ""}, {"GET", "/v1/profiles?email=", 400, "invalid_request", ""},
		{"GET", "/v1/profiles?email=marker", 400, "invalid_request", ""}, {"GET", "/v1/profiles?phone=marker", 400, "invalid_request", ""},
		{"GET", "/v1/profiles?phone=+", 400, "invalid_request", ""}, {"GET", "/v1/profiles?id=marker", 400, "invalid_request", ""},
		{"GET", "/v1/profiles?email=a@marker.example&phone=0903117428", 400, "invalid_request", ""},
		{"GET", "/v1/profiles?email=a@marker.example&email=b@marker.example", 400, "invalid_request", ""},
		{"GET", "/v1/profiles?e-mail=a@marker.example", 400, "invalid_request", ""}, {"GET", "/v1/profiles?email=%zz", 400, "invalid_request", ""},
		{"GET", "/healthz?x=1", 400, "invalid_request", ""}, {"GET", "/v1/openapi.yaml?x=1", 400, "invalid_request", ""},
	} {
		r := w.send(t, ask(tt.method, tt.path, "saigon", ""))
		if r.StatusCode != tt.status || code(t, r) != tt.code || r.Headers["Allow"] != tt.allow {
			t.Errorf("%s %s: %d %s %v", tt.method, tt.path, r.StatusCode, r.Body, r.Headers)
		}
		if strings.Contains(strings.ToLower(r.Body), "marker") {
			t.Error("repeats what was sent: ", r.Body)
		}
		if w.line(t)["msg"] != "invalid" {
			t.Error(w.line(t))
		}
	}
}

func TestBody(t *testing.T) {
	w := newWorld()
	id, members := w.family(t)
	good := fmt.Sprintf(`{"fragments":[%q]}`, members[1])
	for _, tt := range []struct {
		body    string
		encoded bool
		status  int
	}{
		{good, false, 202}, {base64.StdEncoding.EncodeToString([]byte(good)), true, 202}, {good, true, 400},
		{good + strings.Repeat(" ", api.MaxBody-len(good)), false, 202}, {good + strings.Repeat(" ", api.MaxBody-len(good)+1), false, 413},
		{base64.StdEncoding.EncodeToString(make([]byte, api.MaxBody+1)), true, 413}, {base64.StdEncoding.EncodeToString(make([]byte, api.MaxBody)), true, 400},
	} {
		e := ask(http.MethodPost, "/v1/profiles/"+id+"/unmerge", "saigon", tt.body)
		e.IsBase64Encoded = tt.encoded
		r, err := w.stage.Handle(t.Context(), e)
		if err != nil || r.StatusCode != tt.status {
			t.Errorf("%d bytes, %v: %d %s", len(tt.body), tt.encoded, r.StatusCode, r.Body)
		}
	}
	if r := w.send(t, ask(http.MethodGet, "/v1/profiles?id="+id, "", strings.Repeat("a", api.MaxBody+1))); r.StatusCode != 413 {
		t.Error(r.StatusCode)
	}
}

// Each port fails, at every call of each request: the answer is 503 or 500, the log
// has the class and never the text.
func TestFailures(t *testing.T) {
	for _, tt := range []struct{ method, path, body, steps string }{
		{"GET", "/v1/profiles?email=lan@marker.example", "", "authorise load key identities fragments"},
		{"GET", "/v1/profiles/%s/timeline", "", "authorise load key fragments facts timeline"},
		{"GET", "/v1/deliveries", "", "parked"}, {"GET", "/v1/deliveries?status=received&connection=shop", "", "received"},
		{"POST", "/v1/deliveries/%[2]s/replay", "", "replay"},
		{"POST", "/v1/profiles/%s/unmerge", `{"connection":"shop","customer":"77"}`, "fragments decisions put"},
		{"POST", "/v1/profiles/merge", `{"profiles":["%[1]s","%[3]s"]}`, "fragments decisions put"},
	} {
		for step := range strings.FieldsSeq(tt.steps) {
			for _, err := range []error{errTable, fault.As(fault.Permanent, errTable), fault.As(fault.Throttled, errTable), nil} {
				w := newWorld()
				s := w.stores["saigon"]
				s.take(lan()...)
				s.take(customer("88", 1))
				fill := func(text string) string {
					if !strings.Contains(text, "%") {
						return text
					}
					out := fmt.Sprintf(text+"%[4]s", s.customer("shop", "77"), w.lay("saigon", "shop", "1", true), s.customer("shop", "88"), "")
					return out
				}
				e := ask(tt.method, fill(tt.path), "saigon", fill(tt.body))
				want := 503
				switch {
				case err == nil: // a panic
					want = 500
					w.before = func(name string) {
						if name == step {
							panic("lan@marker.example")
						}
					}
				case fault.ClassOf(err) == fault.Permanent:
					want = 500
				}
				w.fail[step] = err
				r := w.send(t, e)
				l := w.line(t)
				if r.StatusCode != want || (want == 503) != (r.Headers["Retry-After"] != "") || strings.Contains(r.Body, "marker") {
					t.Errorf("%s %s, %s fails: %d %s", tt.method, tt.path, step, r.StatusCode, r.Body)
				}
				if l["level"] != "ERROR" || l["msg"] != "failed" || l["failures"] != 1.0 || (err == nil) != (l["where"] != nil) {
					t.Error(l)
				}
			}
		}
	}
}

// failing once is not failing for ever: nothing of a failure is kept.
func TestFailureIsNotKept(t *testing.T) {
	w := newWorld()
	w.stores["saigon"].take(lan()...)
	e := ask(http.MethodGet, "/v1/profiles?email=lan@marker.example", "saigon", "")
	w.fail["fragments"] = errors.New("down")
	w.send(t, e)
	delete(w.fail, "fragments")
	if r := w.send(t, e); r.StatusCode != 200 {
		t.Error(r)
	}
}

// Two workspaces hold the same shop's data under the same names. Whatever is asked
// with one's token, with ids, keys and cursors of both: only that one's part is
// read and written, and nothing of the other's comes out.
func TestNoReadCrosses(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld()
		known := twins(w)
		for range 60 {
			ws, other := "saigon", "hanoi"
			if r.IntN(2) == 0 {
				ws, other = other, ws
			}
			w.asked, w.replayed = nil, nil
			clear(w.put)
			e := known.ask(r, ws)
			answer := w.send(t, e)
			if strings.Contains(answer.Body, "-of-"+other) || answer.StatusCode >= 500 {
				t.Fatal(seed, ws, e.RawPath, e.RawQueryString, answer)
			}
			for _, k := range w.replayed {
				w.put[k] = delivery.Sealed{}
			}
			for k := range w.put {
				w.asked = append(w.asked, k.Workspace)
			}
			if slices.Contains(w.asked, other) {
				t.Fatal("another's was read or written: ", seed, ws, e.RawPath, e.RawQueryString)
			}
			if next, ok := decode(t, answer)["next_cursor"].(string); ok {
				known.cursors = append(known.cursors, url.QueryEscape(next))
			}
		}
	}
}

// names are what somebody knows of both workspaces.
type names struct{ ids, keys, cursors []string }

func twins(w *world) (n names) {
	for _, ws := range []string{"saigon", "hanoi"} {
		facts := lan()
		for _, f := range facts {
			f.Fields["first_name"] = events.Text("name-of-" + ws)
		}
		w.stores[ws].take(facts...)
		for id := range w.stores[ws].fragments {
			n.ids = append(n.ids, string(id))
		}
		for i := range 5 {
			n.keys = append(n.keys, w.lay(ws, "shop", fmt.Sprint("object-of-", ws, i), i%2 == 0).String())
		}
	}
	slices.Sort(n.ids)
	n.cursors = []string{"x"}
	return n
}

func (n names) ask(r *rand.Rand, ws string) lambda.LambdaFunctionURLRequest {
	pick := func(l []string) string { return l[r.IntN(len(l))] }
	switch r.IntN(4) {
	case 0:
		return ask(http.MethodPost, "/v1/profiles/"+pick(n.ids)+"/unmerge", ws, fmt.Sprintf(`{"fragments":[%q]}`, pick(n.ids)))
	case 1:
		return ask(http.MethodPost, "/v1/deliveries/"+pick(n.keys)+"/replay", ws, "")
	}
	return ask(http.MethodGet, pick([]string{
		"/v1/profiles?email=lan@marker.example", "/v1/profiles?phone=0903117428", "/v1/profiles?id=" + pick(n.ids),
		"/v1/profiles/" + pick(n.ids) + "/timeline?limit=2", "/v1/profiles/" + pick(n.ids) + "/timeline?limit=2&cursor=" + pick(n.cursors),
		"/v1/deliveries?limit=1", "/v1/deliveries?limit=1&status=received&connection=shop", "/v1/deliveries?limit=1&cursor=" + pick(n.cursors),
	}), ws, "")
}

// FuzzHandle sends anything: the answer is one that the document promises, never a
// failure of ours, and tells and logs nothing that is another's or secret.
func FuzzHandle(f *testing.F) {
	w := newWorld()
	w.stores["hanoi"].take(customer("1", 1, "email", "lan@marker.example", "first_name", "of-hanoi"))
	w.stores["saigon"].take(lan()...)
	id := string(w.stores["saigon"].customer("shop", "77"))
	k := w.lay("saigon", "shop", "1", true).String()
	for range 3 {
		w.lay("saigon", "shop", "1", true)
	}
	first := decode(f, w.once(f, ask("GET", "/v1/profiles/"+id+"/timeline?limit=2", "saigon", "")))["next_cursor"].(string)
	list := decode(f, w.once(f, ask("GET", "/v1/deliveries?limit=2", "saigon", "")))["next_cursor"].(string)
	f.Add("GET", "/v1/profiles", "email=lan@marker.example", "Bearer saigon.secret-MARKER", "", false)
	f.Add("GET", "/v1/profiles", "phone=%2B84903117428", "Bearer hanoi.secret-MARKER", "", false)
	f.Add("GET", "/v1/profiles", "id="+id, "Bearer saigon.secret-MARKER", "", false)
	f.Add("GET", "/v1/profiles/"+id+"/timeline", "limit=2&cursor="+first, "Bearer saigon.secret-MARKER", "", false)
	f.Add("GET", "/v1/deliveries", "limit=2&cursor="+list, "Bearer saigon.secret-MARKER", "", false)
	f.Add("GET", "/v1/deliveries", "connection=shop&status=received", "Bearer saigon.secret-MARKER", "", false)
	f.Add("POST", "/v1/profiles/"+id+"/unmerge", "", "Bearer saigon.secret-MARKER", `{"connection":"shop","customer":"77"}`, false)
	f.Add("POST", "/v1/profiles/merge", "", "Bearer saigon.secret-MARKER", `{"profiles":["`+id+`","`+id+`"]}`, false)
	f.Add("POST", "/v1/deliveries/"+k+"/replay", "", "Bearer saigon.secret-MARKER", "", true)
	f.Add("GET", "/healthz", "", "", "", false)
	f.Fuzz(func(t *testing.T, method, path, query, token, body string, encoded bool) {
		w.log.Reset()
		e := lambda.LambdaFunctionURLRequest{RawPath: path, RawQueryString: query, Body: body, IsBase64Encoded: encoded,
			Headers: map[string]string{"authorization": token}}
		e.RequestContext.HTTP.Method = method
		for range 2 {
			r, err := w.stage.Handle(context.Background(), e)
			if err != nil {
				t.Fatal(err)
			}
			switch r.StatusCode {
			case 200, 202, 400, 401, 404, 405, 409, 413:
			default:
				t.Fatalf("status %d: %s", r.StatusCode, w.log)
			}
			if !encoded && strings.HasPrefix(path, "/") {
				conform(t, e, r)
			}
			if !strings.HasPrefix(token, "Bearer hanoi.") && strings.Contains(r.Body, "of-hanoi") {
				t.Fatal("another's: ", r.Body)
			}
			if strings.Contains(strings.ToLower(w.log.String()), "marker") {
				t.Fatal("logged: ", w.log)
			}
		}
	})
}
