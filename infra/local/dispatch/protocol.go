package dispatch

import (
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// protocol is how one service writes requests and errors.
type protocol struct {
	service   string
	media     string // content type of replies
	namespace string // of error types
	rest      bool   // XML over paths, not JSON by target
	paths     bool   // JSON over paths
	form      bool   // a form that names its operation, XML back
	denied    string // code of a missing permission, where it is not AccessDeniedException
	query     bool   // carries the code of the older query protocol beside the JSON error
}

// targets maps the prefix of X-Amz-Target to the service's protocol.
var targets = map[string]protocol{
	"DynamoDB_20120810":        {service: "dynamodb", media: json10, namespace: "com.amazonaws.dynamodb.v20120810#"},
	"DynamoDBStreams_20120810": {service: "dynamodbstreams", media: json10, namespace: "com.amazonaws.dynamodb.v20120810#"},
	"AmazonSQS":                {service: "sqs", media: json10, namespace: "com.amazonaws.sqs#", query: true},
	"AmazonSSM":                {service: "ssm", media: json11},
	"AWSEvents":                {service: "events", media: json11},
}

var s3Protocol = protocol{service: "s3", media: "application/xml", rest: true, denied: "AccessDenied"}

// sesProtocol is version 2 of the SES API; sns and sts speak the older query protocol.
var (
	sesProtocol = protocol{service: "ses", media: "application/json", paths: true}
	snsProtocol = protocol{service: "sns", media: "text/xml", form: true, denied: "AuthorizationError",
		namespace: "http://sns.amazonaws.com/doc/2010-03-31/"}
	stsProtocol = protocol{service: "sts", media: "text/xml", form: true, denied: "AccessDenied",
		namespace: "https://sts.amazonaws.com/doc/2011-06-15/"}
)

const (
	json10 = "application/x-amz-json-1.0"
	json11 = "application/x-amz-json-1.1"
)

// recognise names the protocol and operation of a request, or says what it could not read.
func recognise(r *http.Request) (protocol, string, *Error) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, operation, _ := strings.Cut(target, ".")
		if p, ok := targets[prefix]; ok && operation != "" {
			return p, operation, nil
		}
		return protocol{media: json10}, "", &Error{Status: http.StatusBadRequest, Code: "UnknownOperationException",
			Message: "the local cloud does not know the target " + target}
	}
	switch credential(r).service {
	case "s3":
		return s3Protocol, s3Operation(r), nil
	case "sts":
		return stsProtocol, "", nil
	case "ses":
		return sesProtocol, sesOperation(r), nil
	case "sns":
		return snsProtocol, "", nil // the form names it, see operationOf
	}
	return protocol{media: json10}, "", &Error{Status: http.StatusBadRequest, Code: "UnknownOperationException",
		Message: "the local cloud does not know the service of " + r.Method + " " + r.URL.Path +
			" (no X-Amz-Target, and the signature is not for s3, ses, sns or sts)"}
}

// sesOperation names the one operation that is known; any other keeps its method and path, for the refusal.
func sesOperation(r *http.Request) string {
	if r.Method == http.MethodPost && r.URL.Path == "/v2/email/outbound-emails" {
		return "SendEmail"
	}
	return r.Method + " " + r.URL.Path
}

// operationOf reads the operation out of a form.
func operationOf(body []byte) (string, *Error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") == "" {
		return "", &Error{Status: http.StatusBadRequest, Code: "MissingAction", Message: "the request is no form with an Action"}
	}
	return form.Get("Action"), nil
}

// s3Operation names an object call as S3 does. What it does not know keeps its method and sub-resource, so that the
// refusal says what was asked.
func s3Operation(r *http.Request) string {
	q := r.URL.Query()
	plain := map[string]string{
		http.MethodPut: "PutObject", http.MethodGet: "GetObject",
		http.MethodHead: "HeadObject", http.MethodDelete: "DeleteObject",
	}
	if r.Method == http.MethodGet && q.Get("list-type") == "2" {
		return "ListObjectsV2"
	}
	id := q.Get("x-id")
	q.Del("x-id")
	if name, ok := plain[r.Method]; ok && len(q) == 0 && (id == "" || id == name) && r.Header.Get("X-Amz-Copy-Source") == "" {
		return name
	}
	if id != "" {
		return id
	}
	if r.URL.RawQuery != "" {
		return r.Method + "?" + r.URL.RawQuery
	}
	return r.Method
}

// scope is the credential scope of a SigV4 Authorization header.
type scope struct{ key, service string }

