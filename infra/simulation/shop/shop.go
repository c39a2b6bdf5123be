// Package shop puts the whole of Loophub with a shop or two onto a local cloud: the stages, a workspace, a CRM. It
// makes what a shop's systems send, and reads what became of it, straight off the tables.
package shop

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	awslambda "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	connector "loophub/connectors"
	"loophub/connectors/all"
	"loophub/connectors/hubspot"
	"loophub/connectors/hubspot/simulator"
	"loophub/infra/local"
	"loophub/infra/local/lambda"
	"loophub/infra/local/stage"
	"loophub/shared/aws/definition"
	"loophub/shared/aws/hub"
	"loophub/shared/profile"
	"loophub/shared/workspace"
)

// Address is where the front door of a cloud with shops is said to be: local.Options.Front is to be this and a slash, so
// that links in mails lead there, and ingest is addressed as vendors sign it.
const Address = "https://loophub.example"

//go:embed workspace.yaml
var file []byte

// Definition is the file of a workspace with that id: always the same shop, but for the parts of the file that it is to be
// without, such as "journeys".
func Definition(id string, without ...string) []byte {
	text := bytes.Replace(file, []byte("workspace: saigon"), []byte("workspace: "+id), 1)
	for _, part := range without {
		begin := bytes.Index(text, []byte("\n"+part+":"))
		if begin < 0 {
			continue
		}
		rest := text[begin+1:]
		length := len(rest)
		for n := 1; n < len(rest); n++ { // up to the next line that does not lie within
			if rest[n-1] == '\n' && rest[n] != ' ' {
				length = n
				break
			}
		}
		text = append(text[:begin+1:begin+1], rest[length:]...)
	}
	return text
}

// Outside are the systems outside of AWS: HubSpot, with an account for each shop. It is an http.Handler for all of them.
type Outside struct {
	Now func() time.Time
	// Fault, where set, is asked at each call what goes wrong with it.
	Fault func(workspace string, c simulator.Call) simulator.Fault
	// App, where set, is the id under which HubSpot lists our changes; else it is that of the shop's settings, by which the
	// connector knows them at once.
	App string
	// Changed, where set, hears of every call that was answered.
	Changed func(workspace string)

	mu       sync.Mutex
	accounts map[string]*account // by the token that is shown
}

type account struct {
	workspace string
	*simulator.Simulator
}

// Hosts are the systems by host, as sim.Config.Outside takes them.
func (o *Outside) Hosts() map[string]http.Handler {
	host := strings.TrimPrefix(hubspot.New().Manifest.Outbound.Base, "https://")
	return map[string]http.Handler{host: o}
}

// Handlers run the stages. Where the cloud gives them no other way, requests to systems outside go to o.
func (o *Outside) Handlers() map[string]lambda.Factory {
	handlers := stage.Handlers("")
	for name, start := range handlers {
		handlers[name] = func(e lambda.Environment) (awslambda.Handler, error) {
			if e.Transport == nil {
				e.Transport = o
			}
			return start(e)
		}
	}
	return handlers
}

// RoundTrip implements http.RoundTripper.
func (o *Outside) RoundTrip(r *http.Request) (*http.Response, error) {
	a := o.account(r)
	if a == nil {
		return nil, fmt.Errorf("dialling %s: there is no such account", r.URL.Host)
	}
	answer, err := a.RoundTrip(r)
	if o.Changed != nil {
		o.Changed(a.workspace)
	}
	return answer, err
}

// ServeHTTP implements http.Handler.
func (o *Outside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := o.account(r)
	if a == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.ServeHTTP(w, r)
	if o.Changed != nil {
		o.Changed(a.workspace)
	}
}

