package matrix

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/hubspot/simulator"
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
	"loophub/infra/local/ses"
	"loophub/infra/local/sim"
	"loophub/infra/stack/snapshot"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/deps"
	"loophub/shared/aws/hub"
	"loophub/shared/validation"
	"loophub/shared/workspace"
)

const (
	secret     = "a public secret for tests"
	token      = "saigon.a-token-of-sixteen"
	credential = "a-public-token-for-tests"
	front      = "https://hub.example"
	api_       = "api.hubapi.com"
	prefix     = "/loophub"
	id         = "saigon"
	// unhurried is how long a world goes on after each act: longer than anything takes to be tried again.
	unhurried = 2 * time.Hour
	// settled is how long after the definition all is looked at anew.
	settled = 10 * time.Minute
)

// begins is a Sunday morning in Saigon. All that shops tell is older, all that the world itself notes is younger.
var begins = time.Date(2026, 10, 25, 2, 0, 0, 0, time.UTC)

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

// stand is the whole Loophub in a world of its own, with a shop that sends, people who read their mails, an operator at the
// API, and a HubSpot that is written to. Whoever is not heard tries again, as the real ones do.
type stand struct {
	*sim.World
	t       *testing.T
	hubspot *simulator.Simulator
	writer  *definition.Writer
	table   hub.Workspace
	account aws.Config
	acts    int
	waiting map[int]string // acts that are not heard yet, and what they were answered
}

// live runs one world. Where the plan is nil nothing goes wrong but by the theme's weather.
func live(t *testing.T, th theme, plan func(sim.Point) sim.Fault, ends func(s *stand)) {
	t.Helper()
	s := &stand{t: t, waiting: map[int]string{}}
	var err error
	s.hubspot, err = simulator.New(simulator.Config{Token: credential, App: "4711", Secret: secret, Hook: front + "/hooks/saigon/crm",
		Properties: []string{"loophub_segments", "loophub_last_result", "loophub_orders"}, Now: func() time.Time { return s.Now() }})
	if err != nil {
		t.Fatal(err)
	}
	plans := []func(sim.Point) sim.Fault{}
	for _, p := range []func(sim.Point) sim.Fault{plan, th.weather} {
		if p != nil {
			plans = append(plans, p)
		}
	}
	sim.Run(t, sim.Config{Seed: 1, Start: begins, Template: snapshot.Template(), Options: local.Options{Handlers: handlers(), Front: front + "/"},
		Plan: sim.All(plans...), Outside: map[string]http.Handler{api_: s.hubspot}, Wake: s.wake}, func(w *sim.World) {
		s.World = w
		s.open(th.file)
		// Whom a review of new segments looks at before their own change was decided enters by the definition, and begins no
		// journey: so nothing is told before the first is over.
		s.pass(settled)
		th.live(s)
		s.Calm()
		s.pass(unhurried)
		for n, answer := range s.waiting {
			t.Errorf("act %d is never heard: %s", n, answer)
		}
		ends(s)
	})
}

