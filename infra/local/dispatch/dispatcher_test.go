package dispatch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// echo answers with the body it got, and refuses in the way that the operation names.
type echo struct{ seen []Call }

func (e *echo) Needs(c Call) ([]Need, error) {
	return []Need{{Action: c.Service + ":" + c.Operation, Resource: "arn:thing"}}, nil
}

func (e *echo) Serve(_ context.Context, c Call) (Reply, error) {
	e.seen = append(e.seen, c)
	switch c.Operation {
	case "Conflict":
		return Reply{}, &Error{Status: 400, Code: "ConditionalCheckFailedException", Message: "no", Extra: map[string]any{"Item": 1}}
	case "Break":
		return Reply{}, errors.New("a bug")
	}
	return Reply{Status: 200, Body: c.Body}, nil
}

type only string // the one action that is allowed

func (o only) Authorise(p string, n Need) error {
	if p == "" || n.Action == string(o) {
		return nil
	}
	return &Error{Status: 400, Code: "AccessDeniedException", Message: p + " may not " + n.Action}
}

func request(target, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://dynamodb.us-east-1.amazonaws.com/", strings.NewReader(body))
	r.RequestURI = ""
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	return r
}

func do(t *testing.T, d *Dispatcher, principal string, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := d.Client(principal).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestCallsAreRecognisedAuthorisedCountedAndServed(t *testing.T) {
	service := &echo{}
	d := New(only("dynamodb:PutItem"))
	d.Register("dynamodb", service)
	for _, test := range []struct {
		target string
		status int
		body   string
		header string // a part of the error header of SQS
	}{
		{"DynamoDB_20120810.PutItem", 200, "hello", ""},
		{"DynamoDB_20120810.GetItem", 400, `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"role may not dynamodb:GetItem"}`, ""},
		{"AmazonSQS.SendMessage", 400, `{"__type":"com.amazonaws.sqs#UnknownOperationException","message":"the local cloud does not implement sqs:SendMessage"}`, "UnknownOperationException;Sender"},
		{"Kinesis_20131202.PutRecord", 400, `{"__type":"UnknownOperationException","message":"the local cloud does not know the target Kinesis_20131202.PutRecord"}`, ""},
		{"", 400, `{"__type":"UnknownOperationException","message":"the local cloud does not know the service of POST / (no X-Amz-Target, and the signature is not for s3, ses, sns or sts)"}`, ""},
	} {
		resp, body := do(t, d, "role", request(test.target, "hello"))
		if resp.StatusCode != test.status || body != test.body || resp.Header.Get("X-Amzn-Query-Error") != test.header {
			t.Errorf("%s: %d %s %v", test.target, resp.StatusCode, body, resp.Header)
		}
		if resp.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: no request id", test.target)
		}
	}
	if len(service.seen) != 1 || service.seen[0].Principal != "role" {
		t.Errorf("served %v", service.seen)
	}
	if n := d.Counts()[Count{"role", "dynamodb", "GetItem", "AccessDeniedException"}]; n != 1 {
		t.Errorf("counts: %v", d.Counts())
	}
	if got := d.Operations("role"); !slices.Equal(got, []string{"dynamodb:PutItem"}) {
		t.Errorf("operations: %v", got)
	}
}

func TestErrorsKeepTheirMembers(t *testing.T) {
	d := New(only(""))
	d.Register("dynamodb", &echo{})
	resp, body := do(t, d, "", request("DynamoDB_20120810.Conflict", ""))
	want := `{"Item":1,"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no"}`
	if resp.StatusCode != 400 || body != want {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, d, "", request("DynamoDB_20120810.Break", "")); resp.StatusCode != 500 || !strings.Contains(body, "a bug") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestACallerThatGaveUpLearnsNothing(t *testing.T) {
	d := New(only(""))
	service := &echo{}
	d.Register("dynamodb", service)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Client("").Do(request("DynamoDB_20120810.PutItem", "").WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(service.seen) != 0 {
		t.Error("the call took effect")
	}
}

func TestS3OperationsAreReadFromMethodAndQuery(t *testing.T) {
	for line, want := range map[string]string{
		"PUT /b/k":                   "PutObject",
		"PUT /b/k?x-id=PutObject":    "PutObject",
		"GET /b/k?x-id=GetObject":    "GetObject",
		"HEAD /b/k":                  "HeadObject",
		"DELETE /b/k":                "DeleteObject",
		"GET /b?list-type=2":         "ListObjectsV2",
		"POST /b/k?uploads":          "POST?uploads",
		"GET /b/k?x-id=GetObjectAcl": "GetObjectAcl",
		"PUT /b/k?partNumber=1":      "PUT?partNumber=1",
	} {
		method, url, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(method, url, nil)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=KEY/20260102/us-east-1/s3/aws4_request, SignedHeaders=host")
		p, got, err := recognise(r)
		if err != nil || p.service != "s3" || got != want {
			t.Errorf("%s: %s %s %v, want %s", line, p.service, got, err, want)
		}
	}
}

func TestUnchunk(t *testing.T) {
	body, trailer, err := unchunk([]byte("4\r\nWiki\r\n5;chunk-signature=ab\r\npedia\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"))
	if err != nil || string(body) != "Wikipedia" || trailer.Get("X-Amz-Checksum-Crc32") != "AAAAAA==" {
		t.Errorf("%q %v %v", body, trailer, err)
	}
	for _, broken := range []string{"", "4\r\nWik", "5\r\nWikix\n", "x\r\n", "4\r\nWiki\r\n", "0\r\nno colon\r\n", "-1\r\n", "ffffffffff\r\n"} {
		if _, _, err := unchunk([]byte(broken)); !errors.Is(err, errFraming) {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

func FuzzUnchunk(f *testing.F) {
	f.Add([]byte("4\r\nWiki\r\n0\r\na:b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, _, err := unchunk(b)
		if err == nil && len(body) > len(b) {
			t.Errorf("%d bytes came out of %d", len(body), len(b))
		}
	})
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	var v struct{ A int }
	err := Decode([]byte(`{"A":1,"B":2}`), &v)
	var e *Error
	if !errors.As(err, &e) || e.Code != "SerializationException" || !strings.Contains(e.Message, `"B"`) {
		t.Errorf("got %v", err)
	}
}

func TestNeedsAreWatched(t *testing.T) {
	d := New(only("dynamodb:PutItem"))
	d.Register("dynamodb", &echo{})
	var told []string
	d.Watch = func(principal string, n Need, err error) {
		told = append(told, strings.TrimSpace(principal+" "+n.Action+" "+n.Resource)+" "+asText(err))
	}
	do(t, d, "role", request("DynamoDB_20120810.PutItem", ""))
	do(t, d, "role", request("DynamoDB_20120810.GetItem", ""))
	do(t, d, "", request("DynamoDB_20120810.Conflict", ""))
	do(t, d, "role", request("AmazonSQS.SendMessage", "")) // nobody knows what it needs
	want := []string{"role dynamodb:PutItem arn:thing done", "role dynamodb:GetItem arn:thing AccessDeniedException: role may not dynamodb:GetItem",
		"dynamodb:Conflict arn:thing ConditionalCheckFailedException: no"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func asText(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}