func (o *Outside) account(r *http.Request) *account {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accounts[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
}

// Shop is one workspace on a cloud, and its systems.
type Shop struct {
	Cloud     *local.Cloud
	Workspace workspace.Workspace
	CRM       *simulator.Simulator
	Token     string // of the API

	id      string
	sources map[string]connector.Source
	ranks   map[string]int
	serial  int
}

// codes is how many voucher codes a shop uploads.
const codes = 7

// Open puts a shop onto a cloud: its definition, secrets and voucher codes, and an account at HubSpot.
// Without are parts of the definition to do without.
func Open(ctx context.Context, c *local.Cloud, o *Outside, id string, without ...string) (*Shop, error) {
	w, err := stage.Apply(ctx, c, Definition(id, without...))
	if err != nil {
		return nil, fmt.Errorf("applying the shop's definition: %w", err)
	}
	s := &Shop{Cloud: c, Workspace: w, Token: stage.Token(id), id: id,
		sources: map[string]connector.Source{}, ranks: map[string]int{}}
	if err := s.connect(); err != nil {
		return nil, err
	}
	for pool := range w.Vouchers {
		var l []string
		for n := range codes {
			l = append(l, fmt.Sprintf("%s-%03d", strings.ToUpper(id), n))
		}
		if _, err := s.Hub().Upload(ctx, pool, l); err != nil {
			return nil, fmt.Errorf("uploading voucher codes: %w", err)
		}
	}
	// Where nobody has swept, the first sweep looks back for a week.
	if err := s.Hub().MoveCursor(ctx, 0, o.Now().UnixMilli()); err != nil {
		return nil, fmt.Errorf("setting the cursor of sweep: %w", err)
	}
	return s, s.account(ctx, o)
}

// connect makes the sources of the connections.
func (s *Shop) connect() error {
	by := map[string]connector.Connector{}
	for _, c := range all.Connectors() {
		by[c.Manifest.Name] = c
	}
	for name, c := range s.Workspace.Connections {
		con := by[c.Connector]
		if con.Source == nil {
			continue
		}
		src, err := con.Source(s.Workspace.SettingsOf(c))
		if err != nil {
			return fmt.Errorf("connection %s: %w", name, err)
		}
		s.sources[name], s.ranks[name] = src, con.Manifest.Rank
	}
	return nil
}

// account opens one at HubSpot, whose webhooks come back to the shop.
func (s *Shop) account(ctx context.Context, o *Outside) error {
	token := stage.Secret + "-" + s.id
	if err := stage.Writer(s.Cloud).SetCredentials(ctx, s.id, "crm", map[string]string{"access_token": token}); err != nil {
		return fmt.Errorf("storing credentials: %w", err)
	}
	config := simulator.Config{Token: token, App: cmp.Or(o.App, s.Workspace.Connections["crm"].Settings["app_id"]),
		Secret: stage.Secret, Hook: s.hook("crm"), Now: o.Now,
		Properties: slices.Sorted(maps.Keys(s.Workspace.Destinations["crm"].Properties))}
	if o.Fault != nil {
		config.Fault = func(c simulator.Call) simulator.Fault { return o.Fault(s.id, c) }
	}
	var err error
	if s.CRM, err = simulator.New(config); err != nil {
		return fmt.Errorf("starting the simulator of HubSpot: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.accounts == nil {
		o.accounts = map[string]*account{}
	}
	o.accounts[token] = &account{s.id, s.CRM}
	return nil
}

// Rules are those by which unify makes profiles of the shop's facts.
func (s *Shop) Rules(ctx context.Context) (profile.Rules, error) {
	account := s.Cloud.Config("")
	db, parameters := dynamodb.NewFromConfig(account), ssm.NewFromConfig(account)
	reader := definition.NewReader(db, parameters, stage.HubTable(s.Cloud), stage.Prefix, time.Now)
	key, err := reader.IdentityKey(ctx, s.id)
	if err != nil {
		return profile.Rules{}, fmt.Errorf("reading the identity key: %w", err)
	}
	return profile.NewRules(key, s.Workspace.Identity.DeniedEmails, s.Workspace.Identity.DeniedPhones), nil
}

// ID is the workspace's.
func (s *Shop) ID() string { return s.id }

// Hub is the shop's part of the Hub table, as the account reads it.
func (s *Shop) Hub() hub.Workspace {
	return hub.New(dynamodb.NewFromConfig(s.Cloud.Config("")), stage.HubTable(s.Cloud)).In(s.id)
}

func (s *Shop) hook(connection string) string { return Address + "/hooks/" + s.id + "/" + connection }
