package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for template.json
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"loophub/infra/local"
	"loophub/infra/local/template"
)

// resources are what the suite works on, by name.
//
//go:embed template.json
var resources []byte

func described() (*template.Stack, error) { return template.Load(resources, "conformance") }

// world is one implementation, empty or with what tests of other keys have left.
type world struct {
	testing.TB
	config  aws.Config
	foreign bool   // not the local cloud: texts of errors may differ as the table of differences says
	server  string // what it calls itself in its replies
}

// dynamoDBLocal is how DynamoDB Local's server begins its name.
const dynamoDBLocal = "Jetty"

// each runs a test on every implementation that this run is about: the one that LOOPHUB_REFEREE names, or else the local
// cloud by both of its doors, each time a fresh one.
func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	if referee != nil {
		test(t, &world{TB: t, config: *referee, foreign: true})
		return
	}
	t.Run("in process", func(t *testing.T) { test(t, inProcess(t)) })
	t.Run("loopback", func(t *testing.T) { test(t, loopback(t)) })
}

// on is the same world for a part of a test.
func (w *world) on(t testing.TB) *world {
	part := *w
	part.TB = t
	return &part
}

func inProcess(t testing.TB) *world { return &world{TB: t, config: cloud(t).Config("")} }

func loopback(t testing.TB) *world {
	c := cloud(t)
	server := httptest.NewServer(c.Endpoint())
	t.Cleanup(server.Close)
	return &world{TB: t, config: aws.Config{Region: template.Region, Credentials: c.Credentials(""),
		HTTPClient: server.Client(), BaseEndpoint: &server.URL}}
}

func cloud(t testing.TB) *local.Cloud {
	t.Helper()
	c, err := local.New(resources, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answer is a reply as the protocol has it.
type answer struct {
	Code, Message string         // "" of a success
	Body          map[string]any // of an error: its further members
}

func (a answer) String() string {
	body, err := json.Marshal(a.Body)
	switch {
	case err != nil:
		return err.Error()
	case a.Code == "":
		return string(body)
	case len(a.Body) > 0:
		return a.Code + ": " + a.Message + " " + string(body)
	}
	return a.Code + ": " + a.Message
}

// ask makes a DynamoDB request as it stands: the SDK refuses to send half of what the service has to refuse.
func (w *world) ask(operation string, request []byte) answer {
	w.Helper()
	url := "https://dynamodb." + w.config.Region + ".amazonaws.com/"
	if w.config.BaseEndpoint != nil {
		url = *w.config.BaseEndpoint
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(request))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	credentials, err := w.config.Credentials.Retrieve(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	digest := sha256.Sum256(request)
	err = v4.NewSigner().SignHTTP(context.Background(), credentials, r, hex.EncodeToString(digest[:]), "dynamodb",
		w.config.Region, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	reply, err := w.config.HTTPClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer reply.Body.Close()
	w.server, _, _ = strings.Cut(reply.Header.Get("Server"), "(")
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		w.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		w.Fatalf("%s answers with %d and %q: %v", operation, reply.StatusCode, text, err)
	}
	if reply.StatusCode == http.StatusOK {
		return answer{Body: body}
	}
	a := answer{Body: maps.Clone(body)}
	for name, v := range body {
		switch name {
		case "__type":
			a.Code = fmt.Sprint(v)[strings.IndexByte(fmt.Sprint(v), '#')+1:]
		case "message", "Message":
			a.Message = fmt.Sprint(v)
		default:
			continue
		}
		delete(a.Body, name)
	}
	return a
}

// same fails unless what came is what was expected.
func (w *world) same(what string, got, want any) {
	w.Helper()
	if d := cmp.Diff(want, got); d != "" {
		w.Errorf("%s (-want +got):\n%s", what, d)
	}
}