// credential reads "AWS4-HMAC-SHA256 Credential=KEY/20260102/us-east-1/s3/aws4_request, …".
func credential(r *http.Request) scope {
	_, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if !ok {
		return scope{}
	}
	value, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(value), "/")
	if len(parts) != 5 {
		return scope{}
	}
	return scope{key: parts[0], service: parts[3]}
}

// turnedAway is the protocol's name for a key that is not valid.
func (p protocol) turnedAway(e *Error) *Error {
	code, message := e.Code, e.Message
	switch {
	case e == errUnknownKey && p.rest:
		code, message = "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
	case e == errUnknownKey && (p.form || p.paths):
		code = "InvalidClientTokenId"
	case e == errExpired && (p.form || p.rest):
		code = "ExpiredToken"
	}
	return &Error{Status: e.Status, Code: code, Message: message}
}

// refuse writes an error as the protocol does.
func (p protocol) refuse(e *Error) Reply {
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if p.rest {
		if e.Code == "AccessDeniedException" { // the one error that S3 calls otherwise
			status, e = http.StatusForbidden, &Error{Code: p.denied, Message: e.Message}
		}
		return Reply{Status: status, Header: http.Header{}, Body: xmlError(e)}
	}
	if p.form {
		if e.Code == "AccessDeniedException" { // which the query protocol calls otherwise
			status, e = http.StatusForbidden, &Error{Code: p.denied, Message: e.Message}
		}
		return Reply{Status: status, Header: http.Header{}, Body: p.formError(status, e)}
	}
	if p.paths {
		return pathError(status, e)
	}
	members := map[string]any{"__type": p.namespace + e.Code, "message": e.Message}
	maps.Copy(members, e.Extra)
	body, err := json.Marshal(members)
	if err != nil { // an Extra that is no JSON: a mistake of the service, which its caller shall see
		body = []byte(strconv.Quote(err.Error()))
	}
	h := http.Header{}
	if p.query {
		side := "Sender"
		if status >= http.StatusInternalServerError {
			side = "Receiver"
		}
		h.Set("X-Amzn-Query-Error", queryCode(e.Code)+";"+side)
	}
	return Reply{Status: status, Header: h, Body: body}
}

// queryCode is the code of an SQS error in the older query protocol, which SDKs still report.
func queryCode(code string) string {
	switch code {
	case "QueueDoesNotExist":
		return "AWS.SimpleQueueService.NonExistentQueue"
	case "TooManyEntriesInBatchRequest", "EmptyBatchRequest", "BatchEntryIdsNotDistinct", "InvalidBatchEntryId",
		"BatchRequestTooLong", "MessageNotInflight", "UnsupportedOperation":
		return "AWS.SimpleQueueService." + code
	case "AccessDeniedException", "InvalidParameterValueException", "MissingParameterException":
		return strings.TrimSuffix(code, "Exception")
	}
	return code
}

func xmlError(e *Error) []byte {
	type shape struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
		Key     string `xml:",omitempty"`
	}
	v := shape{Code: e.Code, Message: e.Message}
	if key, ok := e.Extra["Key"].(string); ok {
		v.Key = key
	}
	body, err := xml.Marshal(v)
	if err != nil { // three strings always marshal
		panic(err)
	}
	return append([]byte(xml.Header), body...)
}

// pathError is an error of JSON over paths: its code stands in a header.
func pathError(status int, e *Error) Reply {
	if e.Code == "AccessDeniedException" {
		status = http.StatusForbidden
	}
	body, err := json.Marshal(map[string]string{"message": e.Message})
	if err != nil { // a text always marshals
		panic(err)
	}
	return Reply{Status: status, Header: http.Header{"X-Amzn-Errortype": {e.Code}}, Body: body}
}

// formError is an error of the query protocol.
func (p protocol) formError(status int, e *Error) []byte {
	type inner struct{ Type, Code, Message string }
	type shape struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Space   string   `xml:"xmlns,attr"`
		Error   inner
	}
	v := shape{Space: p.namespace, Error: inner{Type: "Sender", Code: e.Code, Message: e.Message}}
	if status >= http.StatusInternalServerError {
		v.Error.Type = "Receiver"
	}
	body, err := xml.Marshal(v)
	if err != nil { // texts always marshal
		panic(err)
	}
	return body
}

// finish adds the headers that every reply carries.
func (p protocol) finish(r *Reply, requestID string) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Header.Get("Content-Type") == "" && len(r.Body) > 0 {
		r.Header.Set("Content-Type", p.media)
	}
	if p.rest {
		r.Header.Set("X-Amz-Request-Id", requestID)
		return
	}
	r.Header.Set("X-Amzn-Requestid", requestID)
}