// open uploads the workspace.
func (s *stand) open(file string) {
	s.account = s.Cloud.Config("")
	db := dynamodb.NewFromConfig(s.account)
	name := ""
	for _, t := range s.Cloud.Stack().Tables {
		if t.LogicalID == "HubTable" {
			name = t.Name
		}
	}
	var manifests []connector.Manifest
	for _, c := range all.Connectors() {
		manifests = append(manifests, c.Manifest)
	}
	// TestDefinitions checks the rules of the files, once.
	s.writer = definition.NewWriter(db, ssm.NewFromConfig(s.account), name, prefix, manifests, rand.NewChaCha8([32]byte{7}),
		func(workspace.Workspace, workspace.Refuse) {})
	s.table = hub.New(db, name).In(id)
	s.define(file)
	ctx := context.Background()
	for _, c := range []string{"shop", "website", "email", "crm"} {
		if err := s.writer.SetSecrets(ctx, id, c, []connector.Secret{secret}); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := s.writer.SetCredentials(ctx, id, "crm", map[string]string{"access_token": credential}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.writer.SetTokens(ctx, id, []string{token}); err != nil {
		s.t.Fatal(err)
	}
	// A first sweep would look back for a week.
	if err := s.table.MoveCursor(ctx, 0, begins.UnixMilli()); err != nil {
		s.t.Fatal(err)
	}
}

// define uploads a workspace file.
func (s *stand) define(file string) {
	if _, err := s.writer.Apply(context.Background(), []byte(file)); err != nil {
		s.t.Fatal(err)
	}
}

//go:embed testdata/workspace.yaml
var base string

func TestDefinitions(t *testing.T) {
	for name, th := range themes() {
		live(t, theme{file: th.file, live: func(s *stand) {
			var manifests []connector.Manifest
			for _, c := range all.Connectors() {
				manifests = append(manifests, c.Manifest)
			}
			w := definition.NewWriter(dynamodb.NewFromConfig(s.account), ssm.NewFromConfig(s.account), s.Cloud.Stack().Tables[0].Name, prefix, manifests,
				rand.NewChaCha8([32]byte{7}), validation.Checks(manifests)...)
			if _, err := w.Apply(context.Background(), []byte(th.file)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}}, nil, func(*stand) {})
	}
}

// begin is something that somebody outside does, who tries until he is heard. The answer is there when time has passed.
func (s *stand) begin(request func() *http.Request, good ...int) *[]byte {
	var answer []byte
	s.acts++
	n := s.acts
	s.waiting[n] = "not heard"
	s.Go(fmt.Sprint("act ", n), func() {
		for attempt := 1; attempt <= 10; attempt++ {
			r := s.Send(request())
			answer, _ = io.ReadAll(r.Body) // it lies in memory
			s.waiting[n] = fmt.Sprintf("%d %s", r.StatusCode, answer)
			if r.StatusCode == http.StatusOK || slices.Contains(good, r.StatusCode) {
				delete(s.waiting, n)
				return
			}
			s.Sleep(time.Duration(attempt) * 5 * time.Second)
		}
	})
	return &answer
}

// pass lets time pass, and HubSpot's webhooks come in.
func (s *stand) pass(d time.Duration) {
	until := s.Now().Add(d)
	for {
		l, err := s.hubspot.Webhooks()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, one := range l {
			s.begin(func() *http.Request {
				r := httptest.NewRequest(one.Method, one.URL, bytes.NewReader(one.Body))
				r.Header = one.Header.Clone()
				return r
			})
		}
		if !s.Now().Before(until) {
			return
		}
		s.Pass(min(until.Sub(s.Now()), time.Hour))
	}
}

// shop sends a webhook of the online shop.
func (s *stand) shop(topic, id, body string) { s.shops(telling{topic, id, body}) }

// shops sends several at once.
func (s *stand) shops(l ...telling) {
	s.tell(l...)
	s.pass(unhurried)
}

func (s *stand) tell(l ...telling) {
	for _, one := range l {
		s.begin(func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, front+"/hooks/saigon/shop", strings.NewReader(one.body))
			name, signature := shopify.Sign(secret, []byte(one.body))
			for k, v := range map[string]string{"Content-Type": "application/json", name: signature, "X-Shopify-Topic": one.topic,
				"X-Shopify-Webhook-Id": one.id, "X-Shopify-Shop-Domain": "tra-sen-saigon.myshopify.com"} {
				r.Header.Set(k, v)
			}
			return r
		})
	}
}

// form sends the form of the website.
func (s *stand) form(fields ...string) {
	v := url.Values{"key": {"pk_tra_sen"}}
	for n := 0; n < len(fields); n += 2 {
		v.Set(fields[n], fields[n+1])
	}
	s.begin(func() *http.Request {
		r := httptest.NewRequest(http.MethodPost, front+"/hooks/saigon/website", strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://tra-sen.example")
		return r
	}, http.StatusSeeOther)
	s.pass(unhurried)
}

// ask is an operator at the API, who waits for his answer; start one who does not.
func (s *stand) ask(method, path, body string) map[string]any {
	answer := s.start(method, path, body)
	s.pass(unhurried)
	var v map[string]any
	if err := json.Unmarshal(*answer, &v); err != nil {
		s.t.Errorf("%s %s: %s", method, path, *answer)
	}
	return v
}

func (s *stand) start(method, path, body string) *[]byte {
	return s.begin(func() *http.Request {
		r := httptest.NewRequest(method, front+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		return r
	}, http.StatusAccepted, http.StatusConflict) // a conflict: it was heard before, and the answer got lost
}

// once asks and does not ask again: for what would happen twice.
func (s *stand) once(method, path, body string) {
	answer := false
	s.acts++
	s.Go(fmt.Sprint("act ", s.acts), func() {
		r := httptest.NewRequest(method, front+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		answer = s.Send(r) != nil
	})
	s.pass(unhurried)
	if !answer {
		s.t.Errorf("%s %s hangs", method, path)
	}
}

func (s *stand) get(path string) map[string]any { return s.ask(http.MethodGet, path, "") }

// profile is the id of the profile that an address finds.
func (s *stand) profile(email string) string {
	l, _ := s.get("/v1/profiles?email=" + email)["profiles"].([]any)
	if len(l) == 0 {
		s.t.Errorf("%s is nobody", email)
		return ""
	}
	one, _ := l[0].(map[string]any)
	return fmt.Sprint(one["id"])
}

// profiles are the ids of all fragments.
func (s *stand) profiles() (l []string) {
	for _, item := range s.Cloud.Table("HubTable").Items() {
		if fragment, ok := strings.CutPrefix(item["pk"].Text, id+"#g#"); ok && item["sk"].Text == "STATE" {
			l = append(l, fragment)
		}
	}
	slices.Sort(l)
	return l
}

// visit follows a link of ours; then time passes.
func (s *stand) visit(method, link string) {
	s.follow(method, link)
	s.pass(unhurried)
}

func (s *stand) follow(method, link string) {
	s.begin(func() *http.Request {
		r := httptest.NewRequest(method, link, strings.NewReader("List-Unsubscribe=One-Click"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}, http.StatusFound, http.StatusSeeOther)
}

// mail is the last mail to an address.
func (s *stand) mail(to string) ses.Mail {
	l := s.Cloud.Outbox().Mails()
	for n := len(l) - 1; n >= 0; n-- {
		if l[n].To[0] == to {
			return l[n]
		}
	}
	s.t.Errorf("%s has no mail", to)
	return ses.Mail{}
}

var href = regexp.MustCompile(`href="(https://hub\.example/[^"]+)"`)

// link is the nth link of ours in a mail.
func (s *stand) link(m ses.Mail, n int) string {
	l := href.FindAllStringSubmatch(m.HTML, -1)
	if n >= len(l) {
		s.t.Errorf("mail to %s has %d links", m.To, len(l))
		return front
	}
	return l[n][1]
}

// tells is what SES tells of a mail; then time passes.
func (s *stand) tells(err error) {
	if err != nil {
		s.t.Error(err)
	}
	s.pass(unhurried)
}
