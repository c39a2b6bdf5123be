package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"loophub/infra/local/dispatch"
	"loophub/infra/local/retry"
)

// URL describes a function URL.
type URL struct {
	Function string // name or ARN
	Address  string // https://<id>.lambda-url.<region>.on.aws/
	// Allow is asked before each request; an error is answered with 403.
	Allow func() error
}

// Handler is the function URL as HTTP.
func (s *Service) Handler(u URL) http.Handler {
	domain := strings.Trim(strings.TrimPrefix(u.Address, "https://"), "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := u.Allow(); err != nil {
			refuse(w, http.StatusForbidden, "Forbidden. For troubleshooting Function URL authorization issues, see: "+
				"https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
		if err != nil {
			if _, big := errors.AsType[*http.MaxBytesError](err); big {
				refuse(w, http.StatusRequestEntityTooLarge, tooLarge)
			} // else the caller hung up: nobody reads an answer
			return
		}
		payload, err := json.Marshal(s.request(domain, r, body))
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		result, err := s.Invoke(u.Function, payload)
		var e *dispatch.Error
		switch {
		case errors.As(err, &e) && e.Status == http.StatusRequestEntityTooLarge:
			refuse(w, e.Status, tooLarge)
		case retry.Throttled(err):
			w.Header().Set("X-Amzn-Errortype", e.Code)
			refuse(w, e.Status, e.Message)
		case err != nil || result.Failed:
			if result.Failed {
				w.Header().Set("X-Amzn-Requestid", result.RequestID)
			}
			refuse(w, http.StatusBadGateway, "Internal Server Error")
		default:
			w.Header().Set("X-Amzn-Requestid", result.RequestID)
			respond(w, result.Payload)
		}
	})
}

const tooLarge = "Request Entity Too Large"

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A caller that has hung up needs no answer.
	_ = json.NewEncoder(w).Encode(map[string]string{"Message": message})
}

// request writes an HTTP request as the payload of format 2.0.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, read 2026-11.
func (s *Service) request(domain string, r *http.Request, body []byte) events.LambdaFunctionURLRequest {
	now := s.cfg.Timers.Now()
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	id, _, _ := strings.Cut(domain, ".")
	request := s.requestID()
	trace := fmt.Sprintf("Root=1-%08x-%s", now.Unix(), strings.ReplaceAll(request, "-", "")[8:])
	out := events.LambdaFunctionURLRequest{
		Version:        "2.0",
		RawPath:        r.URL.EscapedPath(),
		RawQueryString: r.URL.RawQuery,
		Headers:        headers(r, source, trace),
		RequestContext: events.LambdaFunctionURLRequestContext{
			AccountID:    "anonymous",
			RequestID:    request,
			APIID:        id,
			DomainName:   domain,
			DomainPrefix: id,
			Time:         now.Format("02/Jan/2006:15:04:05 -0700"),
			TimeEpoch:    now.UnixMilli(),
			HTTP: events.LambdaFunctionURLRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent()},
		},
	}
	if out.RawPath == "" {
		out.RawPath = "/"
	}
	for _, c := range r.Header.Values("Cookie") {
		for part := range strings.SplitSeq(c, ";") {
			out.Cookies = append(out.Cookies, strings.TrimSpace(part))
		}
	}
	out.QueryStringParameters = query(r.URL.RawQuery)
	out.Body, out.IsBase64Encoded = encode(r.Header, body)
	return out
}

// headers are lower-cased, repeated ones joined by commas. Those that AWS's front adds are added here as well.
func headers(r *http.Request, source, trace string) map[string]string {
	out := map[string]string{}
	for name, values := range r.Header {
		if name != "Cookie" {
			out[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	out["host"] = r.Host
	out["x-amzn-trace-id"] = trace
	out["x-forwarded-proto"] = "https"
	out["x-forwarded-port"] = "443"
	if earlier := out["x-forwarded-for"]; earlier != "" {
		source = earlier + "," + source
	}
	out["x-forwarded-for"] = source
	if r.ContentLength >= 0 && r.Body != http.NoBody {
		out["content-length"] = strconv.FormatInt(r.ContentLength, 10)
	}
	return out
}

func query(raw string) map[string]string {
	values, _ := url.ParseQuery(raw) // what it can't read is left out, and stays in rawQueryString
	if len(values) == 0 {
		return nil
	}
	out := map[string]string{}
	for name, v := range values {
		out[name] = strings.Join(v, ",")
	}
	return out
}

// textual are the types, beside text/*, that AWS hands over as they are; all others come in Base64.
var textual = map[string]bool{"application/json": true, "application/xml": true, "application/javascript": true}

func encode(h http.Header, body []byte) (text string, base64Encoded bool) {
	if len(body) == 0 {
		return "", false
	}
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	plain := err == nil && (strings.HasPrefix(media, "text/") || textual[media]) && h.Get("Content-Encoding") == ""
	// JSON could not carry other bytes unchanged, and signatures are over bytes.
	if plain && utf8.Valid(body) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

// respond writes a function's reply. What is no response object is the body of a 200.
func respond(w http.ResponseWriter, payload []byte) {
	var in struct {
		StatusCode      *int           `json:"statusCode"`
		Headers         map[string]any `json:"headers"`
		Body            string         `json:"body"`
		IsBase64Encoded bool           `json:"isBase64Encoded"`
		Cookies         []string       `json:"cookies"`
	}
	if err := json.Unmarshal(payload, &in); err != nil || in.StatusCode == nil {
		w.Header().Set("Content-Type", "application/json")
		var text string
		if json.Unmarshal(payload, &text) == nil {
			payload = []byte(text)
		}
		_, _ = w.Write(payload) // the caller hung up
		return
	}
	body := []byte(in.Body)
	if in.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(in.Body)
		if err != nil {
			refuse(w, http.StatusBadGateway, "Internal Server Error")
			return
		}
		body = decoded
	}
	if *in.StatusCode < 100 || *in.StatusCode > 599 {
		refuse(w, http.StatusBadGateway, "Internal Server Error")
		return
	}
	w.Header().Set("Content-Type", "application/json") // unless the function says otherwise
	for name, value := range in.Headers {
		w.Header().Set(name, fmt.Sprint(value))
	}
	for _, c := range in.Cookies {
		w.Header().Add("Set-Cookie", c)
	}
	w.WriteHeader(*in.StatusCode)
	_, _ = w.Write(body) // the caller hung up
}
