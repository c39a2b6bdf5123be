package sim_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/shopify"
	api "loophub/functions/api/wiring"
	attribution "loophub/functions/attribution/wiring"
	ingest "loophub/functions/ingest/wiring"
	journey "loophub/functions/journey/wiring"
	links "loophub/functions/links/wiring"
	message "loophub/functions/message/wiring"
	publish "loophub/functions/publish/wiring"
	segment "loophub/functions/segment/wiring"
	sweep "loophub/functions/sweep/wiring"
	unify "loophub/functions/unify/wiring"
	writeback "loophub/functions/writeback/wiring"
	"loophub/infra/local"
	"loophub/infra/local/lambda"
	"loophub/infra/local/sim"
	"loophub/infra/stack/snapshot"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/validation"
)

const secret = "a public secret for tests"

var stages = map[string]func(deps.Deps) (awslambda.Handler, error){
	"ingest": ingest.New, "unify": unify.New, "publish": publish.New, "segment": segment.New, "journey": journey.New, "message": message.New,
	"attribution": attribution.New, "writeback": writeback.New, "links": links.New, "api": api.New, "sweep": sweep.New,
}

func handlers() map[string]lambda.Factory {
	m := map[string]lambda.Factory{}
	for name, wire := range stages {
		m[name] = func(e lambda.Environment) (awslambda.Handler, error) { return wire(deps.Deps(e)) }
	}
	return m
}

// apply uploads the demo's workspace.
func apply(t testing.TB, w *sim.World) {
	text, err := os.ReadFile("../../../testdata/demo/workspace.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var manifests []connector.Manifest
	for _, c := range all.Connectors() {
		manifests = append(manifests, c.Manifest)
	}
	account := w.Cloud.Config("")
	var table string
	for _, x := range w.Cloud.Stack().Tables {
		if x.LogicalID == "HubTable" {
			table = x.Name
		}
	}
	writer := definition.NewWriter(dynamodb.NewFromConfig(account), ssm.NewFromConfig(account), table, "/loophub", manifests, rand.NewChaCha8([32]byte{7}), validation.Checks(manifests)...)
	done, err := writer.Apply(w.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	for name := range done.Workspace.Connections {
		if err := writer.SetSecrets(w.Context(), done.Workspace.ID, name, []connector.Secret{secret}); err != nil {
			t.Fatal(err)
		}
		if err := writer.SetCredentials(w.Context(), done.Workspace.ID, name, map[string]string{"access_token": secret}); err != nil {
			t.Fatal(err)
		}
	}
}

var order = `{"id":%d,"admin_graphql_api_id":"gid://shopify/Order/%d","created_at":"2026-09-01T09:%02d:00+07:00","updated_at":"2026-09-01T09:%02d:00+07:00","processed_at":"2026-09-01T09:%02d:00+07:00","currency":"VND","total_price":"450000","current_total_price":"450000","financial_status":"paid","email":"p%d@example.vn","customer":{"id":%d,"email":"p%d@example.vn","first_name":"Lan","state":"enabled","updated_at":"2026-09-01T09:00:00+07:00","email_marketing_consent":{"state":"subscribed","opt_in_level":"single_opt_in","consent_updated_at":"2026-08-01T00:00:00+07:00"}},"line_items":[]}`

func webhook(n, person int) *http.Request {
	body := fmt.Appendf(nil, order, 1000+n, 1000+n, n%60, n%60, n%60, person, 500+person, person)
	r := httptest.NewRequest(http.MethodPost, "https://hub.example/hooks/saigon/shop", bytes.NewReader(body))
	name, signature := shopify.Sign(secret, body)
	for k, v := range map[string]string{"Content-Type": "application/json", name: signature, "X-Shopify-Topic": "orders/create",
		"X-Shopify-Webhook-Id": fmt.Sprint("w", n), "X-Shopify-Shop-Domain": "tra-sen-saigon.myshopify.com"} {
		r.Header.Set(k, v)
	}
	return r
}

func play(t *testing.T, seed uint64, plan func(sim.Point) sim.Fault) (digest string, calls int) {
	sim.Run(t, sim.Config{Seed: seed, Start: time.Date(2026, 9, 1, 3, 0, 0, 0, time.UTC), Template: snapshot.Template(), Record: true,
		Options: local.Options{Handlers: handlers()}, Plan: plan}, func(w *sim.World) {
		apply(t, w)
		for n := range 50 {
			w.Go(fmt.Sprint("shop ", n), func() {
				for {
					resp := w.Send(webhook(n, n%5))
					b, _ := io.ReadAll(resp.Body)
					if resp.StatusCode == 200 {
						return
					}
					if plan == nil {
						t.Errorf("answered %d %s", resp.StatusCode, b)
						return
					}
					w.Sleep(time.Duration(10+n) * time.Second)
				}
			})
		}
		w.Pass(10 * time.Minute)
		w.Calm()
		w.Pass(10 * time.Minute)
		digest, calls = w.Digest(), len(w.Points())
	})
	return
}

func TestSame(t *testing.T) {
	for seed := range uint64(3) {
		start := time.Now()
		d, n := play(t, seed, nil)
		el := time.Since(start)
		e, _ := play(t, seed, nil)
		t.Log(d[:12], e[:12], n, el, el/time.Duration(n))
		if d != e { t.Error("differ") }
		d, n = play(t, seed, sim.Chaos(seed, 100))
		e, _ = play(t, seed, sim.Chaos(seed, 100))
		t.Log(d[:12], e[:12], n)
		if d != e { t.Error("differ with faults") }
	}
}
