package ingest

import (
	"bytes"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	connector "loophub/connectors"
	"loophub/shared/delivery"
	"loophub/shared/workspace"
)

// address is what a path says.
type address struct{ workspace, connection, rest string }

// parsePath reads /hooks/{workspace}/{connection}[/{rest}]. Names that can't exist
// end here, without a look into any table.
func parsePath(path string) (address, bool) {
	path, ok := strings.CutPrefix(path, "/hooks/")
	w, path, more := strings.Cut(path, "/")
	c, rest, _ := strings.Cut(path, "/")
	if !ok || !more || !workspace.ValidID(w) || !workspace.ValidID(c) {
		return address{}, false
	}
	if plain, err := url.PathUnescape(rest); err == nil {
		rest = plain // otherwise it holds a bare %, and is taken as it stands
	}
	return address{w, c, rest}, true
}

// bodySize is the size of the body, known before it is decoded.
func bodySize(body []byte, encoded bool) int {
	if !encoded {
		return len(body)
	}
	return base64.RawStdEncoding.DecodedLen(len(bytes.TrimRight(body, "=")))
}

// request makes of the event what connectors read.
func request(e *events.LambdaFunctionURLRequest, body []byte, rest string, received time.Time, spelled spellings) (connector.Request, error) {
	r := connector.Request{
		Method: e.RequestContext.HTTP.Method, Rest: rest, ReceivedAt: received,
		Header: make(http.Header, len(e.Headers)), Body: body,
	}
	r.URL = addressed(e)
	values := make([]string, 0, len(e.Headers)) // of all headers, in one piece
	for name, v := range e.Headers {
		values = append(values, v)
		r.Header[spelled.of(name)] = values[len(values)-1 : len(values) : len(values)]
	}
	if e.RawQueryString != "" {
		// What can't be read of a query is left out; a connector that needs it finds it missing.
		r.Query, _ = url.ParseQuery(e.RawQueryString)
	}
	if !e.IsBase64Encoded {
		return r, nil
	}
	r.Body = make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(r.Body, body)
	r.Body = r.Body[:n]
	return r, err
}

// addressed is the URL as the sender wrote it: some sign it.
func addressed(e *events.LambdaFunctionURLRequest) string {
	host := e.Headers["host"]
	if host == "" {
		return ""
	}
	if e.RawQueryString == "" {
		return "https://" + host + e.RawPath
	}
	return "https://" + host + e.RawPath + "?" + e.RawQueryString
}

// spellings knows how header names that Lambda writes in lower case are spelled:
// to spell those of a webhook anew each time would be a twentieth of its work.
type spellings map[string]string

// usual are the headers that nearly every webhook brings.
const usual = `Accept Accept-Encoding Content-Length Content-Type Host Origin Referer User-Agent
	X-Amzn-Tls-Cipher-Suite X-Amzn-Tls-Version X-Amzn-Trace-Id X-Forwarded-For X-Forwarded-Port X-Forwarded-Proto`

// newSpellings knows the usual headers and those that connectors read.
func newSpellings(connectors []connector.Connector) spellings {
	names := strings.Fields(usual)
	for _, c := range connectors {
		names = slices.Concat(names, c.Manifest.Headers, c.Manifest.Proof)
	}
	s := spellings{}
	for _, name := range names {
		s[strings.ToLower(name)] = http.CanonicalHeaderKey(name)
	}
	return s
}

func (s spellings) of(name string) string {
	if known, ok := s[name]; ok {
		return known
	}
	return http.CanonicalHeaderKey(name)
}

// kept are the headers that the manifest wants stored: no others are.
func kept(names []string, h http.Header) http.Header {
	out := make(http.Header, len(names))
	for _, name := range names {
		name = http.CanonicalHeaderKey(name)
		if v, there := h[name]; there {
			out[name] = v
		}
	}
	return out
}

func missing(names []string, h http.Header) []string {
	var out []string
	for _, name := range names {
		if _, there := h[http.CanonicalHeaderKey(name)]; !there {
			out = append(out, name)
		}
	}
	return out
}

// keyOf asks the source for the delivery's key and makes it one that can be stored
// and written into a URL, whatever the source made of a stranger's headers.
func keyOf(w, c string, src connector.Source, r connector.Request) delivery.Key {
	object, id := src.Key(r)
	return delivery.Key{Workspace: w, Connection: c, Object: storable(object, r.Body), Delivery: storable(id, r.Body)}
}

const maxName = 200

func storable(s string, body []byte) string {
	switch {
	case s == "":
		return connector.Digest(body)
	case len(s) > maxName || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return connector.Digest([]byte(s))
	}
	return s
}

// trace takes the root of X-Ray's trace id, else Lambda's request id, and nothing
// that has another form: the header may be a stranger's.
func trace(e *events.LambdaFunctionURLRequest) string {
	for part := range strings.SplitSeq(e.Headers["x-amzn-trace-id"], ";") {
		root, ok := strings.CutPrefix(strings.TrimSpace(part), "Root=")
		if ok && len(root) == 35 && root[:2] == "1-" && root[10] == '-' && hex(root[2:10]) && hex(root[11:]) {
			return root
		}
	}
	if id := e.RequestContext.RequestID; len(id) == 36 && hex(strings.ReplaceAll(id, "-", "")) {
		return id
	}
	return ""
}

func hex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// sources keeps the source of each connection, which may be costly to make: it
// loads time zones and compiles expressions.
type sources struct {
	mu     sync.Mutex
	byName map[string]source
}

type source struct {
	connector string
	settings  connector.Settings
	made      connector.Source
}

const maxSources = 1_000

func (s *sources) of(w workspace.Workspace, c workspace.Connection, con connector.Connector) (connector.Source, error) {
	name := w.ID + "/" + c.Name
	s.mu.Lock()
	defer s.mu.Unlock()
	old, there := s.byName[name]
	if there && old.connector == c.Connector && old.settings.Country == w.Country && old.settings.Currency == w.Currency &&
		old.settings.Zone == w.Zone && maps.Equal(old.settings.Values, c.Settings) {
		return old.made, nil
	}
	settings := w.SettingsOf(c)
	made, err := con.Source(settings)
	if err != nil {
		return nil, err
	}
	if len(s.byName) >= maxSources {
		clear(s.byName)
	}
	s.byName[name] = source{c.Connector, settings, made}
	return made, nil
}
